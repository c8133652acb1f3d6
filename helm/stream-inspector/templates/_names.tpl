{{- define "stream-inspector.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}{{- end -}}
{{- end -}}

{{/* The labels that never change: selectors are immutable. Takes a dict of root and component. */}}
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

{{/* A new chart alone restarts nobody: its version is no label of a pod. */}}
{{- define "stream-inspector.podLabels" -}}
{{ include "stream-inspector.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
{{- end -}}

{{/* Takes a dict of root and variant (cuda, cpu, processor or light). */}}
{{- define "stream-inspector.image" -}}
{{- $image := .root.Values.image -}}
{{- $digest := get $image.digests .variant -}}
{{- if $digest -}}{{ $image.repository }}@{{ $digest }}
{{- else -}}{{ $image.repository }}:{{ $image.tag | default .root.Chart.AppVersion }}{{ get $image.suffixes .variant }}
{{- end -}}
{{- end -}}

{{- define "stream-inspector.workerVariant" -}}
{{ if gt (int .count) 0 }}cuda{{ else }}cpu{{ end }}
{{- end -}}

{{/* Takes the values of inspectors or explainers: PyTorch only where their engine is asked for by that name. */}}
{{- define "stream-inspector.modelVariant" -}}
{{- if gt (int .gpu.count) 0 -}}cuda
{{- else if eq (dig "models" "engine" "auto" .config) "torch" -}}cpu
{{- else -}}processor
{{- end -}}
{{- end -}}

{{- define "stream-inspector.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}{{ .Values.serviceAccount.name | default (include "stream-inspector.fullname" .) }}
{{- else -}}{{ .Values.serviceAccount.name }}{{- end -}}
{{- end -}}

{{/* What scales and is scaled: apiVersion, kind and name of the inspectors. */}}
{{- define "stream-inspector.scaleTarget" -}}
apiVersion: apps/v1
kind: {{ .Values.inspector.kind }}
name: {{ include "stream-inspector.fullname" . }}-inspector
{{- end -}}

{{/* The categories that are trained, as a JSON list. */}}
{{- define "stream-inspector.trained" -}}
{{ .Values.training.categories | default (keys .Values.categories | sortAlpha) | toJson }}
{{- end -}}

{{/* Frames that a worker holds at most: they count as lag. The process's own default is 128. */}}
{{- define "stream-inspector.inFlight" -}}
{{ dig "worker" "in_flight_frames" 128 .Values.inspector.config | int }}
{{- end -}}
