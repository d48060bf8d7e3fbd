{{/* The database. libpq reads its address and credentials from the environment, so the URI that MLflow is given names
     only the database: no secret stands in an argument, a ConfigMap or an error message, and any password works. */}}

{{- define "earthenware.databaseHost" -}}
{{- if .Values.trial.postgresql.enabled -}}
{{- include "earthenware.host" (list . "postgresql") -}}
{{- else -}}
{{- required "Set database.host to the host name of your PostgreSQL, or trial.postgresql.enabled for a trial." .Values.database.host -}}
{{- end -}}
{{- end -}}

{{- define "earthenware.databasePort" -}}
{{- ternary 5432 .Values.database.port .Values.trial.postgresql.enabled -}}
{{- end -}}

{{- define "earthenware.databaseUri" -}}
{{- printf "postgresql+psycopg2:///%s" . -}}
{{- end -}}

{{- define "earthenware.databaseEnv" -}}
- name: PGHOST
  value: {{ include "earthenware.databaseHost" . | quote }}
- name: PGPORT
  value: {{ include "earthenware.databasePort" . | quote }}
- name: PGCONNECT_TIMEOUT
  value: "10"
- name: PGSSLMODE
  value: {{ ternary "disable" .Values.database.sslMode .Values.trial.postgresql.enabled }}
{{- if .Values.database.caSecret }}
- name: PGSSLROOTCERT
  value: /etc/earthenware/database-ca/ca.crt
{{- end }}
- name: PGUSER
  valueFrom:
    secretKeyRef:
      name: {{ .Values.database.existingSecret }}
      key: {{ .Values.database.usernameKey }}
- name: PGPASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ .Values.database.existingSecret }}
      key: {{ .Values.database.passwordKey }}
{{- end -}}

{{- define "earthenware.databaseMounts" -}}
{{- if .Values.database.caSecret }}
- name: database-ca
  mountPath: /etc/earthenware/database-ca
  readOnly: true
{{- end }}
{{- end -}}

{{- define "earthenware.databaseVolumes" -}}
{{- if .Values.database.caSecret }}
- name: database-ca
  secret:
    secretName: {{ .Values.database.caSecret }}
    defaultMode: 0440
    items:
      - key: ca.crt
        path: ca.crt
{{- end }}
{{- end -}}

{{/* One container that brings a database to this version's schema; call with (list $ "tracking") or (list $ "auth").
     MLflow's command makes the tables of an empty database and does nothing where they are up to date. */}}
{{- define "earthenware.migration" -}}
{{- $root := index . 0 -}}
{{- $database := index . 1 -}}
- name: {{ $database }}
  {{- include "earthenware.platformContainer" $root | nindent 2 }}
  {{- if eq $database "tracking" }}
  args: [mlflow, db, upgrade, {{ include "earthenware.databaseUri" $root.Values.database.name | quote }}]
  {{- else }}
  args: [python, -m, mlflow.server.auth, db, upgrade, --url, {{ include "earthenware.databaseUri" $root.Values.database.authName | quote }}]
  {{- end }}
  env:
    {{- include "earthenware.scratchEnv" $root | nindent 4 }}
    - name: MLFLOW_DISABLE_TELEMETRY
      value: "true"
    {{- include "earthenware.databaseEnv" $root | nindent 4 }}
  resources:
    {{- toYaml $root.Values.mlflow.migration.resources | nindent 4 }}
  volumeMounts:
    {{- include "earthenware.scratchMounts" $root | nindent 4 }}
    {{- include "earthenware.databaseMounts" $root | nindent 4 }}
{{- end -}}
