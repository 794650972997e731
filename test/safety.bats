#!/usr/bin/env bats
# Nothing is lost: a sample of what `make sweep` does at every point, and each fault that it has found, by its own name.

load helpers

setup_file() {
    export SWEEP=$BATS_TEST_DIRNAME/../build/test/sweep
    [ -x "$SWEEP" ]
}

# sweep WHO OPTION...: the last line must say that nothing was wrong, of some points at least
sweep() {
    workspace "$1"
    as "$SWEEP" --unionrun "$UNIONRUN" "${@:2}" "$W/world" >"$BATS_TEST_TMPDIR/sum" || cat "$BATS_TEST_TMPDIR/sum"
    [[ $(tail -n 1 "$BATS_TEST_TMPDIR/sum") =~ ^[1-9][0-9]*\ points,\ 0\ wrong$ ]]
}

errors=EIO,ENOSPC,EDQUOT,ENOMEM,EMFILE,EROFS,EINTR

@test "a kill at any system call leaves the view before or after: a sample, of root" {
    sweep root --option --guard=off --kill --all --sample 80 --seed 1
}

@test "a kill at any system call leaves the view before or after: a sample, of a plain user with the guard" {
    sweep user --kill --all --sample 80 --seed 2
}

@test "an error of any system call is the program's, or nothing has happened: a sample, of root" {
    sweep root --option --guard=off --fail "$errors" --sample 80 --seed 3
}

@test "an error of any system call is the program's, or nothing has happened: a sample, of a plain user" {
    sweep user --option --guard=off --fail "$errors" --sample 80 --seed 4
}

@test "launcher, guard and keeper killed at their own system calls: the view, the word and the end are right: a sample" {
    sweep user --own all --sample 28 --seed 6 --only "rename of a lower file over a lower"
    rm -r "$W" && sweep root --option --no-preload --own all --sample 24 --seed 7 --only "unlink of a lower hard"
}

@test "how a command ends that the guard's kill has failed (ENOSYS) is not told as its own end" {
    sweep user --option --no-preload --own guard --sample 30 --seed 8 --only "chmod of a lower directory"
}

@test "an error of any call of launcher, guard, keeper or command is told, or nothing has happened: a sample" {
    sweep user --option --guard=require --own all --fail "$errors" --sample 30 --seed 9 --only "unlink of a lower"
    rm -r "$W" && sweep root --option --guard=off --own all --fail "$errors" --sample 20 --seed 10 --only "rename of a lower file"
}

@test "an error of any call of the guard is a static program's, or nothing has happened, and the guard goes on: a sample" {
    sweep user --option --guard=require --option --no-preload --own guard --fail "$errors" --sample 40 --seed 11
}

# all_of CALL ERRNO: each such call of the guard's, while a static program does what is done in place, by a descriptor, and
# by the program itself
all_of() {
    rm -rf "$W"
    sweep root --option --guard=require --option --no-preload --own guard --call "$1" --fail "$2" --only "append to a lower file"
}

@test "an ioctl of the guard that is interrupted is done again: nobody waits for ever, and no open is EINTR" {
    all_of ioctl EINTR
}

@test "want of memory or of descriptors where the guard looks into its caller is told as that" {
    all_of process_vm_readv ENOMEM
    all_of process_vm_writev ENOMEM
    all_of openat EMFILE
}

@test "an error where the guard asks where its caller is sends no relative open past the union" {
    sweep root --option --guard=require --option --no-preload --own guard --call readlinkat --fail EDQUOT,EINTR --only "open(O_TRUNC) of a lower hard"
}

@test "a gate that the guard could not write whole is none, and later calls do not wait for it" {
    all_of ptrace EIO
}

@test "a guard that cannot say that it is ready is not waited for, and waits for nobody" {
    all_of write EIO
}

# What is told of an fsync is no matter here.
meet() {
    sweep "$1" --option --guard=off --option --durability=volatile "${@:2}"
}

@test "a listing held at a system call while a name is renamed, made or removed tells each name once: a sample" {
    meet root --meet merged --only "readdir of a" --sample 300 --seed 1
}

@test "getdents64 in small pieces tells a name once that is there all along, whatever else is done meanwhile: a sample" {
    meet user --meet "" --only "getdents of" --sample 200 --seed 1
}

@test "the same of scandir, as a plain user, whatever else is done meanwhile: a sample" {
    meet user --meet "" --only "scandir of" --sample 200 --seed 2
}

@test "fchmod by a descriptor of a lower's file that is renamed meanwhile changes that file: a sample" {
    meet root --meet "rename of a" --only fchmod --sample 120 --seed 4
}

