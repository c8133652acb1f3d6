{{- define "stream-inspector.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "stream-inspector.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* What every pod begins with. Takes root, own (a component's values) and account. */}}
{{- define "stream-inspector.podBasics" -}}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .account }}
serviceAccountName: {{ . }}
{{- end }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext: {{- include "stream-inspector.podSecurity" .root | nindent 2 }}
{{- with .own.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- with .own.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .own.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .own.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .own.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The one root file system is read-only: what libraries want to write goes to /tmp. */}}
{{- define "stream-inspector.baseEnv" -}}
- {name: HOME, value: /tmp}
- {name: XDG_CACHE_HOME, value: /tmp/cache}
{{- end -}}

{{/* Secrets whose keys become environment variables. Takes their names; empty ones are left out. */}}
{{- define "stream-inspector.envFrom" -}}
{{- range $name := . }}
{{- if $name }}
- secretRef: {name: {{ $name }}}
{{- end }}
{{- end }}
{{- end -}}

{{/* User names: everything else of a login is a file. Takes root, kafka and redis (whether they are
needed), and kafkaAuth (another secret than the release's). */}}
{{- define "stream-inspector.secretEnv" -}}
{{- $values := .root.Values -}}
{{- if and .kafka (hasPrefix "SASL_" $values.kafka.security.protocol) }}
- name: STREAM_INSPECTOR_KAFKA__SECURITY__USERNAME
  valueFrom:
    secretKeyRef:
      name: {{ .kafkaAuth | default $values.kafka.security.auth.existingSecret }}
      key: {{ $values.kafka.security.auth.usernameKey }}
{{- end }}
{{- if .redis }}
{{- $login := include "stream-inspector.redisLogin" .root }}
{{- with $values.redis.auth }}
{{- if eq $login "url" }}
- name: STREAM_INSPECTOR_REDIS__URL
  valueFrom: {secretKeyRef: {name: {{ .existingSecret }}, key: {{ .urlKey }}}}
{{- else if and (eq $login "password") .usernameKey }}
- name: STREAM_INSPECTOR_REDIS__USERNAME
  valueFrom: {secretKeyRef: {name: {{ .existingSecret }}, key: {{ .usernameKey }}}}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Passwords and PEM files, one folder, readable by the pod's group alone. Same arguments. */}}
{{- define "stream-inspector.secretSources" -}}
{{- $values := .root.Values -}}
{{- $security := $values.kafka.security -}}
{{- if and .kafka (hasPrefix "SASL_" $security.protocol) }}
- secret:
    name: {{ .kafkaAuth | default $security.auth.existingSecret }}
    items: [{key: {{ $security.auth.passwordKey }}, path: kafka-auth/password}]
{{- end }}
{{- if and .kafka (hasSuffix "SSL" $security.protocol) $security.tls.existingSecret }}
{{ include "stream-inspector.tlsSource" (dict "tls" $security.tls "folder" "kafka-tls") }}
{{- end }}
{{- if .redis }}
{{- if eq (include "stream-inspector.redisLogin" .root) "password" }}
- secret:
    name: {{ $values.redis.auth.existingSecret }}
    items: [{key: {{ $values.redis.auth.passwordKey }}, path: redis-auth/password}]
{{- end }}
{{- if $values.redis.tls.existingSecret }}
{{ include "stream-inspector.tlsSource" (dict "tls" $values.redis.tls "folder" "redis-tls") }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "stream-inspector.tlsSource" -}}
- secret:
    name: {{ .tls.existingSecret }}
    items:
      {{- with .tls.caKey }}
      - {key: {{ . }}, path: {{ $.folder }}/ca.pem}
      {{- end }}
      {{- if .tls.certificateKey }}
      - {key: {{ .tls.certificateKey }}, path: {{ .folder }}/certificate.pem}
      - {key: {{ .tls.keyKey }}, path: {{ .folder }}/key.pem}
      {{- end }}
      {{- with .tls.keyPasswordKey }}
      - {key: {{ . }}, path: {{ $.folder }}/key-password}
      {{- end }}
{{- end -}}

{{- define "stream-inspector.secretVolume" -}}
{{- with include "stream-inspector.secretSources" . | trim }}
- name: secrets
  projected:
    defaultMode: 0440
    sources: {{- . | nindent 6 }}
{{- end }}
{{- end -}}

{{- define "stream-inspector.secretMount" -}}
{{- if include "stream-inspector.secretSources" . | trim }}
- {name: secrets, mountPath: /etc/stream-inspector-secrets, readOnly: true}
{{- end }}
{{- end -}}

{{/* A GPU is requested and limited alike. Takes resources and gpu. */}}
{{- define "stream-inspector.resources" -}}
{{- $resources := deepCopy .resources -}}
{{- if gt (int .gpu.count) 0 -}}
{{- $gpu := dict .gpu.resourceName (int .gpu.count) -}}
{{- $_ := set $resources "limits" (merge (deepCopy $gpu) ($resources.limits | default dict)) -}}
{{- $_ := set $resources "requests" (merge (deepCopy $gpu) ($resources.requests | default dict)) -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}

{{/* Takes root and startup (seconds). */}}
{{- define "stream-inspector.probes" -}}
startupProbe:
  httpGet: {path: /livez, port: health}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: {{ div (add .startup 4) 5 }}
livenessProbe:
  httpGet: {path: /livez, port: health}
  periodSeconds: 10
  timeoutSeconds: 5
readinessProbe:
  httpGet: {path: /readyz, port: health}
  periodSeconds: 5
  timeoutSeconds: 5
{{- end -}}
