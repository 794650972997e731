#!/usr/bin/env bats
# The shared index: what one process of a run has learnt of a name serves all, costs one system call or none, and is
# never believed after somebody has changed it. With the index as it is, without one, and with one of seven names.

load helpers

SIZES=(8M 0 64)

bats_require_minimum_version 1.5.0

# each_size CLAIM WHO...; $net: another option for the launcher
each_size() {
    local size who claim=$1
    for who in "${@:2}"; do
        [ "$(id -u)" = 0 ] || [ "$who" != root ] || continue
        workspace "$who"
        for size in "${SIZES[@]}"; do
            echo "# by $who, --index=$size"
            rm -rf "$W/lowers" "$W/up"
            as mkdir "$W/lowers" "$W/up"
            UNION_OPTIONS=(--index="$size" ${net:+"$net"})
            "$claim"
        done
        rm -rf "$W"
    done
}

# two_processes <SCRIPT: by python in the union's target, after a prelude: in_other(f, *args) is f in a process that was
# there before, whose cwd is the target too; both(f, *args) there and here, with the same result
two_processes() {
    {
        cat <<'END'
import errno, multiprocessing as mp, os, socket, stat, sys
def answer(f, args):
    try: return f(*args)
    except OSError as e: return errno.errorcode[e.errno]
def serve(end):
    while True: end.send(answer(*end.recv()))
def in_other(f, *args):
    here.send((f, args))
    return here.recv()
def both(f, *args):
    mine, other = answer(f, args), in_other(f, *args)
    assert mine == other, f"{f.__name__}{args}: {mine!r} here, {other!r} in the other process"
    return mine
def kind(path):
    st = os.lstat(path)
    return "fdl"[(stat.S_ISDIR(st.st_mode) and 1) or (stat.S_ISLNK(st.st_mode) and 2) or 0]
def read(path):
    with open(path) as f: return f.read()
def write(path, text):
    with open(path, "w") as f: f.write(text)
def append(path, text):
    with open(path, "a") as f: f.write(text)
def names(path):
    return " ".join(sorted(os.listdir(path)))
def told(path): # what a listing says of each agrees with stat
    with os.scandir(path) as entries:
        found = sorted((e.name, e.inode(), e.is_dir(follow_symlinks=False)) for e in entries)
    for name, inode, is_dir in found:
        st = os.lstat(path + "/" + name)
        assert (inode, is_dir) == (st.st_ino, stat.S_ISDIR(st.st_mode)), name
    return found
def bind(path):
    socket.socket(socket.AF_UNIX).bind(path)
def eq(got, wanted):
    assert got == wanted, f"\n  got    {got!r}\n  wanted {wanted!r}"
here, there = mp.Pipe()
mp.get_context("fork").Process(target=serve, args=(there,), daemon=True).start()
there.close()
END
        cat
    } >"$W/two.py"
    (cd "$TARGET" && union timeout 60 python3 "$W/two.py")
}

layers() {
    as sh -euc "cd '$W/lowers'; mkdir -p 1/d/sub 2/d/sub 2/e; echo high >1/d/high; echo low >2/d/low; echo deep >2/d/sub/deep
        echo one >2/e/one; ln -s low 2/d/link"
}

