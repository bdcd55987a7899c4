#!/bin/sh
# Does what a stranger does: clones this repository's last commit, types `npm start`, gets a token, stops it.
# With only the Node and npm of this machine, in a folder with a blank in its name, twice: as npm comes, and with
# install scripts switched off and development dependencies left out, as careful machines have it.
# It needs the npm registry, so it is no part of `npm test`.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
clone="$folder/a clone"
service=
trap '[ -z "$service" ] || kill "$service" 2>/dev/null || true; rm -rf "$folder"' EXIT

fail() {
  echo "fresh-clone: $*" >&2
  for log in "$folder"/*.log; do sed "s|^|$(basename "$log"): |" "$log" >&2; done
  exit 1
}

# try NAME VARIABLE=VALUE...: installs, serves, answers, stops.
try() {
  name=$1
  shift
  log="$folder/$name.log"
  (cd "$clone" && exec env "$@" npm start -- \
    --listen-http http://127.0.0.1:0 --listen-dns 127.0.0.1:0 --data "$folder/$name") >"$log" 2>&1 &
  service=$!
  url=
  until [ -n "$url" ]; do
    kill -0 "$service" 2>/dev/null || fail "$name: npm start ended before it was ready"
    url=$(sed -n 's/.*ready to serve discovery requests.*"listen-http":\["\([^"]*\)".*/\1/p' "$log")
    sleep 0.2
  done
  [ "$(grep -c '^quorate: installing' "$log")" = 1 ] || fail "$name: expected one line about installing"

  token=$("$clone/bin/quorate" new --server "$url" --size 1)
  echo "$token" | grep -Eq "^$url/[0-9a-f]{32}\$" || fail "$name: got $token for a token"
  "$clone/bin/quorate" discover --token-url "$token" --name a --peer-url http://127.0.0.1:2380 2>/dev/null |
    grep -qx "ETCD_INITIAL_CLUSTER=a=http://127.0.0.1:2380" || fail "$name: discover printed something else"

  kill -TERM "$service"
  wait "$service" || fail "$name: npm start ended with $? after SIGTERM"
  service=
  grep -q '"msg":"stopped"' "$log" || fail "$name: SIGTERM to npm did not reach the service"
  if curl -s --max-time 2 "$url/health" >/dev/null; then fail "$name: the service outlived npm"; fi
  echo "fresh-clone: $name ok"
}

git clone -q "$root" "$clone"
try plain
again=$(cd "$clone" && npm start -- --help 2>&1) || fail "npm start -- --help ended with $?"
echo "$again" | grep -q -- "--listen-http" || fail "npm start -- --help does not list the flags"
if echo "$again" | grep -q "quorate: installing"; then fail "a second start installs again"; fi

rm -rf "$clone/node_modules"
try careful npm_config_ignore_scripts=true NODE_ENV=production