@test "a link by a descriptor of a lower's file whose name goes to another meanwhile is that file's: a sample" {
    meet root --meet "rename of a" --only "link of a lower file's descriptor" --sample 120 --seed 4
}

@test "of two that rename the same file over another, one is told that it is not there: a sample" {
    local what="rename over another in a merged"
    meet user --meet "$what" --only "$what" --sample 80 --seed 3
}

@test "an error while a hard link is removed does not throw away what was written by its other names" {
    sweep root --option --guard=off --fail EIO --only "unlink of a copied hard link"
}

@test "an error while it looks for a copied hard link does not show the lower's old file" {
    sweep root --option --guard=off --fail EIO,EMFILE --only "a hard link copied by another name"
}

@test "an error while it looks for a whiteout does not bring the deleted name back" {
    sweep root --option --guard=off --fail EIO,ENOMEM --only "look for what"
}

@test "a listing that cannot tell what is a whiteout fails, and shows nothing deleted" {
    sweep root --option --guard=off --fail EIO --only "list a copied directory"
}

@test "open(O_TRUNC) that fails has truncated nothing" {
    sweep user --option --guard=off --fail EIO,EMFILE --only "open(O_TRUNC) of a lower file"
}

@test "an error while it looks whether a directory is closed is not told as one that is (EACCES)" {
    sweep user --option --guard=off --fail ENOMEM,EIO --only "append to a file in a 0555 directory"
}

@test "a kill between a copy and its directory's times gives these back" {
    sweep root --option --guard=off --kill --all --only "append to a lower file" --sample 40
}

@test "a kill between a hard link and its count leaves st_nlink right" {
    sweep user --option --guard=off --kill --only "append to the second name of a copied hard link"
}

@test "a kill in mkdir(0500) over a whiteout leaves no other mode" {
    sweep user --option --guard=off --kill --only "mkdir of mode 0500 over a whiteout"
}

@test "rename says ENOSPC when the disk is full, and EXDEV only of a redirect that fits nowhere" {
    sweep user --option --guard=off --fail ENOSPC --only "rename of a lower directory with"
}

@test "a directory that cannot be removed once it is a whiteout is no error of rmdir" {
    sweep root --option --guard=off --fail EIO,EROFS --only "rmdir of an emptied lower directory"
}

@test "nothing that POSIX makes atomic is seen half done: races by shim, by guard and by both" {
    run "$BATS_TEST_DIRNAME/race/run" 4
    echo "$output"
    [ "$status" -eq 0 ]
}

@test "bad input of the layer file, the layer table and paths: seconds of each fuzzer, by a fixed seed" {
    command -v clang >/dev/null || skip "no clang"
    FUZZ_DIR=$BATS_TEST_TMPDIR run make -C "$REPO" -s fuzz-input SECONDS=3
    echo "$output"
    [ "$status" -eq 0 ]
}

@test "a kill while the upper is made leaves none that has another mode and time than the lower" {
    needs strace
    workspace root
    as mkdir "$W/lowers/base"
    as chmod 1750 "$W/lowers/base"
    touch -d 2001-02-03 "$W/lowers/base"
    local call
    for call in chmod utimensat rename; do
        rm -rf "$UPPER" "$UPPER.work"
        fails as strace -qq -o /dev/null -e "trace=$call" -e "inject=$call:signal=KILL" \
            "$UNIONRUN" --lower "$W/lowers/base" --upper "$UPPER" --target "$TARGET" -- true
        [ "$(union stat -c '%a %Y' "$TARGET")" = "$(stat -c '%a %Y' "$W/lowers/base")" ]
    done
}

@test "what a run has of memory, descriptors and work directory does not grow, and its session goes" {
    needs git
    needs rsync
    run "$BATS_TEST_DIRNAME/soak/run" 1
    echo "$output"
    [ "$status" -eq 0 ]
}

# full WORDS...: the upper lies on a small filesystem, mounted with these words; then a copy-up that does not fit
full() {
    [ "$(id -u)" = 0 ] || skip "not root"
    workspace root
    mkdir "$W/lowers/base"
    head -c 3000000 /dev/urandom >"$W/lowers/base/big"
    echo one >"$W/lowers/base/small"
    mount "$@" "$W/up" 2>/dev/null || skip "cannot mount $*"
    MOUNTED=$W/up
    union true
    head -c 20000000 /dev/zero >"$W/up/filler" 2>/dev/null || true # to the last block
    local said
    fails union sh -c "echo more >>'$TARGET/big'" 2>"$BATS_TEST_TMPDIR/said"
    said=$(cat "$BATS_TEST_TMPDIR/said")
    [[ $said == *"No space left on device"* ]]
    [ "$(union sha256sum "$TARGET/big" | cut -d' ' -f1)" = "$(sha256sum <"$W/lowers/base/big" | cut -d' ' -f1)" ]
    [ -z "$(ls "$UPPER.work/unionrun/tmp")" ]
    rm "$W/up/filler"
    union sh -c "echo two >>'$TARGET/small'"
    [ "$(union cat "$TARGET/small")" = $'one\ntwo' ]
}

