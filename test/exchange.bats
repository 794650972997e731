#!/usr/bin/env bats
# import, export, convert: layers that go to others and come from them. umoci and skopeo are the others.

# shellcheck disable=SC2016,SC2030,SC2031,SC2034 # what is in quotes is for other shells; each test has its own variables
load helpers
bats_require_minimum_version 1.5.0

AFTER_ALL=4000000000 # no file is younger: `tree` then shows every time in full

setup_file() {
    umask 022
    export SHARED=$BATS_FILE_TMPDIR
    chmod go+x "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$(dirname "$BATS_FILE_TMPDIR")"
    [ "$(id -u)" != 0 ] || make_image
}

# A tree of everything that a layer can hold, a change to it, and what umoci makes of both: $SHARED/oci, image "two"
make_image() {
    command -v umoci >/dev/null || return 0
    local tree=$SHARED/tree
    mkdir -p "$tree"/{bin,etc/keep,etc/gone,dev,usr/lib,shut,tmp}
    cp /bin/busybox "$tree/bin/"
    ln -s busybox "$tree/bin/sh"
    ln -s usr/lib "$tree/lib"
    echo one >"$tree/etc/one"
    ln "$tree/etc/one" "$tree/etc/linked"
    echo two >"$tree/etc/two"
    chown 12:34 "$tree/etc/two"
    chmod 4711 "$tree/etc/two"
    setfattr -n user.note -v kept "$tree/etc/two"
    echo three >"$tree/etc/gone/three"
    echo four >"$tree/etc/keep/four"
    truncate -s 3M "$tree/etc/sparse"
    echo end >>"$tree/etc/sparse"
    mkfifo "$tree/tmp/fifo"
    echo ä >"$tree/tmp/ä b"
    chmod 1777 "$tree/tmp"
    touch -d '2001-02-03 04:05:06.789' "$tree/etc/keep" "$tree/etc/one"
    touch -h -d '2002-02-03 04:05:06' "$tree/bin/sh"
    chmod 0555 "$tree/shut"
    cd "$SHARED" || return
    umoci init --layout oci
    umoci new --image oci:two
    umoci unpack --image oci:two work
    cp -a "$tree/." work/rootfs/
    umoci repack --image oci:two work
    rm -rf work
    umoci unpack --image oci:two work
    rm -r work/rootfs/etc/gone work/rootfs/etc/linked work/rootfs/etc/keep
    mkdir work/rootfs/etc/keep
    echo five >work/rootfs/etc/keep/five
    chmod 0600 work/rootfs/etc/one
    umoci repack --image oci:two work
    rm -rf work
    umoci config --image oci:two --config.cmd /bin/sh --config.workingdir /etc
    umoci unpack --image oci:two expected
    chmod -R a+rX oci
} &>"$SHARED/make_image.log"

others() {
    [ "$(id -u)" = 0 ] || skip 'umoci keeps owners for root alone'
    needs umoci
    [ -d "$SHARED/expected" ] || { cat "$SHARED/make_image.log"; return 1; }
}

# tree_of FILE: what the union of a layer file shows at its target. The target is put at $TARGET, where it can be compared.
tree_of() {
    as sed "s,\"target\": \"/\",\"target\": \"$TARGET\"," "$1" >"${1%/*}/at-target.json"
    as "$UNIONRUN" --layers "${1%/*}/at-target.json" -- "$PROGRAMS/tree" "$TARGET" $AFTER_ALL | no_records
}
no_records() { grep -av ': user\.\(containers\|unionrun\|overlay\)\.'; }
plain_tree() { "$PROGRAMS/tree" "$1" $AFTER_ALL | no_records; }
# Without owners, and without modes that only root can give a file of another's
no_owners() { sed -E 's/ [0-9]+:[0-9]+ / /; s/ 4711 / 711 /; s/^shut: d 555/shut: d 755/'; }

import() { as "$UNIONRUN" import "$@"; }

@test "an image of umoci's, imported, shows the tree that umoci unpacks" {
    workspace root
    others
    import "$SHARED/oci" -o "$W/img"
    same 'the tree' "$(plain_tree "$SHARED/expected/rootfs")" "$(tree_of "$W/img/base.json")"
    cmp "$W/img/config.json" "$SHARED"/oci/blobs/sha256/"$(jq -r .rootfs.diff_ids[0] "$W/img/config.json" >/dev/null &&
        sha256sum <"$W/img/config.json" | cut -d' ' -f1)"
}

