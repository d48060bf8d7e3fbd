{{/* The environment of MLflow's server. */}}

{{/* Host headers that the server accepts: every name of its Service, with and without the port; localhost for
     port-forwards; the ingress; and what the values add. Any other is answered with 403. */}}
{{- define "earthenware.allowedHosts" -}}
{{- $service := printf "%s-mlflow" (include "earthenware.fullname" .) -}}
{{- $local := printf "%s.%s" $service .Release.Namespace -}}
{{- $hosts := list -}}
{{- range list $service $local (printf "%s.svc" $local) (include "earthenware.host" (list . "mlflow")) -}}
{{- $hosts = concat $hosts (list . (printf "%s:%v" . $.Values.mlflow.port)) -}}
{{- end -}}
{{- $hosts = concat $hosts (list "localhost" "localhost:*" "127.0.0.1" "127.0.0.1:*") -}}
{{- if .Values.mlflow.ingress.enabled -}}
{{- $hosts = append $hosts .Values.mlflow.ingress.host -}}
{{- end -}}
{{- concat $hosts .Values.mlflow.allowedHosts | uniq | join "," -}}
{{- end -}}

{{- define "earthenware.mlflowEnv" -}}
- name: MLFLOW_AUTH_CONFIG_PATH
  value: /etc/earthenware/mlflow/auth.ini
- name: MLFLOW_SERVER_ALLOWED_HOSTS
  value: {{ include "earthenware.allowedHosts" . | quote }}
{{- with .Values.mlflow.ingress }}
{{- if .enabled }}
- name: MLFLOW_SERVER_CORS_ALLOWED_ORIGINS
  value: {{ printf "%s://%s" (ternary "https" "http" (not (empty .tlsSecret))) .host | quote }}
{{- end }}
{{- end }}
- name: MLFLOW_SERVER_ENABLE_JOB_EXECUTION  # its job runners would take 2 GiB and serve nothing here
  value: "false"
- name: MLFLOW_DISABLE_TELEMETRY
  value: "true"
{{- range list "MLFLOW_AUTH_ADMIN_USERNAME" "MLFLOW_AUTH_ADMIN_PASSWORD" "MLFLOW_FLASK_SERVER_SECRET_KEY" }}
- name: {{ . }}
  valueFrom:
    secretKeyRef:
      name: {{ $.Values.mlflow.existingSecret }}
      key: {{ . }}
{{- end }}
{{- end -}}
