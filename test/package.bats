#!/usr/bin/env bats
# From the sources to an installed program, and away again: make install, make dist, make deb.

bats_require_minimum_version 1.5.0
load helpers

VERSION=$(sed -n 's/^VERSION := //p' "$BATS_TEST_DIRNAME/../Makefile")

setup() {
    HERE=$BATS_TEST_TMPDIR
    cd "$HERE" || return
}

# of ROOT: what is there that is no directory
files() { (cd "$1" && find . ! -type d | sort); }

install_to() { make -s -C "$REPO" -o all "$1" DESTDIR="$HERE/root" "${@:2}" >/dev/null; }

# used UNIONRUN: it runs, and the lower stays as it is
used() {
    rm -rf used
    mkdir -p used/lower used/target
    echo old >used/lower/f
    "$1" --target used/target --lower used/lower --upper used/upper -- sh -c 'echo new >used/target/f && cat used/target/f' >used/said
    [ "$(cat used/said used/lower/f used/upper/f | xargs)" = 'new old new' ]
}

@test "make install puts everything where it is told, and uninstall takes it away" {
    install_to install
    local docs=root/usr/local/share/doc/unionrun
    same examples "$(files "$REPO/scripts/examples")" "$(files $docs/examples)"
    [ -x $docs/examples/job ]
    rm -r $docs/examples
    same files "$(files root)" './usr/local/bin/unionrun
./usr/local/libexec/unionrun/unionrun-audit.so
./usr/local/libexec/unionrun/unionrun-exec
./usr/local/libexec/unionrun/unionrun-launch
./usr/local/libexec/unionrun/unionrun-layers
./usr/local/libexec/unionrun/unionrun.so
./usr/local/share/bash-completion/completions/unionrun
./usr/local/share/doc/unionrun/CHANGELOG.md
./usr/local/share/doc/unionrun/LICENSE
./usr/local/share/doc/unionrun/README.md
./usr/local/share/doc/unionrun/SECURITY.md
./usr/local/share/fish/vendor_completions.d/unionrun.fish
./usr/local/share/man/man1/unionrun.1
./usr/local/share/man/man5/unionrun-layers.5
./usr/local/share/unionrun/unionrun-layers.schema.json
./usr/local/share/zsh/site-functions/_unionrun'
    used root/usr/local/bin/unionrun
    grep -q '/usr/local/share/unionrun/unionrun-layers.schema.json$' root/usr/local/share/man/man5/unionrun-layers.5
    fails grep -rq '@[A-Z]*@' root/usr/local/bin root/usr/local/share/man
    touch root/usr/local/share/doc/other
    install_to uninstall
    [ "$(files root)" = ./usr/local/share/doc/other ]
    [ ! -e root/usr/local/share/doc/unionrun ]
}

@test "make install knows GNU's directories, in both ways to write them" {
    install_to install PREFIX=/opt/u BINDIR=/bin LIBEXECDIR=/lib MANDIR=/m DATADIR=/d DOCDIR=/doc
    [ -x root/lib/unionrun/unionrun-launch ]
    [ -e root/m/man1/unionrun.1 ]
    [ -e root/d/unionrun/unionrun-layers.schema.json ]
    [ -e root/doc/README.md ]
    used root/bin/unionrun
    install_to uninstall PREFIX=/opt/u BINDIR=/bin LIBEXECDIR=/lib MANDIR=/m DATADIR=/d DOCDIR=/doc
    install_to install prefix=/opt/u libexecdir=/opt/u/lib/private
    used root/opt/u/bin/unionrun
    [ -x root/opt/u/lib/private/unionrun/unionrun-launch ]
    install_to uninstall prefix=/opt/u libexecdir=/opt/u/lib/private
    [ -z "$(files root)" ]
}

@test "one version, and one changelog" {
    [[ $VERSION =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]] # semver.org
    [ "$("$REPO/scripts/changelog" version)" = "$VERSION" ]
    [ "$("$UNIONRUN" --version)" = "unionrun $VERSION" ]
    date -d "$("$REPO/scripts/changelog" date)" >/dev/null
    same debian/changelog "$("$REPO/scripts/changelog" debian)" "$(cat "$REPO/debian/changelog")"
    [ "$(dpkg-parsechangelog -l "$REPO/debian/changelog" -S Version)" = "$VERSION" ]
}

@test "make dist is the same each time, and what is committed" {
    git -c safe.directory='*' -C "$REPO" rev-parse -q --verify HEAD >/dev/null || skip 'not in git'
    make -s -C "$REPO" dist BUILD="$HERE/one" >/dev/null
    TZ=Asia/Tokyo make -s -C "$REPO" dist BUILD="$HERE/two" >/dev/null
    cmp one/dist/*.tar.xz two/dist/*.tar.xz
    [ "$(cd one/dist && ls)" = "unionrun-$VERSION.tar.xz" ]
    tar -xf one/dist/*.tar.xz
    [ "$(cd "unionrun-$VERSION" && find . ! -type d | sed 's,^\./,,' | sort)" = "$(git -c safe.directory='*' -C "$REPO" ls-tree -r --name-only HEAD | sort)" ]
}

# It is built of the unpacked tar of `make dist`, without git.
@test "make deb: lintian accepts the package; installed in a clean root it is used, and removed it is gone" {
    git -c safe.directory='*' -C "$REPO" rev-parse -q --verify HEAD >/dev/null || skip 'not in git'
    for need in dpkg-buildpackage dh lintian; do needs "$need"; done
    make -s -C "$REPO" deb BUILD="$HERE/build" >log 2>&1 || { tail -30 log; false; }
    TMPDIR=$HERE run -0 lintian --allow-root --fail-on error,warning build/dist/*.changes
    fails grep '^[EW]:' <<<"$output"

    [ "$(id -u)" = 0 ] || skip 'a clean root takes root'
    unshare --mount true || skip 'a root takes a /proc, and mounts are forbidden here'
    "$REPO/test/package/clean-root" "$HERE/root" libarchive13 libjansson4
    cp build/dist/unionrun_*.deb root/tmp/
    cat >root/tmp/use <<'EOF'
set -eu
everything() { find / -xdev -path /proc -prune -o -path /tmp -prune -o -path '/var/lib/dpkg/*' -prune -o -name '*.log' -o -print | sort; }
everything >/tmp/before
dpkg -i /tmp/unionrun_*.deb
dpkg -V unionrun
unionrun --version
mkdir -m 777 /home/u
cat >/tmp/as-user <<'EOU'
set -eu
umask 022
cd /home/u
mkdir lower target
echo old >lower/f
unionrun --target target --lower lower --upper upper -- sh -c 'echo new >target/f; rm -f target/none; cat target/f'
[ "$(cat lower/f)" = old ]
unionrun diff --target target --lower lower --upper upper
EOU
setpriv --reuid 1234 --regid 1234 --clear-groups sh /tmp/as-user
bash -c '. /usr/share/bash-completion/completions/unionrun && complete -p unionrun'
zcat /usr/share/man/man1/unionrun.1.gz | head -2
rm -r /home/u
dpkg -r unionrun
dpkg -P unionrun
everything >/tmp/after
diff /tmp/before /tmp/after
echo gone
EOF
    # shellcheck disable=SC2016 # for the shell inside
    run unshare --mount --pid --fork sh -c 'mount -t proc proc "$1/proc" && mount --bind /dev "$1/dev" && exec chroot "$1" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C sh /tmp/use' - "$HERE/root"
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output == *"unionrun $VERSION"*$'\nnew\nM '*'complete -F _unionrun unionrun'*'.Dt UNIONRUN 1'*gone ]]
}