@test "a plain user's import shows the same but for owners, which it records" {
    workspace root
    others
    workspace user
    run import "$SHARED/oci" -o "$W/img"
    [ "$status" -eq 0 ]
    [[ $output == *"owners of symlinks"* ]]
    same 'the tree' "$(plain_tree "$SHARED/expected/rootfs" | no_owners)" "$(tree_of "$W/img/base.json" | no_owners)"
    [ "$(getfattr --only-values -n user.containers.override_stat "$W"/img/layers/1-*/etc/two)" = 12:34:04711 ]
    [ "$(stat -c '%U %a' "$W"/img/layers/1-*/etc/two)" = "$PLAIN_USER 711" ]
    as "$UNIONRUN" --layers "$W/img/base.json" -- /bin/sh -c '[ -e /etc/keep/five ] && [ ! -e /etc/keep/four ] && echo run >/ran'
    [ "$(cat "$W/img/upper/ran")" = run ]
    as "$UNIONRUN" export --layers "$W/img/base.json" -o "$W/ran.tar"
    [ "$(tar --numeric-owner -tvf "$W/ran.tar" ./ | awk '$6 == "./" { print $1, $2 }')" = 'drwxr-xr-x 0/0' ]
}

@test "a layout as a tar, compressed, from a pipe, and a docker save give the same layers" {
    workspace root
    others
    needs skopeo
    import "$SHARED/oci" -o "$W/img"
    tar -C "$SHARED/oci" -c . | zstd -q | as tee "$W/oci.tar.zst" | import - -o "$W/piped"
    import "$W/oci.tar.zst" -o "$W/packed"
    skopeo --insecure-policy copy -q "oci:$SHARED/oci:two" "docker-archive:$W/docker.tar:two:latest"
    import "$W/docker.tar" -o "$W/docker"
    [ "$(jq -r .image <<<"$(import "$W/docker.tar" -o "$W/again" --json)")" = docker.io/library/two:latest ]
    local other digests
    digests=$(lower_digest "$W"/img/layers/* | cut -d' ' -f1)
    for other in piped packed docker again; do
        same "$other" "$digests" "$(lower_digest "$W/$other"/layers/* | cut -d' ' -f1)"
    done
}

@test "an import is on disk before it has its name, and is not there if the disk fails" {
    workspace root
    others
    needs strace
    local layers=$REPO/build/unionrun-layers
    run as strace -qq -o /dev/null -e trace=syncfs -e inject=syncfs:error=EIO "$layers" import "$SHARED/oci" -o "$W/img"
    [ "$status" -eq 125 ]
    [[ $output == *'Input/output error'* ]]
    [ -z "$(find "$W" -maxdepth 1 -name '*img*')" ]
    as strace -qq -y -o "$W/calls" -e trace=syncfs,fsync,rename,renameat,renameat2 "$layers" import "$SHARED/oci" -o "$W/img"
    tail -n 3 "$W/calls" >&2
    same 'the calls at the end' "syncfs renameat fsync" "$(tail -n 3 "$W/calls" | sed 's/(.*//' | xargs)"
    tail -n 1 "$W/calls" | grep -q "^fsync([0-9]*<$W>)"
}

@test "where devices cannot be had whiteouts are xattrs, and where those cannot be had, names" {
    workspace root
    others
    needs strace
    local form inject=()
    for form in device xattr name; do
        [ $form != xattr ] || inject=(-e inject=mknodat:error=EPERM:when=1) # what tries it out
        [ $form != name ] || inject+=(-e inject=fsetxattr:error=EOPNOTSUPP:when=1)
        as strace -qq -o /dev/null -e trace=mknodat,fsetxattr "${inject[@]}" "$REPO/build/unionrun-layers" \
            import "$SHARED/oci" -o "$W/$form"
        same "the tree, $form" "$(plain_tree "$SHARED/expected/rootfs")" "$(tree_of "$W/$form/base.json")"
    done
    find "$W"/device/layers/2-* -type c | grep -q etc/linked
    getfattr -n user.overlay.whiteout "$W"/xattr/layers/2-*/etc/linked
    [ -f "$(echo "$W"/name/layers/2-*)/etc/.wh.linked" ]
    [ -z "$(find "$W/xattr" "$W/name" -type c)" ]
}

@test "of several images the one that is named is taken, and without a name none" {
    workspace root
    others
    cp -r "$SHARED/oci" "$W/oci"
    umoci tag --image "$W/oci:two" other
    run import "$W/oci" -o "$W/img"
    [ "$status" -eq 125 ]
    [[ $output == *"--image NAME says which"*other* ]]
    [ ! -e "$W/img" ]
    [ "$(import "$W/oci" -o "$W/img" --image other --json | jq -r '.image, .command[0], .config.WorkingDir')" = $'other\n/bin/sh\n/etc' ]
}

@test "an image's environment, working directory and command are a run's of its layer file" {
    workspace root
    others
    workspace user
    cp -r "$SHARED/oci" "$W/oci"
    umoci config --image "$W/oci:two" --config.env 'GREETING=good day = $HOME' --config.env LD_PRELOAD=/none.so \
        --config.workingdir /etc/keep --config.entrypoint /bin/sh --config.cmd -c --config.cmd 'pwd; cat five; echo "$GREETING"'
    chmod -R a+rX "$W/oci"
    run import "$W/oci" -o "$W/img"
    [ "$status" -eq 0 ]
    [[ $output == *"LD_PRELOAD is left out"* ]]
    [ "$(as "$UNIONRUN" --layers "$W/img/base.json")" = $'/etc/keep\nfive\ngood day = $HOME' ]
    [ "$(as "$UNIONRUN" --no-preload --layers "$W/img/base.json" --)" = $'/etc/keep\nfive\ngood day = $HOME' ]
    [ "$(as env GREETING=mine "$UNIONRUN" --layers "$W/img/base.json" -- /bin/sh -c 'echo "$GREETING $PWD"')" = 'good day = $HOME /etc/keep' ]
    as "$UNIONRUN" --layers "$W/img/base.json" -- /bin/busybox rm -r /etc/keep
    run as "$UNIONRUN" --layers "$W/img/base.json"
    [ "$status" -eq 125 ]
    [[ $output == *'/etc/keep: the layer file'*'No such file or directory'* ]]
}

@test "a layer of umoci insert is taken: it ends with its file's last byte" {
    workspace user
    needs umoci
    as umoci init --layout "$W/oci"
    as umoci new --image "$W/oci:x"
    as sh -c "echo one >'$W/one'; head -c 1024 /dev/zero >'$W/two'"
    as umoci insert --rootless --image "$W/oci:x" "$W/one" /d/one
    as umoci insert --rootless --image "$W/oci:x" "$W/two" /two
    import "$W/oci" -o "$W/img"
    cmp "$W/one" "$W"/img/layers/1-*/d/one
    cmp "$W/two" "$W"/img/layers/2-*/two
}

# What docker run makes of an image's User, by root and by a plain user.
@test "an image's user is who its command is, as the image's own passwd and group have it" {
    workspace root
    others
    needs umoci
    mkdir -p "$BATS_TEST_TMPDIR/files/etc"
    echo 'app:x:1234:1235::/home/app:/bin/sh' >"$BATS_TEST_TMPDIR/files/etc/passwd"
    printf 'app:x:1235:\nmore:x:1300:other,app\nalone:x:1400:\n' >"$BATS_TEST_TMPDIR/files/etc/group"
    tar -C "$BATS_TEST_TMPDIR/files" -cf "$BATS_TEST_TMPDIR/files.tar" etc/passwd etc/group
    cp -r "$SHARED/oci" "$W/oci"
    umoci raw add-layer --image "$W/oci:two" "$BATS_TEST_TMPDIR/files.tar"
    local who said option root_or_user ids='uid=1234(app) gid=1235(app) groups=1235(app),1300(more) /home/app'
    while read -r said wanted; do
        umoci config --image "$W/oci:two" --config.user "$said" --config.entrypoint /bin/sh --config.cmd -c --config.cmd 'echo "$(/bin/busybox id) $HOME"'
        chmod -R a+rX "$W/oci"
        for root_or_user in root user; do
            WHO=$root_or_user
            [ "$WHO" = root ] || as_user true
            who=$BATS_TEST_TMPDIR/$root_or_user.$said
            mkdir "$who"
            [ "$WHO" = root ] || chown "$PLAIN_USER:" "$who"
            as "$UNIONRUN" import "$W/oci" -o "$who/img" --image two >"$BATS_TEST_TMPDIR/told" 2>&1 || { cat "$BATS_TEST_TMPDIR/told"; false; }
            grep -qxF "the image says User: $said" "$BATS_TEST_TMPDIR/told"
            for option in --guard=auto --no-preload; do
                same "$root_or_user $said $option" "$wanted" "$(as timeout 60 "$UNIONRUN" "$option" --layers "$who/img/base.json" 2>&1)"
            done
        done
    done <<END
app $ids
1234 $ids
app:alone uid=1234(app) gid=1400(alone) groups=1400(alone) /home/app
77:1400 uid=77 gid=1400(alone) groups=1400(alone) /
none unionrun: the layer file's "user", none: the union's /etc/passwd has no such user
app:none unionrun: the layer file's "user", app:none: the union's /etc/group has no such group
END
    jq 'del(.root)' "$who/img/base.json" | as tee "$who/img/other.json" >/dev/null
    run -125 as "$UNIONRUN" --layers "$who/img/other.json"
    [[ $output == *'only root can become another; --root simulates that'* ]]
}

@test "an image shown elsewhere than at / has its command, and no working directory" {
    workspace root
    others
    workspace user
    import "$SHARED/oci" -o "$W/img" --target "$TARGET"
    [ "$(jq -c '[.command, .directory]' "$W/img/base.json")" = '[["/bin/sh"],null]' ]
    jq 'del(.command)' "$W/img/base.json" | as tee "$W/img/none.json" >/dev/null
    run as "$UNIONRUN" --layers "$W/img/none.json"
    [ "$status" -eq 125 ]
    [[ $output == *'no -- COMMAND, and the layer file has none'* ]]
}

# changed WHO: an upper at $W/up/upper over $W/lowers/base with every kind of change
changed() {
    workspace "$1"
    as mkdir -p "$W"/lowers/base/{d/e,moved/deep/er,t,links,emptied,shut}
    as sh -c 'cd "$1" && echo 1 >d/e/f && echo m >meta && echo z >links/a && ln links/a links/b && echo q >emptied/q &&
        echo del >del && echo r >shut/r && echo s >shut/s && ln -s x moved/sym && echo e >moved/deep/er/e &&
        for name in a b c; do echo $name >moved/deep/$name; done' sh "$W/lowers/base"
    union sh -c 'cd "$1" && mv moved new && mv new/deep d/deeper && mv d/deeper/er new/er && rm -r emptied && mkdir emptied &&
        echo n >emptied/n && rm del && chmod 600 meta && echo more >>links/a && echo 1 >h1 && ln h1 h2 && touch d/deeper/d &&
        rm d/deeper/a shut/r && chmod 0555 shut && mkfifo fifo && setfattr -n user.note -v kept h1 && truncate -s 2M hole &&
        printf x >"$(printf "byte\\377")" && mkdir -p t/long && touch "t/long/$(printf %0250d 1)"' sh "$TARGET"
    layers=(--lower "$W/lowers/base" --upper "$UPPER" --target "$TARGET")
    seen=$(union "$PROGRAMS/tree" "$TARGET" $AFTER_ALL | no_records)
}

@test "umoci unpacks an exported layer over the lower to the tree that the union shows" {
    changed root
    others
    as "$UNIONRUN" export "${layers[@]}" -o "$W/layer.tar.gz"
    tar -C "$W/lowers/base" --format=posix -cf "$W/base.tar" .
    umoci init --layout "$W/oci"
    umoci new --image "$W/oci:x"
    umoci raw add-layer --image "$W/oci:x" "$W/base.tar"
    gunzip -c "$W/layer.tar.gz" >"$W/layer.tar"
    umoci raw add-layer --image "$W/oci:x" "$W/layer.tar"
    umoci unpack --image "$W/oci:x" "$W/unpacked"
    same "umoci's tree" "$seen" "$(plain_tree "$W/unpacked/rootfs")"

    needs skopeo
    skopeo --insecure-policy copy -q "oci:$W/oci:x" "docker-archive:$W/docker.tar:x:1"
    import "$W/docker.tar" -o "$W/img"
    same 'the tree of its import' "$seen" "$(tree_of "$W/img/base.json")"
}

@test "a plain user's export and import of it show the same tree, and the recorded owners are in it" {
    changed user
    as setfattr -n user.containers.override_stat -v 12:34:04755 "$UPPER/h1"
    as chmod 755 "$UPPER/h1"
    as "$UNIONRUN" export "${layers[@]}" --owner 0:0 -o "$W/layer.tar"
    [ "$(tar --numeric-owner --no-recursion --warning=none -tvf "$W/layer.tar" ./ d h1 | awk '{ print $1, $2 }')" = $'drwxr-xr-x 0/0\ndrwxr-xr-x 0/0\n-rwsr-xr-x 12/34' ]
    import "$W/layer.tar" -o "$W/img"
    as jq ".mounts[0].lower += [\"$W/lowers/base\"]" "$W/img/base.json" >"$W/both.json"
    as cp "$W/both.json" "$W/img/both.json"
    same 'the tree of its import' "$(no_owners <<<"$seen" | grep -v '^h[12]: ')" "$(tree_of "$W/img/both.json" | no_owners | grep -v '^h[12]: ')"
}

@test "an export is the same every time: bytes, order, times clamped to SOURCE_DATE_EPOCH" {
    changed root
    as "$UNIONRUN" convert "${layers[@]}" --to device -o "$W/up/whole"
    as cp -a "$W/up/whole" "$W/up/copy"
    layers=(--lower "$W/lowers/base" --upper "$W/up/whole" --target "$TARGET")
    as "$UNIONRUN" export "${layers[@]}" -o "$W/one.tar"
    as env SOURCE_DATE_EPOCH=1000000000 "$UNIONRUN" export "${layers[@]}" -o "$W/early.tar"
    layers=(--lower "$W/lowers/base" --upper "$W/up/copy" --target "$TARGET")
    as "$UNIONRUN" export "${layers[@]}" -o - >"$W/two.tar"
    cmp "$W/one.tar" "$W/two.tar"
    [ "$(tar --full-time -tvf "$W/early.tar" | awk '$4 " " $5 > "2001-09-09 01:46:40"')" = '' ]
    local names
    names=$(tar -tf "$W/one.tar" | grep -v '\.wh\.')
    [ "$names" = "$(LC_ALL=C sort <<<"$names")" ]
    fails grep -aqE 'SCHILY.xattr.(user.unionrun|user.overlay|trusted)|LIBARCHIVE|(atime|ctime)=' "$W/one.tar"
    for suffix in gz zst; do
        as "$UNIONRUN" export "${layers[@]}" -o "$W/1.tar.$suffix"
        sleep 1.1 # a gzip header has a time to the second
        as "$UNIONRUN" export "${layers[@]}" -o - --compress "${suffix/gz/gzip}" 2>/dev/null >"$W/2" ||
            as "$UNIONRUN" export "${layers[@]}" -o - --compress zstd >"$W/2"
        cmp "$W/1.tar.$suffix" "$W/2"
    done
    cmp <(gunzip -c "$W/1.tar.gz") "$W/one.tar"
    cmp <(zstd -qdc "$W/1.tar.zst") "$W/one.tar"
}

@test "an export that fails leaves the file that was there" {
    changed user
    as sh -c "echo old >'$W/layer.tar'"
    as chmod 000 "$UPPER/h1"
    run as "$UNIONRUN" export "${layers[@]}" -o "$W/layer.tar"
    [ "$status" -eq 125 ]
    [ "$(cat "$W/layer.tar")" = old ]
    [ "$(find "$W" -maxdepth 1 -name 'layer.tar*')" = "$W/layer.tar" ]
}

# convertible WHO: each form in place, and in a directory of its own that stands for itself
convertible() {
    local form
    changed "$1"
    for form in xattr name device name xattr device; do
        as "$UNIONRUN" convert "${layers[@]}" --to $form
        same "the union after --to $form" "$seen" "$(union "$PROGRAMS/tree" "$TARGET" $AFTER_ALL | no_records)"
        [ -d "$W/new.$form" ] || as "$UNIONRUN" convert "${layers[@]}" --to $form -o "$W/new.$form"
    done
    LOWERS=("$W/new.name" "$W/lowers/base") UPPER=$W/up/second
    same 'the union over --to name -o' "$seen" "$(union "$PROGRAMS/tree" "$TARGET" $AFTER_ALL | no_records)"
    LOWERS=("$W/new.xattr" "$W/lowers/base") UPPER=$W/up/third
    same 'the union over --to xattr -o' "$seen" "$(union "$PROGRAMS/tree" "$TARGET" $AFTER_ALL | no_records)"
    [ "$(find "$W/new.name" -type c | wc -l)" -eq 0 ]
    [ "$(find "$W/new.device" -name '.wh.*' | wc -l)" -eq 0 ]
    [ -z "$(getfattr -R -h -d -m overlay.redirect "$W/up/upper" "$W/new.device")" ]
}

@test "convert changes between all forms, and the union shows the same after each" {
    convertible root
}

@test "convert by a plain user shows the same after each" {
    convertible user
}

# Killed at the Nth call that changes something, N growing until it comes to its end. A directory's time is given back by
# a step of its own, and is what a kill may change.
@test "convert in place may be killed anywhere: the union shows the same, and converting again goes on" {
    changed root
    local form when kills
    local changing=setxattr,lsetxattr,fsetxattr,lremovexattr,unlink,unlinkat,rename,renameat2,mknod,mknodat,link,linkat,fchmod,ftruncate,symlink
    for form in xattr name device; do
        kills=0
        for ((when = 4; when < 100; when++)); do
            run strace -qq -o "$W/trace" -e trace="$changing" -e inject="$changing:signal=KILL:when=$when" \
                "$REPO/build/unionrun-layers" convert "${layers[@]}" --to $form
            [ "$status" -ne 0 ] || break
            kills=$((kills + 1))
            same "the union after a kill at $when, --to $form" "$(directory_times <<<"$seen")" \
                "$(union "$PROGRAMS/tree" "$TARGET" $AFTER_ALL | no_records | directory_times)"
        done
        [ "$status" -eq 0 ]
        echo "$form: $kills kills"
        [ "$kills" -ge 2 ]
        same "the union after --to $form" "$(directory_times <<<"$seen")" \
            "$(union "$PROGRAMS/tree" "$TARGET" $AFTER_ALL | no_records | directory_times)"
    done
}
directory_times() { sed -E 's/(: d [0-7]+ [0-9:]+) .*/\1/'; }

kernel_mounts() {
    [ "$(id -u)" = 0 ] || skip 'not root'
    mkdir -p "$W/up/k" "$W/up/kw" "$W/m"
    unshare --mount mount -t overlay -o "lowerdir=$W/lowers/base,upperdir=$W/up/k,workdir=$W/up/kw" overlay "$W/m" 2>/dev/null ||
        skip 'cannot mount overlayfs here'
}

# kernel OPTIONS CMD...: with overlayfs mounted at $W/m
kernel() { unshare --mount sh -c 'mount -t overlay -o "$1" overlay "$2" && shift 2 && exec "$@"' sh "$1" "$W/m" "${@:2}"; }

@test "kernel overlayfs shows a converted upper's tree, in place and new, with userxattr and without" {
    changed root
    kernel_mounts
    as "$UNIONRUN" convert "${layers[@]}" --to device -o "$W/new"
    as "$UNIONRUN" convert "${layers[@]}" --to device
    local options
    # A file that stays one with a copy in the work directory has one link more there.
    without_links() { sed 's/, [0-9]* links/, links/'; }
    for options in userxattr redirect_dir=off; do
        same "the kernel's tree of the new one, $options" "$seen" \
            "$(kernel "$options,lowerdir=$W/new:$W/lowers/base" "$PROGRAMS/tree" "$W/m" $AFTER_ALL | no_records)"
        same "the kernel's tree of the one in place, $options" "$(without_links <<<"$seen")" \
            "$(kernel "$options,lowerdir=$UPPER:$W/lowers/base" "$PROGRAMS/tree" "$W/m" $AFTER_ALL | no_records |
                without_links)"
    done
}

