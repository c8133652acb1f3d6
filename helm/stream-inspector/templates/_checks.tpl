{{/* What a schema cannot say: values that contradict each other. Each message names both. */}}
{{- define "stream-inspector.checks" -}}
{{- include "stream-inspector.check.secrets" . -}}
{{- if .Values.inspector.enabled -}}
{{- include "stream-inspector.check.inspector" . -}}
{{- include "stream-inspector.check.autoscaling" . -}}
{{- end -}}
{{- if .Values.training.enabled -}}{{- include "stream-inspector.check.training" . -}}{{- end -}}
{{- if and .Values.camera.enabled .Values.inspector.enabled (not (hasKey .Values.categories .Values.camera.category)) -}}
{{- fail (printf "camera.category (%s) is none of `categories`: every frame would be a dead letter" .Values.camera.category) -}}
{{- end -}}
{{- end -}}

{{- define "stream-inspector.check.secrets" -}}
{{- $security := .Values.kafka.security -}}
{{- if and (hasPrefix "SASL_" $security.protocol) (not $security.auth.existingSecret) -}}
{{- fail (printf "kafka.security.protocol %s needs a login: set kafka.security.auth.existingSecret" $security.protocol) -}}
{{- end -}}
{{- if and (not (hasPrefix "SASL_" $security.protocol)) $security.auth.existingSecret -}}
{{- fail (printf "kafka.security.protocol %s sends no login: set SASL_SSL, or leave kafka.security.auth.existingSecret empty" $security.protocol) -}}
{{- end -}}
{{- if and (not (hasSuffix "SSL" $security.protocol)) $security.tls.existingSecret -}}
{{- fail (printf "kafka.security.protocol %s uses no TLS: set SSL or SASL_SSL, or leave kafka.security.tls.existingSecret empty" $security.protocol) -}}
{{- end -}}
{{- range $path, $tls := dict "kafka.security.tls" $security.tls "redis.tls" .Values.redis.tls -}}
{{- if ne (empty $tls.certificateKey) (empty $tls.keyKey) -}}
{{- fail (printf "%s.certificateKey and %s.keyKey belong together: set both or none" $path $path) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.redis.tls.existingSecret (not .Values.redis.auth.urlKey) (not (hasPrefix "rediss://" .Values.redis.url)) -}}
{{- fail (printf "redis.url (%s) uses no TLS: write rediss://, or leave redis.tls.existingSecret empty" .Values.redis.url) -}}
{{- end -}}
{{- end -}}

{{- define "stream-inspector.check.inspector" -}}
{{- if not .Values.categories -}}
{{- fail "categories is empty: a worker without a category ends at once; name those that the line produces, e.g. categories: {bottle: {}}" -}}
{{- end -}}
{{- if and .Values.inspector.staticMembership (or (ne .Values.inspector.kind "StatefulSet") (ne .Values.autoscaling.kind "none")) -}}
{{- fail "inspector.staticMembership needs inspector.kind StatefulSet and autoscaling.kind none: a worker that is scaled away would keep its partitions for kafka.sessionTimeoutMs" -}}
{{- end -}}
{{- end -}}

{{- define "stream-inspector.check.autoscaling" -}}
{{- $partitions := int .Values.topics.partitions -}}
{{- $inFlight := int (include "stream-inspector.inFlight" .) -}}
{{- with .Values.autoscaling -}}
{{- if eq .kind "none" -}}
{{- if gt (int $.Values.inspector.replicas) $partitions -}}
{{- fail (printf "inspector.replicas (%d) is above topics.partitions (%d): the workers beyond would have nothing to do" (int $.Values.inspector.replicas) $partitions) -}}
{{- end -}}
{{- else -}}
{{- if gt (int .minReplicas) (int .maxReplicas) -}}
{{- fail (printf "autoscaling.minReplicas (%d) is above autoscaling.maxReplicas (%d)" (int .minReplicas) (int .maxReplicas)) -}}
{{- end -}}
{{- if gt (int .maxReplicas) $partitions -}}
{{- fail (printf "autoscaling.maxReplicas (%d) is above topics.partitions (%d): the workers beyond would have nothing to do" (int .maxReplicas) $partitions) -}}
{{- end -}}
{{- if and (le (int .lagThreshold) $inFlight) (or (eq .kind "keda") (eq .hpa.metric "external")) -}}
{{- fail (printf "autoscaling.lagThreshold (%d) must be above the %d frames that a worker holds in work (inspector.config.worker.in_flight_frames): they count as lag, and a worker that keeps up would ask for another" (int .lagThreshold) $inFlight) -}}
{{- end -}}
{{- if and (eq .kind "keda") (hasSuffix "SSL" $.Values.kafka.security.protocol) (not $.Values.kafka.security.tls.checkHostname) (not .keda.unsafeSsl) -}}
{{- fail "KEDA always checks the host name of a certificate: kafka.security.tls.checkHostname false needs autoscaling.keda.unsafeSsl, or another autoscaler" -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "stream-inspector.check.training" -}}
{{- if not .Values.training.dataClaim -}}
{{- fail "training.enabled needs training.dataClaim: the claim with a folder of images per category" -}}
{{- end -}}
{{- $trained := include "stream-inspector.trained" . | fromJsonArray -}}
{{- if not $trained -}}
{{- fail "training.enabled needs a category: set training.categories or categories" -}}
{{- end -}}
{{- if gt (int .Values.training.parallelism) (len $trained) -}}
{{- fail (printf "training.parallelism (%d) is above the number of categories (%d)" (int .Values.training.parallelism) (len $trained)) -}}
{{- end -}}
{{- end -}}
