#!/usr/bin/env bash
# Measures what the documentation promises of the shop on a warm sandbox, with its images
# built: prints a line for each figure, and fails when one is over its limit.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/bin:$PATH" SHIPIT_SANDBOX="$PWD/bin/shipit-sandbox"
export SHOP_SIGNING_KEY=only-for-figures-and-long-enough SHIPIT_ENVIRONMENT=dev
name=figures
shipit sandbox up --quiet "$name"
trap 'shipit sandbox down "$name" >/dev/null' EXIT
failed=0

# figure LIMIT WHAT COMMAND... runs a command and prints how long it took, in seconds.
figure() {
  local limit=$1 what=$2 start end took
  shift 2
  start=$(date +%s.%N)
  "$@" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
  end=$(date +%s.%N)
  took=$(awk "BEGIN { printf \"%.2f\", $end - $start }")
  report "$limit" "$what" "$took"
}

report() {
  local limit=$1 what=$2 took=$3
  printf '%-52s %7ss   limit %ss\n' "$what" "$took" "$limit"
  if awk "BEGIN { exit !($took > $limit) }"; then failed=1; fi
}
# named LIMIT WHAT SED breaks the shop's CUE, and prints how long it took until the cause
# was named, from the start of the deploy. Then comes the way back, which is waited for.
named() {
  local limit=$1 what=$2 start took
  sed -i "$3" "$copy/shop.cue"
  start=$(date +%s.%N)
  took=$({ shipit deploy payment -C "$copy" --sandbox="$name" 2>&1 >/dev/null || true; } | tee "$log" |
    awk -v start="$start" '/failed: payment/ && !named { "date +%s.%N" | getline named; printf "%.2f", named - start }')
  [[ -n $took ]] || { cat "$log" >&2; exit 1; }
  cp examples/shop/shop.cue "$copy"
  report "$limit" "$what" "$took"
}

log=$(mktemp)
shop() { local command=$1; shift; shipit "$command" -C examples/shop --sandbox="$name" "$@"; }

shop build >/dev/null 2>&1
figure 25 "first deploy of the shop, to all healthy" shop deploy
figure 1 "deployed again, unchanged" shop deploy
figure 1 "deployed again, unchanged" shop deploy
copy=$(mktemp -d)
cp -r examples/shop/. "$copy"
sed -i 's/A rehearsal/Another rehearsal/' "$copy/environments.cue"
figure 10 "a new release of one service" shipit deploy web -C "$copy" --sandbox="$name"
figure 10 "rolling back one service" shop rollback web
named 20 "a pod that fits no node: named" 's/^services: payment: {/&\n_memory: 9999999/'
named 10 "a command that is not there: named" 's/^services: payment: {/&\ncommand: ["\/nope"]/'
named 10 "a program that ends at once: named" 's/PAYMENT_LIMIT: config: "terms.limit"/PAYMENT_LIMIT: "none"/'
# The probe as init writes it, which says nothing of how often.
plain='s/readiness: {http: "\/readyz".*}/readiness: http: "\/readyz"/'
named 15 "a readiness probe with a wrong path: named" "$plain; s/readyz/nowhere/"
named 35 "a wrong port: named" "$plain; s/^services: payment: {/&\nenv: LISTEN: \":9999\"/"
figure 1 "status" shop status
figure 0.5 "validate, both environments" env -u SHIPIT_ENVIRONMENT bin/shipit validate -C examples/shop
rm -rf "$copy" "$log"
exit $failed
