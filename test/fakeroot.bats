#!/usr/bin/env bats
# --root: a plain user's programs see what root would, by the shim, by the guard alone, and without the guard.

# shellcheck disable=SC2030,SC2031,SC2034 # helpers.bash reads them
bats_require_minimum_version 1.5.0
load helpers
load calls

setup() { [ "$(id -u)" = 0 ] || skip 'what root sees is shown by root'; }

# The script of standard input as root in a plain directory, and as a plain user in unions: the same must be printed.
as_root_sees() {
    local script plain option
    script=$BATS_TEST_TMPDIR/script
    cat >"$script"
    chmod 644 "$script"
    workspace root
    fixture "$TARGET"
    plain=$(cd "$TARGET" && clean_env root setpriv --groups=0 timeout 60 "$@" sh "$script" 2>&1)
    [ -n "$plain" ]
    workspace user
    as mkdir "$W/lowers/1"
    as sh -c "$(declare -f fixture); fixture '$W/lowers/1'"
    for option in --guard=auto --no-preload --guard=off; do
        [ "$option$*" != --guard=offbusybox ] || continue # a static program without a guard
        UNION_OPTIONS=(--root "$option") UPPER=$W/up/$option
        same "$option" "$plain" "$(in_target union timeout 60 "$@" sh "$script" 2>&1)"
    done
}

fixture() { (umask 022; mkdir "$1/d"; echo text >"$1/f"; chmod 444 "$1/f"; ln -s f "$1/l"; echo x >"$1/d/x"; chmod 755 "$1/d"; chmod 644 "$1/d/x"); }

@test "each call about ids tells and does to a plain user under --root what it does to root" {
    workspace root
    layers_for calls-ids
    as cp -a "$W/lowers/2/." "$W/lowers/1/." "$TARGET"
    local plain option
    plain=$(in_target clean_env root setpriv --groups=0 "$REPO/build/test/calls-ids" 2>&1)
    workspace user
    layers_for calls-ids
    for option in --guard=auto --no-preload --guard=off; do
        UNION_OPTIONS=(--root "$option") UPPER=$W/up/$option
        same "$option" "$plain" "$(in_target union "$REPO/build/test/calls-ids" 2>&1)"
    done
}

@test "owners, modes and devices are told as root set them, and a file of 0444 can be written" {
    as_root_sees env <<'END'
chown 33:44 f; stat -c '%u:%g %a %F' f; chmod 4755 f; chown 33:45 f; stat -c '%u:%g %a' f
echo more >>f; cat f; cp -p f g; stat -c '%u:%g %a' g
mknod b b 8 1; mknod c c 1 5; stat -c '%n %F %t:%T %u:%g %a' b c; cat b 2>/dev/null || echo no device; rm b
mkdir s; chown 0:50 s; chmod 2775 s; touch s/x; mkdir s/y; stat -c '%n %u:%g %a' s s/x s/y
(umask 077; touch u; stat -c '%a' u); mkdir -m 0 shut; touch shut/in; stat -c '%a' shut; : >none; chmod 0 none; cat none
[ -w f ] && [ -r none ] && [ ! -x none ] && echo access
chown -h 0:0 l; chown -R 7:8 d; stat -c '%n %u:%g %a' d d/x; mv d e; stat -c '%n %u:%g %a' e e/x
ln e/x hard; chown 9:9 hard; stat -c '%u:%g %h' e/x
tar -cf - --sort=name --mtime=@0 . | tar --numeric-owner -tvf - | sort
mkdir copy; cp -a c f s copy/; (cd copy && stat -c '%n %u:%g %a %F' c f s s/x s/y)
python3 -c 'import os; print(os.listxattr("f"))'
END
}

@test "a static program is told the same by the guard" {
    needs busybox
    as_root_sees busybox <<'END'
busybox id -u; busybox chown 33:44 f; busybox chmod 4755 f; busybox stat -c '%u:%g %a' f
busybox mknod c c 1 5; busybox stat -c '%F %t:%T %u:%g' c; busybox mkdir m; busybox chown 3 m; busybox ls -ln m; busybox stat -c '%u' m
END
}

