{{- define "tartan.selectorLabels" -}}
app.kubernetes.io/name: tartan
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "tartan.labels" -}}
{{ include "tartan.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.global.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/*
Labels and annotations of an object: ours, those of `global`, and its own, which win. The labels by which the DaemonSet finds its pods
stay what they are.
*/}}
{{- define "tartan.metadata" -}}
{{- $root := .root }}
{{- $labels := include "tartan.labels" $root | fromYaml }}
{{- range .of }}{{ $labels = mergeOverwrite $labels (default (dict) .labels) }}{{ end }}
{{- $labels = mergeOverwrite $labels (include "tartan.selectorLabels" $root | fromYaml) }}
{{- $annotations := mergeOverwrite (dict) (default (dict) $root.Values.global.commonAnnotations) }}
{{- range .of }}{{ $annotations = mergeOverwrite $annotations (default (dict) .annotations) }}{{ end -}}
labels:
  {{- toYaml $labels | nindent 2 }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "tartan.image" -}}
{{ .Values.tartan.image.repository }}:{{ .Values.tartan.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* The udp backend opens /dev/net/tun and, for its kernel path, loads eBPF programs: both need a privileged container. */}}
{{- define "tartan.privileged" -}}
{{- eq .Values.flannel.backend "udp" -}}
{{- end }}

{{/* Refuses what would otherwise be ignored without a word; what values.schema.json can say stands there. */}}
{{- define "tartan.check" -}}
{{- if not (has .Values.flannel.backend (list "vxlan" "host-gw" "udp")) }}
{{- fail (printf "flannel.backend is %q; this version has vxlan, host-gw and udp" .Values.flannel.backend) }}
{{- end }}
{{- if .Values.netpol.enabled }}
{{- fail "netpol.enabled: Tartan brings no network policies; install kube-network-policies by its own manifest" }}
{{- end }}
{{- if not (or .Values.podCidr .Values.podCidrv6) }}
{{- fail "podCidr and podCidrv6 are both empty; one is needed" }}
{{- end }}
{{- if and .Values.tartan.serviceMonitor.enabled (not .Values.flannel.healthz.port) }}
{{- fail "tartan.serviceMonitor.enabled needs flannel.healthz.port: /metrics is served there" }}
{{- end }}
{{- end }}

{{/* net-conf.json as an object, so that quoting is right whatever the values hold. */}}
{{- define "tartan.netConf" -}}
{{- $f := .Values.flannel }}
{{- $backend := dict "Type" $f.backend }}
{{- if and $f.backendPort (has $f.backend (list "vxlan" "udp")) }}{{ $_ := set $backend "Port" (int $f.backendPort) }}{{ end }}
{{- if and $f.mtu (has $f.backend (list "vxlan" "udp")) }}{{ $_ := set $backend "MTU" (int $f.mtu) }}{{ end }}
{{- if eq $f.backend "vxlan" }}
{{- if $f.vni }}{{ $_ := set $backend "VNI" (int $f.vni) }}{{ end }}
{{- if $f.GBP }}{{ $_ := set $backend "GBP" true }}{{ end }}
{{- if $f.directRouting }}{{ $_ := set $backend "DirectRouting" true }}{{ end }}
{{- end }}
{{- if and $f.keepaliveInterval (eq $f.backend "udp") }}{{ $_ := set $backend "Keepalive" (int $f.keepaliveInterval) }}{{ end }}
{{- $config := dict "Backend" (merge $backend $f.backendOptions) }}
{{- if .Values.podCidr }}{{ $_ := set $config "Network" .Values.podCidr }}{{ else }}{{ $_ := set $config "EnableIPv4" false }}{{ end }}
{{- if .Values.podCidrv6 }}{{ $_ := set $config "IPv6Network" .Values.podCidrv6 }}{{ $_ := set $config "EnableIPv6" true }}{{ end }}
{{- if $f.enableNFTables }}{{ $_ := set $config "EnableNFTables" true }}{{ end }}
{{- $config | toPrettyJson }}
{{- end }}