@test "an upper of kernel overlayfs, with renamed directories and metadata alone, is exported and converted whole" {
    changed root
    kernel_mounts
    local options shown
    rm -rf "$W/up/k" "$W/up/kw"
    mkdir "$W/up/k" "$W/up/kw"
    options=redirect_dir=on,metacopy=on,lowerdir=$W/lowers/base,upperdir=$W/up/k,workdir=$W/up/kw
    kernel "$options" sh -c 'cd "$1" && mv moved new && mv new/deep d/deeper && chmod 640 d/deeper/a && chown 5:6 meta && mv meta renamed &&
        rm del && rm -r emptied && mkdir emptied && touch emptied/x && chmod 700 shut/r' sh "$W/m"
    shown=$(kernel "$options" "$PROGRAMS/tree" "$W/m" $AFTER_ALL)
    getfattr -h -d -m metacopy "$W/up/k/renamed" | grep -q metacopy # the case that is meant
    layers=(--lower "$W/lowers/base" --upper "$W/up/k" --work "$W/up/ours" --target "$TARGET")
    as "$UNIONRUN" export "${layers[@]}" -o "$W/layer.tar"
    import "$W/layer.tar" -o "$W/img"
    as jq ".mounts[0].lower += [\"$W/lowers/base\"]" "$W/img/base.json" >"$W/img/both.json"
    same 'the tree of the export' "$shown" "$(tree_of "$W/img/both.json")"
    as "$UNIONRUN" convert "${layers[@]}" --to name -o "$W/new"
    LOWERS=("$W/new" "$W/lowers/base") UPPER=$W/up/second
    same 'the tree of the new one' "$shown" "$(union "$PROGRAMS/tree" "$TARGET" $AFTER_ALL | no_records)"
    as "$UNIONRUN" convert "${layers[@]}" --to device
    LOWERS=("$W/lowers/base") UPPER=$W/up/k UNION_OPTIONS=(--work "$W/up/ours")
    same 'the tree converted in place' "$shown" "$(union "$PROGRAMS/tree" "$TARGET" $AFTER_ALL | no_records)"
}

