#!/usr/bin/env bash
# Builds the container images that lunchrush runs its databases from, out of Debian packages: no image registry is asked.
# Needs a container engine, mmdebstrap and a Debian mirror. An image whose recipe has not changed is kept.
#
#   LUNCHRUSH_DEBIAN_MIRROR    mirror of debian          (mmdebstrap's default)
#   LUNCHRUSH_SECURITY_MIRROR  mirror of debian-security (mmdebstrap's default); give both or neither
#   FORCE=1                    build again all the same, for newer packages
set -euo pipefail
cd "$(dirname "$0")"

suite=bookworm
# Without a mirror mmdebstrap takes its own, with the suite's updates and security fixes.
mirrors=()
if [ -n "${LUNCHRUSH_DEBIAN_MIRROR:-}${LUNCHRUSH_SECURITY_MIRROR:-}" ]; then
  mirror=${LUNCHRUSH_DEBIAN_MIRROR:?is needed beside LUNCHRUSH_SECURITY_MIRROR}
  security=${LUNCHRUSH_SECURITY_MIRROR:?is needed beside LUNCHRUSH_DEBIAN_MIRROR}
  mirrors=("deb $mirror $suite main" "deb $mirror $suite-updates main" "deb $security $suite-security main")
fi
label=io.github.lunchrush.recipe

# The classic builder: an engine from Debian has no buildx.
export DOCKER_BUILDKIT=0

log=$(mktemp)
tar=
trap 'rm -f "$log" "$tar"' EXIT

die() { echo "images: $*" >&2; exit 1; }

command -v docker >/dev/null || die "no docker command; on Debian: apt-get install docker.io"
docker version --format '{{.Server.Version}}' >/dev/null 2>&1 || die "no container engine answers; is it started, may you use it?"

# recipe is a name for what an image is made from, on stdin: a changed recipe makes a new image.
recipe() { sha256sum | cut -c1-16; }

# fresh IMAGE RECIPE reports whether the image is there and made from this recipe.
fresh() {
  [ -z "${FORCE:-}" ] && [ "$(docker image inspect --format "{{index .Config.Labels \"$label\"}}" "$1" 2>/dev/null)" = "$2" ]
}

base=lunchrush/debian:$suite
base_recipe=$(echo "$suite apt main updates security 1" | recipe)
if fresh "$base" "$base_recipe"; then
  echo "$base: there"
else
  command -v mmdebstrap >/dev/null || die "no mmdebstrap; on Debian: apt-get install mmdebstrap"
  tar=$(mktemp --suffix=.tar)
  began=$SECONDS
  mmdebstrap --quiet --variant=apt "$suite" "$tar" ${mirrors[@]+"${mirrors[@]}"}
  # A bootstrap that failed leaves a tar without files, which the engine would import without a word.
  tar -tf "$tar" ./usr/bin/dpkg >/dev/null 2>&1 || die "mmdebstrap made an archive without a Debian in it"
  docker import --change "LABEL $label=$base_recipe" --change 'CMD ["/bin/sh"]' - "$base" <"$tar" >/dev/null
  rm -f "$tar"
  echo "$base: built in $((SECONDS - began)) s"
fi

# build IMAGE FOLDER
build() {
  local made old began=$SECONDS
  made=$({ docker image inspect --format '{{.Id}}' "$base" && cat "$2"/*; } | recipe)
  if fresh "$1" "$made"; then
    echo "$1: there"
    return
  fi
  old=$(docker image inspect --format '{{.Id}}' "$1" 2>/dev/null || true)
  # Its log, and the client's regrets about the classic builder, are of interest only when it fails.
  docker build --force-rm --label "$label=$made" --tag "$1" "$2" >"$log" 2>&1 || { cat "$log" >&2; die "$1 could not be built"; }
  # The one it replaces has lost its name; a container may still use it.
  [ -z "$old" ] || [ "$old" = "$(docker image inspect --format '{{.Id}}' "$1")" ] || docker image rm "$old" >/dev/null 2>&1 || true
  echo "$1: built in $((SECONDS - began)) s"
}

build "lunchrush/mariadb:10.11-$suite" mariadb
build "lunchrush/redis:7.0-$suite" redis