# With `/` as target: the programs are the host's. Each is told apart by what it says.
@test "su, runuser, setpriv, chroot --userspec and others make of a simulated root whom they make of root" {
    local option plain
    workspace user
    as tee "$W/script" >/dev/null <<'END'
su nobody -s /bin/sh -c id
runuser -u nobody -- id
setpriv --reuid=5 --regid=6 --groups=7,8 id
setpriv --reuid=5 --regid=6 --clear-groups id
setpriv --reuid=nobody --regid=nogroup --init-groups id
setpriv --reuid=5 --keep-groups id
chroot --userspec=5:6 / id
chroot --userspec=5:6 --groups=7,8 / id
chroot --userspec=nobody / sh -c 'id; chroot / true || echo refused' 2>/dev/null
sg tty -c id
python3 -IS -c 'import os, subprocess; os.setgroups([1, 2]); os.setresgid(3, 4, 5); os.setresuid(6, 7, 8); print(os.getgroups(), os.getresuid(), os.getresgid())'
python3 -IS -c 'import subprocess; subprocess.run(["id"], user=5, group=6, extra_groups=[7, 8])'
perl -e '$) = "5 5 6"; $( = 5; ($<, $>) = (7, 7); exec "id"'
END
    plain=$(clean_env root setpriv --groups=0 timeout 60 sh "$W/script" 2>&1)
    [ "$(grep -c uid= <<<"$plain")" -ge 12 ]
    for option in --guard=auto --no-preload; do
        as rm -rf "$W/up"
        same "$option" "$plain" "$(as timeout 60 "$UNIONRUN" --root "$option" --target / --lower / --upper "$W/up" -- sh "$W/script" 2>&1)"
    done
}

@test "a set-user-ID program makes of another user its owner, as the upper says or the host" {
    [ "$(id -u)" = 0 ] && mknod "$BATS_TEST_TMPDIR/probe" c 1 3 || skip 'there is no real root to compare with'
    ! grep -q '^NoNewPrivs:.*1' /proc/self/status || skip 'set-id bits do not count here'
    ! findmnt -no OPTIONS -T "$BATS_TEST_TMPDIR" | grep -qw nosuid || skip 'set-id bits do not count there'
    local option plain
    workspace user
    as tee "$W/script" >/dev/null <<'END'
cd "$1" && cp "$(command -v id)" . || exit
user() { setpriv --reuid=9 --regid=10 --clear-groups "$@"; }
for mode in 4755 2755 6755 2745 0755 4711; do
    chown 7:8 id; chmod $mode id; echo $mode; user ./id
done
chown 0:0 id; chmod 4755 id; user ./id; ./id
printf '#!%s/id
' "$1" >script; chown 5 script; chmod 4755 script; user ./script 2>&1 | sed 's/.*: //'
chown 7:8 id; chmod 6755 id; user sh -c './id; exec ./id'
user python3 -IS -c 'import os, subprocess; subprocess.run(["./id"])
try: os.execv("./script-without", ["x"])
except OSError: print(os.getresuid())
os.posix_spawn("./id", ["./id"], {}); os.wait()'
cp "$(command -v python3)" py; chown 7:8 py; chmod 6755 py
chmod 777 .; user ./py -IS -c 'import os; print(os.getresuid(), os.getresgid()); os.setresuid(9, 9, 7); os.seteuid(7); open("made", "w"); print(os.getresuid(), os.stat("made").st_uid)'
END
    mkdir "$W/plain"
    chmod 777 "$W/plain"
    plain=$(clean_env root setpriv --groups=0 timeout 60 sh "$W/script" "$W/plain" 2>&1)
    [ "$(grep -c 'euid=7' <<<"$plain")" -ge 6 ]
    as mkdir "$W/lowers/1"
    for option in --guard=auto --no-preload; do
        UNION_OPTIONS=(--root "$option") UPPER=$W/up/$option
        same "$option" "${plain//$W\/plain/$TARGET}" "$(union timeout 60 sh "$W/script" "$TARGET" 2>&1)"
    done
}

@test "what is kept is in the upper's xattr, and what the lower showed the copy shows" {
    workspace user
    as mkdir "$W/lowers/1"
    as sh -c "echo x >'$W/lowers/1/f'; setfattr -n user.containers.override_stat -v 3:4:04755 '$W/lowers/1/f'; chmod 755 '$W/lowers/1/f'"
    UNION_OPTIONS=(--root)
    # shellcheck disable=SC2016 # for the shell inside
    [ "$(in_target union sh -c 'stat -c "%u:%g %a" f; echo y >>f; stat -c "%u:%g %a" f; chown 0:0 f; stat -c "%u:%g %a" f; chown 5:6 f; mknod c c 1 5')" = $'3:4 4755\n3:4 4755\n0:0 755' ]
    [ "$(as getfattr --only-values -n user.containers.override_stat "$UPPER/f")" = 5:6:0755 ]
    [ "$(as getfattr --only-values -n user.containers.override_stat "$UPPER/c")" = 0:0:0644:char-1-5 ]
}