changes_are_seen() {
    layers
    two_processes <<'END'
for name in "d/low", "d/new", "d/link", "d/sub", "d/made", "e/one", "d/low/x", "d/new/x", "d/sub/deep", "d/sock":
    both(kind, name)                                   # all is known now, also what is not there
eq(both(kind, "d/new"), "ENOENT")
in_other(write, "d/new", "new");          eq(both(read, "d/new"), "new");   eq(both(kind, "d/new/x"), "ENOTDIR")
in_other(append, "d/low", "more");        eq(both(read, "d/low"), "low\nmore")
os.unlink("d/low");                       eq(both(kind, "d/low"), "ENOENT"); eq(both(read, "d/link"), "ENOENT")
in_other(write, "d/low", "again");        eq(both(read, "d/link"), "again")
os.rename("d/new", "d/made");             eq(both(kind, "d/new"), "ENOENT"); eq(both(read, "d/made"), "new")
in_other(os.unlink, "d/made");            eq(both(kind, "d/made"), "ENOENT")
os.mkdir("d/made");                       eq(both(kind, "d/made"), "d");     eq(both(kind, "d/made/x"), "ENOENT")
in_other(write, "d/made/x", "x");         eq(both(kind, "d/made/x"), "f")
os.rename("d/sub", "d/moved");            eq(both(kind, "d/sub/deep"), "ENOENT"); eq(both(read, "d/moved/deep"), "deep\n")
in_other(os.rename, "d/moved", "e/sub");  eq(both(read, "e/sub/deep"), "deep\n"); eq(both(kind, "d/moved"), "ENOENT")
os.unlink("d/made/x"); os.rmdir("d/made"); eq(both(kind, "d/made/x"), "ENOENT")
in_other(write, "d/made", "a file");      eq(both(kind, "d/made/x"), "ENOTDIR")
os.unlink("d/made"); eq(both(kind, "d/made/x"), "ENOENT")
in_other(os.symlink, "../e", "d/made");   eq(both(kind, "d/made"), "l");     eq(both(read, "d/made/one"), "one\n")
os.unlink("d/made"); os.link("e/one", "d/made"); eq(both(read, "d/made"), "one\n")
eq(both(kind, "d/late/one"), "ENOENT")             # nothing is at d/late itself
in_other(os.symlink, "../e", "d/late");   eq(both(read, "d/late/one"), "one\n")
os.unlink("d/late");                      eq(both(kind, "d/late/one"), "ENOENT")
in_other(os.mkdir, "d/late");             eq(both(kind, "d/late/one"), "ENOENT")
os.mkdir("d/late/one");                   eq(both(kind, "d/late/one"), "d")
in_other(os.rmdir, "d/late/one"); os.rmdir("d/late"); eq(both(kind, "d/late/one"), "ENOENT")
os.mkdir("e/late"); write("e/late/one", "x"); eq(both(kind, "d/late/one"), "ENOENT")
in_other(os.rename, "e/late", "d/late");  eq(both(read, "d/late/one"), "x"); eq(both(kind, "e/late/one"), "ENOENT")
os.unlink("d/late/one"); os.rmdir("d/late"); eq(both(kind, "d/late/one"), "ENOENT")
write("d/late", "a file");                eq(both(kind, "d/late/one"), "ENOTDIR")
in_other(os.unlink, "d/late");            eq(both(kind, "d/late/one"), "ENOENT")
bind("d/sock");                           eq(both(kind, "d/sock"), "f")
in_other(os.unlink, "d/sock");            eq(both(kind, "d/sock"), "ENOENT")
os.unlink("e/one"); os.unlink("e/sub/deep"); os.rmdir("e/sub"); os.rmdir("e"); eq(both(kind, "e/one"), "ENOENT")
in_other(os.mkdir, "e");                  eq(both(os.listdir, "e"), []);     eq(both(kind, "e/one"), "ENOENT")
END
}

@test "what one process changes the others see at once, also what they knew to be absent" {
    each_size changes_are_seen root user
}

@test "what one process changes the others see at once, with the guard alone" {
    net=--no-preload each_size changes_are_seen root user
}

listings_are_seen() {
    layers
    as sh -euc "cd '$W/lowers'; mkdir 1/big 2/big; (cd 1/big; seq 0 2 1200 | xargs touch); (cd 2/big; seq 0 3 1200 | xargs touch)"
    two_processes <<'END'
def seen(path, wanted):
    for _ in range(2):
        eq(both(names, path), wanted)
    both(told, path)
seen("d", "high link low sub")
in_other(write, "d/new", "new");     seen("d", "high link low new sub")
os.unlink("d/low");                  seen("d", "high link new sub")
in_other(append, "d/high", "more");  seen("d", "high link new sub")
os.rename("d/new", "d/low");         seen("d", "high link low sub")
in_other(os.mkdir, "d/made");        seen("d", "high link low made sub"); seen("d/made", "")
write("d/made/x", "x");              seen("d/made", "x")
in_other(os.rename, "d/made/x", "d/sub/x"); seen("d/made", ""); seen("d/sub", "deep x")
os.rmdir("d/made");                  seen("d", "high link low sub"); eq(both(names, "d/made"), "ENOENT")
in_other(os.symlink, "low", "d/s");  seen("d", "high link low s sub")
os.link("d/low", "d/hard");          seen("d", "hard high link low s sub")
bind("d/sock");                      seen("d", "hard high link low s sock sub")
for name in "hard", "s", "sock": os.unlink("d/" + name)
seen("d", "high link low sub")
os.rename("d", "e/d");               seen("e", "d one"); seen("e/d", "high link low sub"); eq(both(names, "d"), "ENOENT")
in_other(os.mkdir, "d");             seen("d", "")
in_other(write, "e/d/sub/y", "y");   seen("e/d/sub", "deep x y")
os.rename("e/d/sub", "d/sub");       seen("d", "sub"); seen("d/sub", "deep x y"); seen("e/d", "high link low")
big = sorted(set(range(0, 1201, 2)) | set(range(0, 1201, 3)))
for gone in 600, 603, 0, 1200:
    seen("big", " ".join(sorted(map(str, big))))
    in_other(os.unlink, "big/%d" % gone)
    big.remove(gone)
seen("big", " ".join(sorted(map(str, big))))
END
}

