#!/usr/bin/env bats
# What a union means, claim by claim: lookup, copy-up, whiteouts, rename, hard links, listings, identity,
# targets, and that no path of a layer shows. Where the user matters, root and a plain user each prove it.
# shellcheck disable=SC2016 # what is quoted so is for the shell in the union

load helpers

# each CLAIM: the function, in a workspace of root's and in one of a plain user's; its lowers stay as they were
each() {
    [ "$(id -u)" != 0 ] || one root "$1"
    one user "$1"
}

# one WHO CLAIM
one() {
    echo "# by $1"
    workspace "$1"
    DIGEST=
    "$2"
    [ -z "$DIGEST" ] || same "the lowers, by $1" "$DIGEST" "$(lower_digest "$W/lowers")"
}

# lowers SCRIPT: makes the layers, by who will run the union; $1 is the target
lowers() {
    as sh -euc "cd '$W/lowers'"$'\n'"$1" sh "$TARGET"
    DIGEST=$(lower_digest "$W/lowers")
}

# For scripts: `no CMD...` fails where CMD does not (after a bare ! the shell would go on)
NO='no() { ! "$@"; }'

# in_target SCRIPT: by sh in the union's target; $1 is the target, $2 the workspace
in_target() { union sh -euc "$NO; cd '$TARGET'"$'\n'"$1" sh "$TARGET" "$W"; }

# What the scripts for py share
PRELUDE=$(cat <<'END'
import ctypes, errno, os, stat, sys
def eq(got, wanted):
    assert got == wanted, f"\n  got    {got!r}\n  wanted {wanted!r}"
def read(path):
    with open(path) as f: return f.read()
def refuses(wanted, call, *args):
    try: call(*args)
    except OSError as e:
        assert e.errno == wanted, f"{call.__name__}{args}: {errno.errorcode[e.errno]}, not {errno.errorcode[wanted]}"
    else: raise AssertionError(f"{call.__name__}{args}: done, not {errno.errorcode[wanted]}")
libc = ctypes.CDLL(None, use_errno=True)
def renameat2(old, new, flags):
    if libc.renameat2(-100, old.encode(), -100, new.encode(), flags):
        raise OSError(ctypes.get_errno(), "renameat2")
def one_file(*paths):
    """The link count of the one file that all the paths name."""
    stats = [os.lstat(p) for p in paths]
    eq(len({(s.st_ino, s.st_nlink) for s in stats}), 1)
    return stats[0].st_nlink
END
)

# py <SCRIPT: by python in the union's target
py() {
    local file=$W/claim.py
    { echo "$PRELUDE"; echo "os.chdir('$TARGET')"; cat; } >"$file"
    union python3 "$file"
}

