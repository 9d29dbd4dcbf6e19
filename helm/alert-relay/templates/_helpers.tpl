{{- define "alert-relay.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* At most 52 characters: the names of a StatefulSet's pods and revisions have to fit into labels. */}}
{{- define "alert-relay.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) }}
{{- default $full .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- define "alert-relay.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{- define "alert-relay.selectorLabels" -}}
app.kubernetes.io/name: {{ include "alert-relay.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "alert-relay.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "alert-relay.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* Takes a list: the root context, what the name ends with, and a namespace or nothing. */}}
{{- define "alert-relay.metadata" -}}
{{- $root := index . 0 -}}
name: {{ include "alert-relay.fullname" $root }}{{ index . 1 }}
namespace: {{ default (include "alert-relay.namespace" $root) (index . 2) }}
{{- end }}

{{- define "alert-relay.serviceAccountName" -}}
{{- $own := ternary (include "alert-relay.fullname" .) "default" .Values.serviceAccount.create }}
{{- default $own .Values.serviceAccount.name }}
{{- end }}

{{- define "alert-relay.image" -}}
{{- with .Values.image }}
{{- $name := ternary (printf "%s/%s" .registry .repository) .repository (ne .registry "") }}
{{- if .digest }}{{ $name }}@{{ .digest }}{{ else }}{{ $name }}:{{ default $.Chart.AppVersion .tag }}{{ end }}
{{- end }}
{{- end }}

{{- define "alert-relay.configSecret" -}}
{{- default (printf "%s-config" (include "alert-relay.fullname" .)) .Values.configExistingSecretName }}
{{- end }}

{{- define "alert-relay.authSecret" -}}
{{- default (printf "%s-auth" (include "alert-relay.fullname" .)) .Values.auth.existingSecretName }}
{{- end }}

{{- /* Whether several replicas may share the storage. */}}
{{- define "alert-relay.postgres" -}}
{{- if .Values.storage.postgres.existingSecretName -}}
true
{{- else if gt (int .Values.replicas) 1 -}}
{{- fail (printf "replicas: %d relays cannot share one volume: name the Secret of a PostgreSQL in storage.postgres.existingSecretName, or set replicas to 1" (int .Values.replicas)) -}}
{{- end -}}
{{- end }}

{{- /* Whether a replica has a volume of its own: it is a pod of a StatefulSet then. */}}
{{- define "alert-relay.volume" -}}
{{- if not (include "alert-relay.postgres" .) -}}
{{- if .Values.storage.spool.enabled -}}
{{- fail "storage.spool.enabled: a spool is for a PostgreSQL: name its Secret in storage.postgres.existingSecretName" -}}
{{- end -}}
true
{{- else if .Values.storage.spool.enabled -}}
{{- if and (gt (int .Values.replicas) 1) .Values.persistence.existingClaim -}}
{{- fail "persistence.existingClaim: one claim cannot hold the spools of several replicas: leave it empty, and each gets a claim of its own" -}}
{{- end -}}
true
{{- end -}}
{{- end }}

{{- /* What runs the pods, as kubectl takes it. */}}
{{- define "alert-relay.workload" -}}
{{- ternary "statefulset" "deployment" (eq (include "alert-relay.volume" .) "true") }}/{{ include "alert-relay.fullname" . }}
{{- end }}

{{- define "alert-relay.scheme" -}}
{{- ternary "https" "http" .Values.tls.enabled }}
{{- end }}

{{- define "alert-relay.url" -}}
{{- include "alert-relay.scheme" . }}://{{ include "alert-relay.fullname" . }}.{{ include "alert-relay.namespace" . }}.svc:{{ .Values.service.port }}
{{- end }}

{{- /* Takes a list: the root context, the probe's values, the path. */}}
{{- define "alert-relay.probe" -}}
{{- $root := index . 0 -}}
{{- $ca := and $root.Values.tls.enabled $root.Values.tls.clientCaKey -}}
{{- if or $root.Values.auth.protectAll $ca -}}
tcpSocket:
  port: http
{{- else -}}
httpGet:
  path: {{ index . 2 }}
  port: http
  scheme: {{ include "alert-relay.scheme" $root | upper }}
{{- end }}
{{ toYaml (index . 1) }}
{{- end }}

{{- /* What lies in /etc/alert-relay. */}}
{{- define "alert-relay.sources" -}}
- secret:
    name: {{ include "alert-relay.configSecret" . }}
    items:
      - {key: relay.yml, path: relay.yml}
{{- if or .Values.auth.enabled .Values.tls.enabled }}
- secret:
    name: {{ include "alert-relay.fullname" . }}-web
    items:
      - {key: web.yml, path: web.yml}
{{- end }}
{{- with .Values.storage.postgres }}
{{- if .existingSecretName }}
- secret:
    name: {{ .existingSecretName }}
    items:
      - {key: {{ .existingSecretKey }}, path: storage-url}
{{- end }}
{{- if .caSecretName }}
- secret:
    name: {{ .caSecretName }}
    items:
      - {key: {{ .caSecretKey }}, path: storage-ca.crt}
{{- end }}
{{- end }}
{{- if .Values.auth.enabled }}
- secret:
    name: {{ include "alert-relay.authSecret" . }}
    items:
      - {key: {{ ternary .Values.auth.existingSecretKey "token" (ne .Values.auth.existingSecretName "") }}, path: token}
{{- end }}
{{- if .Values.tls.enabled }}
- secret:
    name: {{ required "tls.enabled needs tls.existingSecretName" .Values.tls.existingSecretName }}
    items:
      - {key: tls.crt, path: tls/tls.crt}
      - {key: tls.key, path: tls/tls.key}
      {{- with .Values.tls.clientCaKey }}
      - {key: {{ . }}, path: tls/ca.crt}
      {{- end }}
{{- end }}
{{- with .Values.templates }}
- configMap:
    name: {{ include "alert-relay.fullname" $ }}-templates
    items:
      {{- range $name := keys . | sortAlpha }}
      - {key: {{ $name }}, path: templates/{{ $name }}}
      {{- end }}
{{- end }}
{{- end }}

{{- /* A quantity of memory, as Kubernetes writes it, in bytes. */}}
{{- define "alert-relay.bytes" -}}
{{- $units := dict "" 1 "k" 1000 "M" 1000000 "G" 1000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 -}}
{{- $written := kindIs "float64" . | ternary (toString (int64 .)) (toString .) -}}
{{- $number := regexFind "^[0-9]+([.][0-9]+)?" $written -}}
{{- $unit := trimPrefix $number $written -}}
{{- if or (not $number) (not (hasKey $units $unit)) -}}
{{- fail (printf "resources.limits.memory: write %s as 512Mi or 1Gi" $written) -}}
{{- end -}}
{{- mulf (float64 $number) (float64 (index $units $unit)) | int64 -}}
{{- end }}

{{- /* The largest body, with room for two of them within the memory limit. */}}
{{- define "alert-relay.maxBody" -}}
{{- $body := int64 .Values.maxBody -}}
{{- with (.Values.resources.limits).memory -}}
{{- $needs := add 134217728 (mul 8 $body) -}}
{{- if lt (int64 (include "alert-relay.bytes" .)) $needs -}}
{{- fail (printf "resources.limits.memory: %v is too little for maxBody %d: give %dMi, or a smaller maxBody" . $body (div (add $needs 1048575) 1048576)) -}}
{{- end -}}
{{- end -}}
{{- $body -}}
{{- end }}
