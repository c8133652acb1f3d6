{{- define "stream-inspector.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else -}}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{- end -}}
{{- end -}}

{{- define "stream-inspector.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "stream-inspector.labels" -}}
{{ include "stream-inspector.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{- define "stream-inspector.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{/* Settings that both processes share, in the words of their YAML files */}}
{{- define "stream-inspector.sharedConfig" -}}
kafka:
  bootstrap_servers: {{ .Values.kafka.bootstrapServers | quote }}
  max_frame_bytes: {{ .Values.kafka.maxFrameBytes | int64 }}
  session_timeout_ms: {{ .Values.kafka.sessionTimeoutMs | int64 }}
{{- if not .Values.redis.existingSecret }}
redis:
  url: {{ .Values.redis.url | quote }}
{{- end }}
topics:
  frames: {{ .Values.topics.frames }}
  outcomes: {{ .Values.topics.outcomes }}
  defects: {{ .Values.topics.defects }}
  dead_letters: {{ .Values.topics.deadLetters }}
  alarms: {{ .Values.topics.alarms }}
  create: false
log:
  format: json
health:
  host: 0.0.0.0
  port: {{ .Values.healthPort | int64 }}
{{- end -}}

{{- define "stream-inspector.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "stream-inspector.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "stream-inspector.redisEnv" -}}
{{- with .Values.redis.existingSecret }}
- name: STREAM_INSPECTOR_REDIS__URL
  valueFrom:
    secretKeyRef:
      name: {{ . }}
      key: {{ $.Values.redis.existingSecretKey }}
{{- end }}
{{- end -}}
