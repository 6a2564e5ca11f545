#!/usr/bin/env bash
# Installs what is missing of the programs that runs and tests use. Nothing is installed, and no index is fetched, when
# all of them are there.
set -euo pipefail

# A program, and the Debian package that has it. mariadb-install-db needs my_print_defaults.
wanted=(
  "mariadbd mariadb-server-core"
  "my_print_defaults mariadb-client-core"
  "redis-server redis-server"
  "chromium chromium"
  "mmdebstrap mmdebstrap"
)
PATH=$PATH:/usr/sbin:/sbin

missing=()
for entry in "${wanted[@]}"; do
  read -r program package <<<"$entry"
  command -v "$program" >/dev/null || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  echo "packages: all there"
  exit 0
fi
echo "packages: installing ${missing[*]}"
command -v apt-get >/dev/null || {
  echo "packages: no apt-get here; install the like of these yourself: ${missing[*]}" >&2
  exit 1
}

sudo=()
[ "$(id -u)" -eq 0 ] || sudo=(sudo)

# Tests start their own servers; a system-wide Redis must not be started because its package is installed.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  printf '#!/bin/sh\nexit 101\n' | "${sudo[@]}" tee $policy >/dev/null
  "${sudo[@]}" chmod 755 $policy
  trap '"${sudo[@]}" rm -f $policy' EXIT
fi
"${sudo[@]}" apt-get update -q
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