@test "a listing that one process has read is all others', until something in it changes" {
    each_size listings_are_seen root user
}

@test "a listing that one process has read is all others', with the guard alone" {
    net=--no-preload each_size listings_are_seen root user
}

list_with_permission() {
    layers
    as chmod 711 "$W/lowers/2/d"
    two_processes <<'END'
def as_other(f, *args):
    os.setresuid(65534, 65534, 65534)
    return f(*args)
def in_child(f, *args):
    a, b = mp.Pipe()
    p = mp.get_context("fork").Process(target=lambda: b.send(answer(as_other, (f,) + args)))
    p.start()
    p.join()
    return a.recv()
for _ in range(2):
    eq(in_child(os.listdir, "d"), "EACCES")
    eq(sorted(both(os.listdir, "d")), ["high", "link", "low", "sub"])
    eq(sorted(in_child(os.listdir, "d/sub")), ["deep"])
END
}

@test "who may not read a directory is told so, and not what others have read in it" {
    [ "$(id -u)" = 0 ] || skip "not root"
    each_size list_with_permission root
}

@test "a merged directory that was read before is not read again" {
    needs strace
    workspace root
    layers
    cat >"$W/lists.py" <<'END'
import os, sys
first = sorted(os.listdir(sys.argv[1] + "/d"))
os.umask(0o123)
assert sorted(os.listdir(sys.argv[1] + "/d")) == first == ["high", "link", "low", "sub"]
os.umask(0o123)
END
    as strace -f -o "$W/trace" -e trace=open,openat,umask,getdents64 "$UNIONRUN" --guard=off --lower "$W/lowers/1" --lower "$W/lowers/2" \
        --upper "$UPPER" --target "$TARGET" -- python3 -S -E "$W/lists.py" "$TARGET"
    # shellcheck disable=SC2016 # awk's own
    run -0 awk '/umask\(0123\)/ { on = !on; next } on { sub(/^[0-9]+ +/, ""); print $1, $2 }' "$W/trace"
    same 'the calls' "openat(AT_FDCWD, \"$W/lowers/1/d\"," "$output"
}

@test "the listings of 900 merged directories are all kept: none pushes another out" {
    needs strace
    workspace root
    as mkdir -p "$W"/lowers/{1,2}
    # shellcheck disable=SC2016 # the inner shell's
    as sh -c 'cd "$1" && seq -f "1/d%g/high" 900 | xargs dirname | xargs mkdir && seq -f "1/d%g/high" 900 | xargs touch &&
        seq -f "2/d%g/low" 900 | xargs dirname | xargs mkdir && seq -f "2/d%g/low" 900 | xargs touch' sh "$W/lowers"
    UNION_OPTIONS=(--guard=off --writable "$W")
    # shellcheck disable=SC2016 # the inner shell's
    union sh -c 'cd "$1" && find . >"$2/first" && strace -o "$2/trace" -e trace=openat find . >"$2/again"' \
        sh "$TARGET" "$W"
    same 'the names' "$(sort "$W/first")" "$(sort "$W/again")"
    [ "$(wc -l <"$W/again")" -eq 2701 ]
    same 'the opened lower ones' 0 "$(grep -c "lowers/2/d" "$W/trace")"
}

