{{- define "tillflow.name" -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{/* Labels that choose pods: (dict "root" $ "part" "serve"). They never change. */}}
{{- define "tillflow.selector" -}}
app.kubernetes.io/name: tillflow
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end -}}

{{- define "tillflow.labels" -}}
{{ include "tillflow.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end -}}

{{- define "tillflow.image" -}}
{{ required "image.repository: where the image of deploy/Dockerfile was pushed" .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{/* What every pod of ours shares: (dict "root" $). Only serve reads the files of the listener for Shopify. */}}
{{- define "tillflow.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile: { type: RuntimeDefault }
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .root.Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* What every container of ours shares: (dict "root" $). */}}
{{- define "tillflow.container" -}}
image: {{ include "tillflow.image" .root }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
envFrom:
  - secretRef:
      name: {{ required "secretName: the Secret with TILLFLOW_DATABASE_URL, TILLFLOW_MASTER_KEYS and TILLFLOW_PAYLOAD_KEYS" .root.Values.secretName }}
env:
  - name: TILLFLOW_LISTEN
    value: ":8080"
  - name: TILLFLOW_SHOPIFY_LISTEN
    value: ":8443"
  - name: TILLFLOW_SHOPIFY_CERT
    value: /etc/tillflow/tls/tls.crt
  - name: TILLFLOW_SHOPIFY_KEY
    value: /etc/tillflow/tls/tls.key
  - name: TILLFLOW_SHOPIFY_CLIENT_CA
    value: /etc/tillflow/client-ca/{{ .root.Values.tls.clientCA.key }}
  {{- $_ := required "settings.PUBLIC_URL: where the world reaches the service" .root.Values.settings.PUBLIC_URL }}
  {{- $_ := required "settings.TEMPORAL_ADDRESS: Temporal's frontend, host and port" .root.Values.settings.TEMPORAL_ADDRESS }}
  {{- range $name, $value := .root.Values.settings }}
  - name: TILLFLOW_{{ $name }}
    value: {{ $value | toString | quote }}
  {{- end }}
{{- end -}}
