#!/usr/bin/env bash
# Debian packages, built without a network, judged by lintian, installed into a clean system where a clip is made; and
# the container of them. As root, on a Debian or Ubuntu that has mmdebstrap; nothing of this system is changed.
#
#   packaging/debs.sh [SUITE]       bookworm (the default), trixie, noble, ...
#
#   LIBTORCH   folder of the wheel `torch`, its neighbours beside it (.deps/torch, which examples/setup.sh fetches)
#   NVCC       CUDA compiler; with all of NVIDIA's wheels beside LIBTORCH ovii2v-engine-cuda is built too
#   OUT        where the packages go (build-packages/SUITE)
#   BASES      where clean systems are kept (build-packages/bases)
#   MIRROR     what they are made from: by default deb.debian.org, and archive.ubuntu.com for Ubuntu's suites
#   KEYRING    the file of keys that sign it, where apt here has none: on Debian ubuntu-archive-keyring.gpg of Ubuntu's
#              package ubuntu-keyring
#   CCACHE_DIR a cache of the compiler's, if it is to be used
#   BUILT=1    takes the packages that are in OUT already
#
# Needs: mmdebstrap (debootstrap makes no suite that is younger than it), unshare; for the container buildah, without which that part is said to be left out.
set -euo pipefail
cd "$(dirname "$0")/.."
source=$PWD
suite=${1:-bookworm}

[ "$(id -u)" = 0 ] || { echo 'debs: takes root, for mmdebstrap and chroot.' >&2; exit 1; }
# Whatever is mounted is this script's alone, and gone with it.
[ -n "${OVI_OWN_MOUNTS:-}" ] || OVI_OWN_MOUNTS=1 exec unshare --mount --propagation private "$0" "$@"