@test "an export of what root made has its owners, modes and devices, and what nobody gave away is root's" {
    workspace user
    as mkdir "$W/lowers/1"
    echo '{"mounts":[{"target":"t","lower":"lowers/1","upper":"up/upper"}],"root":true}' >"$W/layers.json"
    # shellcheck disable=SC2016 # for the shell inside
    in_target as "$UNIONRUN" --layers "$W/layers.json" -- sh -c 'umask 022; echo x >plain; echo x >given; chown 33:44 given; chmod 4555 given; mknod b b 8 1; mkdir m; chmod 0 m'
    as "$UNIONRUN" export --layers "$W/layers.json" -o "$W/layer.tar"
    same 'the tar' '-r-sr-xr-x 33/44 given
-rw-r--r-- 0/0 plain
brw-r--r-- 0/0 b
d--------- 0/0 m/' "$(tar --numeric-owner -tvf "$W/layer.tar" plain given b m/ | awk '{ print $1, $2, $NF }' | LC_ALL=C sort)"
}

# As root in a plain directory: what rsync, tar, cpio, cp and install keep, and what a kernel does by itself (a directory's
# group, set-id bits that a chown takes). That symlinks and FIFOs keep no owner is told in the README.
as_root_does() {
    cat <<'END'
set -eu
umask 022
mkdir a; echo x >a/f; echo y >a/g; ln -s f a/l; mknod a/c c 1 3; mknod a/b b 8 1
chown 10:20 a/f; chmod 4755 a/f; chmod 2770 a; chgrp 42 a; chmod 2770 a
setfattr -n user.x -v 1 a/g; setfacl -m u:99:rwx a/g
echo src >src
install -o 33 -g 44 -m 6755 src a/installed
install -d -o 1 -g 2 -m 1777 a/dir
mkdir a/made; touch a/made/in
mkdir tar cpio
tar -C a -cf - . | tar -C tar -xpf -
(cd a && find . | LC_ALL=C sort | cpio -o --quiet) | (cd cpio && cpio -idm --quiet --no-absolute-filenames)
rsync -a a/ rsync/; rsync -aAX a/ rsync-xattrs/; cp -a a copy
mv a/f a/moved
echo more >>low; chown 3:4 low; chmod 4711 low; echo more >>low
chown 9:9 dir; chmod 2755 dir; mkdir dir/sub; touch dir/sub/file
chmod u+s a/g; chown 50 a/g
truncate -s 0 a/installed
END
}

@test "rsync, tar, cpio, cp and install leave the tree that real root's leave" {
    [ "$(id -u)" = 0 ] && mknod "$BATS_TEST_TMPDIR/probe" c 1 3 || skip 'there is no real root to compare with'
    local tool
    for tool in rsync cpio setfacl setfattr; do needs $tool; done
    workspace user
    as mkdir "$W/lowers/1" "$W/lowers/1/dir"
    # shellcheck disable=SC2016 # for that shell
    as sh -c 'echo low >"$1/low"' sh "$W/lowers/1"
    mkdir "$W/plain"
    cp -r "$W/lowers/1/." "$W/plain"
    as_root_does | as tee "$W/work" >/dev/null
    as tee "$W/look" >/dev/null <<'END'
find . ! -name . | LC_ALL=C sort | while read -r name; do stat -c '%n %F %a %u:%g %t:%T' "$name"; getfattr -h -d -m - "$name"; done
END
    (cd "$W/plain" && sh "$W/work" && sh "$W/look" >"$W/wanted")
    UNION_OPTIONS=(--root)
    # shellcheck disable=SC2016 # for the shell inside
    union sh -c 'cd "$1" && sh "$2/work" && sh "$2/look"' sh "$TARGET" "$W" >"$W/seen"
    [ "$(wc -l <"$W/wanted")" -gt 60 ]
    same 'the tree' "$(cat "$W/wanted")" "$(cat "$W/seen")"
}

@test "export --root has the same of an upper whose layer file does not say root" {
    workspace user
    as mkdir "$W/lowers/1"
    UNION_OPTIONS=(--root)
    in_target union sh -c 'echo x >plain; echo x >given; chown 33:44 given; mknod c c 1 3'
    local mounts=(--lower "$W/lowers/1" --upper "$UPPER" --target "$TARGET") user
    user=$(as id -u)/$(as id -g)
    as "$UNIONRUN" export "${mounts[@]}" --root -o "$W/root.tar"
    as "$UNIONRUN" export "${mounts[@]}" -o "$W/user.tar"
    owners() { tar --numeric-owner -tvf "$W/$1" plain given c | awk '{ print $2, $NF }' | LC_ALL=C sort; }
    same 'with --root' $'0/0 c\n0/0 plain\n33/44 given' "$(owners root.tar)"
    same 'without' "$(printf '%s\n' '0/0 c' '33/44 given' "$user plain" | LC_ALL=C sort)" "$(owners user.tar)"
}

