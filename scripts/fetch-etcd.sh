#!/bin/sh
# Brings etcd 3.5 to .cache/etcd-3.5 for the interop tests, on a Debian whose own etcd is 3.4.
#
# The packages come from a later Debian release, through the mirror and keys this machine's apt is set up with
# (apt is asked for them now; nothing of them is kept in the repository). apt works in a root of its own: the
# running system's lists, sources and packages stay as they are, and no rights are needed. apt checks the
# signatures; `dpkg-deb` only unpacks.
#
# Usage: scripts/fetch-etcd.sh           quick when it is there already; says why and exits 1 when it cannot
#        ETCD_RELEASE=NAME …             another release to take it from
#
# Result: .cache/etcd-3.5/bin/etcd and etcdctl.
set -eu

# The release whose etcd is the last 3.5 before Debian's next step. Not "the one after this machine's": on that very
# release the system's own etcd is 3.5 already, and a later one may have dropped what is tested here.
release=${ETCD_RELEASE:-trixie}
root=$(cd "$(dirname "$0")/.." && pwd)
target=$root/.cache/etcd-3.5

say() { echo "fetch-etcd: $*" >&2; }
fail() { say "$*"; exit 1; }
works() { "$1/bin/etcd" --version 2>/dev/null | grep -q '^etcd Version: 3\.5\.' && "$1/bin/etcdctl" version >/dev/null 2>&1; }

if works "$target"; then
  say "$("$target/bin/etcd" --version | head -n 1) is in .cache/etcd-3.5"
  exit 0
fi

for tool in apt-get dpkg-deb dpkg; do
  command -v "$tool" >/dev/null 2>&1 || fail "no $tool here: etcd 3.5 is fetched on Debian and its kin only"
done

work=$target.new
rm -rf "$work"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
mkdir -p "$work/apt/state/lists/partial" "$work/apt/cache/archives/partial" "$work/apt/none" "$work/debs" "$work/root"
: >"$work/apt/status"

# Where this machine gets its release from, whichever kind of sources file says so. Security and update suites (a
# dash in the name) live under other roots.
mirrors=$(apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
  awk '$1 !~ /[-\/]/ && $2 == "main" { print $3 }' | sort -u)
[ -n "$mirrors" ] || fail "apt has no mirror with a main archive set up"

keyring=/usr/share/keyrings/debian-archive-keyring.gpg
options=target=Packages
[ -r "$keyring" ] && options="$options signed-by=$keyring"
for mirror in $mirrors; do echo "deb [$options] $mirror $release main"; done >"$work/apt/sources.list"

# The machine's own settings (proxy, credentials) stay in force; what would touch its state is moved or emptied.
cat >"$work/apt/apt.conf" <<END
Dir::State "$work/apt/state";
Dir::State::status "$work/apt/status";
Dir::Cache "$work/apt/cache";
Dir::Etc::sourcelist "$work/apt/sources.list";
Dir::Etc::sourceparts "$work/apt/none";
Dir::Etc::preferences "$work/apt/none/none";
Dir::Etc::preferencesparts "$work/apt/none";
APT::Sandbox::User "";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
Acquire::Languages "none";
Acquire::Retries "3";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
END
apt() { (cd "$work/debs" && apt-get -qq -c "$work/apt/apt.conf" "$@" </dev/null >"$work/apt/log" 2>&1); }
why() { sed -n 's/^[EW]: //p' "$work/apt/log" | head -n 1; }

say "reading the package list of $release ..."
apt update || fail "cannot read the package list of $release: $(why)"
apt download etcd-server etcd-client || fail "cannot download etcd from $release: $(why)"

for deb in "$work"/debs/*.deb; do dpkg-deb -x "$deb" "$work/root"; done
mkdir "$work/bin"
for tool in etcd etcdctl; do ln -s "../root/usr/bin/$tool" "$work/bin/$tool"; done

if ! works "$work"; then
  # Linked against that release's C library, which may be newer than ours: bring it along and start through its loader.
  rm -f "$work"/debs/*.deb
  apt download libc6 || fail "etcd of $release does not run here, and its libc6 cannot be downloaded: $(why)"
  for deb in "$work"/debs/*.deb; do dpkg-deb -x "$deb" "$work/libc"; done
  loader=$(find "$work/libc" -name 'ld-linux*.so.*' -type f | head -n 1)
  [ -n "$loader" ] || fail "no loader in libc6 of $release"
  for tool in etcd etcdctl; do
    rm "$work/bin/$tool"
    cat >"$work/bin/$tool" <<END
#!/bin/sh
here=\$(dirname "\$(readlink -f "\$0")")/..
loader=\$here/${loader#"$work/"}
exec "\$loader" --library-path "\$(dirname "\$loader")" "\$here/root/usr/bin/$tool" "\$@"
END
    chmod +x "$work/bin/$tool"
  done
fi
works "$work" || fail "etcd of $release does not run here, or is no 3.5: $("$work/bin/etcd" --version 2>&1 | head -n 1)"

rm -rf "$target" "$work/apt" "$work/debs"
mv "$work" "$target"
say "$("$target/bin/etcd" --version | head -n 1) is in .cache/etcd-3.5"
