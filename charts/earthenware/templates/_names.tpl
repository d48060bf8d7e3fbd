{{/* Names. The full name is cut at 40 characters, so that every name made of it, and the labels that Kubernetes makes
     of those (a StatefulSet's adds 11), stay within 63. */}}

{{- define "earthenware.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "earthenware.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "earthenware.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "earthenware.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "earthenware.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "earthenware.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "earthenware.stepsNamespace" -}}
{{- default .Release.Namespace .Values.steps.namespace -}}
{{- end -}}

{{/* Full DNS name of one of this release's Services; call with (list $ "mlflow"). */}}
{{- define "earthenware.host" -}}
{{- $root := index . 0 -}}
{{- printf "%s-%s.%s.svc.%s" (include "earthenware.fullname" $root) (index . 1) $root.Release.Namespace $root.Values.clusterDomain -}}
{{- end -}}

{{- define "earthenware.mlflowUrl" -}}
{{- printf "http://%s:%v" (include "earthenware.host" (list . "mlflow")) .Values.mlflow.port -}}
{{- end -}}

{{/* repository:tag or repository@digest; call with (list $ .Values.image). */}}
{{- define "earthenware.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository (default $root.Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "earthenware.selectorLabels" -}}
app.kubernetes.io/name: {{ include "earthenware.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "earthenware.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 }}
{{ include "earthenware.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: earthenware
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Labels of a pod of a component; call with (list $ "mlflow"). */}}
{{- define "earthenware.podLabels" -}}
{{ include "earthenware.labels" (index . 0) }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* What selects a component's pods; call with (list $ "mlflow"). */}}
{{- define "earthenware.componentSelector" -}}
{{ include "earthenware.selectorLabels" (index . 0) }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* metadata.annotations of an object; call with (list $ $more), where $more may be empty. */}}
{{- define "earthenware.annotations" -}}
{{- $all := merge (dict) (index . 1) (index . 0).Values.commonAnnotations -}}
{{- with $all }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The service account that whole runs can use: that of the chart where Kubeflow's role is bound to it, else the first
     of the existing ones, else Kubeflow's own. */}}
{{- define "earthenware.stepsAccount" -}}
{{- $steps := .Values.steps -}}
{{- if and $steps.serviceAccount.create $steps.rbac.kubeflowRole.name -}}
{{- $steps.serviceAccount.name -}}
{{- else -}}
{{- first (append $steps.rbac.serviceAccounts "") -}}
{{- end -}}
{{- end -}}