@test "a plain user's import records devices: --root sees them, and an export gives them back" {
    needs jq
    workspace user
    as python3 -IS - "$W/image.tar" <<'END'
import io, sys, tarfile
with tarfile.open(sys.argv[1], 'w') as tar:
    def add(name, kind, **more):
        info = tarfile.TarInfo(name)
        info.type, info.mtime = kind, 1e9
        for key, value in more.items():
            setattr(info, key, value)
        tar.addfile(info)
    add('dev', tarfile.DIRTYPE, mode=0o755)
    add('dev/null', tarfile.CHRTYPE, mode=0o666, devmajor=1, devminor=3)
    add('dev/disk', tarfile.BLKTYPE, mode=0o660, uid=0, gid=6, devmajor=259, devminor=70000)
    add('dev/linked', tarfile.LNKTYPE, linkname='dev/null')
END
    as "$UNIONRUN" import "$W/image.tar" -o "$W/img" 2>"$W/said"
    grep -qx 'unionrun: 2 device nodes only recorded: .*' "$W/said"
    as "$UNIONRUN" import "$W/image.tar" -o "$W/json" --json 2>/dev/null >"$W/told"
    [ "$(jq -c '[.recorded_devices, .lost.devices]' "$W/told")" = '[2,0]' ]
    # shellcheck disable=SC2016 # for the shell inside
    same 'to --root' $'null character special file 1:3 0:0 666\ndisk block special file 103:11170 0:6 660\nlinked character special file 1:3 0:0 666' \
        "$(UNION_OPTIONS=(--root) LOWERS=("$W"/img/layers/*) && union sh -c 'cd "$1/dev" && stat -c "%n %F %t:%T %u:%g %a" null disk linked && mv disk moved && chmod 600 moved' sh "$TARGET")"
    as "$UNIONRUN" export --lower "$W"/img/layers/* --upper "$UPPER" --target "$TARGET" -o "$W/layer.tar"
    same 'the export' 'brw------- 0/6 259,70000 dev/moved' "$(tar --numeric-owner -tvf "$W/layer.tar" dev/moved | awk '{ print $1, $2, $3, $NF }')"
    as "$UNIONRUN" squash --lower "$W"/img/layers/* --target "$TARGET" --to "$W/whole"
    [ "$(as getfattr --only-values -n user.containers.override_stat "$W/whole/dev/null")" = 0:0:0666:char-1-3 ]
}

@test "umoci's image with devices goes through a plain user's import and export, and umoci has them again" {
    needs umoci
    [ "$(id -u)" = 0 ] && mknod "$BATS_TEST_TMPDIR/probe" c 1 3 || skip 'no devices can be made here'
    workspace user
    cd "$W"
    umoci init --layout one
    umoci new --image one:a
    umoci unpack --image one:a first 2>/dev/null
    mkdir first/rootfs/dev
    mknod -m 666 first/rootfs/dev/null c 1 3
    mknod -m 640 first/rootfs/dev/disk b 8 17
    chown 0:6 first/rootfs/dev/disk
    umoci repack --image one:a first 2>/dev/null
    chmod -R a+rX one
    as "$UNIONRUN" import one -o "$W/img" 2>/dev/null
    UNION_OPTIONS=(--root) LOWERS=("$W"/img/layers/*)
    # shellcheck disable=SC2016 # for the shell inside
    union sh -c 'cd "$1/dev"; mknod -m 600 new c 4 64; chown 7:8 disk; mv null zero' sh "$TARGET"
    as "$UNIONRUN" export --root --lower "$W"/img/layers/* --upper "$UPPER" --target "$TARGET" -o "$W/layer.tar"
    umoci raw add-layer --image one:a layer.tar
    umoci unpack --image one:a second 2>/dev/null
    same 'what umoci has' $'disk block special file 8:11 7:8 640\nnew character special file 4:40 0:0 600\nzero character special file 1:3 0:0 666' \
        "$(cd second/rootfs/dev && stat -c '%n %F %t:%T %u:%g %a' -- *)"
}

@test "the layer file's root does the same, and another word there is refused" {
    workspace user
    as mkdir "$W/lowers/1"
    echo '{"mounts":[{"target":"t","lower":"lowers/1","upper":"up/upper"}],"root":true}' >"$W/layers.json"
    [ "$(as "$UNIONRUN" --layers "$W/layers.json" -- id -u)" = 0 ]
    as "$UNIONRUN" --layers "$W/layers.json" --check | grep -qx 'root simulated'
    [ "$(as "$UNIONRUN" --layers "$W/layers.json" --check --json | jq .root)" = true ]
    echo '{"mounts":[{"target":"t","lower":"lowers/1"}],"root":"yes"}' >"$W/layers.json"
    run -125 as "$UNIONRUN" --layers "$W/layers.json" -- true
    [[ $output == *'key root: '*'true or false is wanted'* ]] || { echo "$output"; false; }
}