# in_plain SCRIPT: what it prints where the target is a plain directory with all that the lowers show
in_plain() {
    local layer
    for layer in $(printf '%s\n' "$W"/lowers/* | sort -r); do as cp -aT --remove-destination "$layer" "$TARGET"; done
    as sh -c "cd '$TARGET'"$'\n'"$1"$'\n:' sh "$TARGET" "$W" 2>&1
    as chmod -R u+rwx "$TARGET"
    rm -rf "$TARGET"
    as mkdir "$TARGET"
}

# as_in_plain SCRIPT: prints the same in the union
as_in_plain() {
    local plain
    plain=$(in_plain "$1")
    same "what is printed, by $WHO" "$plain" "$(union sh -c "cd '$TARGET'"$'\n'"$1"$'\n:' sh "$TARGET" "$W" 2>&1)"
}

LOOK='find . -mindepth 1 -printf "%P %y %m %l\n" | sort; find . -type f -exec sha256sum {} + | sort -k 2; echo end'

# lasts SCRIPT: prints the same and leaves the same tree as in a plain directory: in its own run, in the next one on
# that upper, and in a third one with that upper as a lower
lasts() {
    local plain
    plain=$(in_plain "$1"$'\necho tree:\n'"$LOOK")
    same "the run, by $WHO" "$plain" \
        "$(union sh -c "cd '$TARGET'"$'\n'"$1"$'\necho tree:\n'"$LOOK"$'\n:' sh "$TARGET" "$W" 2>&1)"
    plain=${plain#*tree:$'\n'}
    same "the next run, by $WHO" "$plain" "$(in_target "$LOOK")"
    LOWERS=("$UPPER" "$W"/lowers/*)
    UPPER=$W/up/third
    same "a run with the upper as a lower, by $WHO" "$plain" "$(in_target "$LOOK")"
}

# mounts ARGUMENT...: unionrun by the workspace's user, in its directory
mounts() { (cd "$W" && as "$UNIONRUN" "$@"); }

as_root() { [ "$(id -u)" = 0 ] || skip 'only root can'; }

# In most containers not even root may.
may_mount() { unshare --mount mount -t tmpfs none "$BATS_TEST_TMPDIR" 2>/dev/null || skip 'mounting is not allowed here'; }

# --- lookup ---------------------------------------------------------------------------------------------------

shadowing() {
    lowers 'mkdir 1 2 3; for n in 1 2 3; do echo $n >$n/all; echo $n >$n/only$n; done
        rm 1/all; cp 2/all 2/two; echo 3 >3/two; echo low >3/up; mkdir -p "'"$UPPER"'"; echo high >"'"$UPPER"'/up"'
    same "what is seen, by $WHO" $'2\n1\n2\n3\n2\nhigh' "$(in_target 'cat all only1 only2 only3 two up')"
}
@test "a name in the upper is seen before a lower's, and a higher lower's before a deeper one's" { each shadowing; }

first_non_directory() {
    lowers 'mkdir -p 1/d 2/x/sub 3/d 3/l; echo file >1/x; echo stop >2/d; touch 1/d/high 3/d/never 3/l/never; ln -s d 2/l'
    py <<'END'
eq(os.listdir("d"), ["high"])
refuses(errno.ENOENT, os.stat, "d/never")
eq(read("x"), "file\n")
refuses(errno.ENOTDIR, os.stat, "x/sub")
refuses(errno.ENOTDIR, os.stat, "x/")
eq(os.readlink("l"), "d")
eq(os.listdir("l"), ["high"])
END
}
@test "the first that is no directory stops the merge" { each first_non_directory; }

topmost_metadata() {
    lowers 'mkdir -p 1/d 2/d; chmod 750 1/d; chmod 700 2/d; touch 1/d/a 2/d/b; setfattr -n user.of -v high 1/d
        setfattr -n user.of -v low 2/d; setfattr -n user.deep -v low 2/d; touch -d @1400000000.5 1/d; touch -d @1500000000 2/d'
    py <<'END'
eq(sorted(os.listdir("d")), ["a", "b"])
eq(stat.S_IMODE(os.stat("d").st_mode), 0o750)
eq(os.stat("d").st_mtime_ns, 1400000000500000000)
eq(os.getxattr("d", "user.of"), b"high")
refuses(errno.ENODATA, os.getxattr, "d", "user.deep")
END
}
@test "a merged directory has the topmost one's mode, times and xattrs" { each topmost_metadata; }

symlinks() {
    as mkdir "$W/outside"
    as sh -c 'echo out >"$1/outside/file"; ln -s "$1/t" "$1/outside/in"; ln -s "$1/t/d/f" "$1/outside/f"; ln -s ../t/d/up "$1/outside/up"' sh "$W"
    lowers 'mkdir -p 1/d 2/d/deep 2/real/sub; echo f >2/d/f; echo up >1/d/up; echo real >2/real/f; echo sub >2/real/sub/f
        ln -s ../d/f 1/d/across; ln -s "$1/d/up" 2/d/absolute; ln -s nowhere 2/dangling; ln -s "$1/../outside" 1/out
        ln -s ../outside/file 2/outfile; ln -s real/sub 1/s; ln -s loop2 1/loop1; ln -s loop1 2/loop2; ln -s self 2/self
        ln -s d 1/ld; ln -s d/ 2/lds; ln -s d/f 2/lf; ln -s d/f/ 2/lfs; ln -s ../../../../../../../../../../../../etc/hostname 2/far'
    as_in_plain 'for name in d/across d/absolute dangling out/file outfile s/f loop1 self loop1/x ld/up lds/up lf lf/ lfs ld/ d/f/ d/f/. \
            s/../f s/../../d/f ./d//./f "$1/s/../f" "$2/outside/f" "$2/outside/in/d/up" "$2/outside/up" "$2/outside/in/s/../f" out/in/d/f \
            "$2/outside/in/../outside/file" dangling/ dangling/x ld/. far out/../t/d/f d/deep/../../real/f; do
            echo "$name: $(cat "$name" 2>&1) $(stat -c %F "$name" 2>&1) $(stat -Lc "%F %s" "$name" 2>&1) $(readlink -f "$name" 2>&1)"
        done'
    as_in_plain 'echo made >dangling; cat nowhere; echo more >>lf; cat d/f; mkdir dangling/; rm ld/; rmdir ld/; mv d/f s/; ls real/sub
        echo x >loop1; (cd s; pwd; pwd -P; cd ..; pwd; ls ..); (cd -P s/..; pwd; ls); echo y >"$2/outside/f"; cat d/f; : >newfile/; echo in >"$2/outside/in/in"; cat in'
}
@test "symlinks resolve in the union: from outside in, from inside out, across layers, dangling, in a loop" { each symlinks; }

forty_links() {
    lowers 'mkdir 1 2; echo end >2/0; n=0; while [ $n -lt 42 ]; do ln -s $n $((n % 2 + 1))/$((n + 1)); n=$((n + 1)); done'
    as_in_plain 'for n in 1 39 40 41 42; do cat $n; stat -Lc "%F" $n; echo x 2>&1 >>$n; done; cat 0'
    py <<'END'
eq(read("40")[:3], "end")
refuses(errno.ELOOP, os.stat, "41")
refuses(errno.ELOOP, os.open, "41", os.O_RDONLY)
END
}
@test "forty links in a path work, one more is ELOOP" { each forty_links; }

orders_of_errors() {
    lowers 'mkdir -p 1/shut/in 2/d; echo f >2/f; ln -s nowhere 2/dangling'
    as_in_plain 'chmod 000 shut; chmod 600 d; long=$(printf %0300d 0); for name in f/x f/ f/. f/.. none/x none/.. shut/x shut/in/none d/x "" $long/x none/$long f/$long; do
            stat -c %F "$name"; cat "$name"; mkdir "$name"; rmdir "$name"
        done 2>&1 | sed "s/0\{300\}/LONG/"; (set -C; : >dangling); ls; chmod 700 shut; ls shut'
}
@test "ENOTDIR, ENOENT, EACCES and ENAMETOOLONG come as in a plain directory" { each orders_of_errors; }

long_in_shut() {
    lowers 'mkdir -p 1/d; chmod 600 1/d'
    as_in_plain 'long=$(printf %0300d 0); (stat d/$long; stat d/x; mkdir d/$long) 2>&1 | sed "s/0\{300\}/LONG/"'
}
@test "a name that is too long, in a directory that may not be searched, is EACCES" { each long_in_shut; }

# What the kernel does yet is done or refused: nothing is taken for removed.
beneath_shut() {
    lowers 'mkdir -p 1/a 2/a/b/c; echo f >2/a/b/f'
    py <<'END'
root = os.getcwd()
os.chdir("a/b")
fd = os.open("c", os.O_RDONLY)
os.chmod(root + "/a", 0o600)
eq(os.getcwd(), root + "/a/b")
eq(os.readlink(f"/proc/self/fd/{fd}"), root + "/a/b/c")
eq([stat.S_IMODE(os.stat(name).st_mode) for name in (".", "./.", "..")], [0o755, 0o755, 0o600])
eq(os.fstat(fd).st_ino, os.stat(".", dir_fd=fd).st_ino)
for call, *args in (os.stat, "../.."), (os.stat, "../b"), (os.listdir, "."), (os.listdir, fd), (os.open, "f", 0), (os.mkdir, "new"):
    refuses(errno.EACCES, call, *args)
os.fchdir(fd)
eq(os.getcwd(), root + "/a/b/c")
os.chmod(root + "/a", 0o755)
os.mkdir("../new")
eq(sorted(os.listdir("..")), ["c", "f", "new"])
END
}
@test "beneath a directory that may not be searched (any more) nothing is taken for removed, and names are EACCES" { one user beneath_shut; }

# --- copy-up --------------------------------------------------------------------------------------------------

keeps_metadata() {
    lowers 'mkdir -p 1 2/d; for f in chmod chown utime truncate xattr link rename append; do
            echo "text of $f" >2/d/$f; chmod 4751 2/d/$f; setfattr -n user.a -v "value" 2/d/$f; setfattr -n user.empty 2/d/$f
            setfacl -m u:daemon:rw,g:mail:x 2/d/$f; touch -d @1400000000.123456789 2/d/$f; touch -a -d @1300000000.987654321 2/d/$f
        done; setfacl -m u:daemon:rx 2/d; chmod g+s 2/d; setfattr -n user.dir -v x 2/d; touch -d @1200000000.111222333 2/d'
    py <<'END'
def seen(path):
    s = os.stat(path)
    names = sorted(os.listxattr(path))
    return [s.st_ino, s.st_uid, s.st_gid, s.st_mode, s.st_size, s.st_mtime_ns, s.st_atime_ns,
            [(n, os.getxattr(path, n)) for n in names]]
INO, UID, GID, MODE, SIZE, MTIME, ATIME, XATTRS = range(8)
def changes(name, fields, call):
    before = seen("d/" + name)
    assert "system.posix_acl_access" in [n for n, v in before[XATTRS]]
    call("d/" + name)
    after = seen("d/" + name)
    for field in range(8):
        if field not in fields: eq((name, field, after[field]), (name, field, before[field]))
    return after
folder = seen("d")
changes("chmod", [MODE, XATTRS], lambda p: os.chmod(p, 0o600))
eq(stat.S_IMODE(os.stat("d/chmod").st_mode), 0o600)
changes("chown", [MODE], lambda p: os.chown(p, os.getuid(), os.getgid()))
changes("utime", [MTIME], lambda p: os.utime(p, ns=(os.stat(p).st_atime_ns, 17)))
changes("truncate", [SIZE, MTIME, MODE], lambda p: os.truncate(p, 3))
eq(read("d/truncate"), "tex")
changes("xattr", [XATTRS], lambda p: os.setxattr(p, "user.b", b"new"))
eq(os.getxattr("d/xattr", "user.a"), b"value")
# overlayfs' order: the parent is copied up with what it had
eq(seen("d"), folder)
changes("link", [], lambda p: os.link(p, "second"))
before = seen("d/rename")
os.rename("d/rename", "renamed")
eq(seen("renamed"), before)
def append(p):
    with open(p, "a") as f: f.write("more")
changes("append", [SIZE, MTIME, MODE], append)
eq(read("d/append"), "text of append\nmore")
after = seen("d")
for field in INO, UID, GID, MODE, XATTRS: eq(after[field], folder[field])
END
}
@test "a copy-up keeps mode, owner, times to the nanosecond, xattrs and ACLs, of the file and of its parents" { each keeps_metadata; }

owners() {
    lowers 'mkdir -p 1/d; echo x >1/d/f; chmod 4755 1/d/f; chown 12:34 1/d 1/d/f; chmod 4755 1/d/f'
    py <<'END'
os.setxattr("d/f", "user.x", b"")
for path, mode in ("d", 0o755), ("d/f", 0o4755):
    eq((os.stat(path).st_uid, os.stat(path).st_gid, stat.S_IMODE(os.stat(path).st_mode)), (12, 34, mode))
END
    [ "$(stat -c '%u:%g %a' "$UPPER/d/f")" = '12:34 4755' ]
}
@test "a copy-up by root keeps owner, group and the set-user-ID bit" { as_root; one root owners; }

capabilities() {
    lowers 'mkdir 1; cp /bin/true 1/prog; setcap cap_net_raw+ep 1/prog'
    same 'the capabilities' 'prog cap_net_raw=ep' "$(in_target 'touch -m prog; getcap prog')"
    [[ $(getcap "$UPPER/prog") == *cap_net_raw=ep ]]
    [ -z "$(in_target 'echo >>prog; getcap prog')" ]
}
@test "a copy-up keeps capabilities, and a write takes them, as anywhere" { as_root; needs setcap; one root capabilities; }

default_acl() {
    lowers 'mkdir -p 1 2/d/e; echo old >2/d/f; setfacl -d -m u:daemon:rwx,g:mail:r,m:rwx 2/d; setfacl -m u:bin:r 2/d'
    lasts 'umask 027; echo more >>d/f; echo new >d/new; mkdir d/dir; echo below >d/dir/f; echo e >d/e/f; echo moved >m; mv m d/m; ln d/f d/link
        getfacl d d/f d/new d/dir d/dir/f d/e d/e/f d/m d/link'
}
@test "a default ACL of a lower directory rules what is made in it, and not what is copied up" { each default_acl; }

holes() {
    as mkdir "$W/lowers/1"
    as truncate -s 1G "$W/lowers/1/sparse"
    as sh -c 'printf middle | dd of="$1" bs=1 seek=500000000 conv=notrunc status=none' sh "$W/lowers/1/sparse"
    in_target 'printf x >>sparse; [ "$(stat -c %s sparse)" = 1073741825 ]; [ "$(tail -c 1 sparse)" = x ]
        [ "$(dd if=sparse bs=1 skip=500000000 count=6 status=none)" = middle ]; [ "$(du -k sparse | cut -f1)" -lt 1024 ]'
    [ "$(du -k "$UPPER/sparse" | cut -f1)" -lt 1024 ]
    [ "$(stat -c %s "$W/lowers/1/sparse")" = 1073741824 ]
}
@test "a sparse file of 1 GiB stays sparse when a byte is appended" { each holes; }

special_files() {
    lowers 'mkdir -p 1 2/d; mkfifo -m 640 2/d/fifo; ln -s "$1/nowhere" 2/d/link; touch -h -d @1400000000.5 2/d/*
        python3 -c "import os, socket; os.chdir(\"2/d\"); socket.socket(socket.AF_UNIX).bind(\"socket\")"
        if [ "$(id -u)" = 0 ]; then mknod -m 620 2/d/char c 1 3; mknod -m 660 2/d/block b 7 200; fi'
    py <<'END'
for name in os.listdir("d"):
    s = os.lstat("d/" + name)
    os.rename("d/" + name, name)
    n = os.lstat(name)
    for field in "st_ino", "st_mode", "st_rdev", "st_uid", "st_gid", "st_mtime_ns":
        eq((name, field, getattr(n, field)), (name, field, getattr(s, field)))
    refuses(errno.ENOENT, os.lstat, "d/" + name)
eq(os.readlink("link"), os.getcwd() + "/nowhere")
for name in "fifo", "socket":
    os.chmod(name, 0o600)
    eq(stat.S_IMODE(os.stat(name).st_mode), 0o600)
END
}
@test "FIFOs, sockets, devices and symlinks move as what they are" { each special_files; }

truncation() {
    lowers 'mkdir 1; for f in open truncate whole; do head -c 3000000 /dev/urandom >1/$f; done'
    py <<'END'
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000)) # what would be copied does not fit
os.close(os.open("open", os.O_WRONLY | os.O_TRUNC))
eq(os.stat("open").st_size, 0)
os.truncate("truncate", 0)
eq(os.stat("truncate").st_size, 0)
refuses(errno.EFBIG, os.open, "whole", os.O_WRONLY)
eq(os.stat("whole").st_size, 3000000)
END
}
@test "O_TRUNC and truncate to nothing copy no data; a copy-up that fails leaves the file as it was" { each truncation; }

own_umask() { # groupadd and its kin have 0777 while they write their backups
    local net
    lowers 'mkdir -p 1/merged 2/merged/sub; for f in cut grown linked merged/gone merged/x merged/sub/y; do echo "$f" >"2/$f"; done; ln 2/linked 2/other
        mkdir 2/shut; echo z >2/shut/z; chmod 555 2/shut; mkdir -m 2775 2/handed; echo low >1/merged/low; ln -s cut 2/way'
    for net in --guard=off --guard=auto --no-preload; do
        # shellcheck disable=SC2034 # union() reads it
        UNION_OPTIONS=("$net") UPPER=$W/up$net
        in_target '
            umask 0777
            : >cut; echo more >>grown; echo more >>linked; echo new >new; mkdir made handed/made; chmod 700 made; echo x >made/x
            rm merged/gone merged/low; echo more >>merged/sub/y; mv merged moved; echo more >>shut/z; chmod 750 moved/sub; rm way; ln -s grown way
            umask 022
            [ "$(cat grown other way moved/sub/y shut/z)" = "grown
more
linked
more
grown
more
merged/sub/y
more
z
more" ]
            [ "$(stat -c "%a %n" cut grown other new made handed/made made/x moved moved/sub)" = "644 cut
644 grown
644 other
0 new
700 made
2000 handed/made
0 made/x
755 moved
750 moved/sub" ]
            [ ! -s cut ] && [ "$(ls moved moved/sub)" = "$(printf "%s\n" moved: sub x "" moved/sub: y)" ]'
    done
}
@test "a umask that leaves nothing to its owner is the new files' alone, not what copies are made with" { each own_umask; }

read_only_modes() {
    lowers 'mkdir -p 1 2/d/sub 2/open; echo f >2/d/f; echo g >2/d/g; echo r >2/open/r; chmod 444 2/open/r; echo s >2/d/sub/s; chmod 555 2/d/sub 2/d'
    lasts 'echo more >>d/f; echo no >d/new; rm -f d/g; mkdir d/new; mv d/f .; ln -s x d/l; cat d/f; echo no >>open/r; echo s >>d/sub/s; stat -c %a d d/sub
        chmod u+w open/r; echo yes >>open/r; chmod 444 open/r; rm -f open/r; ls open; chmod u+w d; echo yes >d/new; mv d/f .; chmod 555 d; rm -f d/g; ls -R'
}
@test "a lower 0555 directory and a 0444 file behave as in a plain directory" { each read_only_modes; }

shared_mapping() {
    lowers 'mkdir 1; head -c 65536 /dev/zero >1/f'
    py <<'END'
import mmap
children = []
for n in range(16):
    pid = os.fork()
    if pid == 0:
        fd = os.open("f", os.O_RDWR)
        m = mmap.mmap(fd, 65536)
        for at in range(n, 65536, 16): m[at] = n + 1
        os._exit(0)
    children.append(pid)
for pid in children: eq(os.waitpid(pid, 0)[1], 0)
eq(open("f", "rb").read(), bytes(range(1, 17)) * 4096)
END
}
@test "MAP_SHARED writes of many processes to one lower file lose nothing" { each shared_mapping; }

appending() {
    lowers 'mkdir 1; echo first >1/log'
    in_target 'for p in 1 2 3 4 5 6 7 8; do (for n in $(seq 100); do echo "$p $n" >>log; done) & done; wait
        [ "$(wc -l <log)" = 801 ]; [ "$(sort -u log | wc -l)" = 801 ]; [ "$(head -1 log)" = first ]'
}
@test "O_APPEND of many processes to one lower file loses nothing" { each appending; }

held_open() {
    lowers 'mkdir 1; echo lower >1/f'
    py <<'END'
fd = os.open("f", os.O_RDONLY)
before = os.fstat(fd)
eq(os.system("echo changed >>f; chmod 600 f"), 0)
eq(os.read(fd, 100), b"lower\n")  # as overlayfs: non-standard behavior
eq(read("f"), "lower\nchanged\n")
eq(os.fstat(fd).st_ino, before.st_ino)
eq(os.fstat(fd).st_ino, os.stat("f").st_ino)
eq(stat.S_IMODE(os.fstat(fd).st_mode), 0o600)
END
}
@test "a lower file held open read-only while another process copies it up reads the lower's data, with the copy's metadata" { each held_open; }

# --- whiteouts ------------------------------------------------------------------------------------------------

three_forms() {
    lowers 'mkdir -p 1/d 1/o1 1/o2 1/x 2/d 2/o1 2/o2 2/x; for n in char xattr wh kept; do echo $n >2/d/$n; done
        : >1/d/.wh.wh; mknod 1/d/char c 0 0 || { : >1/d/char; setfattr -n user.overlay.whiteout 1/d/char; } # not on an overlayfs
        : >1/d/xattr; setfattr -n user.overlay.whiteout 1/d/xattr; setfattr -n user.overlay.opaque -v x 1/d
        touch 2/o1/dead 2/o2/dead 1/o1/live 1/o2/live; setfattr -n user.overlay.opaque -v y 1/o1; : >1/o2/.wh..wh..opq
        mkdir 2/gone; touch 2/gone/child; : >1/.wh.gone'
    py <<'END'
eq(os.listdir("d"), ["kept"])
for name in "d/char", "d/xattr", "d/wh", "gone", "gone/child", "o1/dead", "o2/dead", "d/.wh.wh", ".wh.gone", "o2/.wh..wh..opq":
    refuses(errno.ENOENT, os.lstat, name)
eq(os.listdir("o1"), ["live"])
eq(os.listdir("o2"), ["live"])
assert "gone" not in os.listdir(".")
for name in "char", "xattr", "wh":
    with open("d/" + name, "x") as f: f.write("new")
eq(sorted(os.listdir("d")), ["char", "kept", "wh", "xattr"])
os.mkdir("gone")
eq(os.listdir("gone"), [])
os.rename("o2", "o3")
eq(os.listdir("o3"), ["live"])
END
    same 'in the next run' 'new' "$(in_target 'cat d/wh; [ -z "$(ls -A gone)" ]; [ "$(ls o3)" = live ]')"
}
@test "whiteouts and opaque directories of a lower are understood in all three forms" { each three_forms; }

on_overlayfs() {
    local script='mkdir over over/l over/u over/w; mount -t overlay -o lowerdir=over/l,upperdir=over/u,workdir=over/w overlay up || exit 99; shift; "$@"; exec "$@"'
    lowers 'mkdir -p 1/d/x 1/p 1/s/k 1/e; echo f >1/p/f; echo h >1/s/k/h; echo in >1/e/in'
    cd "$W" || return
    local seen status=0
    seen=$(unshare --mount sh -euc "$script" sh "$W" "$UNIONRUN" --target t --lower lowers/1 --upper up/upper -- sh -c '
        cd t; if [ -e p ]; then rm -r d p; rm e/in; rmdir e; mv s/k d; mkdir e; fi; echo $(find . | sort)') || status=$?
    [ "$status" != 99 ] || skip 'cannot mount overlayfs here'
    same 'both runs' $'. ./d ./d/h ./e ./s\n. ./d ./d/h ./e ./s' "$seen"
}
@test "an upper on an overlayfs, where no whiteout device can be made: what was removed is not listed" { as_root; may_mount; one root on_overlayfs; }

dead_children() {
    lowers 'mkdir -p 1/d/merged 2/d/merged/deep 2/e/sub; touch 1/d/high 2/d/low 1/d/merged/a 2/d/merged/b 2/d/merged/deep/c 2/e/sub/f 2/e/g'
    lasts 'rm -r d; ls d; mkdir d; ls -A d; mkdir d/merged; ls -A d/merged; echo new >d/low; ls d; cat d/merged/deep/c; mkdir d/merged/deep; ls -A d/merged/deep
        rm -r e/sub; mkdir e/sub; ls -A e/sub; rm -r e; mkdir -p e/sub; ls -A e e/sub; rmdir e/sub e; mkdir e; mv e E; mkdir e; ls -A e E'
}
@test "rm and mkdir give an empty directory: children of the dead one never come back" { each dead_children; }

other_kinds() {
    lowers 'mkdir -p 1 2/dir/sub 2/dir2/x 2/dir3/x 2/empty; for f in file file2 file3; do echo $f >2/$f; done; touch 2/dir/sub/f; ln -s file 2/link; ln -s dir 2/link2'
    lasts 'rm file; mkdir file; touch file/in; rm -r dir; echo now a file >dir; rm link; ln -s file2 link; rm link2; mkdir link2; ls -A link2
        rm -r dir2; ln -s file3 dir2; rm file2; ln -s empty file2; ls -A file2; rm -r dir3; mkfifo dir3; rmdir empty; echo e >empty; rm file3; rmdir file 
        rm file/in; rmdir file; echo again >file; cat link dir2 dir; rm dir; mkdir dir; ls -A dir; ls'
}
@test "a deleted name comes back as file, directory, symlink or FIFO, and is only that" { each other_kinds; }

looks_empty() {
    lowers 'mkdir -p 1/d 2/d 2/e/f; touch 1/d/a 2/d/b; touch 2/e/f/x'
    lasts 'rmdir d; rm d/a; rmdir d; rm d/b; ls -A d; rmdir d; ls; rmdir e/f; rm e/f/x; rmdir e/f e; ls -A'
}
removed_here() {
    lowers 'mkdir -p 1/d 2/d 2/e'
    as_in_plain 'for n in d e; do (cd $n && rmdir ../$n && { dd if=/dev/null of=. conv=excl status=none; : >. ; }) 2>&1; (cd $n) 2>&1; done; ls -A'
}
@test "a directory that was removed beneath its reader is a directory yet: it is not opened for writing (EISDIR), nor made (EEXIST)" { each removed_here; }

@test "a merged directory that looks empty can be removed, and only then" { each looks_empty; }

marker_names() {
    lowers 'mkdir -p 1/d 2/d; echo x >2/d/f; echo y >2/d/wh'
    py <<'END'
os.unlink("d/f")
eq(os.listdir("d"), ["wh"])
eq(os.listdir("."), ["d"])
flags = os.O_CREAT | os.O_WRONLY
for name in ".wh.x", ".wh.wh", ".wh..wh..opq", "d/.wh.wh":
    refuses(errno.EPERM, os.open, name, flags, 0o600)
    refuses(errno.EPERM, os.mkdir, name)
    refuses(errno.EPERM, os.mkfifo, name)
    refuses(errno.EPERM, os.symlink, "d", name)
    refuses(errno.EPERM, os.rename, "d/wh", name)
    refuses(errno.EPERM, os.link, "d/wh", name)
    refuses(errno.ENOENT, os.open, name, os.O_RDONLY)
    refuses(errno.ENOENT, os.lstat, name)
    refuses(errno.ENOENT, os.unlink, name)
refuses(errno.EPERM, os.mknod, "zero", stat.S_IFCHR | 0o600, 0)
refuses(errno.ENOENT, os.lstat, "d/f")
for name in os.listxattr("d"): assert "overlay" not in name and "unionrun" not in name, name
eq(os.listdir("d"), ["wh"])
END
}
@test "markers are not listed, opened, made or seen as xattrs" { each marker_names; }

# --- rename ---------------------------------------------------------------------------------------------------

thousand_files() {
    lowers 'mkdir -p 1/big/a 2/big/b/c; for n in $(seq 500); do echo $n >1/big/a/$n; echo $n >2/big/b/c/$n; done'
    lasts 'mkdir to; mv big to/moved; ls; ls to; ls big; ls to/moved/a | wc -l; ls to/moved/b/c | wc -l; cat to/moved/b/c/77; cat big/a/1; echo new >to/moved/b/c/7; ls to/moved'
    [ "$(find "$W/up/upper" -type f | wc -l)" -le 3 ] || { find "$W/up/upper" -type f | head; false; }
}
@test "a lower directory of 1,000 files moves without copying, and is only at the new place in all later runs" { each thousand_files; }

nested_renames() {
    lowers 'mkdir -p 1/a/b/c 2/a/b/c/d 2/x/y 3/a/b/e; echo 1 >1/a/b/c/f; echo 2 >2/a/b/c/d/g; echo 3 >3/a/b/e/h; echo y >2/x/y/z; echo s >3/a/s'
    lasts 'mv a A; mv A/b A/B; mv A/B B; mkdir a; ls -A a; mkdir -p a/b; ls -A a/b; mv B/c a/b/c; cat a/b/c/f a/b/c/d/g; mv a/b/c/d x/y/d; mv x a/x
        mv a z; mkdir a; ls -A a; cat z/x/y/d/g z/x/y/z; mv z/x/y x; mkdir z/x/y; ls -A z/x/y; rm -r A; mv B A; cat A/e/h; echo more >>A/e/h; mkdir B; ls -A B
        mkdir old; mv -T A B; ls; mv -T old x; mv B B/in; mv B x/B; mv x/B B; mv B/e/h h; cat h'
}
@test "renames of renamed directories, into each other and back to old names, last" { each nested_renames; }

over_targets() {
    lowers 'mkdir -p 1/d 2/d 2/e 2/full 2/f; touch 2/full/x 2/e/in; echo a >2/a; echo b >1/b; echo b >2/b; echo c >2/c; ln -s a 2/l'
    lasts 'mv -T a b; cat b; mv -T e d; ls d; mv -T d full; ls d full; mv -T d b; mv -T b d; mv -T l c; readlink c; mv -T d f; ls f; mv -T f none/f; mv -T f f; ls -R'
}
@test "a rename replaces what may be replaced, whichever layers hold it" { each over_targets; }

rename_flags() {
    lowers 'mkdir -p 1/d 2/d/low 2/e; echo a >2/a; echo b >1/b; echo in >2/e/f; echo dd >2/d/low/x'
    py <<'END'
NOREPLACE, EXCHANGE = 1, 2
refuses(errno.EEXIST, renameat2, "a", "b", NOREPLACE)
refuses(errno.EEXIST, renameat2, "d", "e", NOREPLACE)
renameat2("a", "new", NOREPLACE)
eq(read("new"), "a\n")
refuses(errno.ENOENT, os.stat, "a")
renameat2("new", "b", EXCHANGE)
eq(read("new") + read("b"), "b\na\n")
renameat2("d", "e", EXCHANGE)
eq(read("d/f") + read("e/low/x"), "in\ndd\n")
refuses(errno.ENOENT, os.stat, "d/low")
refuses(errno.ENOENT, os.stat, "e/f")
renameat2("d", "b", EXCHANGE)
eq(read("b/f") + read("d"), "in\na\n")
refuses(errno.ENOENT, renameat2, "d", "none", EXCHANGE)
refuses(errno.EINVAL, renameat2, "d", "b", EXCHANGE | NOREPLACE)
refuses(errno.EINVAL, renameat2, "e", "e/low/y", 0)
END
    local seen=$'b/f in\nd a\ne/low/x dd\nnew b' look='for f in $(find * -type f | sort); do echo "$f $(cat $f)"; done'
    same 'in the next run' "$seen" "$(in_target "$look")"
    LOWERS=("$UPPER" "$W"/lowers/*) UPPER=$W/up/third
    same 'with the upper as a lower' "$seen" "$(in_target "$look")"
}
@test "RENAME_NOREPLACE and RENAME_EXCHANGE do what they say, with files and directories of lowers" { each rename_flags; }

across_mounts() {
    lowers 'mkdir -p 1/d 2; echo f >1/d/f; echo f >2/f'
    as mkdir "$W/s"
    as touch "$W/outside"
    mounts --target t --lower lowers/1 --upper up/upper --target s --lower lowers/2 --upper up/second -- python3 -c '
import errno, os
for call in os.rename, os.link:
    for old, new in ("t/d/f", "s/new"), ("t/d/f", "new"), ("outside", "t/new"):
        try: call(old, new)
        except OSError as e: assert e.errno == errno.EXDEV, (call, old, new, e)
        else: raise AssertionError((call, old, new))
try: os.rename("t/d", "s/d")
except OSError as e: assert e.errno == errno.EXDEV, e
else: raise AssertionError("t/d")
files = [(s.st_dev, s.st_ino) for s in map(os.stat, ("t", "t/d", "t/d/f", "s", "s/f"))]
assert len(set(files)) == len(files), files
'
    mounts --fence=off --target t --lower lowers/1 --upper up/upper --target s --lower lowers/2 --upper up/second -- sh -euc "$NO"'; mv t/d s/d; cat s/d/f; no ls t/d; mv s/d out; cat out/f; no ls s/d'
}
@test "rename and link across mounts give EXDEV, and mv copies" { each across_mounts; }

# --- hard links -----------------------------------------------------------------------------------------------

hard_links() {
    lowers 'mkdir -p 1 2/d; echo low >2/one; ln 2/one 2/d/two; ln 2/one 2/three; echo single >2/single'
    py <<'END'
eq(one_file("one", "d/two", "three"), 3)
ino = os.stat("one").st_ino
with open("d/two", "a") as f: f.write("more\n")
eq([read(p) for p in ("one", "d/two", "three")], ["low\nmore\n"] * 3)
eq(one_file("one", "d/two", "three"), 3)
eq(os.stat("one").st_ino, ino)
os.chmod("three", 0o600)
eq(stat.S_IMODE(os.stat("one").st_mode), 0o600)
os.link("three", "d/four")
eq(one_file("one", "d/two", "three", "d/four"), 4)
os.unlink("one")
eq(one_file("d/two", "three", "d/four"), 3)
os.rename("d/two", "two")
single = os.stat("single").st_ino
os.link("single", "single2")
eq(one_file("single", "single2"), 2)
eq(os.stat("single").st_ino, single)
with open("made", "w") as f: f.write("made\n")
os.link("made", "d/made2")
print(ino, single, os.stat("made").st_ino, file=open("inodes", "w"))
END
    py <<'END'
inodes = [int(n) for n in read("inodes").split()]
eq([os.stat(p).st_ino for p in ("two", "single", "made")], inodes)
eq(one_file("two", "three", "d/four"), 3)
eq(one_file("single", "single2"), 2)
eq(one_file("made", "d/made2"), 2)
refuses(errno.ENOENT, os.stat, "one")
with open("three", "a") as f: f.write("next run\n")
eq([read(p) for p in ("two", "three", "d/four")], ["low\nmore\nnext run\n"] * 3)
os.rename("two", "three")  # one file: nothing happens
eq(one_file("two", "three", "d/four"), 3)
END
}
@test "hard links of a lower and those made in the union stay one file, also in the next run" { each hard_links; }

# What a descriptor names, be it opened by O_PATH or not; AT_FDCWD is the cwd.
empty_paths() {
    lowers 'mkdir -p 1/d; echo f >1/f; ln -s f 1/s'
    py <<'END'
AT_FDCWD, AT_EMPTY_PATH, OWN = -100, 0x1000, (os.getuid(), os.getgid())
class times(ctypes.Structure): _fields_ = [("s", ctypes.c_long * 4)]
at = times((ctypes.c_long * 4)(5, 0, 900000000, 7))
def empty(name, *args):
    if getattr(libc, name)(*args): raise OSError(ctypes.get_errno(), name)
for name in "f", "s", "d", "new":
    if name == "new": open(name, "x").close()
    before = os.lstat(name).st_ino
    fd = os.open(name, os.O_PATH | os.O_NOFOLLOW)
    empty("utimensat", fd, b"", ctypes.byref(at), AT_EMPTY_PATH)
    eq((os.lstat(name).st_mtime_ns, os.lstat(name).st_ino), (900000000000000007, before))
    empty("fchownat", fd, b"", *OWN, AT_EMPTY_PATH)
    refuses(errno.EBADF, os.fchmod, fd, 0o600)
    refuses(errno.EBADF, empty, "futimens", fd, ctypes.byref(at))
os.chdir("d")
empty("utimensat", AT_FDCWD, b"", ctypes.byref(at), AT_EMPTY_PATH)
eq(os.stat(".").st_mtime_ns, 900000000000000007)
END
}
@test "what O_PATH has opened is changed by its descriptor and an empty path, and not without (EBADF)" { each empty_paths; }

from_a_removed_directory() {
    lowers 'mkdir -p 1/d 1/e; touch 1/f 1/e/f'
    cat >"$W/renames.py" <<'END'
import ctypes, errno, os, struct
libc = ctypes.CDLL(None, use_errno=True)
for flags in 0, 1, 2:
    for names in (".", "x"), ("x", "."), (".", "."), ("..", "x"), ("x", ".."), ("x", "y"), ("./x/", "y"), ("./", "x"), (".", "../f"), \
            ("../f", "."), ("../e/f", "x"), ("../f", "x"), ("../none", "."), (".", "../none"), ("x", "../f"), ("x/y", "."), \
            (".", "x/y"), (".", "/proc/x"), ("x", "/proc/x"), ("/proc/x", "."), (".", "../f/x"):
        ret = libc.renameat2(-100, names[0].encode(), -100, names[1].encode(), flags)
        print(flags, *names, ret and errno.errorcode[ctypes.get_errno()])
END
    as_in_plain 'mkdir n; for d in d n; do (cd $d && rmdir ../$d && python3 -S -E "$2/renames.py"); done; find . | sort'
}
@test "rename by names in a removed directory, and of itself, fails as in a plain one" { each from_a_removed_directory; }

unknown_flags() {
    lowers 'mkdir 1; echo f >1/f'
    cat >"$W/opens.py" <<'END'
import ctypes, errno, os, struct
libc = ctypes.CDLL(None, use_errno=True)
for bit in range(64):
    for more in 0, os.O_PATH, os.O_CREAT:
        fd = libc.syscall(437, -100, b"f", struct.pack("QQQ", 1 << bit | more, 0, 0), 24)
        print(bit, more, errno.errorcode[ctypes.get_errno()] if fd < 0 else "open")
        if fd >= 0: os.close(fd)
END
    as_in_plain 'python3 -S -E "$2/opens.py"'
}
@test "openat2 refuses the flags that the kernel does not know" { each unknown_flags; }

# --- listing --------------------------------------------------------------------------------------------------

long_listing() {
    as mkdir "$W"/lowers/{1,2,3,4}
    as python3 -c '
import os, sys
for n in range(100000):
    layer = n % 4 + 1
    open(f"{sys.argv[1]}/{layer}/file{n:06}", "x").close()
    if n % 100 == 0 and layer < 4: open(f"{sys.argv[1]}/4/file{n:06}", "x").close()
' "$W/lowers"
    py <<'END'
entries = list(os.scandir("."))
names = [e.name for e in entries]
eq(len(names), 100000)
eq(sorted(names), [f"file{n:06}" for n in range(100000)])
for e in entries[::97]:
    eq((e.name, e.inode()), (e.name, os.lstat(e.name).st_ino))
    assert e.is_file(follow_symlinks=False)
eq(len({e.inode() for e in entries}), 100000)
for n in range(0, 100000, 1000): os.unlink(f"file{n:06}")
with open("file000001", "a") as f: f.write("x")
open("new", "x").close()
names = os.listdir(".")
eq(len(names), 99901)
eq(len(set(names)), 99901)
END
}
@test "100,000 entries in four layers are listed once each, with the inode number that stat tells" { one root long_listing; }

# --- identity -------------------------------------------------------------------------------------------------

identity() {
    lowers 'mkdir -p 1/d 2/d/e 2/gone; echo f >2/d/f; echo g >1/d/g; echo h >2/d/e/h; ln -s f 2/d/l; mkfifo 2/d/p; echo m >2/m'
    local now before after
    now='find . -printf "%p %i %D\n" | sort; find . -printf "%p %i %D\n" -maxdepth 0'
    before=$(in_target "$now" 2>/dev/null)
    [ "$(echo "$before" | cut -d' ' -f3 | sort -u | wc -l)" = 1 ]
    after=$(in_target 'echo >>d/f; chmod 700 d d/e; touch d/g; touch -h d/l; chmod 600 d/p; echo >>d/e/h; '"$now" 2>/dev/null)
    same 'inode numbers after a copy-up' "$before" "$after"
    same 'inode numbers in the next run' "$before" "$(in_target "$now" 2>/dev/null)"
    py <<'END'
for folder, folders, files in os.walk("."):
    for e in os.scandir(folder):
        eq((e.path, e.inode()), (e.path, os.lstat(e.path).st_ino))
ino, fd = os.stat("m").st_ino, os.open("m", os.O_RDONLY)
os.rename("m", "d/m")
eq(os.stat("d/m").st_ino, ino)
eq(os.fstat(fd).st_ino, ino)
d = os.stat("d").st_ino
e = os.stat("d/e/h").st_ino
os.rename("d", "D")
eq(os.stat("D").st_ino, d)
eq(os.stat("D/e/h").st_ino, e)
with open("made", "w") as f: print(d, e, ino, os.stat("made").st_ino, file=f)
END
    py <<'END'
eq([os.stat(p).st_ino for p in ("D", "D/e/h", "D/m", "made")], [int(n) for n in read("made").split()])
END
}
@test "st_ino stays the same over copy-up, rename and restart, and st_dev is one" { each identity; }

shut_identity() {
    lowers 'mkdir -p 1/d 2/d/e; echo f >2/d/f; echo x >2/d/e/x'
    py <<'END'
before = {p: os.stat(p).st_ino for p in ("d", "d/e", "d/f")}
os.chmod("d/e", 0)
os.chmod("d/f", 0o200)
eq({p: os.stat(p).st_ino for p in before}, before)
os.chmod("d", 0o300)
eq({p: os.stat(p).st_ino for p in before}, before)
with open("numbers", "w") as f: print(before, file=f)
END
    py <<'END'
before = eval(read("numbers"))
eq({p: os.stat(p).st_ino for p in before}, before)
for p in ("d", "d/e", "d/f"): os.chmod(p, 0o700)
eq({p: os.stat(p).st_ino for p in before}, before)
END
}
@test "st_ino stays the same of what its owner may not read any more" { each shut_identity; }

two_filesystems() {
    local script='mount -t tmpfs none "$1/lowers/2"; mount -t tmpfs none "$1/lowers/3"; shift
        for n in $(seq 300); do for l in 1 2 3; do echo $l.$n >lowers/$l/$l.$n; done; done
        mkdir lowers/1/d lowers/2/d lowers/3/d; echo a >lowers/2/d/a; echo b >lowers/3/d/b; "$@"'
    as mkdir "$W"/lowers/{1,2,3}
    { echo "$PRELUDE"; cat; } >"$W/claim.py" <<'END'
os.chdir("t")
def look():
    seen = {}
    for folder, folders, files in os.walk("."):
        for name in folders + files:
            path = folder + "/" + name
            s = os.lstat(path)
            eq(s.st_dev, os.stat(".").st_dev)
            assert s.st_ino not in seen.values(), path
            seen[path] = s.st_ino
        for e in os.scandir(folder): eq((e.path, e.inode()), (e.path, seen[e.path]))
    eq(len(seen), 903)
    return seen
before = look()
for path in "2.7", "3.8", "1.9", "d/a", "d/b":
    with open(path, "a") as f: f.write("more")
    fd = os.open(path, os.O_RDONLY)
    eq(os.fstat(fd).st_ino, before["./" + path])
eq(look(), before)
END
    cd "$W" || return
    unshare --mount sh -euc "$script" sh "$W" "$UNIONRUN" --target t --lower lowers/1 --lower lowers/2 --lower lowers/3 --upper up/upper -- python3 "$W/claim.py"
}
@test "layers on several filesystems: one st_dev, and no inode number twice" { as_root; may_mount; one root two_filesystems; }

# --- targets --------------------------------------------------------------------------------------------------

nested_targets() {
    lowers 'mkdir -p 1/d 1/sub 2/x; echo outer >1/f; echo hidden >1/sub/hidden; echo inner >2/f; echo x >2/x/y'
    local inner=t/sub
    for inner in t/sub t/new/deep; do
        mounts --target t --lower lowers/1 --upper up/upper --target "$inner" --lower lowers/2 --upper up/inner -- sh -euc "$NO"'
            cat t/f $1/f; no ls $1/hidden; ls t/${1#t/}; cd $1; pwd; cat x/y ../f || cat ../../f; echo new >new; cd ..; ls; ls' sh "$inner" "$W"
        [ -e "$W/up/inner/new" ]
        [ ! -e "$W/up/upper/${inner#t/}/new" ]
        as rm -r "$W/up"
        as mkdir "$W/up"
    done
}
@test "a target in another target: the longest one counts" { each nested_targets; }

mount_point() {
    lowers 'mkdir -p 1/sub 2/d; echo inner >2/f'
    mounts --target t --lower lowers/1 --upper up/upper --target t/sub --lower lowers/2 --upper up/inner -- python3 -c '
import errno, os
os.chdir("t")
def gives(wanted, call, *args):
    try: call(*args)
    except OSError as e: assert e.errno == wanted, (call, args, e)
    else: raise AssertionError((call, args))
gives(errno.EBUSY, os.rename, "sub", "gone")
gives(errno.EBUSY, os.rmdir, "sub")
os.mkdir("other")
gives(errno.EBUSY, os.rename, "other", "sub")
gives(errno.EXDEV, os.rename, "sub/f", "f")
gives(errno.EXDEV, os.rename, "other", "sub/other")
gives(errno.EISDIR, os.unlink, "sub")
gives(errno.EEXIST, os.mkdir, "sub")
assert open("sub/f").read() == "inner\n"
'
}
@test "a target in another target is a mount point: it cannot be removed, renamed or replaced (EBUSY)" { each mount_point; }

missing_parents() {
    lowers 'mkdir -p 1/d; echo f >1/d/f'
    mounts --target none/of/this --lower lowers/1 --upper up/upper -- sh -euc "$NO"'
        [ "$(ls none)" = of ]; [ "$(ls none/of)" = this ]; [ "$(ls none/of/this)" = d ]; ls | grep -qx none; [ -d none/of ]
        cd none; cd of; cd this; [ "$(pwd -P)" = "$1/none/of/this" ]; cat d/f; echo new >d/new; cd ../..; [ "$(pwd -P)" = "$1/none" ]; [ "$(find . -name f)" = ./of/this/d/f ]
        [ "$(realpath of/../of/this/d)" = "$1/none/of/this/d" ]; no ls of/other; [ "$(stat -c %F . of | sort -u)" = directory ]' sh "$W"
    [ ! -e "$W/none" ]
    [ -e "$UPPER/d/new" ]
}
@test "a target that the host does not have is there, and its parents show the way" { each missing_parents; }

in_place() {
    as sh -euc 'cd "$1"; mkdir -p d; echo old >f; echo x >d/x; echo gone >gone' sh "$TARGET"
    local before
    before=$(lower_digest "$TARGET")
    LOWERS=("$TARGET")
    in_target 'cat f; echo new >>f; rm gone; mv d D; echo made >made; cat D/x; [ "$(pwd -P)" = "$1" ]'
    same 'the directory' "$before" "$(lower_digest "$TARGET")"
    same 'in the next run' $'D\nf\nmade\nold\nnew' "$(in_target 'ls; cat f')"
}
@test "in place: the target is its own lower, and stays as it was" { each in_place; }

root_target() {
    local name=/etc/foo-unionrun-$$-$BATS_TEST_NUMBER
    mounts --target / --lower / --upper "$W/up/upper" -- sh -euc "$NO"'
        ls / >/dev/null; [ -d /etc ]; cat /etc/passwd >/dev/null; [ -r /proc/self/status ]; echo x >/dev/null
        if [ "$(id -u)" = 0 ]; then echo foo >"$1"; [ "$(cat "$1")" = foo ]; ls /etc | grep -qx "${1#/etc/}"; rm /etc/debian_version; no ls /etc/debian_version
        else no touch "$1"; fi
        cd "$2/t"; [ "$(pwd -P)" = "$2/t" ]; echo here >here; ls | grep -qx here' sh "$name" "$W"
    [ ! -e "$name" ]
    [ -e /etc/debian_version ]
    [ ! -e "$TARGET/here" ]
    [ -e "$UPPER$TARGET/here" ]
    [ "$(id -u)$WHO" != 0root ] || [ -e "$UPPER$name" ]
    mounts --target / --lower / --upper "$W/up/upper" -- cat "$TARGET/here"
}
@test "/ as a target, in place: the host is unchanged" { each root_target; }

read_only() {
    lowers 'mkdir -p 1/d; echo f >1/d/f; ln -s d/f 1/l'
    mounts --target t --lower lowers/1 -- python3 - <<'END'
import errno, os
os.chdir("t")
def refuses(call, *args):
    try: call(*args)
    except OSError as e: assert e.errno == errno.EROFS, (call, args, e)
    else: raise AssertionError((call, args))
assert open("l").read() == "f\n"
refuses(os.open, "d/f", os.O_WRONLY)
refuses(os.open, "d/f", os.O_RDWR)
refuses(os.open, "new", os.O_CREAT | os.O_WRONLY)
refuses(os.open, "d/f", os.O_RDONLY | os.O_TRUNC)
for call, *args in ((os.mkdir, "n"), (os.unlink, "l"), (os.rmdir, "d"), (os.rename, "l", "m"), (os.link, "d/f", "m"), (os.symlink, "x", "m"),
        (os.mkfifo, "m"), (os.chmod, "d/f", 0o600), (os.chown, "d/f", os.getuid(), os.getgid()), (os.truncate, "d/f", 0), (os.utime, "d/f"), (os.setxattr, "d/f", "user.x", b"")):
    refuses(call, *args)
assert not os.access("d/f", os.W_OK)
END
}
@test "a union without an upper is read-only: every change gives EROFS" { each read_only; }

many_lowers() {
    lowers 'for n in $(seq -w 500); do mkdir -p $n/d; echo $n >$n/d/only$n; echo $n >$n/all; done; echo deep >500/deep; rm 001/all'
    in_target '[ "$(cat all)" = 002 ]; [ "$(cat deep)" = deep ]; [ "$(ls d | wc -l)" = 500 ]; [ "$(cat d/only500)" = 500 ]; echo x >>d/only499; rm d/only250; mv d e
        [ "$(ls e | wc -l)" = 499 ]; no ls d; [ "$(cat e/only500)" = 500 ]'
    in_target '[ "$(ls e | wc -l)" = 499 ]; no ls d; [ "$(cat e/only499)" = "499
x" ]; rm all; no cat all'
}
@test "500 lowers" { each many_lowers; }

upper_as_lower() {
    lowers 'mkdir -p 1/d 1/o 2/d/e 2/o 2/m/n; echo 1 >1/d/f; echo 2 >2/d/g; touch 2/o/dead; echo n >2/m/n/f; echo x >2/x'
    local plain="$W/plain" round changes=(
        'rm d/g x; rm -r o; mkdir o; mv m M'
        'echo g >d/g; mv M/n N; mkdir m; rm -r d/e; touch o/live; mv o O'
        'mv N m/n; mv d D; mkdir d; echo back >x; rm -r M; mkdir o; ln -s O M'
        'rm -r m/n; mkdir m/n; mv D d/D; rm O/live; mv O d/D/O; mv x X'
    )
    as mkdir "$plain"
    as cp -aT "$W/lowers/2" "$plain"
    as cp -aT "$W/lowers/1" "$plain"
    LOWERS=("$W"/lowers/{1,2})
    for round in 0 1 2 3; do
        UPPER=$W/up/$round
        as sh -euc "cd '$plain'; ${changes[round]}"
        in_target "${changes[round]}"
        same "round $round" "$(cd "$plain" && sh -c "$LOOK")" "$(in_target "$LOOK")"
        LOWERS=("$UPPER" "${LOWERS[@]}")
        UPPER=$W/up/look$round
        same "round $round as a lower" "$(cd "$plain" && sh -c "$LOOK")" "$(in_target "$LOOK")"
    done
}
@test "uppers of earlier runs serve as lowers, with whiteouts, opaque directories and redirects" { each upper_as_lower; }

redirect_behind_redirect() {
    lowers 'mkdir -p 1/a/sub; echo f >1/a/sub/f'
    UPPER=$W/up/1
    in_target 'mv a b'
    LOWERS=("$UPPER" "$W/lowers/1")
    UPPER=$W/up/2
    in_target 'mv b c'
    LOWERS=("$UPPER" "${LOWERS[@]}")
    UPPER=$W/up/3
    py <<'END'
here = os.getcwd() + "/c/sub"
eq(os.listdir("c/sub"), ["f"])
fd = os.open("c/sub", os.O_RDONLY)
eq(os.readlink(f"/proc/self/fd/{fd}"), here)
eq(os.listdir(fd), ["f"])
os.chdir("c/sub")
eq(os.getcwd(), here)
eq(os.listdir("."), ["f"])
eq(read("f"), "f\n")
eq(os.stat("../sub").st_ino, os.fstat(fd).st_ino)
END
    same 'what find says' $'c\nc/sub\nc/sub/f' "$(in_target 'find . -mindepth 1 -printf "%P\n"')"
}
@test "a directory reached by a redirect behind another redirect is told by its own path, and lists its names" { each redirect_behind_redirect; }

without_exchange() {
    lowers 'mkdir -p 1/d/in 1/e 1/x/y 1/s/one 1/s/two; for f in d/f d/in/f e/e g h k m x/y/z; do echo "$f" >"1/$f"; done'
    local real=$UNIONRUN UNIONRUN=$W/unionrun
    as sh -c 'printf "#!/bin/sh\nexec %s EINVAL exchange %s \"\$@\"\n" "$1" "$2" >"$3" && chmod +x "$3"' \
        sh "$REPO/build/test/contained" "$real" "$UNIONRUN"
    in_target 'no mv --exchange g h 2>/dev/null'
    lasts 'rm -r g h e
        mv d g; mv k h; mv x e
        mkdir n; mv -T n x; mkdir m2 && mv -T m2 x && echo empty >x/new
        echo new >new; mv new d; mv -n m k; mv s/one s/1; mv s/1 s/2; mv s/2 s/one; rm -r s/two; mv s/one s/two
        rm -r g/in; mkdir g/in; mv g/in s/in; mv s S; cat d h k e/y/z g/f; ls S'
}
@test "renames and removals are those of a plain directory where no names can be exchanged" { each without_exchange; }

two_mounts() {
    lowers 'mkdir -p a/d b/d; echo a >a/d/f; echo b >b/d/f'
    cat >"$W/layers.json" <<'END'
{"mounts": [{"target": "t", "lower": ["lowers/a"], "upper": "up/a"}, {"target": "s", "lower": ["lowers/b"], "upper": "up/b"}]}
END
    as "$UNIONRUN" --layers "$W/layers.json" -- sh -euc 'cd "$1"; cat t/d/f s/d/f; echo x >>t/d/f; rm s/d/f; [ -z "$(ls s/d)" ]; cp t/d/f s/d/copy; cd t/d; cat ../../s/d/copy' sh "$W"
    [ "$(cat "$W/up/a/d/f")" = $'a\nx' ] && [ "$(cat "$W/up/b/d/copy")" = $'a\nx' ] && [ ! -e "$W/up/a/d/copy" ]
}
@test "two mounts in one file: each change lands in its own upper" { each two_mounts; }

# --- nothing leaks --------------------------------------------------------------------------------------------

union_paths() {
    lowers 'mkdir -p 1/d 2/d/low 2/bin; echo f >2/d/low/f; cp "$(command -v readlink)" 2/bin/readlink; ln -s d/low 2/l'
    py <<'END'
top = os.getcwd()
for folder in "d", "d/low", "bin":
    os.chdir(top + "/" + folder)
    eq(os.getcwd(), top + "/" + folder)
    eq(os.readlink("/proc/self/cwd"), top + "/" + folder)
    eq(os.readlink(f"/proc/{os.getpid()}/cwd"), top + "/" + folder)
os.chdir(top)
eq(os.path.realpath("l/f"), top + "/d/low/f")
for path in "d/low/f", "d/low", "d", ".":
    fd = os.open(path, os.O_RDONLY)
    eq(os.readlink(f"/proc/self/fd/{fd}"), os.path.normpath(top + "/" + path))
fd = os.open("d/low/f", os.O_RDWR)
eq(os.readlink(f"/proc/self/fd/{fd}"), top + "/d/low/f")
eq(os.readlink(f"/dev/fd/{fd}"), top + "/d/low/f")
os.rename("d/low", "moved")
eq(os.readlink(f"/proc/self/fd/{fd}"), top + "/moved/f")
END
    same 'what programs see' "$TARGET/d"$'\n'"$TARGET/d"$'\n'"$TARGET/moved/f"$'\n'"$TARGET/bin/readlink"$'\n'"$TARGET/moved" \
        "$(in_target 'cd d; pwd; /bin/pwd -P; realpath ../moved/f; ../bin/readlink /proc/self/exe; cd ../moved; readlink /proc/self/cwd')"
}
@test "pwd, realpath and /proc/self/cwd, exe, fd and maps show union paths" { each union_paths; }

raw_paths() {
    lowers 'mkdir -p 1/d 2/d; echo f >2/d/f; echo gone >2/gone; ln -s "$PWD/2/d/f" 1/link'
    in_target 'rm gone; echo x >d/new'
    in_target 'for path in lowers/1 lowers/2 lowers/2/gone lowers/2/d/f up/upper up/upper/d/new up/upper.work up/upper.work/unionrun t/../lowers/2/gone; do
            error=$(ls "$2/$path" 2>&1 || :)
            case $error in *"No such file or directory") ;; *) echo "$path: $error"; exit 1 ;; esac
            no cat "$2/$path"; no cd "$2/$path"; no touch "$2/$path/x"; no stat "$2/$path/."; no realpath -e "$2/$path"
        done
        cd "$2/lowers"; no cat 2/gone; no cat ../lowers/2/d/f; no cat "$1/link"; no ls 1'
}
in_maps() {
    lowers 'mkdir -p 1 2/d; echo f >2/d/f; echo "int answer(void); int answer(void) { return 42; }" | gcc -shared -fPIC -o 2/d/lib.so -xc -'
    py <<'END'
import mmap
top = os.getcwd()
ctypes.CDLL(top + "/d/lib.so")
m = mmap.mmap(os.open("d/f", os.O_RDWR), 2)
files = {line.split(None, 5)[5].strip() for line in open("/proc/self/maps") if "/lowers/" in line or "/up/" in line or top in line}
eq(files, {top + "/d/lib.so", top + "/d/f"})
END
}
@test "/proc/self/maps shows union paths" { needs gcc; each in_maps; }

@test "the layers' own paths give ENOENT inside" { each raw_paths; }

compiler_paths() {
    lowers 'mkdir -p 1/src 2/include/sub; printf "#include \"a.h\"\n#include <sub/b.h>\n#include <stdio.h>\nint main(void) { puts(__FILE__); puts(A); puts(B); }\n" >1/src/main.c
        printf "#define A __BASE_FILE__\n" >2/include/a.h; printf "static const char B[] = __FILE__;\n" >2/include/sub/b.h'
    in_target 'gcc -g -MD -MF dep -I"$1/include" -o prog "$1/src/main.c"; ./prog; cat dep; strings prog 2>/dev/null || cat prog' >"$W/out"
    grep -aqF "$TARGET/src/main.c" "$W/out"
    grep -aqF "$TARGET/include/sub/b.h" "$W/out"
    fails grep -aF "$W/lowers" "$W/out"
    fails grep -aF "$W/up/" "$W/out"
    same 'in a sub-directory' $'main.c\nmain.c\n../include/sub/b.h' "$(in_target 'cd src; gcc -MD -I../include -o prog main.c; ./prog; if grep -E "lowers|up/" main.d prog.d prog-main.d 2>/dev/null; then exit 1; fi')"
}
@test "gcc's dependency file, __FILE__ and debug information show union paths" { needs gcc; each compiler_paths; }
