{{- /* The pod of a replica: metadata and spec. */}}
{{- define "alert-relay.pod" -}}
metadata:
  labels:
    {{- include "alert-relay.labels" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    kubectl.kubernetes.io/default-container: alert-relay
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "alert-relay.serviceAccountName" . }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  securityContext:
    {{- toYaml .Values.podSecurityContext | nindent 4 }}
  {{- range $key := list "priorityClassName" "runtimeClassName" "schedulerName" "dnsPolicy" }}
  {{- with get $.Values $key }}
  {{ $key }}: {{ . }}
  {{- end }}
  {{- end }}
  {{- range $key := list "imagePullSecrets" "nodeSelector" "tolerations" "affinity" "hostAliases" "dnsConfig" }}
  {{- with get $.Values $key }}
  {{ $key }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  {{- with .Values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- toYaml . | nindent 4 }}
  {{- else }}
  {{- if gt (int .Values.replicas) 1 }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "alert-relay.selectorLabels" . | nindent 10 }}
  {{- end }}
  {{- end }}
  {{- with .Values.extraInitContainers }}
  initContainers:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: alert-relay
      image: {{ include "alert-relay.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args:
        - serve
        - --config.file=/etc/alert-relay/relay.yml
        - --config.auto-reload-interval={{ .Values.configReloadInterval }}
        {{- if include "alert-relay.postgres" . }}
        - --storage.url-file=/etc/alert-relay/storage-url
        {{- if .Values.storage.spool.enabled }}
        - --storage.spool=/data/spool
        {{- end }}
        {{- else }}
        - --storage.path=/data
        {{- end }}
        - --web.listen-address=:9087
        {{- if or .Values.auth.enabled .Values.tls.enabled }}
        - --web.config.file=/etc/alert-relay/web.yml
        {{- end }}
        {{- if not .Values.auth.enabled }}
        - --web.allow-unauthenticated
        {{- end }}
        {{- with .Values.externalUrl }}
        - --web.external-url={{ . }}
        {{- end }}
        {{- if .Values.console.enabled }}
        - --web.console
        {{- end }}
        - --web.max-body={{ include "alert-relay.maxBody" . }}
        - --log.level={{ .Values.log.level }}
        - --log.format={{ .Values.log.format }}
        {{- with .Values.extraArgs }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- $ca := .Values.storage.postgres.caSecretName }}
      {{- if or $ca .Values.extraEnv }}
      env:
        {{- if $ca }}
        - {name: PGSSLMODE, value: verify-full}
        - {name: PGSSLROOTCERT, value: /etc/alert-relay/storage-ca.crt}
        {{- end }}
        {{- with .Values.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- end }}
      {{- with .Values.extraEnvFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        - name: http
          containerPort: 9087
          protocol: TCP
      startupProbe:
        {{- include "alert-relay.probe" (list . .Values.startupProbe "/-/healthy") | nindent 8 }}
      livenessProbe:
        {{- include "alert-relay.probe" (list . .Values.livenessProbe "/-/healthy") | nindent 8 }}
      readinessProbe:
        {{- include "alert-relay.probe" (list . .Values.readinessProbe "/-/ready") | nindent 8 }}
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      securityContext:
        {{- toYaml .Values.securityContext | nindent 8 }}
      volumeMounts:
        {{- if include "alert-relay.volume" . }}
        - name: data
          mountPath: /data
        {{- end }}
        - name: config
          mountPath: /etc/alert-relay
          readOnly: true
        {{- if .Values.secrets }}
        - name: files
          mountPath: /run/secrets/relay
          readOnly: true
        {{- end }}
        {{- range $index, $name := .Values.existingSecrets }}
        - name: existing-{{ $index }}
          mountPath: /run/secrets/{{ $name }}
          readOnly: true
        {{- end }}
        {{- with .Values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    {{- with .Values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    # Folders, never subPath: the kubelet brings changes into them.
    - name: config
      projected:
        defaultMode: 0440
        sources:
          {{- include "alert-relay.sources" . | nindent 10 }}
    {{- if .Values.secrets }}
    - name: files
      secret:
        secretName: {{ include "alert-relay.fullname" . }}-files
        defaultMode: 0440
    {{- end }}
    {{- range $index, $name := .Values.existingSecrets }}
    - name: existing-{{ $index }}
      secret:
        secretName: {{ $name }}
        defaultMode: 0440
    {{- end }}
    {{- if and (include "alert-relay.volume" .) .Values.persistence.existingClaim }}
    - name: data
      persistentVolumeClaim:
        claimName: {{ .Values.persistence.existingClaim }}
    {{- else if and (include "alert-relay.volume" .) (not .Values.persistence.enabled) }}
    - name: data
      emptyDir: {}
    {{- end }}
    {{- with .Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}
