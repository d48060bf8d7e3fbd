{{/* Rules of the network policies. */}}

{{- define "earthenware.egressDns" -}}
- to:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: {{ .Values.networkPolicy.dnsNamespace }}
    {{- range .Values.networkPolicy.dnsCidrs }}
    - ipBlock:
        cidr: {{ . }}
    {{- end }}
  ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
{{- end -}}

{{/* One port of some addresses, or of any address; call with (dict "port" p "cidrs" list). */}}
{{- define "earthenware.egressOutside" -}}
- ports:
    - {port: {{ .port }}, protocol: TCP}
  {{- with .cidrs }}
  to:
    {{- range . }}
    - ipBlock:
        cidr: {{ . }}
    {{- end }}
  {{- end }}
{{- end -}}

{{/* One port of a component of this release; call with (list $ "mlflow" port). */}}
{{- define "earthenware.egressComponent" -}}
- to:
    - podSelector:
        matchLabels:
          {{- include "earthenware.componentSelector" (list (index . 0) (index . 1)) | nindent 10 }}
  ports:
    - {port: {{ index . 2 }}, protocol: TCP}
{{- end -}}

{{- define "earthenware.egressDatabase" -}}
{{- if .Values.trial.postgresql.enabled -}}
{{ include "earthenware.egressComponent" (list . "postgresql" 5432) }}
{{- else -}}
{{ include "earthenware.egressOutside" (dict "port" (include "earthenware.databasePort" .) "cidrs" .Values.networkPolicy.databaseCidrs) }}
{{- end -}}
{{- end -}}

{{- define "earthenware.egressStore" -}}
{{- if .Values.trial.seaweedfs.enabled -}}
{{ include "earthenware.egressComponent" (list . "seaweedfs" 8333) }}
{{- else -}}
{{ include "earthenware.egressOutside" (dict "port" (include "earthenware.storePort" .) "cidrs" .Values.networkPolicy.storeCidrs) }}
{{- end -}}
{{- end -}}

{{/* Peers: components of this release; call with (list $ "mlflow" "bucket"). */}}
{{- define "earthenware.fromComponents" -}}
{{- $root := index . 0 -}}
{{- range rest . }}
- podSelector:
    matchLabels:
      {{- include "earthenware.componentSelector" (list $root .) | nindent 6 }}
{{- end }}
{{- end -}}

{{/* Peers: the namespaces of the steps, of Kubeflow, and what the values add. */}}
{{- define "earthenware.fromNamespaces" -}}
{{- $own := list (include "earthenware.stepsNamespace" .) .Values.kubeflow.namespace -}}
{{- range concat $own .Values.networkPolicy.namespaces | uniq }}
- namespaceSelector:
    matchLabels:
      kubernetes.io/metadata.name: {{ . }}
{{- end }}
{{- end -}}