@test "an upper of fuse-overlayfs is exported as it is" {
    needs fuse-overlayfs
    [ "$(id -u)" = 0 ] && [ -e /dev/fuse ] || skip 'no root, or no /dev/fuse'
    workspace root
    mkdir -p "$W"/{lowers/base/d,up/k,up/kw,m}
    echo 1 >"$W/lowers/base/d/one"
    echo 2 >"$W/lowers/base/two"
    # Shown by a second mount: the first one's times are what the kernel remembers.
    fuse() {
        unshare --mount sh -c 'fuse-overlayfs -o "$1" "$2" && cd "$2" && shift 2 && "$@"; status=$?; cd / && umount "$0" && exit $status' \
            "$W/m" "lowerdir=$W/lowers/base,upperdir=$W/up/k,workdir=$W/up/kw" "$W/m" "$@"
    }
    fuse true || skip 'fuse-overlayfs cannot mount here'
    fuse sh -c 'rm -r d two && mkdir d && echo n >d/n'
    fuse "$PROGRAMS/tree" . $AFTER_ALL >"$W/shown"
    as "$UNIONRUN" export --lower "$W/lowers/base" --upper "$W/up/k" --target "$TARGET" -o "$W/layer.tar"
    import "$W/layer.tar" -o "$W/img"
    as jq ".mounts[0].lower += [\"$W/lowers/base\"]" "$W/img/base.json" >"$W/img/both.json"
    same 'the tree of the export' "$(cat "$W/shown")" "$(tree_of "$W/img/both.json")"
}

