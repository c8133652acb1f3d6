{{/* What a schema cannot say: values that contradict each other. Each message names both. */}}
{{- define "stream-inspector.checks" -}}
{{- include "stream-inspector.check.secrets" . -}}
{{- include "stream-inspector.check.plain" . -}}
{{- include "stream-inspector.check.storage" . -}}
{{- if .Values.networkPolicy.enabled -}}{{- include "stream-inspector.check.network" . -}}{{- end -}}
{{- if .Values.inspector.enabled -}}
{{- include "stream-inspector.check.inspector" . -}}
{{- include "stream-inspector.check.autoscaling" . -}}
{{- end -}}
{{- if .Values.explainer.enabled -}}{{- include "stream-inspector.check.explainer" . -}}{{- end -}}
{{- if and .Values.gate.enabled (not .Values.gate.cameras) -}}
{{- fail "gate.enabled needs gate.cameras: whose parts are answered" -}}
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

{{/* Values end in ConfigMaps and in the release: a login in one of them could be read by many. */}}
{{- define "stream-inspector.check.plain" -}}
{{- range $path, $url := dict "redis.url" .Values.redis.url "storage.models" .Values.storage.models "storage.evidence" .Values.storage.evidence "tracing.endpoint" .Values.tracing.endpoint -}}
{{- include "stream-inspector.check.url" (dict "path" $path "url" $url) -}}
{{- end -}}
{{- if regexMatch "://[^/@]*:[^@]*@" .Values.console.database -}}
{{- fail "console.database holds a login: values end in ConfigMaps. Give the password by reference: console.existingSecret with STREAM_INSPECTOR_CONSOLE__DATABASE_PASSWORD" -}}
{{- end -}}
{{- range $component := list "inspector" "explainer" "notifier" "gate" "console" "camera" "training" "evidence" -}}
{{- include "stream-inspector.check.node" (dict "path" (printf "%s.config" $component) "node" (get (get $.Values $component) "config")) -}}
{{- range $env := (get $.Values $component).extraEnv -}}
{{- if $env.value -}}
{{- $path := printf "%s.extraEnv %s" $component $env.name -}}
{{- if and (regexMatch "(?i)(PASSWORD|SECRET|TOKEN|APPRISE_URLS|ACCESS_KEY|API_KEY|CREDENTIALS)" $env.name) (not (regexMatch "(?i)_FILE$" $env.name)) -}}
{{- fail (printf "%s: a secret is given by reference: valueFrom: {secretKeyRef: {name: ..., key: ...}}" $path) -}}
{{- end -}}
{{- include "stream-inspector.check.url" (dict "path" $path "url" $env.value) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Takes path and node: a part of a process's settings. */}}
{{- define "stream-inspector.check.node" -}}
{{- $path := .path -}}
{{- if kindIs "map" .node -}}
{{- range $key, $inner := .node -}}
{{- include "stream-inspector.check.node" (dict "path" (printf "%s.%s" $path $key) "node" $inner) -}}
{{- end -}}
{{- else if kindIs "slice" .node -}}
{{- range .node -}}{{- include "stream-inspector.check.node" (dict "path" $path "node" .) -}}{{- end -}}
{{- else if kindIs "string" .node -}}
{{- include "stream-inspector.check.url" (dict "path" $path "url" .node) -}}
{{- end -}}
{{- end -}}

{{/* Takes path and url; the message never repeats the URL. */}}
{{- define "stream-inspector.check.url" -}}
{{- if or (regexMatch "://[^\\s]*@" .url) (regexMatch "(?i)[?&;#][^=&\\s]*(password|passwd|pwd|token|secret|key|signature|sig|auth|credential)[^=&\\s]*=" .url) -}}
{{- fail (printf "%s holds a login: values end in ConfigMaps. Give it by reference: redis.auth, storage.existingSecret, tracing.existingSecret, notifier.existingSecret, gate.existingSecret or console.existingSecret" .path) -}}
{{- end -}}
{{- end -}}

{{- define "stream-inspector.check.storage" -}}
{{- range $name, $place := dict "models" .Values.storage.models "evidence" .Values.storage.evidence -}}
{{- if and $place (not (contains "://" $place)) -}}
{{- if not (hasPrefix (printf "%s/" $.Values.storage.mountPath) (printf "%s/" $place)) -}}
{{- fail (printf "storage.%s (%s) is no URL and not below storage.mountPath (%s): a pod can write nowhere else" $name $place $.Values.storage.mountPath) -}}
{{- end -}}
{{- if not $.Values.storage.existingClaim -}}
{{- fail (printf "storage.%s (%s) is a folder: set storage.existingClaim, or it is gone with the pod" $name $place) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "stream-inspector.check.network" -}}
{{- if and .Values.metrics.serviceMonitor.enabled (not .Values.networkPolicy.metricsFrom) -}}
{{- fail "metrics.serviceMonitor.enabled needs networkPolicy.metricsFrom: else nobody is let in to scrape" -}}
{{- end -}}
{{- if .Values.networkPolicy.restrictEgress -}}
{{- $needed := list "dns" "kafka" -}}
{{- if or .Values.inspector.enabled .Values.explainer.enabled .Values.training.enabled -}}
{{- $needed = append $needed "redis" -}}
{{- if include "stream-inspector.objectStore" . -}}{{- $needed = append $needed "storage" -}}{{- end -}}
{{- end -}}
{{- if .Values.tracing.endpoint -}}{{- $needed = append $needed "tracing" -}}{{- end -}}
{{- range $server := $needed -}}
{{- if not (get $.Values.networkPolicy.egress $server) -}}
{{- fail (printf "networkPolicy.restrictEgress needs networkPolicy.egress.%s: where it is, as NetworkPolicy peers; [{ipBlock: {cidr: 0.0.0.0/0}}] is anywhere" $server) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Takes path, device and gpus. */}}
{{- define "stream-inspector.check.device" -}}
{{- if and .device (gt (int .gpus) 0) (not (hasPrefix "cuda" .device)) -}}
{{- fail (printf "%s is %s, but each pod asks for %d GPU(s): leave the device out, or set gpu.count 0" .path .device (int .gpus)) -}}
{{- end -}}
{{- if and .device (eq (int .gpus) 0) (hasPrefix "cuda" .device) -}}
{{- fail (printf "%s is %s, but no pod asks for a GPU: set gpu.count, or leave the device out" .path .device) -}}
{{- end -}}
{{- end -}}

{{- define "stream-inspector.check.inspector" -}}
{{- include "stream-inspector.check.device" (dict "path" "inspector.config.models.device" "device" (dig "models" "device" "" .Values.inspector.config) "gpus" .Values.inspector.gpu.count) -}}
{{- if not .Values.categories -}}
{{- fail "categories is empty: a worker without a category ends at once; name those that the line produces, e.g. categories: {bottle: {}}" -}}
{{- end -}}
{{- if and .Values.inspector.staticMembership (or (ne .Values.inspector.kind "StatefulSet") (ne .Values.autoscaling.kind "none")) -}}
{{- fail "inspector.staticMembership needs inspector.kind StatefulSet and autoscaling.kind none: a worker that is scaled away would keep its partitions for kafka.sessionTimeoutMs" -}}
{{- end -}}
{{- end -}}

{{- define "stream-inspector.check.explainer" -}}
{{- $own := .Values.explainer -}}
{{- $partitions := int .Values.topics.partitions -}}
{{- include "stream-inspector.check.device" (dict "path" "explainer.config.models.device" "device" (dig "models" "device" "" $own.config) "gpus" $own.gpu.count) -}}
{{- if include "stream-inspector.explainerScales" . -}}
{{- if gt (int $own.autoscaling.minReplicas) (int $own.autoscaling.maxReplicas) -}}
{{- fail (printf "explainer.autoscaling.minReplicas (%d) is above explainer.autoscaling.maxReplicas (%d)" (int $own.autoscaling.minReplicas) (int $own.autoscaling.maxReplicas)) -}}
{{- end -}}
{{- else if gt (int $own.replicas) $partitions -}}
{{- fail (printf "explainer.replicas (%d) is above topics.partitions (%d): the explainers beyond would have nothing to do" (int $own.replicas) $partitions) -}}
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
{{- include "stream-inspector.check.device" (dict "path" "training.config.trainer.device" "device" (dig "trainer" "device" "" .Values.training.config) "gpus" .Values.training.gpu.count) -}}
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
