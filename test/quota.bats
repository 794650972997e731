#!/usr/bin/env bats
# "max_upper": what the uppers of a run may hold. Beyond it calls fail as under a quota, and what is removed makes room.

load helpers

bats_require_minimum_version 1.5.0

# prepare WHO LIMIT [OPTION...]
prepare() {
    has_guard || skip 'there is no guard'
    workspace "$1"
    as sh -euc "cd '$W/lowers'; mkdir -p 1/d; head -c 3000000 /dev/urandom >1/big; echo low >1/d/low; truncate -s 1G 1/sparse"
    LIMIT=$2
    # shellcheck disable=SC2034 # for union
    UNION_OPTIONS=(--max-upper "$LIMIT" --report="$W/report.json" "${@:3}")
}

# What the uppers and the work directory take, as du sees it.
held() { du -s -B1 --total "$W/up" | tail -n 1 | cut -f1; }

# The limit was met, and kept: to a block or so of each file that grew.
kept() {
    echo "held: $(held)"
    [ "$(held)" -le "$((${1:-4 * 1024 * 1024} + 65536))" ] && [ "$(held)" -ge "$((${1:-4 * 1024 * 1024} / 2))" ]
}

FULL='Disk quota exceeded'

fills() {
    local who
    for who in "${@:2}"; do
        prepare "$who" 4M
        # shellcheck disable=SC2016
        run union sh -c "cd \"\$1\"; $1" sh "$TARGET"
        echo "$1, $who: $status $output"
        [ "$status" != 0 ]
        [[ $output == *"$FULL"* ]]
        [[ $output == *'unionrun: the limit on the upper (max_upper) of 4194304 bytes: '*' refused (EDQUOT)' ]]
        kept
        [ "$(jq '.max_upper | .limit == 4194304 and .refused > 0 and .bytes <= .limit' "$W/report.json")" = true ]
        rm -rf "$W"
    done
}