@test "hostile archives are refused, with nothing made and nothing outside changed; odd ones are taken" {
    workspace user
    local archive name
    as mkdir "$W/archives" "$W/outside" "$W/here"
    as sh -c "echo victim >'$W/outside/victim'"
    as python3 "$REPO/test/exchange/hostile.py" "$W/archives" "$W/outside"
    for archive in "$W"/archives/*.tar; do
        name=$(basename "$archive" .tar)
        run as timeout 60 "$UNIONRUN" import "$archive" -o "$W/here/img" --max-size 8M --max-files 3000
        if [[ $name = fine-* ]]; then
            [ "$status" -eq 0 ] || { echo "$name: $status $output"; return 1; }
            [ -f "$W/here/img/base.json" ]
            as rm -rf "$W/here/img"
        else
            [ "$status" -eq 125 ] && [ -n "$output" ] || { echo "$name: $status $output"; return 1; }
        fi
        [ "$(ls -A "$W/here")" = '' ] || { echo "$name left something"; return 1; }
        [ "$(ls -A "$W/outside"; cat "$W/outside/victim")" = $'victim\nvictim' ] || { echo "$name got out"; return 1; }
        fails grep -q $'\033' <<<"$output"
    done
}

@test "what an archive says only half of is taken from the layers beneath: parents, hard links, ways through symlinks" {
    workspace user
    as python3 - "$W" <<'PYTHON'
import io, os, sys, tarfile
def write(name, members):
    with tarfile.open(os.path.join(sys.argv[1], name), "w", format=tarfile.PAX_FORMAT) as tar:
        for path, kind, link, mode in members:
            info = tarfile.TarInfo(path)
            info.type, info.linkname, info.mode, info.mtime = kind, link, mode, 1000000000
            data = path.encode() if kind == tarfile.REGTYPE else b""
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
F, D, L, H = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
write("1.tar", [("usr/lib", D, "", 0o750), ("lib", L, "usr/lib", 0o777), ("usr/lib/f", F, "", 0o640), ("gone/x", F, "", 0o644)])
write("2.tar", [("lib/new", F, "", 0o644), ("usr/lib/link", H, "usr/lib/f", 0o644), ("gone/y", F, "", 0o644), (".wh.gone", F, "", 0o644)])
PYTHON
    # An image of both, as a docker save has it
    as sh -c 'cd "$1" && printf "{\"rootfs\":{\"diff_ids\":[\"sha256:%s\",\"sha256:%s\"]}}" $(cat 1.tar | sha256sum | cut -c1-64) \
        $(cat 2.tar | sha256sum | cut -c1-64) >config && echo "[{\"Config\":\"config\",\"Layers\":[\"1.tar\",\"2.tar\"]}]" >manifest.json &&
        tar -cf image.tar manifest.json config 1.tar 2.tar' sh "$W"
    import "$W/image.tar" -o "$W/img"
    run tree_of "$W/img/base.json"
    [[ $output == *'gone/y: f'* && $output != *'gone/x: f'* ]]
    [[ $output == *'lib: l 777'* && $output == *'usr/lib: d 750'* && $output == *'usr/lib/new: f 644'* ]]
    [ "$(cat "$W"/img/layers/2-*/usr/lib/link)" = usr/lib/f ]
    [ "$(getfattr --only-values -n user.containers.override_stat "$W"/img/layers/2-*/usr/lib)" = 0:0:0750 ]
}

