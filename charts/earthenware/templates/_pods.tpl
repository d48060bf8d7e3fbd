{{/* What every pod of this chart has in common: the restricted pod security standard and no token. */}}

{{/* Security of a pod that runs as one user; call with the user's number. Without service links no Service's name can
     become a variable, such as MLFLOW_PORT, that a program takes for its setting. */}}
{{- define "earthenware.podSecurity" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: {{ . }}
  runAsGroup: {{ . }}
  fsGroup: {{ . }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- end -}}

{{- define "earthenware.containerSecurity" -}}
securityContext:
  runAsNonRoot: true
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
  seccompProfile:
    type: RuntimeDefault
{{- end -}}

{{- define "earthenware.pullSecrets" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* A container of the platform image: image, security, and the two folders it may write to. */}}
{{- define "earthenware.platformContainer" -}}
image: {{ include "earthenware.image" (list . .Values.image) }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
workingDir: /scratch
{{ include "earthenware.containerSecurity" . }}
{{- end -}}

{{- define "earthenware.scratchEnv" -}}
- name: HOME
  value: /scratch
- name: TMPDIR
  value: /scratch
{{- end -}}

{{- define "earthenware.scratchMounts" -}}
- name: scratch
  mountPath: /scratch
- name: tmp
  mountPath: /tmp
{{- end -}}

{{/* Call with the size of /scratch. */}}
{{- define "earthenware.scratchVolumes" -}}
- name: scratch
  emptyDir:
    sizeLimit: {{ . }}
- name: tmp
  emptyDir:
    sizeLimit: 256Mi
{{- end -}}

{{/* A mesh's sidecar would never let a job end. */}}
{{- define "earthenware.noSidecar" -}}
sidecar.istio.io/inject: "false"
{{- end -}}