@test "a copy-up onto a full ext4 is ENOSPC, the view is as it was, and the run goes on" {
    truncate -s 4M "$BATS_TEST_TMPDIR/image"
    mkfs.ext4 -q "$BATS_TEST_TMPDIR/image" || skip "no mkfs.ext4"
    full -o loop "$BATS_TEST_TMPDIR/image"
}

@test "a copy-up onto a full tmpfs is ENOSPC, the view is as it was, and the run goes on" {
    full -t tmpfs -o size=1m tmpfs
}

# small DIR: a filesystem of its own there
small() {
    mount -t tmpfs -o size=1m tmpfs "$1" 2>/dev/null || skip "cannot mount"
    MOUNTED=$1
}

@test "where directories were moved cannot be noted in a full /dev/shm: the names are right, and no SIGBUS" {
    [ "$(id -u)" = 0 ] || skip "not root"
    workspace root
    mkdir -p "$W/session" "$W/lowers/base/d"
    echo one >"$W/lowers/base/d/f"
    small "$W/session"
    # shellcheck disable=SC2016 # the inner shell's
    as env XDG_RUNTIME_DIR="$W/session" "$UNIONRUN" --index=0 --writable "$W/session" --lower "$W/lowers/base" --upper "$UPPER" \
        --target "$TARGET" -- sh -c 'cat /dev/zero >"$1/filler" 2>/dev/null; [ "$(df --output=avail "$1" | tail -1)" -eq 0 ] && cd "$2" &&
        perl -e "for (1 .. 2000) { rename(q(d), q(e)) and rename(q(e), q(d)) or die }" && cat d/f' sh "$W/session" "$TARGET" >"$W/said"
    [ "$(cat "$W/said")" = one ]
}

@test "names are right where a full /dev/shm has no memory for the index, whoever asks first, and no SIGBUS" {
    [ "$(id -u)" = 0 ] || skip "not root"
    workspace root
    mkdir -p "$W/session" "$W/lowers/base/"{a,b,c}{1..40}
    touch "$W/lowers/base/"{a,b,c}{1..40}/old
    small "$W/session"
    cat >"$W/fill" <<'END'
cat /dev/zero >"$1/filler" 2>/dev/null
[ "$(df --output=avail "$1" | tail -1)" -eq 0 ]
END
    # Some parts of the index have memory, some are asked for when there is none, some when there is again.
    cat >"$W/use" <<'END'
import os, subprocess, sys
def names(directory): return sorted(os.listdir(directory)), [os.path.exists(directory + "/" + n) for n in ("old", "new")]
def use(letter):
    for i in range(1, 41):
        d = letter + str(i)
        assert names(d) == (["old"], [True, False]), d
        open(d + "/new", "w").close()
        subprocess.check_call(["test", "-e", d + "/new"]) if i % 10 == 0 else None
        assert names(d) == (["new", "old"], [True, True]), d
        os.unlink(d + "/old")
        assert names(d) == (["new"], [False, True]), d
        os.rename(d + "/new", d + "/old")
        assert names(d) == (["old"], [True, False]), d
os.chdir(sys.argv[2])
use("a")
subprocess.check_call(["sh", sys.argv[3], sys.argv[1]])
use("b")
os.unlink(sys.argv[1] + "/filler")
use("c")
for letter in "abc": use(letter)
print("right")
END
    for net in --guard=off --guard=auto --no-preload; do
        rm -rf "$W/up"
        mkdir "$W/up"
        as env XDG_RUNTIME_DIR="$W/session" "$UNIONRUN" "$net" --index=1M --writable "$W/session" --lower "$W/lowers/base" \
            --upper "$UPPER" --target "$TARGET" -- python3 -S -E "$W/use" "$W/session" "$TARGET" "$W/fill" >"$W/said"
        [ "$(cat "$W/said")" = right ]
        # Landlock's rules keep the files of a run that has ended for a moment (RCU), and their room.
        # shellcheck disable=SC2016 # the inner shell's
        timeout 60 sh -c 'until [ "$(stat -f -c %f "$1")" = "$(stat -f -c %b "$1")" ]; do sleep 0.05; done' sh "$W/session"
    done
}

