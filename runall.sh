for x in "$@"; do (cd /tmp/desk/p/$x; echo "== $x"; ${SHIPIT:-/tmp/probe/shipit-desk} validate 2>&1); done
