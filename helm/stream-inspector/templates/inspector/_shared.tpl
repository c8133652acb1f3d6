{{/* What a worker and the check of one have in common. Each takes the arguments of secretEnv. */}}

{{- define "stream-inspector.inspectorEnv" -}}
{{ include "stream-inspector.baseEnv" . }}
{{- with include "stream-inspector.secretEnv" . | trim }}
{{ . }}
{{- end }}
{{- with .root.Values.inspector.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "stream-inspector.inspectorMounts" -}}
- {name: config, mountPath: /etc/stream-inspector, readOnly: true}
- {name: scratch, mountPath: /tmp}
{{- if .root.Values.storage.existingClaim }}
- {name: storage, mountPath: {{ .root.Values.storage.mountPath }}}
{{- end }}
{{- with include "stream-inspector.secretMount" . | trim }}
{{ . }}
{{- end }}
{{- end -}}

{{- define "stream-inspector.inspectorVolumes" -}}
- name: config
  configMap:
    name: {{ include "stream-inspector.fullname" .root }}-inspector
    items:
      - {key: worker.yaml, path: worker.yaml}
      {{- include "stream-inspector.categoryItems" .root | nindent 6 }}
- name: scratch
  emptyDir: {sizeLimit: {{ .root.Values.inspector.scratchSize }}}
{{- with .root.Values.storage.existingClaim }}
- name: storage
  persistentVolumeClaim: {claimName: {{ . }}}
{{- end }}
{{- with include "stream-inspector.secretVolume" . | trim }}
{{ . }}
{{- end }}
{{- end -}}