@test "of a directory of 12,000 names each is remembered" {
    needs strace
    workspace root
    as mkdir -p "$W"/lowers/{1,2}/d
    # shellcheck disable=SC2016 # the inner shell's
    as sh -c 'cd "$1" && seq -f 1/d/one-%g 6000 | xargs touch && seq -f 2/d/two-%g 6000 | xargs touch' sh "$W/lowers"
    cat >"$W/stats.py" <<'END'
import os, sys
os.chdir(sys.argv[1] + "/d")
names = [f"{n}-{i}" for i in range(1, 6001) for n in ("one", "two")]
for name in names:
    os.stat(name)
os.umask(0o123)
for name in names:
    os.stat(name)
os.umask(0o123)
END
    as strace -f -o "$W/trace" -e trace=newfstatat,umask "$UNIONRUN" --guard=off --lower "$W/lowers/1" --lower "$W/lowers/2" \
        --upper "$UPPER" --target "$TARGET" -- python3 -S -E "$W/stats.py" "$TARGET"
    # shellcheck disable=SC2016 # awk's own
    run -0 awk '/umask\(0123\)/ { on = !on; next } on { calls++ } END { print calls }' "$W/trace"
    [ "$output" -ge 12000 ] && [ "$output" -lt 12100 ]
}

@test "of names from a descriptor or the cwd the call itself is made, and none to learn where that is" {
    needs strace
    workspace root
    layers
    cat >"$W/stats.py" <<'END'
import os, sys
os.chdir(sys.argv[1])
fd = os.open("d", os.O_RDONLY)
def ask():
    for _ in range(3):
        os.stat("high", dir_fd=fd)
        os.stat("d/low")
ask()
os.umask(0o123)
ask()
os.umask(0o123)
END
    as strace -f -o "$W/trace" "$UNIONRUN" --guard=off --lower "$W/lowers/1" --lower "$W/lowers/2" \
        --upper "$UPPER" --target "$TARGET" -- python3 -S -E "$W/stats.py" "$TARGET"
    # shellcheck disable=SC2016 # awk's own
    run -0 awk '/umask\(0123\)/ { on = !on; next } on { sub(/^[0-9]+ +/, ""); sub(/\(.*/, ""); print }' "$W/trace"
    same 'the calls' "$(printf 'newfstatat\n%.0s' {1..6})" "$output"
}

@test "getdents64 in small pieces reads a merged directory's layers once, and tells each name once" {
    needs strace
    workspace root
    as mkdir -p "$W"/lowers/{1,2}/d
    # shellcheck disable=SC2016 # the inner shell's
    as sh -c 'cd "$1" && seq -f 1/d/one-%g 400 | xargs touch && seq -f 2/d/two-%g 400 | xargs touch' sh "$W/lowers"
    cat >"$W/lists.py" <<'END'
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
buf = ctypes.create_string_buffer(512)
def piece(fd):
    got = libc.getdents64(fd, buf, len(buf))
    assert got >= 0, os.strerror(ctypes.get_errno())
    names = []
    at = 0
    while at < got:
        size = int.from_bytes(buf[at + 16:at + 18], "little")
        names.append(buf[at + 19:at + size].split(b"\0")[0].decode())
        at += size
    return names
def rest(fd):
    names, more = [], piece(fd)
    while more:
        names += more
        more = piece(fd)
    return names
wanted = sorted([".", ".."] + [f"{n}-{i}" for n in ("one", "two") for i in range(1, 401)])
os.umask(0o123)
fds = [os.open(sys.argv[1] + "/d", os.O_RDONLY) for _ in range(3)]
begun = [piece(fd) for fd in fds]       # three at a time
for fd, names in zip(fds, begun):
    assert sorted(names + rest(fd)) == wanted
os.umask(0o123)
assert rest(fds[0]) == []
os.lseek(fds[0], 0, os.SEEK_SET)
begun = piece(fds[0])
open(sys.argv[1] + "/d/new", "w").close()
os.dup2(fds[0], fds[1])                 # another descriptor, at the same place
assert sorted(set(begun + rest(fds[1])) - {"new"}) == wanted
os.lseek(fds[0], 0, os.SEEK_SET)
assert sorted(rest(fds[0])) == sorted(wanted + ["new"])
os.lseek(fds[0], 0, os.SEEK_SET)
piece(fds[0])
for name in os.listdir(fds[2]):
    os.unlink(f"{sys.argv[1]}/d/{name}")
os.rmdir(sys.argv[1] + "/d")
assert libc.getdents64(fds[0], buf, len(buf)) == -1 and ctypes.get_errno() == 2
END
    as strace -f -o "$W/trace" -e trace=open,openat,umask "$UNIONRUN" --guard=off --index=0 --lower "$W/lowers/1" --lower "$W/lowers/2" \
        --upper "$UPPER" --target "$TARGET" -- python3 -S -E "$W/lists.py" "$TARGET"
    # shellcheck disable=SC2016 # awk's own
    run -0 awk '/umask\(0123\)/ { on = !on; next } on { sub(/^[0-9]+ +/, ""); print $1, $2 }' "$W/trace"
    # Each by the program, and both of them once for each listing.
    same 'how often the layers are opened' 9 "$(grep -c "lowers/[12]/d" <<<"$output")"
}