@test "an import that is killed leaves nothing under the directory's name, and the next one takes its litter away" {
    workspace user
    as sh -c "head -c 5000000 /dev/zero >'$W/big' && tar -C '$W' -cf '$W/big.tar' big"
    as mkfifo "$W/pipe"
    local signal
    for signal in TERM KILL; do
        as "$UNIONRUN" import - -o "$W/img" <"$W/pipe" 3>&- &
        exec 9>"$W/pipe"
        head -c 10240 "$W/big.tar" >&9
        until compgen -G "$W/.img.unionrun-*" >/dev/null; do sleep 0.05; done
        pkill -"$signal" -P "$!" -x unionrun-layers 2>/dev/null || kill -"$signal" $!
        exec 9>&-
        fails wait $!
        [ ! -e "$W/img" ]
    done
    compgen -G "$W/.img.unionrun-*" # the kill's
    import "$W/big.tar" -o "$W/img"
    [ "$(stat -c %s "$W"/img/layers/1*/big)" = 5000000 ]
    fails compgen -G "$W/.img.unionrun-*"
}

# The signal comes when what there was has been read, just before a read that waits.
@test "an import from a pipe that says no more ends when it is told to" {
    needs strace
    workspace user
    as mkfifo "$W/pipe"
    exec 9<>"$W/pipe"
    echo begun >&9
    # shellcheck disable=SC2094 # a pipe
    run -143 as timeout 60 bash -c '"$@"; exit $?' bash strace -qq -o /dev/null -P "$W/pipe" -e trace=read -e inject=read:signal=TERM:when=1 \
        "$UNIONRUN" import - -o "$W/img" <"$W/pipe" 9>&-
    exec 9>&-
    [ "$(ls -A "$W")" = "$(printf '%s\n' lowers pipe t up)" ]
}

