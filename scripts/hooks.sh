#!/usr/bin/env bash
# Tries the pre-commit hooks in a repository of its own, as their users would: a commit
# of what is wrong is refused, one of what is right goes through. By default those that
# use the installed shipit; with `all`, also those that compile it.
set -euo pipefail
cd "$(dirname "$0")/.."
ids=(shipit-fmt-system shipit-validate-system)
if [[ ${1-} == all ]]; then ids+=(shipit-fmt shipit-validate); fi
command -v pre-commit >/dev/null || { echo "needs pre-commit (https://pre-commit.com)" >&2; exit 1; }

here=$PWD
export PATH="$here/bin:$PATH" GIT_CONFIG_NOSYSTEM=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PRE_COMMIT_HOME="$work/cache" GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com
export GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com

# What pre-commit clones is what is committed.
try() { # try ID: runs one hook on what is staged
  (cd "$work/repo" && pre-commit try-repo "$here" "$1" --verbose) >"$work/log" 2>&1
}
refused() {
  if try "$1" || ! grep -q "$2" "$work/log"; then
    cat "$work/log" >&2
    echo "$1 did not say \"$2\"" >&2
    exit 1
  fi
  echo "$1 refuses: $(grep -m1 "$2" "$work/log")"
}
passes() {
  try "$1" || { cat "$work/log" >&2; exit 1; }
  echo "$1 passes"
}

git init -q "$work/repo"
shipit init "$work/repo/shop" >/dev/null 2>&1
cp "$work/repo/shop/shop.cue" "$work/right.cue"
for id in "${ids[@]}"; do
  case $id in
  *fmt*) printf '\n\nx:    1\n' >>"$work/repo/shop/shop.cue"; says='files were modified by this hook' ;;
  *) sed -i 's/replicas/replcas/; s/image:/imagee:/' "$work/repo/shop/shop.cue"; says='unknown field' ;;
  esac
  git -C "$work/repo" add -A
  refused "$id" "$says"
  cp "$work/right.cue" "$work/repo/shop/shop.cue"
  git -C "$work/repo" add -A
  passes "$id"
done