ask_permission() {
    layers
    as chmod 755 "$W/lowers"/*/d
    two_processes <<'END'
def as_other(f, *args):
    os.setresuid(65534, 65534, 65534)
    return f(*args)
def in_child(f, *args): # as somebody else
    a, b = mp.Pipe()
    p = mp.get_context("fork").Process(target=lambda: b.send(answer(as_other, (f,) + args)))
    p.start()
    p.join()
    return a.recv()
for path, wanted in ("d/none", "ENOENT"), ("d/low", "f"):
    eq(both(kind, path), wanted)
    eq(in_child(kind, path), wanted)
os.chmod("d", 0o700)
for path in "d/none", "d/low", "d/sub/none":
    both(kind, path); both(kind, path)
    eq((path, in_child(kind, path)), (path, "EACCES"))
os.chmod("d", 0o711)
for path, wanted in ("d/none", "ENOENT"), ("d/low", "f"), ("d/sub/none", "ENOENT"):
    eq(in_child(kind, path), wanted)
os.chmod(".", 0o700)
for path in "d/none", "d/low", "none":
    both(kind, os.path.abspath(path))
    eq(in_child(kind, os.path.abspath(path)), "EACCES")
END
}

@test "who may not search a directory is told so, and not what others know of it" {
    [ "$(id -u)" = 0 ] || skip "not root"
    each_size ask_permission root
}

@test "a warm lookup is one system call, and of a name that is not there it is none" {
    needs strace
    workspace root
    layers
    cat >"$W/asks.py" <<'END'
import os, sys
def absent(path):
    try: os.stat(path)
    except FileNotFoundError: return
    raise AssertionError(path)
for path in sys.argv[1:]:
    for name in "low", "high", "link": os.lstat(path + "/d/" + name)
    absent(path + "/d/none")
    absent(path + "/d/nowhere/none")
os.umask(0o123)
for path in sys.argv[1:]:
    for name in "low", "high", "link": os.lstat(path + "/d/" + name)
    absent(path + "/d/none")
    absent(path + "/d/nowhere/none")
    for name in "low", "high": os.close(os.open(path + "/d/" + name, os.O_RDONLY))
os.umask(0o123)
END
    as strace -f -o "$W/trace" -e trace=%file,umask,getxattr,lgetxattr,llistxattr "$UNIONRUN" --guard=off --lower "$W/lowers/1" --lower "$W/lowers/2" \
        --upper "$UPPER" --target "$TARGET" -- python3 -S -E "$W/asks.py" "$TARGET"
    # shellcheck disable=SC2016 # awk's own
    run -0 awk '/umask\(0123\)/ { on = !on; next } on { sub(/^[0-9]+ +/, ""); print $1, $2 }' "$W/trace"
    echo "$output"
    same 'the calls' "newfstatat(AT_FDCWD, \"$W/lowers/2/d/low\",
newfstatat(AT_FDCWD, \"$W/lowers/1/d/high\",
newfstatat(AT_FDCWD, \"$W/lowers/2/d/link\",
openat(AT_FDCWD, \"$W/lowers/2/d/low\",
openat(AT_FDCWD, \"$W/lowers/1/d/high\"," "$output"
}

@test "who makes, moves or removes a name tells the index: the next lookup of it asks no lower, nor whether one shows" {
    needs strace
    workspace root
    layers
    cat >"$W/changes.py" <<'END'
import os, sys
os.chdir(sys.argv[1])
def absent(path):
    try: os.stat(path)
    except FileNotFoundError: return
    raise AssertionError(path)
d = os.getcwd() + "/d/sub"
def make(name): os.close(os.open(d + "/" + name, os.O_CREAT | os.O_WRONLY))
def swap():
    make("new"); os.rename(d + "/new", d + "/made"); absent(d + "/new"); os.stat(d + "/made")
    os.symlink("made", d + "/link"); os.lstat(d + "/link"); os.unlink(d + "/link"); absent(d + "/link")
    os.unlink(d + "/made"); absent(d + "/made")
make("first"); os.unlink(d + "/first"); absent(d + "/new"); absent(d + "/made"); absent(d + "/link")
for _ in range(2): os.umask(0o123); swap()
os.umask(0o123)
os.unlink(d + "/deep"); absent(d + "/deep"); make("deep"); os.stat(d + "/deep")
END
    as strace -f -o "$W/trace" -e trace=%file,umask,getxattr,lgetxattr,llistxattr "$UNIONRUN" --guard=off --lower "$W/lowers/1" --lower "$W/lowers/2" \
        --upper "$UPPER" --target "$TARGET" -- python3 -S -E "$W/changes.py" "$TARGET"
    # shellcheck disable=SC2016 # awk's own
    run -0 awk -v up="$UPPER/d/sub/" '/umask\(0123\)/ { on = (++n == 2); next } on { sub(/^[0-9]+ +/, ""); gsub(up, ""); sub(/\(.*"made", AT_FDCWD, /, "(")
        sub(/AT_FDCWD, /, ""); sub(/, .*/, ""); print }' "$W/trace"
    echo "$output"
    same 'the calls' 'openat("new"
