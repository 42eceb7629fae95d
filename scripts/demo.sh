#!/usr/bin/env bash
# The demo: a microservice goes from source to a healthy pod on a real Kubernetes,
# a broken release of it is put back, and the first pods never notice.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/bin:$PATH" SHIPIT_SANDBOX="$PWD/bin/shipit-sandbox"
start=$SECONDS
name=demo

bold() { if [[ -t 1 && -z ${NO_COLOR-} ]]; then printf '\n\033[1m%s\033[0m\n' "$1"; else printf '\n%s\n' "$1"; fi; }
run() { printf '$ %s\n' "$*"; "$@"; }
die() { printf 'demo: %s\n' "$1" >&2; exit 1; }

# get prints what a URL answers; a bare machine may have no curl. A Service follows its
# pods a moment after they are ready, so it asks for a few seconds.
get() {
  local address=${1#http://} try
  for try in {1..50}; do
    if answer "$address" 2>/dev/null | grep Hello; then return 0; fi
    sleep 0.1
  done
  return 1
}
answer() {
  exec 3<>"/dev/tcp/${1%:*}/${1#*:}"
  printf 'GET / HTTP/1.0\r\nHost: %s\r\n\r\n' "$1" >&3
  sed '1,/^\r$/d' <&3
  exec 3>&-
}

# pods prints the name and restarts of each pod that runs.
pods() {
  shipit status -C "$work/hello" --sandbox="$name" -o json 2>/dev/null |
    sed -n '/"running"/,/\]/{s/.*"name": "\(.*\)".*/\1/p;s/.*"restarts": \([0-9]*\).*/\1/p}' | paste -sd' \n'
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r examples/hello "$work/hello"

bold "1. A sandbox: Kubernetes and a registry on this machine"
run shipit sandbox up "$name"

bold "2. examples/hello, from source to healthy pods"
run shipit deploy -C "$work/hello" --sandbox="$name"
url=$(shipit sandbox open hello -n hello "$name")
printf '$ curl %s\n' "$url"
get "$url" || die "hello does not answer at $url"
before=$(pods)
[[ -n $before ]] || die "no pod runs"

bold "3. A broken release, on purpose: it exits at once"
sed -i 's|env: GREETING: .*|env: {GREETING: "Hello", HELLO_CRASH: "broken on purpose"}|' "$work/hello/hello.cue"
diff examples/hello/hello.cue "$work/hello/hello.cue" || true
code=0
run shipit deploy -C "$work/hello" --sandbox="$name" || code=$?
[[ $code -eq 4 ]] || die "the broken release ended with exit code $code, not 4 (rolled back)"
echo "exit code 4: the rollout failed, and what was there before is back"

bold "4. The first pods serve on, never restarted"
run shipit status -C "$work/hello" --sandbox="$name"
printf '$ curl %s\n' "$url"
get "$url" || die "hello does not answer any more"
after=$(pods)
[[ $before == "$after" ]] || die "the pods changed: $before, now $after"
echo "the same pods as before, with their restarts: "$after

bold "Done in $((SECONDS - start))s. It is still running:"
cat <<MSG
  curl $url
  bin/shipit status -C examples/hello --sandbox=$name
  export KUBECONFIG=\$(mktemp); bin/shipit sandbox kubeconfig $name >\$KUBECONFIG     # for any other tool
  edit examples/hello/hello.cue, then: bin/shipit deploy -C examples/hello --sandbox=$name

To stop it and remove all of it:
  bin/shipit sandbox down $name
MSG
