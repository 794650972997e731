#!/usr/bin/env bats
# Processes that scrub, replace or interrupt things: what they print in a union is what they print in a plain directory, with
# shim and guard, with the shim alone and with the guard alone, of root's and of a plain user's.
#
#   PROCESS_MODES='both off alone'   which of these; a test may name fewer

load helpers

# A program of test/bin, built when it is wanted
built() { echo "$REPO/build/test/$1"; }

# layers WHO: file, fifo and dir/file below, dir/top above; bin/ and lib/ for what a test puts there
layers() {
    rm -rf "${BATS_TEST_TMPDIR:?}/$1"
    workspace "$1"
    local high=$W/lowers/1 low=$W/lowers/2
    mkdir -p "$high"/{bin,dir} "$low"/{bin,lib,dir,tmp,home}
    echo text >"$low/file"
    echo deep >"$low/dir/file"
    echo top >"$high/dir/top"
    mkfifo "$low/fifo"
    [ "$(type -t more_layers)" != function ] || more_layers
    [ "$WHO" = root ] || [ "$(id -u)" != 0 ] || chown -hR "$PLAIN_USER:" "$W/lowers"
}

in_target() { (cd "$TARGET" && "$@"); }

# options_of MODE: into UNION_OPTIONS, which union() reads
options_of() {
    case $1 in
    both) UNION_OPTIONS=(--guard=require) ;;
    off) UNION_OPTIONS=(--guard=off) ;;
    alone) UNION_OPTIONS=(--guard=require --no-preload) ;;
    esac
    export UNION_OPTIONS
}

# same_in MODES COMMAND...: in the plain directory and in the union, in each mode by each user
same_in() {
    local modes=${PROCESS_MODES:-$1} who mode expected digests status printed=
    shift
    for who in ${PROCESS_USERS:-root user}; do
        [ "$who" = user ] || [ "$(id -u)" = 0 ] || continue
        layers "$who"
        as cp -a "$W/lowers/2/." "$W/lowers/1/." "$TARGET"
        status=0
        printed_by in_target as timeout -k 5 200 "$@" 2>&1 || status=$?
        expected="$printed"$'\n'"status $status"
        digests=$(lower_digest "$W"/lowers/*)
        for mode in $modes; do
            chmod -R u+rwX "$TARGET" "$W/up"
            rm -rf "$TARGET" "$W/up"
            as mkdir "$TARGET" "$W/up"
            options_of "$mode"
            status=0
            printed_by in_target union timeout -k 5 200 "$@" 2>&1 || status=$?
            same "by $who, mode $mode: $*" "$expected" "$(no_word <<<"$printed")"$'\n'"status $status"
        done
        same "the lowers, by $who" "$digests" "$(lower_digest "$W"/lowers/*)"
    done
}

# Of the lowers in /tmp, which may be written: where bats has its files
no_word() { grep -v '^unionrun: the lower .* lies in ' || true; }

# The same of a shell line
shell_in() { same_in "$1" sh -c "$2"; }

# --- threads that are cancelled ------------------------------------------------------------------------------------

@test "what is a cancellation point in libc is one in a union, and nothing else is" {
    same_in 'both off alone' "$(built cancel)" points disabled
}
@test "a thread is cancelled while it waits in open, fopen, read or system; its clean-up runs, and nothing is left" {
    same_in 'both off' "$(built cancel)" waiting waiting-at-once
}
@test "threads that are cancelled asynchronously in any call leave no lock, no memory and no call that fails" {
    same_in 'both off' "$(built cancel)" storm
}
@test "C++ destructors run when a thread is cancelled in the open of a FIFO" {
    needs g++
    cat >"$BATS_TEST_TMPDIR/unwinds.cc" <<'END'
#include <cstdio>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>
struct Held {
    ~Held() { puts("given back"); }
};
static void *waits(void *path) {
    Held held;
    close(open(static_cast<const char *>(path), O_RDONLY));
    return nullptr;
}
static void *pending(void *path) {
    pthread_cancel(pthread_self());
    return waits(path);
}
static void cancelled(void *(*run)(void *), const char *path) {
    pthread_t thread;
    void *result;
    pthread_create(&thread, nullptr, run, const_cast<char *>(path));
    usleep(100000);
    pthread_cancel(thread);
    pthread_join(thread, &result);
    printf("%s: %s\n", path, result == PTHREAD_CANCELED ? "cancelled" : "went on");
}
int main(int, char **argv) {
    cancelled(waits, "fifo");
    cancelled(waits, argv[1]);
    cancelled(pending, "file");
}
END
    g++ -O1 -o "$BATS_TEST_TMPDIR/unwinds" "$BATS_TEST_TMPDIR/unwinds.cc" -pthread
    mkfifo "$BATS_TEST_TMPDIR/outside"
    chmod go+r "$BATS_TEST_TMPDIR/outside"
    same_in 'both off alone' "$BATS_TEST_TMPDIR/unwinds" "$BATS_TEST_TMPDIR/outside"
}

# --- signals ----------------------------------------------------------------------------------------------------------

@test "a program that catches SIGSEGV, SIGBUS, SIGSYS, SIGILL and SIGTRAP catches what is its own, and only that" {
    same_in 'both off alone' "$(built processes)" catches
}
@test "a sandbox's broker answers in its SIGSYS handler what its filter traps" {
    [ "$(uname -m)" = x86_64 ] || skip 'it sets a register of x86_64'
    same_in 'both alone' "$(built processes)" brokers
}
@test "handlers make calls thousands of times while four threads are in calls" {
    same_in 'both off alone' "$(built processes)" interrupts
}
@test "all async-signal-safe calls fit on a signal stack of 8 KiB" {
    same_in 'both off alone' "$(built processes)" altstack
}

# --- processes ----------------------------------------------------------------------------------------------------------

@test "daemons that fork twice, close all, and go to / work on, by hand and by libc" {
    same_in 'both off alone' "$(built processes)" daemon daemon-libc
}
@test "a program that closes every descriptor, by close, close_range and closefrom, calls and execs on" {
    same_in 'both off alone' "$(built processes)" closed
}
@test "children of _Fork, vfork, clone3, clone with CLONE_FS or CLONE_VM, and of threads, are in the union" {
    same_in 'both off alone' "$(built processes)" children
}
@test "an exec by one thread while others are in calls" {
    same_in 'both off alone' "$(built processes)" exec
}
@test "threads with a cwd and a umask of their own each go by theirs" {
    same_in 'both off alone' "$(built processes)" unshared
}
@test "the first calls of a process come from eight threads at once" {
    same_in 'both off alone' "$(built processes)" first-calls
}
@test "coroutines that go from thread to thread, on stacks of 16 KiB" {
    same_in 'both off alone' "$(built processes)" contexts
}
