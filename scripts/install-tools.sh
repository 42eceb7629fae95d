#!/usr/bin/env bash
# Installs what a sandbox with a real node needs, where that can be done without asking:
# as root on Debian and Ubuntu. Elsewhere it names what is missing.
set -euo pipefail

declare -A package=(
  [containerd]=containerd [runc]=runc [iptables]=iptables [ip]=iproute2
)
missing=()
for tool in containerd runc iptables ip; do
  PATH="$PATH:/usr/sbin:/sbin" command -v "$tool" >/dev/null || missing+=("${package[$tool]}")
done
[[ -x /usr/lib/cni/bridge || -x /opt/cni/bin/bridge ]] || missing+=(containernetworking-plugins)

[[ ${#missing[@]} -eq 0 ]] && exit 0

if [[ $(uname -s) == Linux && $EUID -eq 0 ]] && command -v apt-get >/dev/null; then
  echo "installing ${missing[*]}" >&2
  export DEBIAN_FRONTEND=noninteractive
  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  # A package's own service is not wanted: the sandbox starts a containerd of its own.
  if ! { apt-get update && apt-get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    tail -20 "$log" >&2
    echo "install-tools: apt-get could not install ${missing[*]}" >&2
    exit 1
  fi
  exit 0
fi

cat >&2 <<MSG
A sandbox with a real node needs, on Linux and as root: ${missing[*]}
Install them with your package manager (the names are Debian's). Without them the
sandbox runs a control plane and a registry, but no pods.
MSG