@test "an export to a pipe that nobody reads ends when it is told to" {
    workspace user
    as sh -c 'mkdir "$1/lowers/1" "$1/upper" && head -c 500000 /dev/urandom >"$1/upper/big"' sh "$W"
    as mkfifo "$W/pipe"
    exec 9<>"$W/pipe"
    as "$UNIONRUN" export --lower "$W/lowers/1" --upper "$W/upper" --target "$TARGET" -o - >"$W/pipe" 3>&- 9>&- &
    local pid tries=0
    until pid=$(pgrep -P $! -x unionrun-layers || pgrep -g 0 -f "^[^ ]*unionrun-layers export.*$W") && grep -q '^1 ' "/proc/$pid/syscall"; do
        [ $((++tries)) -lt 300 ]
        sleep 0.1
    done
    kill "$pid"
    tries=0
    while kill -0 "$pid" 2>/dev/null && ! grep -q '^State:.*Z' "/proc/$pid/status"; do
        [ $((++tries)) -lt 300 ]
        sleep 0.1
    done
    exec 9>&-
    fails wait $!
}

@test "a directory that is there is not overwritten, and an empty one is taken" {
    workspace user
    as sh -c "echo 1 >'$W/f' && tar -C '$W' -cf '$W/f.tar' f && mkdir '$W/full' '$W/empty' && touch '$W/full/mine'"
    run import "$W/f.tar" -o "$W/full"
    [ "$status" -eq 125 ]
    [ "$(ls -A "$W/full")" = mine ]
    import "$W/f.tar" -o "$W/empty"
    [ -f "$W/empty/base.json" ]
}

@test "an import that takes longer than a second tells how far it is, on a terminal and nowhere else" {
    workspace user
    as sh -c "head -c 3000000 /dev/urandom >'$W/a' && cp '$W/a' '$W/b' && tar -C '$W' -cf '$W/slow.tar' a b && mkdir '$W/done'"
    local slow="{ head -c 4000000 $W/slow.tar; sleep 1.5; tail -c +4000001 $W/slow.tar; } | '$UNIONRUN' import -"
    as script -qec "TERM=xterm; export TERM; $slow -o '$W/done/told'" /dev/null >"$W/terminal" </dev/null
    tr '\r' '\n' <"$W/terminal" | grep -qE '[0-9]+ files?, [0-9]+ MiB'
    as script -qec "TERM=dumb; export TERM; $slow -o '$W/done/dumb'" /dev/null >"$W/terminal" </dev/null
    fails grep -q 'MiB' "$W/terminal"
    as sh -c "$slow -o '$W/done/quiet'" >"$W/pipe" 2>&1
    fails grep -q 'MiB' "$W/pipe"
    [ -e "$W/done/quiet/base.json" ]
}
