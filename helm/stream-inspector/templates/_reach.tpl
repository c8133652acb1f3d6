{{/* Which servers each component calls. */}}
{{- define "stream-inspector.calls" -}}
inspector: [kafka, redis, storage, tracing]
explainer: [kafka, redis, storage, tracing]
doctor: [kafka, redis, storage, tracing]
training: [redis, storage]
notifier: [kafka, tracing, channels]
gate: [kafka, tracing, plant]
console: [kafka, redis, storage, database]
camera: [kafka, tracing, cameras]
topics: [kafka]
evidence: [storage]
{{- end -}}

{{/* Where servers are: ports and peers of those that have any. */}}
{{- define "stream-inspector.reach" -}}
{{- $egress := .Values.networkPolicy.egress -}}
{{- $kafka := list -}}
{{- range splitList "," .Values.kafka.bootstrapServers }}{{ $kafka = append $kafka (splitList ":" . | last | int) }}{{ end -}}
{{- $reach := dict "kafka" (dict "ports" (concat $kafka $egress.kafkaPorts | uniq) "to" $egress.kafka) -}}
{{- $redis := regexReplaceAll "[/?].*$" (regexReplaceAll "^[a-z]+://" .Values.redis.url "") "" -}}
{{- $_ := set $reach "redis" (dict "ports" (list (include "stream-inspector.port" (dict "host" $redis "default" 6379) | int)) "to" $egress.redis) -}}
{{- if include "stream-inspector.objectStore" . -}}
{{- $_ := set $reach "storage" (dict "ports" $egress.storagePorts "to" $egress.storage) -}}
{{- end -}}
{{- with .Values.tracing.endpoint -}}
{{- $default := ternary 443 80 (hasPrefix "https" .) -}}
{{- $_ := set $reach "tracing" (dict "ports" (list (include "stream-inspector.port" (dict "host" (urlParse .).host "default" $default) | int)) "to" $egress.tracing) -}}
{{- end -}}
{{- if $egress.channels -}}
{{- $_ := set $reach "channels" (dict "ports" $egress.channelPorts "to" $egress.channels) -}}
{{- end -}}
{{- if $egress.plant -}}
{{- $_ := set $reach "plant" (dict "ports" $egress.plantPorts "to" $egress.plant) -}}
{{- end -}}
{{- if $egress.cameras -}}
{{- $_ := set $reach "cameras" (dict "ports" $egress.cameraPorts "to" $egress.cameras) -}}
{{- end -}}
{{- if $egress.database -}}
{{- $_ := set $reach "database" (dict "ports" $egress.databasePorts "to" $egress.database) -}}
{{- end -}}
{{- toYaml $reach -}}
{{- end -}}

{{/* The port behind a host, [::1]:6379 included. Takes host and default. */}}
{{- define "stream-inspector.port" -}}
{{- if regexMatch ":[0-9]+$" .host -}}{{ splitList ":" .host | last }}{{- else -}}{{ .default }}{{- end -}}
{{- end -}}

{{/* Whether models or pictures are behind a URL: not empty when they are. */}}
{{- define "stream-inspector.objectStore" -}}
{{- if or (contains "://" .Values.storage.models) (contains "://" .Values.storage.evidence) -}}yes{{- end -}}
{{- end -}}