libtorch=$(realpath "${LIBTORCH:-.deps/torch}")
out=$(realpath -m "${OUT:-build-packages/$suite}")
bases=$(realpath -m "${BASES:-build-packages/bases}")
case $suite in
  bookworm | trixie | forky | sid) mirror=${MIRROR:-http://deb.debian.org/debian} components=main ;;
  *) mirror=${MIRROR:-http://archive.ubuntu.com/ubuntu} components=main,universe ;;
esac
version=$(sed -n "s/^ *version: '\(.*\)',$/\1/p" meson.build | head -n 1)
mkdir -p "$out" "$bases"
# Not below /tmp, which may be small.
work=$(mktemp -d "$out/work.XXXXXX")
clear_up() {
  grep -F " $work/" /proc/self/mounts | cut -d ' ' -f 2 | sort -r | xargs -r umount -l
  rm -rf --one-file-system "$work"
}
trap clear_up EXIT
report=$out/report.md
printf '# ovii2v %s on %s\n\n' "$version" "$suite" >"$report"

say() { printf '\n== %s\n' "$*"; }
die() { printf 'debs: %s\n' "$*" >&2; exit 1; }
told() { echo "- $*" | tee -a "$report"; }
began=$SECONDS
took() { told "$1: $((SECONDS - began)) s"; began=$SECONDS; }

# A command in a system; `offline` has no network but its own loopback.
in_root() {
  local root=$1
  shift
  env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive OMP_NUM_THREADS=2 \
    chroot "$root" "$@"
}
offline() { unshare --net -- "$@"; }
new_root() {
  [ -e "$bases/$suite/etc/debian_version" ] || {
    say "A clean $suite"
    mmdebstrap --variant=minbase --include=apt --components="$components" ${KEYRING:+--keyring="$KEYRING"} \
      "$suite" "$bases/$suite.new" "$mirror" >"$bases/$suite.log" 2>&1 ||
      die "mmdebstrap of $suite from $mirror failed: $bases/$suite.log"
    mv "$bases/$suite.new" "$bases/$suite"
  }
  if [ -d "$bases/$suite.$1" ]; then cp -a "$bases/$suite.$1" "$work/$1"; else cp -a "$bases/$suite" "$work/$1"; fi
  mount -t proc proc "$work/$1/proc"
  mount -t tmpfs -o mode=1777 tmp "$work/$1/dev/shm" 2>/dev/null || { mkdir -p "$work/$1/dev/shm" && mount -t tmpfs tmp "$work/$1/dev/shm"; }
  cp /etc/resolv.conf "$work/$1/etc/resolv.conf"
  # Thrown away anyway.
  echo force-unsafe-io >"$work/$1/etc/dpkg/dpkg.cfg.d/unsafe"
  in_root "$work/$1" apt-get update -q >/dev/null
}
install_in() { in_root "$work/$1" apt-get install -y -q --no-install-recommends "${@:2}" >>"$work/$1.apt.log" 2>&1 ||
  { tail -n 30 "$work/$1.apt.log" >&2; die "apt-get install ${*:2} failed on $suite"; }; }

# --- build ------------------------------------------------------------------------------------------------------
if [ -z "${BUILT:-}" ]; then
  say "Packages of $suite"
  new_root build
  root=$work/build
  tree=$root/build/ovii2v-$version
  mkdir -p "$tree"
  # What git knows, as it is here.
  git -c safe.directory="$source" ls-files -z | tar -c --exclude=tests/parity --exclude=tests/fuzz --null --files-from=- | tar -x -C "$tree"
  cp -a "$tree/packaging/debian" "$tree/debian"
  install_in build build-essential lintian
  in_root "$root" apt-get build-dep -y -q --no-install-recommends "/build/ovii2v-$version" >"$work/build-dep.log" 2>&1 ||
    { tail -n 20 "$work/build-dep.log"; die "apt-get build-dep failed"; }
  # The same system is there at once next time.
  [ -d "$bases/$suite.build" ] || { tar -C "$root" --one-file-system --exclude=./build -c . | { mkdir "$bases/new" && tar -C "$bases/new" -x; } && mv "$bases/new" "$bases/$suite.build"; }
  site=$(dirname "$libtorch")
  mkdir -p "$root$site"
  mount --bind -o ro "$site" "$root$site"
  settings=(LIBTORCH="$libtorch" SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git -c safe.directory="$source" log -1 --format=%ct)}" CUDA_VISIBLE_DEVICES=)
  if [ -n "${NVCC:-}" ]; then
    cuda=$(realpath "$(dirname "$NVCC")/..")
    [ -e "$root$cuda" ] || { mkdir -p "$root$cuda"; mount --bind -o ro "$cuda" "$root$cuda"; }
    settings+=(NVCC="$cuda/bin/nvcc")
  fi
  path=/usr/sbin:/usr/bin:/sbin:/bin
  if [ -n "${CCACHE_DIR:-}" ]; then
    install_in build ccache
    mkdir -p "$root/ccache"
    mount --bind "$CCACHE_DIR" "$root/ccache"
    path=/usr/lib/ccache:$path
    settings+=(CCACHE_DIR=/ccache CCACHE_NOHASHDIR=1)
  fi
  took 'a clean system and what is needed to build'
  offline env -i PATH="$path" HOME=/root LANG=C.UTF-8 DEB_BUILD_OPTIONS="parallel=${JOBS:-2}" "${settings[@]}" \
    chroot "$root" sh -ec "cd /build/ovii2v-$version && dpkg-buildpackage -b -us -uc" >"$out/build.log" 2>&1 ||
    { tail -n 40 "$out/build.log"; die "dpkg-buildpackage failed: $out/build.log"; }
  rm -f "$out"/*.deb "$out"/*.changes "$out"/*.buildinfo
  cp "$root"/build/*.deb "$root"/build/*.changes "$root"/build/*.buildinfo "$out/"
  took 'dpkg-buildpackage, without a network'
  in_root "$root" sh -c 'cd /build && lintian --allow-root --fail-on error *.changes' >"$out/lintian.log" 2>&1 || {
    cat "$out/lintian.log"; die 'lintian found errors'; }
  told "lintian: no errors, $(grep -c '^W: ' "$out/lintian.log" || true) warnings"
  took lintian
  printf '\n| package | MB | installed, MB |\n|---|---|---|\n' | tee -a "$report"
  for deb in "$out"/*.deb; do
    printf '| %s | %s | %s |\n' "$(dpkg-deb -f "$deb" Package)" "$(($(stat -c %s "$deb") / 100000))" "$(dpkg-deb -f "$deb" Installed-Size)" |
      awk -F '|' '{printf "|%s| %.1f | %.1f |\n", $2, $3 / 10, $4 / 1024 * 1.048576}' | tee -a "$report"
  done
  echo | tee -a "$report"
  umount "$root$site" "$root/proc"
fi

# --- a clean system --------------------------------------------------------------------------------------------------
say "Into a clean $suite"
new_root clean
root=$work/clean
mkdir -p "$root/packages" "$root/clips"
cp "$out"/*.deb "$root/packages/"
in_root "$root" find / -xdev -path /packages -prune -o -path '/var/*' -prune -o -path '/etc/*' -prune -o -print | sort >"$work/before"
# What is recommended too, since MP4 needs it.
install_in clean /packages/{gstreamer1.0-ovii2v,ovii2v-engine,ovii2v-tools}"_$version-1_amd64.deb" gstreamer1.0-libav gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly
took 'installed'
chown 4000:4000 "$root/clips"
offline_user() { offline env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot --userspec=4000:4000 "$root" env HOME=/clips LANG=C.UTF-8 "$@"; }
version_told=$(offline_user ovi --version)
echo "$version_told"
grep -q "^ovi $version" <<<"$version_told" && grep -Eq "^engine $version \((/usr)?/lib/" <<<"$version_told" || die "ovi --version is wrong"
examples=/usr/share/ovii2v/examples
offline_user ovi check -m $examples/demo-model --no-probe >/dev/null
began=$SECONDS
offline_user ovi make $examples/astronaut.png 'She says, <S>We are ready.<E> <AUDCAP>A soft chord.<ENDAUDCAP>' -m $examples/demo-model \
  -s 103 --steps 10 -p slg-layer=1 -p video-guidance-scale=1.5 -p audio-guidance-scale=1.5 -o /clips/clip.mp4
cp "$root/clips/clip.mp4" "$out/"
took 'a clip of the demonstration model, as a user without a network'
grep -q 'We are ready' <<<"$(offline_user ovi again --show /clips/clip.mp4)" || die "the clip has no record"

# What the SPDX document says of the files is so; spdx-tools of PyPI judge its form where they are.
cp "$root/usr/share/doc/ovii2v-engine/ovii2v.spdx.json" "$out/"
python3 - "$out/ovii2v.spdx.json" "$root" <<'PYTHON' | tee -a "$report"
import hashlib, json, pathlib, sys
document, root = json.loads(pathlib.Path(sys.argv[1]).read_text()), pathlib.Path(sys.argv[2])
checked = 0
for file in document["files"]:
    path = root / file["fileName"][2:]
    # Those of packages that are not installed here, and what dh_compress has packed later.
    if path.is_file():
        digest = next(one["checksumValue"] for one in file["checksums"] if one["algorithm"] == "SHA256")
        assert hashlib.sha256(path.read_bytes()).hexdigest() == digest, path
        checked += 1
assert checked > 40, checked
print(f"- SPDX document: {len(document['packages'])} packages, {len(document['files'])} files, {checked} of them compared with what is installed")
PYTHON
if command -v pyspdxtools >/dev/null; then
  pyspdxtools -i "$out/ovii2v.spdx.json" >"$out/spdx.log" 2>&1 || { tail "$out/spdx.log"; die 'the SPDX document is not valid'; }
  told 'SPDX document: valid, by spdx-tools'
else
  told 'SPDX document: its form was not judged, since pyspdxtools (pip install spdx-tools) is not there'
fi

# A program of the engine, one in Rust where the system has gstreamer-rs (Debian 13 on), and the unit of a channel.
install_in clean "/packages/ovii2v-dev_$version-1_amd64.deb" gcc libc6-dev pkg-config systemd
cp tests/install/clip.c "$root/clips/"
offline_user sh -ec 'cd /clips && cc clip.c -o program $(pkg-config --cflags --libs ovii2v-engine) && ./program '$examples/demo-model
if [ -n "$(in_root "$root" apt-cache search --names-only '^librust-gstreamer-dev$')" ]; then
  install_in clean cargo gcc librust-gstreamer-dev libgstreamer1.0-dev
  mkdir -p "$root/rust/.cargo"
  python3 - docs/embedding.md "$root" <<'PYTHON'
import pathlib, re, sys
page, root = pathlib.Path(sys.argv[1]).read_text(), pathlib.Path(sys.argv[2])
files = re.findall(r"<!-- file: (rust/\S+) -->\n```\w+\n(.*?)```", page, re.DOTALL)
assert len(files) == 2, files
for name, text in files:
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_text(text)
# The crates of the system, and no others.
(root / "rust/.cargo/config.toml").write_text(
    '[source.crates-io]\nreplace-with = "system"\n[source.system]\ndirectory = "/usr/share/cargo/registry"\n')
PYTHON
  offline env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/rust chroot "$root" sh -ec 'cd /rust && cargo build --release --offline' >"$out/rust.log" 2>&1 ||
    { tail "$out/rust.log"; die 'the program in Rust cannot be built'; }
  offline_user sh -ec "cd /clips && /rust/target/release/clip $examples/demo-model $examples/astronaut.png 'Rain. <AUDCAP>Rain.<ENDAUDCAP>' >rust.log && test -s clip.mp4" ||
    die 'the program in Rust makes no clip'
  rm -r "$root/rust"
  took 'a program in Rust built of the system'"'"'s crates, and its clip'
fi
in_root "$root" sh -ec 'mkdir -p /etc/ovii2v; cp '$examples/channel.conf' /etc/ovii2v/a.conf
  unit=$(dpkg -L ovii2v-tools | grep "@.service$"); systemd-analyze verify --man=no "$unit"
  systemd-analyze security --offline=true --threshold=20 "$unit" >/tmp/security; tail -n 1 /tmp/security; rm -r /etc/ovii2v /tmp/security'
# Nothing stays behind.
in_root "$root" sh -c 'apt-get purge -y -q ovii2v-engine ovii2v-dev && test -z "$(find / -xdev -name "*ovii2v*" -not -path "/packages/*" -not -path "/clips/*" -not -path "/proc/*" -not -path "/var/log/*" -not -path "/var/cache/*")"' \
  >"$work/purge.log" 2>&1 || { tail "$work/purge.log"; in_root "$root" find / -xdev -name '*ovii2v*' -not -path '/packages/*'; die 'something stays after apt-get purge'; }
took 'a program by pkg-config, the unit judged, all removed again'

# --- the container -------------------------------------------------------------------------------------------------------
if command -v buildah >/dev/null; then
  say 'Container'
  image() { buildah --root "$work/images" --runroot "$work/images-run" --storage-driver vfs "$@"; }
  base=$(image from scratch)
  image add -q "$base" "$bases/$suite" / >/dev/null
  image commit -q "$base" localhost/base >/dev/null
  image bud --isolation chroot --format docker --build-arg BASE=localhost/base -t ovi -f packaging/Containerfile "$out" >"$out/container.log" 2>&1 ||
    { tail -n 20 "$out/container.log"; die 'the container cannot be built'; }
  box=$(image from ovi)
  about=$(image inspect --type image ovi)
  python3 - "$about" <<'PYTHON'
import json, sys
docker = json.loads(sys.argv[1])["Docker"]["config"]
assert docker["User"] == "ovi" and docker["Entrypoint"] == ["ovi"], docker
assert docker["Healthcheck"]["Test"] == ["CMD", "ovi", "check", "--no-probe"], docker
PYTHON
  image run --isolation chroot "$box" -- id -u | grep -qx 10001 || die 'the container runs as another user'
  image run --isolation chroot "$box" -- ovi check --no-probe >/dev/null || die 'the health check fails'
  image run --isolation chroot "$box" -- sh -ec 'ovi make "Rain." -s 1 --steps 1 -p slg-layer=1 -o clip.mp4 && test -s clip.mp4'
  told "container: $(du -sm "$(image mount "$box")" | cut -f 1) MB unpacked"
  image umount "$box" >/dev/null
  took 'a container built, its health check and a clip in it'
else
  told 'container: not built, since buildah is not there'
fi
umount "$work/clean/proc" 2>/dev/null || true
say "All well: $report"