# overlay DIR: overlayfs there, which takes no 0:0 devices and no RENAME_WHITEOUT
overlay() {
    mkdir "$W"/{l,u,w} "$1"
    mount -t overlay overlay -o "lowerdir=$W/l,upperdir=$W/u,workdir=$W/w" "$1" 2>/dev/null || skip "cannot mount"
    MOUNTED=$1
}

@test "a kill on an upper that takes no devices leaves the view before or after, of a rename to a new name, too: a sample" {
    [ "$(id -u)" = 0 ] || skip "not root"
    workspace root
    overlay "$W/o"
    local act
    for act in "rename of a lower file to" "rename of a lower directory with" "rename of a lower symlink" unlink rmdir mkdir; do
        "$SWEEP" --unionrun "$UNIONRUN" --option --guard=off --kill --all --sample 14 --seed 5 --only "$act" "$W/o/world" \
            >"$W/sum" 2>&1 || { cat "$W/sum" && return 1; }
        [[ $(tail -n 1 "$W/sum") =~ ^[1-9][0-9]*\ points,\ 0\ wrong$ ]]
    done
}

# on_overlay WHO OPTION...: a sweep whose upper takes no devices, so that its whiteouts are files with an xattr
on_overlay() {
    [ "$(id -u)" = 0 ] || skip "not root"
    workspace "$1"
    overlay "$W/o"
    mkdir "$W/o/own"
    [ "$WHO" = root ] || chown "$PLAIN_USER:" "$W/o/own"
    as "$SWEEP" --unionrun "$UNIONRUN" --option --guard=off "${@:2}" "$W/o/own/world" >"$BATS_TEST_TMPDIR/sum" 2>&1 ||
        cat "$BATS_TEST_TMPDIR/sum"
    [[ $(tail -n 1 "$BATS_TEST_TMPDIR/sum") =~ ^[1-9][0-9]*\ points,\ 0\ wrong$ ]]
}

@test "an error of any system call on an upper that takes no devices: a sample, of a plain user" {
    on_overlay user --fail "$errors" --sample 40 --seed 1
}

@test "a rename that cannot cover its old name has replaced nothing" {
    on_overlay user --fail EMFILE,EIO --sample 24 --seed 3 --only "rename of a lower file over an upper one"
}

@test "a kill of all between the two steps of a rename over a name of the upper is finished by the next run: a sample" {
    on_overlay user --all --sample 30 --seed 1 --only "rename of a lower file over an upper one"
}

@test "a kill of all between the two steps of a rename over a lower's name is finished by the next run: a sample" {
    on_overlay root --all --sample 30 --seed 2 --only "rename of a lower file over a lower one"
}

# One on which no names can be exchanged.
without_exchange() { # OPTION...: a sweep
    workspace user
    local act
    for act in "rename of a lower directory to a whiteout" "rename of an upper directory to a whiteout of a full one" \
        "rmdir of an emptied merged directory" "mkdir over the whiteout of a directory"; do
        as "$REPO/build/test/contained" EINVAL exchange "$SWEEP" --unionrun "$UNIONRUN" --option --guard=off "$@" --only "$act" \
            "$W/world" >"$BATS_TEST_TMPDIR/sum" 2>&1 || cat "$BATS_TEST_TMPDIR/sum"
        [[ $(tail -n 1 "$BATS_TEST_TMPDIR/sum") =~ ^[1-9][0-9]*\ points,\ 0\ wrong$ ]]
        as rm -rf "$W/world"
    done
}

@test "a kill of all between two steps, where no names can be exchanged, is finished by the next run: a sample" {
    without_exchange --all --sample 40 --seed 2
}

@test "an error of any system call where no names can be exchanged: a sample" {
    without_exchange --fail "$errors" --sample 25 --seed 2
}

@test "a kill between the two steps of a rename is finished in the same run by the next who looks" {
    [ "$(id -u)" = 0 ] || skip "not root"
    needs strace
    workspace root
    overlay "$W/o"
    mkdir "$W/lowers/base"
    echo one >"$W/lowers/base/f"
    echo two >"$W/lowers/base/g"
    # shellcheck disable=SC2016 # the inner shell's
    as "$UNIONRUN" --guard=off --lower "$W/lowers/base" --upper "$W/o/upper" --work "$W/o/work" --target "$TARGET" -- sh -c '
        cd "$1" && echo more >>g || exit
        strace -qq -o /dev/null -e trace=renameat2 -e inject=renameat2:signal=KILL:when=2 \
            perl -e "rename(q(f), q(g))"
        ls && [ ! -e f ] && mv g h && ls && cat h' sh "$TARGET" >"$W/said"
    [ "$(cat "$W/said")" = $'g\nh\none' ] # "f" was what it changed places with, and has gone
    [ -z "$(ls "$W/o/work/unionrun/journal")" ]
}

