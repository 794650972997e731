#!/usr/bin/env bats
# Uppers on filesystems that can do little: what union.bats claims holds there, too.
# shellcheck disable=SC2016 # what is quoted so is for the shell that makes the layers

load helpers

setup() {
    mkdir "$BATS_TEST_TMPDIR/here"
    "$PROGRAMS/poor" flags "$BATS_TEST_TMPDIR/here" || skip "bindfs cannot be mounted here"
    umount "$BATS_TEST_TMPDIR/here"
}

# holds WITHOUT CLAIM...: those of union.bats whose names begin so
holds() {
    local claims
    claims=$(IFS='|' && echo "${*:2}")
    run env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME="$BATS_TEST_TMPDIR" TMPDIR="${TMPDIR:-/tmp}" UNIONRUN="$UNIONRUN" UPPER_WITHOUT="$1" \
        bats --filter "^($claims)" "$BATS_TEST_DIRNAME/union.bats"
    echo "$output"
    [ "$status" = 0 ]
    [ "$(grep -c '^ok [0-9]*' <<<"$output")" = $(($# - 1)) ]
}

CLAIMS=("a name in the upper is seen" "a lower 0555 directory" "O_TRUNC and truncate" "FIFOs, sockets, devices"
    "rm and mkdir give an empty" "a deleted name comes back" "a merged directory that looks" "renames of renamed"
    "a rename replaces" "hard links of a lower" "st_ino stays the same over" "uppers of earlier runs"
    "renames and removals are those")

WITHOUT_XATTRS=("a lower file held open read-only" "rm and mkdir give an empty" "a deleted name comes back"
    "a merged directory that looks" "renames of renamed" "a rename replaces" "hard links of a lower"
    "st_ino stays the same of what" "uppers of earlier runs" "renames and removals are those")

@test "where rename knows no flags and there is no O_TMPFILE a union is what it is elsewhere" {
    holds flags "${CLAIMS[@]}"
}

@test "where there are no xattrs either a union is what it is elsewhere, but for renames of lower directories" {
    holds flags,xattrs "${WITHOUT_XATTRS[@]}"
}

# As rename(2), where no redirect can be written; a program copies then.
@test "where there are no xattrs st_ino stays, what is listed has it, and a lower directory is EXDEV" {
    local WHO
    for WHO in root user; do
        UPPER_WITHOUT=flags,xattrs workspace $WHO
        as sh -c 'cd "$1" && mkdir -p 1/d/e 1/gone && echo f >1/d/f && echo m >1/m && ln -s f 1/d/l' sh "$W/lowers"
        UPPER_WITHOUT=flags,xattrs union python3 - "$TARGET" <<'END'
import errno, os, sys
os.chdir(sys.argv[1])
before = {p: os.lstat(p).st_ino for p in ("d", "d/e", "d/f", "d/l", "m", ".")}
with open("d/f", "a") as f: f.write("more")
os.chmod("d/e", 0o700)
os.utime("d/l", follow_symlinks=False)
os.rename("m", "d/m")
before["d/m"] = before.pop("m")
after = {p: os.lstat(p).st_ino for p in before}
assert after == before, (before, after)
for folder in (".", "d"):
    for e in os.scandir(folder):
        assert e.inode() == os.lstat(e.path).st_ino, e.path
try: os.rename("d", "D")
except OSError as e: assert e.errno == errno.EXDEV, e
else: raise AssertionError("renamed")
os.rmdir("gone")
os.mkdir("gone")
inos = set()
for n in range(50): # numbers that were others'
    os.mkdir(f"gone/{n}")
    inos.add(os.stat(f"gone/{n}").st_ino)
    if n % 2: os.rmdir(f"gone/{n}")
assert not inos & set(before.values())
END
    done
}

teardown() {
    local up
    for up in "$BATS_TEST_TMPDIR"/*/up; do if mountpoint -q "$up"; then umount --lazy "$up"; fi; done
}