newfstatat("new"
renameat2("new"
newfstatat("made"
symlinkat("link") = 0
newfstatat("link"
newfstatat("link"
unlinkat("link"
newfstatat("made"
unlinkat("made"' "$output"
    run -0 grep -c "\"$W/lowers/2/d/sub/deep\"" "$W/trace"
    same 'lookups of a name of a lower' 1 "$output"
}

@test "what is made in a directory that was made, and its removal, ask no lower, nor whether the name is there" {
    needs strace
    workspace root
    layers
    cat >"$W/makes.py" <<'END'
import errno, os, sys
d = sys.argv[1] + "/d/sub"
def make(name): os.close(os.open(d + "/" + name, os.O_CREAT | os.O_WRONLY, 0o644))
def fails(what, call, *args):
    try: call(*args)
    except OSError as e: assert e.errno == what, (e, args)
    else: raise AssertionError(args)
make("first"); os.unlink(d + "/first"); fails(errno.ENOENT, os.stat, d + "/new")
os.umask(0o123); os.umask(0o22)
os.mkdir(d + "/new"); make("new/file"); os.mkdir(d + "/new/dir", 0o700); os.symlink("file", d + "/new/dir/link")
os.unlink(d + "/new/dir/link")
os.rmdir(d + "/new/dir"); fails(errno.ENOENT, os.stat, d + "/new/dir"); os.unlink(d + "/new/file")
os.rmdir(d + "/new"); fails(errno.ENOENT, os.stat, d + "/new"); os.mkdir(d + "/new")
os.umask(0o123)
os.mkfifo(d + "/new/fifo"); os.mkdir(d + "/new/there")
for name in "fifo", "there":
    fails(errno.EEXIST, os.mkdir, d + "/new/" + name); fails(errno.EEXIST, os.symlink, "x", d + "/new/" + name)
    fails(errno.EEXIST, os.open, d + "/new/" + name, os.O_CREAT | os.O_EXCL)
fails(errno.ENOTEMPTY, os.rmdir, d + "/new"); fails(errno.EISDIR, make, "new/there")
END
    as strace -f -o "$W/trace" -e trace=%file,umask,getxattr,lgetxattr,llistxattr "$UNIONRUN" --guard=off --lower "$W/lowers/1" --lower "$W/lowers/2" \
        --upper "$UPPER" --target "$TARGET" -- python3 -S -E "$W/makes.py" "$TARGET"
    # shellcheck disable=SC2016 # awk's own
    run -0 awk -v up="$UPPER/d/sub/" '/umask\(0123\)/ { on = !on; next } /umask|\/shared"/ { next } on { sub(/^[0-9]+ +/, ""); gsub(up, ""); sub(/\(.*"file", AT_FDCWD, /, "(")
        sub(/AT_FDCWD, /, ""); sub(/,? .*/, ""); print }' "$W/trace"
    echo "$output"
    same 'the calls' 'mkdirat("new"
newfstatat("new"
llistxattr("new"
openat("new/file"
mkdirat("new/dir"
newfstatat("new/dir"
llistxattr("new/dir"
symlinkat("new/dir/link")
newfstatat("new/dir/link"
unlinkat("new/dir/link"
newfstatat("new/dir"
unlinkat("new/dir"
newfstatat("new/file"
unlinkat("new/file"
newfstatat("new"
unlinkat("new"
mkdirat("new"' "$output"
}

@test "the index takes the memory that it needs, and who cannot ask for it leaves that to others" {
    workspace
    as mkdir -p "$W/lowers/1/d"{1..200} "$W/run"
    # shellcheck disable=SC2016 # the inner shell's
    coproc RUN { as env XDG_RUNTIME_DIR="$W/run" "$UNIONRUN" --lower "$W/lowers/1" --upper "$UPPER" --target "$TARGET" -- sh -c \
        'all=$(seq 200); (ulimit -n 3; for i in $all; do [ ! -e "$1/d$i/none" ] || exit; done; echo begun); read -r _
        for i in $all; do [ ! -e "$1/d$i/none" ] || exit; done; echo asked; read -r _' sh "$TARGET" 3>&-; }
    local word few many
    read -r word <&"${RUN[0]}" && [ "$word" = begun ]
    few=$(du -k "$W/run"/*/shared | cut -f1)
    echo >&"${RUN[1]}"
    read -r word <&"${RUN[0]}" && [ "$word" = asked ]
    many=$(du -k "$W/run"/*/shared | cut -f1)
    echo >&"${RUN[1]}"
    wait "$RUN_PID" 2>/dev/null || true
    echo "$few KiB, then $many"
    [ "$few" -gt 0 ] && [ "$few" -lt 3072 ] && [ "$((many - few))" -gt 4096 ]
}

@test "random operations agree with a plain directory without an index, and with one that evicts all the time" {
    for size in 0 64 4K; do
        "$BATS_TEST_DIRNAME/differ/run" --union-cmd "$UNIONRUN --index=$size" --seed "${DIFFER_FIRST:-1}" --ops 4000 \
            --without kept-rdonly,root
    done
}

@test "a size that is none is refused, on the command line and in the file" {
    workspace
    layers
    for size in '' -1 8X 8MB 2G 99999999999999999999 ' 8M'; do
        run -125 union_with --index="$size"
        [[ $output == *"--index=$size: it is a size"* ]] || { echo "$output"; false; }
        printf '{"index": "%s",\n "mounts": [{"target": "t", "lower": "lowers/1"}]}' "$size" >"$W/layers.json"
        run -125 as "$UNIONRUN" --layers "$W/layers.json" -- true
        [[ $output == *"layers.json:1: key index: \"$size\": it is a size"* ]] || { echo "$output"; false; }
    done
    printf '{"index": 8,\n "mounts": [{"target": "t", "lower": "lowers/1"}]}' >"$W/layers.json"
    run -125 as "$UNIONRUN" --layers "$W/layers.json" -- true
    [[ $output == *'layers.json:1: key index: is a number; a size'* ]] || { echo "$output"; false; }
    printf '{"index": "64K",\n "mounts": [{"target": "t", "lower": "lowers/1"}]}' >"$W/layers.json"
    as "$UNIONRUN" --layers "$W/layers.json" -- true
}

union_with() {
    # shellcheck disable=SC2034 # for union
    UNION_OPTIONS=("$@")
    union true
}