@test "an opaque directory that a kill left with its whiteouts lists none of them when its upper is a lower" {
    workspace user
    as mkdir -p "$W/lowers/1/d" "$W/lowers/2/d"
    as touch "$W/lowers/1/d/gone" "$W/lowers/1/d/empty" "$W/lowers/2/d/gone"
    as setfattr -n user.overlay.whiteout -v y "$W/lowers/1/d/gone"
    as setfattr -n user.overlay.opaque -v y "$W/lowers/1/d"
    [ "$(union ls "$TARGET/d")" = empty ]           # as one layer alone has it
    union touch "$TARGET/d/new"
    [ "$(union ls "$TARGET/d")" = $'empty\nnew' ] # and merged
}

@test "after a kill between the two steps of a rename the others of the run see one of its names: a sample" {
    on_overlay root --kill --sample 60 --seed 3 --only "rename of a lower file over a lower one"
}

@test "who is stopped between the two steps of a rename finds at its end what others have put at the old name" {
    [ "$(id -u)" = 0 ] || skip "not root"
    needs strace
    workspace root
    overlay "$W/o"
    # shellcheck disable=SC2030 # union's
    local UPPER=$W/o/upper
    mkdir "$W/lowers/base"
    echo low | tee "$W/lowers/base/from-upper" >"$W/lowers/base/from-lower"
    echo other >"$W/lowers/base/to-lower"
    cat >"$W/script" <<'END'
cd "$1"
said=$2
echo upper >to-upper
until_it() {
    tries=0
    until eval "$1"; do
        tries=$((tries + 1))
        [ $tries -lt 600 ] || { echo "not within half a minute: $1"; break; }
        sleep 0.05
    done
}
for over in upper lower; do
    strace -qq -o /dev/null -e trace=rename,renameat2 -e inject=rename,renameat2:signal=STOP:when=1 \
        sh -c 'echo $$ >"$1/pid-$2"; exec perl -e "exit !rename \"from-$2\", \"to-$2\""' sh "$said" $over &
    until_it '[ -s "$said/pid-$over" ] && grep -q "^State:.*[tT] " "/proc/$(cat "$said/pid-$over")/status" && grep -q low to-$over'
    rm from-$over
    echo mine >from-$over
    kill -CONT "$(cat "$said/pid-$over")"
    wait $!
    echo "$? $(cat from-$over) $(cat to-$over)"
done
END
    mkdir "$W/said"
    # shellcheck disable=SC2034 # union's
    UNION_OPTIONS=(--guard=off --fence=off)
    run union bash "$W/script" "$TARGET" "$W/said"
    echo "$output"
    [ "$(grep -c '^0 mine low$' <<<"$output")" = 2 ]
    [ -z "$(find "$UPPER.work/unionrun/tmp" "$UPPER.work/unionrun/journal" -mindepth 1 ! -name lock)" ]
}

@test "a kill between the rename of a directory and its note in the log of moves leaves what is in it listed" {
    sweep root --option --guard=off --kill --only "rename of a renamed directory back"
}

@test "after a kill in the middle of a change of a name the directory keeps its time when a copy appears in it" {
    needs strace
    local who option
    for who in root user; do
        workspace $who
        as mkdir -p "$W/lowers/base/d"
        as touch "$W/lowers/base/d/low"
        for option in --guard=off --guard=require; do
            # shellcheck disable=SC2031 # workspace's
            as rm -rf "$UPPER" "$UPPER.work"
            # shellcheck disable=SC2034 # union's
            UNION_OPTIONS=("$option")
            # shellcheck disable=SC2016 # the inner shell's
            run union sh -c '
                cd "$1/d" && touch new
                strace -qq -o /dev/null -e trace=unlink,unlinkat -e inject=unlink,unlinkat:signal=KILL:when=1 \
                    perl -e "unlink q(new)" && echo lived
                touch -d "2001-01-01 UTC" . && chmod 600 low && stat -c %Y .' sh "$TARGET"
            echo "$output"
            [ "${lines[-1]}" = 978307200 ]
            [[ $output != *lived* ]]
        done
        rm -rf "$W"
    done
}

teardown() {
    [ -z "${MOUNTED:-}" ] || umount "$MOUNTED"
    [ ! -d "$BATS_TEST_TMPDIR" ] || chmod -R u+rwX "$BATS_TEST_TMPDIR" 2>/dev/null || true
}
