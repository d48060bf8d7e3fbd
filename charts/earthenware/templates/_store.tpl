{{/* The object store. */}}

{{- define "earthenware.storeEndpoint" -}}
{{- if .Values.trial.seaweedfs.enabled -}}
{{- printf "http://%s:8333" (include "earthenware.host" (list . "seaweedfs")) -}}
{{- else -}}
{{- .Values.store.endpoint | trimSuffix "/" -}}
{{- end -}}
{{- end -}}

{{/* The port of the endpoint: 443 where it says nothing else. */}}
{{- define "earthenware.storePort" -}}
{{- $url := urlParse (include "earthenware.storeEndpoint" .) -}}
{{- $port := regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) -}}
{{- default (ternary "80" "443" (eq $url.scheme "http")) $port -}}
{{- end -}}

{{- define "earthenware.storeEnv" -}}
- name: AWS_REGION
  value: {{ .Values.store.region | quote }}
- name: AWS_DEFAULT_REGION
  value: {{ .Values.store.region | quote }}
{{- with include "earthenware.storeEndpoint" . }}
- name: AWS_ENDPOINT_URL
  value: {{ . | quote }}
- name: MLFLOW_S3_ENDPOINT_URL
  value: {{ . | quote }}
{{- end }}
{{- if .Values.store.existingSecret }}
{{ include "earthenware.storeCredentials" . }}
{{- end }}
{{- end -}}

{{- define "earthenware.storeCredentials" -}}
{{- range list "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY" }}
- name: {{ . }}
  valueFrom:
    secretKeyRef:
      name: {{ $.Values.store.existingSecret }}
      key: {{ . }}
{{- end }}
{{- end -}}
