{{/* Settings that all processes share, in the words of their YAML files. */}}
{{- define "stream-inspector.sharedConfig" -}}
kafka:
  bootstrap_servers: {{ .Values.kafka.bootstrapServers | quote }}
  max_frame_bytes: {{ .Values.kafka.maxFrameBytes | int64 }}
  session_timeout_ms: {{ .Values.kafka.sessionTimeoutMs | int64 }}
  hung_after_s: {{ max 45 (add 15 (div (.Values.kafka.sessionTimeoutMs | int64) 1000)) }}
  security: {{- include "stream-inspector.kafkaSecurity" . | nindent 4 }}
topics:
  frames: {{ .Values.topics.frames }}
  outcomes: {{ .Values.topics.outcomes }}
  shadows: {{ .Values.topics.shadows }}
  defects: {{ .Values.topics.defects }}
  dead_letters: {{ .Values.topics.deadLetters }}
  resolutions: {{ .Values.topics.resolutions }}
  camera_states: {{ .Values.topics.cameraStates }}
  reviews: {{ .Values.topics.reviews }}
  alarms: {{ .Values.topics.alarms }}
  partitions: {{ .Values.topics.partitions | int64 }}
  create: false
log:
  level: {{ .Values.log.level }}
  format: json
health:
  host: {{ .Values.healthHost | quote }}
  port: {{ .Values.healthPort | int64 }}
{{- with .Values.tracing.endpoint }}
tracing:
  endpoint: {{ . | quote }}
  sample_share: {{ $.Values.tracing.sampleShare }}
{{- end }}
{{- end -}}

{{- define "stream-inspector.kafkaSecurity" -}}
{{- with .Values.kafka.security -}}
protocol: {{ .protocol }}
{{- if hasPrefix "SASL_" .protocol }}
mechanism: {{ .mechanism }}
password_file: /etc/stream-inspector-secrets/kafka-auth/password
{{- end }}
{{- if hasSuffix "SSL" .protocol }}
tls: {{- include "stream-inspector.tls" (dict "tls" .tls "folder" "kafka-tls") | nindent 2 }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* Takes a dict of tls (values) and folder (of the mounted PEM files). */}}
{{- define "stream-inspector.tls" -}}
{{- $folder := printf "/etc/stream-inspector-secrets/%s" .folder -}}
check_hostname: {{ .tls.checkHostname }}
{{- if .tls.existingSecret }}
{{- if .tls.caKey }}
ca_file: {{ $folder }}/ca.pem
{{- end }}
{{- if .tls.certificateKey }}
certificate_file: {{ $folder }}/certificate.pem
key_file: {{ $folder }}/key.pem
{{- end }}
{{- if .tls.keyPasswordKey }}
key_password_file: {{ $folder }}/key-password
{{- end }}
{{- end }}
{{- end -}}

{{- define "stream-inspector.redisConfig" -}}
redis:
  {{- if ne (include "stream-inspector.redisLogin" .) "url" }}
  url: {{ .Values.redis.url | quote }}
  {{- end }}
  {{- if eq (include "stream-inspector.redisLogin" .) "password" }}
  password_file: /etc/stream-inspector-secrets/redis-auth/password
  {{- end }}
  tls: {{- include "stream-inspector.tls" (dict "tls" .Values.redis.tls "folder" "redis-tls") | nindent 4 }}
{{- end -}}

{{/* How Redis is told who we are: by a whole "url", a "password", or "" not at all. */}}
{{- define "stream-inspector.redisLogin" -}}
{{- with .Values.redis.auth -}}
{{- if not .existingSecret -}}{{- else if .urlKey -}}url{{- else -}}password{{- end -}}
{{- end -}}
{{- end -}}

{{/* A process's file: shared settings, its own, then what the user adds. Takes root, own and config. */}}
{{- define "stream-inspector.processConfig" -}}
{{- $shared := include "stream-inspector.sharedConfig" .root | fromYaml -}}
{{- mergeOverwrite $shared .own (deepCopy .config) | toYaml -}}
{{- end -}}

{{/* A file per category, as keys of a ConfigMap. */}}
{{- define "stream-inspector.categoryFiles" -}}
{{- range $name, $category := .Values.categories }}
category-{{ $name }}.yaml: |
  {{- mergeOverwrite (dict "name" $name) (deepCopy $category) | toYaml | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "stream-inspector.categoryItems" -}}
{{- range $name, $_ := .Values.categories }}
- {key: category-{{ $name }}.yaml, path: categories/{{ $name }}.yaml}
{{- end }}
{{- end -}}
