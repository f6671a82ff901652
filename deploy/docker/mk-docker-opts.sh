#!/bin/sh
# Turns subnet.env, which tartand writes, into options for the Docker daemon. Takes the same options and writes the same lines
# as the script of this name that comes with flannel, so that units written for that one keep working.
#
# What differs: the file is replaced in one step, and only when everything in it is known to be right; the name given with -k is
# checked before it gets near an eval.

set -u

program=${0##*/}
subnet_file=/run/flannel/subnet.env
options_file=/run/docker_opts.env
combined_key=DOCKER_OPTS
want_individual=no
want_combined=no
want_ip_masq=yes

usage() {
	cat >&2 <<-END
		Usage: $program [-f FILE] [-d FILE] [-i] [-c] [-k KEY] [-m]

		Writes options for the Docker daemon that give containers this node's Tartan subnet.

		  -f FILE  read the subnet from FILE ($subnet_file)
		  -d FILE  write the options to FILE ($options_file)
		  -i       write one variable per option: DOCKER_OPT_BIP, DOCKER_OPT_IPMASQ, DOCKER_OPT_MTU
		  -c       write one variable with all options; without -i and -c both kinds are written
		  -k KEY   name of the variable with all options ($combined_key)
		  -m       leave out --ip-masq
		  -h       print this text
	END
	exit 1
}

fail() {
	echo "$program: $1" >&2
	exit 1
}

while getopts f:d:ick:mh option; do
	case $option in
	f) subnet_file=$OPTARG ;;
	d) options_file=$OPTARG ;;
	i) want_individual=yes ;;
	c) want_combined=yes ;;
	k) combined_key=$OPTARG ;;
	m) want_ip_masq=no ;;
	*) usage ;;
	esac
done

case $combined_key in
'' | [0-9]* | *[!A-Za-z0-9_]*) fail "-k $combined_key is not a name for a variable" ;;
esac

if [ "$want_individual$want_combined" = nono ]; then
	want_individual=yes
	want_combined=yes
fi

if [ -f "$subnet_file" ]; then
	# A name without a slash would be looked up in PATH.
	case $subnet_file in
	*/*) ;;
	*) subnet_file=./$subnet_file ;;
	esac
	# shellcheck source=/dev/null
	. "$subnet_file"
fi

# The options. Whoever does not masquerade leaves it to Docker, and the other way round: doing it twice hides the source of
# packets between nodes, not doing it at all leaves containers without a way out.

[ -z "${FLANNEL_SUBNET:-}" ] || DOCKER_OPT_BIP=--bip=$FLANNEL_SUBNET
[ -z "${FLANNEL_MTU:-}" ] || DOCKER_OPT_MTU=--mtu=$FLANNEL_MTU
if [ "$want_ip_masq" = yes ]; then
	case ${FLANNEL_IPMASQ:-} in
	'') ;;
	true) DOCKER_OPT_IPMASQ=--ip-masq=false ;;
	false) DOCKER_OPT_IPMASQ=--ip-masq=true ;;
	*) fail "FLANNEL_IPMASQ is \"$FLANNEL_IPMASQ\" in $subnet_file, expected true or false" ;;
	esac
fi
# Used only by name, below.
: "${DOCKER_OPT_BIP:=}" "${DOCKER_OPT_MTU:=}" "${DOCKER_OPT_IPMASQ:=}"

# Every variable with DOCKER_OPT_ in its name counts, so that a unit can add options of its own through the environment.
names=$(set | LC_ALL=C sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/\1/p' | grep DOCKER_OPT_ | LC_ALL=C sort -u)

eval "combined=\${$combined_key:-}"
[ -z "$combined" ] || combined="$combined "
individual=
newline='
'
for name in $names; do
	eval "value=\${$name:-}"
	[ -n "$value" ] || continue
	individual=$individual$name=\"$value\"$newline
	combined="$combined $value"
done

content=
[ "$want_individual" = no ] || content=$individual
[ "$want_combined" = no ] || content=$content$combined_key=\"$combined\"$newline

if [ -h "$options_file" ] || { [ -e "$options_file" ] && [ ! -f "$options_file" ]; }; then
	# /dev/stdout and its like are there to be written to, never to be replaced.
	printf %s "$content" >"$options_file" || exit 1
elif ! { printf %s "$content" >"$options_file.$$" && mv -f "$options_file.$$" "$options_file"; }; then
	rm -f "$options_file.$$"
	exit 1
fi

# A route to the very subnet by way of another host means that another host has it: containers here would get no answer.

[ -n "${FLANNEL_SUBNET:-}" ] || exit 0
command -v ip >/dev/null || exit 0
length=${FLANNEL_SUBNET##*/}
address=${FLANNEL_SUBNET%/*}
last=${address##*.}
case $last in
'' | *[!0-9]*) exit 0 ;;
esac
network=${address%.*}.$((last - 1))/$length
ip route show | while read -r destination how _; do
	[ "$destination $how" != "$network via" ] || exit 1
done || fail "$network, the subnet of this node, is routed through another host (see: ip route show $network)"
