#!/usr/bin/env bash
# The demo: a shop of microservices goes from source to healthy pods on a real Kubernetes,
# sells something, gets a broken release of one service, which is put back, and the order
# is still there.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/bin:$PATH" SHIPIT_SANDBOX="$PWD/bin/shipit-sandbox"
start=$SECONDS
name=demo

bold() { if [[ -t 1 && -z ${NO_COLOR-} ]]; then printf '\n\033[1m%s\033[0m\n' "$1"; else printf '\n%s\n' "$1"; fi; }
run() { printf '$ %s\n' "$*"; "$@"; }
die() { printf 'demo: %s\n' "$1" >&2; exit 1; }

# http METHOD PATH [BODY] asks the shop's gateway, as the customer once there is a token, and
# prints the answer. A bare machine may have no curl.
token=
http() {
  local address=${api#http://} body=${3-} status
  address=${address%/}
  exec 3<>"/dev/tcp/${address%:*}/${address#*:}"
  printf '%s %s HTTP/1.0\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s' \
    "$1" "$2" "$address" "$token" "${#body}" "$body" >&3
  read -r _ status _ <&3
  sed '1,/^\r$/d' <&3
  exec 3>&-
  [[ $status == 2* ]]
}
# field NAME prints that field of a JSON object.
field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" | head -1; }
# shop runs shipit on the copy of the shop that the demo may break.
shop() { local command=$1; shift; run shipit "$command" -C "$work/shop" -e dev --sandbox="$name" "$@"; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r examples/shop "$work/shop"
export SHOP_SIGNING_KEY=${SHOP_SIGNING_KEY:-only-for-a-demonstration}

bold "1. A sandbox: Kubernetes and a registry on this machine"
run shipit sandbox up "$name"

bold "2. examples/shop, from source to healthy pods"
shop deploy
api=$(shipit sandbox open gateway -n shop-dev --sandbox="$name")
page=$(shipit sandbox open web -n shop-dev --sandbox="$name")

bold "3. Somebody buys a mug"
customer='{"name":"ada'$RANDOM$RANDOM'","password":"correct horse"}'
http POST /api/customers "$customer" >"$work/answer" || die "no customer was made: $(cat "$work/answer")"
token=$(http POST /api/tokens "$customer" | field token)
http PUT /api/basket/mug '{"quantity":2}' >"$work/answer" || die "nothing got into the basket: $(cat "$work/answer")"
order=$(http POST /api/orders | field id)
[[ -n $order ]] || die "no order was placed"
for _ in {1..100}; do
  http GET "/api/orders/$order" >"$work/order"
  grep -q '"paid"' "$work/order" && break
  sleep 0.1
done
cat "$work/order"
grep -q '"paid"' "$work/order" || die "the order was not paid"

bold "4. A broken release of one service, on purpose: it exits at once"
cat >>"$work/shop/shop.cue" <<'CUE'

services: catalog: env: SHOP_BREAK: "crash: broken on purpose"
CUE
diff examples/shop/shop.cue "$work/shop/shop.cue" || true
code=0
shop deploy || code=$?
[[ $code -eq 4 ]] || die "the broken release ended with exit code $code, not 4 (rolled back)"
echo "exit code 4: the rollout failed, and what was there before is back"

bold "5. The shop never closed, and the order is still there"
shop status
http GET "/api/orders/$order" | grep '"paid"' || die "the order is gone"

bold "Done in $((SECONDS - start))s. It is still running:"
cat <<MSG
  $page                                       # the shop; open it in a browser
  export SHOP_SIGNING_KEY=$SHOP_SIGNING_KEY
  bin/shipit status -C examples/shop -e dev --sandbox=$name
  bin/shipit sandbox kubeconfig $name                           # for any other tool
  edit examples/shop, then: bin/shipit deploy -C examples/shop -e dev --sandbox=$name

To stop it and remove all of it:
  bin/shipit sandbox down $name
MSG