@test "dd, python, stdio: a write that does not fit gets EDQUOT, and no signal" {
    needs jq
    fills 'dd if=/dev/zero of=f bs=64k count=100' root user
    fills 'python3 -IS -c "
f = open(\"f\", \"w\")
for n in range(1000000): f.write(\"line %d\\n\" % n)
f.close()"' user
    fills 'seq 1000000 >f' user
    fills 'awk "BEGIN { for (n = 0; n < 1000000; n++) print n }" >f' user
}

@test "cp, tar, git: they say so, and the limit is kept" {
    needs jq
    needs git
    fills 'cp big 2; cp big 3' root user
    fills 'tar -cf 2.tar big; tar -cf 3.tar big' user
    fills 'git init -q r && cd r && cp ../big . && git add big' user
}

@test "a static program gets it, too" {
    needs jq
    [ -x "$(command -v busybox)" ] || skip 'busybox is not installed'
    fills 'busybox dd if=/dev/zero of=f bs=4k count=2000' root user
    fills 'busybox cp big 2; busybox cp big 3' user
    prepare user 4M --no-preload
    # shellcheck disable=SC2016
    run union busybox sh -c 'cd "$1"; busybox dd if=/dev/zero of=f bs=64k count=100 || busybox rm f; busybox cp big 2 && echo again' sh "$TARGET"
    echo "$output"
    [[ $output == *"$FULL"*again* ]]
}

@test "several processes at once do not pass it" {
    prepare user 16M
    # shellcheck disable=SC2016
    run union bash -c 'cd "$1"; for n in 1 2 3 4 5 6; do dd if=/dev/zero of=f$n bs=16k count=1000 2>/dev/null & done; wait' bash "$TARGET"
    kept $((16 * 1024 * 1024))
}

@test "what is removed, emptied or replaced makes room at once" {
    prepare user 4M
    # shellcheck disable=SC2016
    run -0 union python3 -IS -c '
import os, sys, errno
os.chdir(sys.argv[1])
def fill(name):
    fd = os.open(name, os.O_WRONLY | os.O_CREAT)
    try:
        while True: os.write(fd, b"x" * 16384)
    except OSError as e:
        assert e.errno == errno.EDQUOT, e
    os.close(fd)
    assert os.path.getsize(name) > 3 << 20
def full():
    try: open("big", "r+b")
    except OSError as e: return e.errno == errno.EDQUOT
for free in (lambda: os.unlink("f"), lambda: os.truncate("f", 0), lambda: os.close(os.open("f", os.O_WRONLY | os.O_TRUNC)),
             lambda: os.ftruncate(os.open("f", os.O_WRONLY), 100), lambda: os.rename("small", "f")):
    open("small", "w").close()
    fill("f")
    assert full()
    os.unlink("d/low") if os.path.exists("d/low") else None   # the lower name can be taken away all the same
    os.stat("big"); open("f", "r+b").write(b"y" * 1000)     # what is there can be written to
    free()
    fill("g"); os.unlink("g")
    os.unlink("f") if os.path.exists("f") else None
    os.unlink("small") if os.path.exists("small") else None
    os.mkdir("d3"); os.rmdir("d3")' "$TARGET"
}

@test "a copy-up that does not fit is refused before anything is copied, and the view stays" {
    prepare user 2M
    local before
    before=$(lower_digest "$W/lowers/1")
    # shellcheck disable=SC2016
    run -0 union python3 -IS -c '
import os, sys, errno
os.chdir(sys.argv[1])
was = os.stat("big"), os.listdir(".")
for write in (lambda: open("big", "ab"), lambda: os.truncate("big", 1000000), lambda: os.link("big", "l")):
    try: write()
    except OSError as e: assert e.errno == errno.EDQUOT, e
    else: assert False
assert (os.stat("big"), os.listdir(".")) == was
os.chmod("big", 0o600)                                   # its metadata alone
try: open("big", "r+b")
except OSError as e: assert e.errno == errno.EDQUOT, e
else: assert False
assert len(open("big", "rb").read()) == 3000000
open("sparse", "r+b").write(b"x")                        # takes what its data take
open("d/low", "a").write("more")
open("big", "wb").write(b"new")                          # no data of it is copied
' "$TARGET"
    same 'the lowers' "$before" "$(lower_digest "$W/lowers/1")"
    same 'the work directory' '' "$(find "$W"/up/*work*/unionrun/tmp -mindepth 1 2>/dev/null)"
    [ "$(held)" -lt 300000 ]
}

@test "what the upper holds already counts, hard links once, and without an index too" {
    prepare user 4M --index=0
    as sh -euc "mkdir -p '$UPPER'; head -c 1500000 /dev/zero >'$UPPER/old'; ln '$UPPER/old' '$UPPER/same'; ln '$UPPER/old' '$UPPER/third'"
    # shellcheck disable=SC2016
    run -0 union python3 -IS -c '
import os, sys, errno
os.chdir(sys.argv[1])
open("f", "wb").write(b"x" * 2000000)
try: open("g", "wb").write(b"x" * 1000000)
except OSError as e: assert e.errno == errno.EDQUOT, e
else: assert False' "$TARGET"
    kept
}

@test "what nobody sees grow, pages of a mapped file, is measured" {
    prepare user 4M
    # shellcheck disable=SC2016
    run -0 union timeout 60 python3 -IS -c '
import errno, mmap, os, sys, time
os.chdir(sys.argv[1])
fd = os.open("f", os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, 8 << 20)
m = mmap.mmap(fd, 8 << 20)
m[:] = b"x" * (8 << 20)
m.flush()
while True:
    try: open("n", "w").close(); os.unlink("n")
    except OSError as e:
        assert e.errno == errno.EDQUOT, e
        break
    time.sleep(0.05)
for make in (lambda: os.mkdir("d2"), lambda: os.symlink("x", "s"), lambda: os.mknod("p", 0o10644),
             lambda: os.open(".", os.O_WRONLY | os.O_TMPFILE), lambda: open("big", "ab")):
    try: make()
    except OSError as e: assert e.errno == errno.EDQUOT, e
    else: assert False, make
os.unlink("d/low")       # takes nothing that counts
os.close(fd); m.close()
os.unlink("f")
open("n", "w").close()' "$TARGET"
}

@test "fallocate, sendfile, copy_file_range, writev, pwrite and O_APPEND are bound by it" {
    prepare user 2M
    run -0 union python3 -IS -c '
import errno, os, sys
os.chdir(sys.argv[1])
src = os.open("big", os.O_RDONLY)
def refused(how):
    fd = os.open("f", os.O_RDWR | os.O_CREAT)
    try: how(fd)
    except OSError as e: assert e.errno == errno.EDQUOT, e
    else: assert False, how
    os.close(fd)
    assert os.path.getsize("f") < 2 << 20
    os.unlink("f")
refused(lambda fd: os.posix_fallocate(fd, 0, 3 << 20))
refused(lambda fd: os.sendfile(fd, src, 0, 3000000))
refused(lambda fd: os.copy_file_range(src, fd, 3000000, 0, 0))
refused(lambda fd: os.writev(fd, [b"x" * 1000000] * 3))
refused(lambda fd: os.pwrite(fd, b"x" * 3000000, 0))
refused(lambda fd: os.pwritev(fd, [b"x" * 1000000] * 3, 0))
fd = os.open("a", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
os.write(fd, b"x" * 1000000)
os.lseek(fd, 0, 0)
try: os.write(fd, b"x" * 1500000)
except OSError as e: assert e.errno == errno.EDQUOT
else: assert False
os.pwrite(os.open("h", os.O_WRONLY | os.O_CREAT), b"x", 1 << 30)   # a hole takes nothing' "$TARGET"
}

@test "df shows the limit; the layer file has the key, and an option; --check shows it" {
    needs jq
    prepare user 4M
    local size
    size=$(union df -B1 --output=size "$TARGET" | tail -n 1)
    [ "$size" -le 4194304 ] && [ "$size" -gt 4100000 ]
    as sh -c "cat >'$W/l.json'" <<END
{"mounts": [{"target": "t", "lower": "lowers/1", "upper": "up/upper"}], "max_upper": "1M"}
END
    run as "$UNIONRUN" --layers "$W/l.json" -- sh -c "head -c 2000000 /dev/zero >'$TARGET/f'"
    [[ $output == *"$FULL"* ]]
    as "$UNIONRUN" --layers "$W/l.json" --max-upper 8M -- sh -c "head -c 2000000 /dev/zero >'$TARGET/f'"
    same 'the plan' 1048576 "$(as "$UNIONRUN" --check --json --layers "$W/l.json" | jq .max_upper)"
    as "$UNIONRUN" --check --layers "$W/l.json" | grep -qx 'max_upper 1048576'
}

@test "without a limit no write is anybody's business" {
    needs jq
    has_guard || skip 'there is no guard'
    prepare user 4M
    # shellcheck disable=SC2034
    UNION_OPTIONS=(--no-preload --report="$W/report.json")
    union dd if=/dev/zero of="$TARGET/f" bs=64k count=100 2>/dev/null
    same 'what the guard was asked' '0 null' "$(jq -r '"\([.guard[] | select(.call | test("write|truncate|fallocate|splice|sendfile|copy"))] | length) \(.max_upper)"' "$W/report.json")"
}

@test "without a guard it is said what is not bound by it, and the rest is" {
    prepare user 2M --guard=off
    # shellcheck disable=SC2016
    run -0 union python3 -IS -c '
import errno, os, sys
os.chdir(sys.argv[1])
try: open("big", "r+b")
except OSError as e: assert e.errno == errno.EDQUOT, e
else: assert False' "$TARGET"
    [[ $output == *'unionrun: max_upper: without a guard what is written to files that are open goes on beyond it'* ]]
}
