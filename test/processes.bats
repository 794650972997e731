#!/usr/bin/env bats
# Processes that scrub, replace or interrupt things: what they print in a union is what they print in a plain directory, with
# shim and guard, with the shim alone and with the guard alone, of root's and of a plain user's.
# shellcheck disable=SC2317 # more_layers is called by layers()

load helpers
load processes

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
@test "a path that is NULL is refused as the kernel does" {
    same_in 'both off alone' "$(built processes)" nothing-named
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
@test "the first calls of a process come from 24 threads at once" {
    same_in 'both off alone' "$(built processes)" first-calls
}
@test "the first call of a process is interrupted at each of its system calls, and the handler's are in the union" {
    same_in 'both off alone' "$(built processes)" first-interrupted
}
@test "coroutines that go from thread to thread, on stacks of 16 KiB" {
    same_in 'both off alone' "$(built processes)" contexts
}

# --- programs that scrub the environment, or replace what is in it ---------------------------------------------------------

# shellcheck disable=SC2016 # for the shells in the union
@test "env -i, nohup, setsid, timeout, nice, setarch, script, flock, xargs and stdbuf start programs in the union" {
    same_in 'both off alone' sh -c '
        env -i cat file; env -i /bin/sh -c "env -i cat dir/top; exit 3"; echo $?
        env -u LD_PRELOAD -u UNIONRUN_SESSION sh -c "cat file; unset LD_PRELOAD; exec cat dir/top"
        nohup sh -c "cat dir/top; echo out >>file; kill -HUP \$\$; echo on" >log 2>/dev/null; cat log file
        setsid -w sh -c "cat file; echo new >dir/new"; setsid -f sh -c "cat dir/new >part; mv part late"
        while ! [ -e late ]; do sleep 0.01; done; cat late
        timeout 60 cat dir/top; nice -n 1 cat file; setarch -R cat dir/new; flock file sh -c "cat file"; ls dir | xargs -n 1 -I% sh -c "cat dir/% || echo none %"
        script -qec "cat dir/top" /dev/null </dev/null | tr -d "\r"; stdbuf -oL sh -c "cat file; cd dir; stdbuf -o0 cat top"
        setpriv --no-new-privs --inh-caps=-all sh -c "echo x >>dir/file; cat dir/file"; (ulimit -n 12; cat file; ls dir); (exec 3<file; env -i cat /dev/fd/3 | cat)'
}

@test "su and su - give a user's programs the union, and what he may do there" {
    [ "$(id -u)" = 0 ] || skip 'only root may'
    as_user true
    more_layers() {
        mkdir "$W/lowers/2/own"
        echo his >"$W/lowers/2/own/file" # which root makes sure is in the upper: see "What is not covered"
        chown -R "$PLAIN_USER:" "$W/lowers/2/own"
        chmod 0600 "$W/lowers/2/dir/file"
    }
    # shellcheck disable=SC2016
    PROCESS_USERS=root same_in 'both alone' sh -c '
        touch -d @1 own/file
        su "$0" -s /bin/sh -c "id -un; pwd; cat file; cat dir/file; echo x >>file; echo x >>own/file; cat own/file; mkdir own/new; ls -l own | cut -c1-10"
        su - "$0" -s /bin/sh -c "cd '"'$BATS_TEST_TMPDIR/root/t'"' && pwd && cat dir/top && mv own/file own/new/moved && rm dir/top; find own | sort; exit 3"; echo $?' "$PLAIN_USER"
}

# A daemon that somebody else starts and stops, by the file with its number.
# shellcheck disable=SC2016
@test "start-stop-daemon starts a program in the union, tells it by its file, and stops it" {
    needs start-stop-daemon
    more_layers() { printf '#!/bin/sh\ncat file >started\necho "in $(pwd)" >>started\nmv started up\nwhile :; do sleep 0.05; done\n' >"$W/lowers/1/bin/daemon" && chmod 755 "$W/lowers/1/bin/daemon"; }
    same_in 'both off alone' sh -c '
        start-stop-daemon --start --quiet --background --make-pidfile --pidfile "$PWD/pid" --chdir "$PWD" --startas "$PWD/bin/daemon"; echo $?
        while ! [ -e up ]; do sleep 0.01; done; cat up
        start-stop-daemon --status --pidfile "$PWD/pid"; echo $?
        start-stop-daemon --stop --quiet --retry 5 --pidfile "$PWD/pid" --remove-pidfile; echo $?; ls'
}

# With the guard alone that is the name of what was found: nobody can tell a static program.
# shellcheck disable=SC2016
@test "a process goes by the name that it was called, of a script or a symlink too" {
    more_layers() {
        printf '#!/bin/sh\ncat /proc/$$/comm; env | grep UNIONRUN_[CE]; sh -c "cat /proc/\$\$/comm; :"; cat /proc/self/comm\n' >"$W/lowers/2/bin/script"
        chmod 755 "$W/lowers/2/bin/script"
        ln -s script "$W/lowers/1/bin/called"
        ln -s /bin/cat "$W/lowers/1/bin/tac"
    }
    same_in 'both off' sh -c 'cat "/proc/$$/comm"; bin/script; bin/called; bin/tac /proc/self/comm; sh bin/script; PATH=bin:$PATH called'
}

# What is started, and by which ways.
told_programs() {
    local bin=$W/lowers/2/bin
    cat >"$BATS_TEST_TMPDIR/told.c" <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
extern char **environ;
int main(int argc, char **argv) {
    printf("%s %d %s %s\n", argv[0], argc, (char *)getauxval(AT_EXECFN), getenv("UNIONRUN_EXECFN") ? "left" : "");
}
END
    gcc "$@" -o "$bin/told" "$BATS_TEST_TMPDIR/told.c"
    ln -s ../bin/told "$W/lowers/1/bin/link"
    printf '#!%s/bin/told -x\n' "$TARGET" >"$bin/script"
    printf '#!/usr/bin/env told\n' >"$bin/by-env"
    chmod 755 "$bin"/{script,by-env}
}
# shellcheck disable=SC2016
TOLD='bin/told; "$PWD/bin/told" x; .//bin/../bin/link; bin/script; PATH=$PWD/bin:$PATH; told; by-env; cd bin; told; ./told; script
    bash -c "exec -a other ./told"; env -i ./told; env -i ./script
    cd ..; python3 -c "
import os
for name in (\"bin/told\", \"bin/script\"):
    if (pid := os.fork()) == 0:
        os.set_inheritable(fd := os.open(name, os.O_RDONLY), True)
        os.execve(fd, [\"by a descriptor\"], os.environ)
    os.waitpid(pid, 0)"'
@test "AT_EXECFN tells what was said of a program, of a script too" {
    more_layers() { told_programs; }
    same_in 'both off alone' sh -c "$TOLD"
}
@test "AT_EXECFN tells a static program what was said of it, by the guard alone" {
    more_layers() { told_programs -static; }
    same_in alone sh -c "$TOLD"
}

# shellcheck disable=SC2016
@test "a static program hands on no names that the shim has given it" {
    needs busybox
    more_layers() { cp "$(command -v busybox)" "$W/lowers/2/bin/box" && ln -s box "$W/lowers/1/bin/env"; }
    same_in both sh -c 'bin/env /bin/cat /proc/self/comm; bin/env /bin/sh -c "env | grep UNIONRUN_[CE]; exec cat /proc/self/comm"'
}

# It keeps the names that it is told of. It is told of the last one last.
# shellcheck disable=SC2016
@test "who watches a merged directory knows in the end what is in it, whatever became of lower names" {
    needs node
    more_layers() {
        local name
        mkdir -p "$W"/lowers/{1,2}/d/sub "$W/lowers/2/d/low"
        touch "$W"/lowers/2/d/{appended,chmoded,removed,anew,low/in} "$W"/lowers/1/d/{moved,a-file,both} "$W/lowers/2/d/both"
        cat >"$W/lowers/2/watcher.js" <<'END'
const fs = require("fs"), names = new Set(fs.readdirSync("d"))
const watcher = fs.watch("d", (_, name) => {
    if (fs.existsSync("d/" + name)) names.add(name); else names.delete(name)
    if (name === "end") { watcher.close(); console.log([...names].sort().join(" ")) }
})
fs.writeFileSync("ready", "")
END
    }
    same_in 'both off alone' sh -c '
        node watcher.js & while kill -0 $! && ! [ -e ready ]; do sleep 0.02; done
        cd d
        echo x >>appended; rm appended; chmod 600 chmoded; rm removed; rm anew; echo x >anew; mv moved new; mv new both
        rm a-file; mkdir a-file; rm -r low; mv sub sub2; echo x >end
        wait; ls'
}

own_objects() {
    local high=$W/lowers/1 low=$W/lowers/2
    printf '#include <unistd.h>\n__attribute__((constructor)) static void start(void) { if (write(1, "own object\\n", 11) < 0) _exit(9); }\nint word(void);\nint word(void) { return %d; }\n' 7 >"$BATS_TEST_TMPDIR/own.c"
    printf 'int word(void);\nint word(void) { return 1; }\n' >"$BATS_TEST_TMPDIR/old.c"
    printf '#include <stdio.h>\nint word(void);\nint main(int c, char **v) { printf("%%s %%d %%d\\n", v[0], c, word()); return c; }\n' >"$BATS_TEST_TMPDIR/uses.c"
    gcc -shared -fPIC -o "$low/lib/libown.so" "$BATS_TEST_TMPDIR/old.c"
    gcc -o "$high/bin/uses" "$BATS_TEST_TMPDIR/uses.c" -L"$low/lib" -lown
    mkdir "$high/lib"
    gcc -shared -fPIC -o "$high/lib/libown.so" "$BATS_TEST_TMPDIR/own.c"
}

# shellcheck disable=SC2016
@test "a program's own LD_PRELOAD and LD_LIBRARY_PATH name files of the union" {
    more_layers() { own_objects; }
    same_in 'both off alone' sh -c '
        LD_PRELOAD="$PWD/lib/libown.so" cat file; LD_PRELOAD=lib/libown.so sh -c "cat dir/top"; LD_LIBRARY_PATH="$PWD/lib" bin/uses x
        export LD_LIBRARY_PATH="$PWD/lib" LD_PRELOAD=libown.so; cat file; exec bin/uses y z'
}

# shellcheck disable=SC2016
@test "ld.so given a program, --library-path, --preload, --argv0, --list and --verify sees the union" {
    more_layers() { own_objects; }
    local loader
    loader=$(readelf -l /bin/readlink | sed -n 's/.*program interpreter: \(.*\)]/\1/p')
    same_in 'both alone' sh -c '
        "$0" --library-path "$PWD/lib" bin/uses x; echo $?; "$0" --library-path lib "$PWD/bin/uses"; LD_LIBRARY_PATH=lib "$0" ./bin/uses a b
        "$0" --preload "$PWD/lib/libown.so" /bin/cat file; "$0" --argv0 other --library-path lib bin/uses; "$0" /bin/sh -c "cat dir/top; exec cat file"
        "$0" --list --library-path "$PWD/lib" bin/uses | sed "s/(0x.*//" | grep own; "$0" --verify bin/uses; echo $?; "$0" bin/none 2>&1 | grep -c "cannot open"
        env -i "$0" --library-path lib bin/uses; cd dir; "$0" --library-path ../lib ../bin/uses' "$loader"
}

@test "#! lines up to the kernel's limit and beyond, with blanks, tabs, no end and no sense" {
    more_layers() {
        local bin=$W/lowers/1/bin n pad line=0
        # shellcheck disable=SC2059 # formats
        script() {
            line=$((line + 1))
            printf "$@" >"$bin/s$(printf %03d $line)"
        }
        cp /bin/echo "$bin/echo"
        for n in 100 126 127 128 129 253 254 255 256 257 300 1000; do # whole lines of these lengths, the argument being what is long
            pad=$((n - ${#TARGET} - 11 - 1))
            script "#!$TARGET/bin/echo %0${pad}d\n" 7
            script "#!$TARGET/bin/echo %0${pad}d" 7
        done
        for n in 253 254 255 256 257 300; do # the interpreter being it
            pad=$((n - ${#TARGET} - 7))
            [ "$pad" -le 255 ] || pad=255
            ln -sf echo "$bin/$(printf "%0${pad}d" "$n")"
            script "#!$TARGET/bin/%0${pad}d\n" "$n"
            script "#!$TARGET/bin/%0${pad}d x\n" "$n"
        done
        script '#! \t  %s/bin/echo \t a  b\tc \t \n' "$TARGET"
        script '#!%s/bin/echo\t\n' "$TARGET"
        script '#!%s/bin/echo\0rest\n' "$TARGET"
        script '#!%s/bin/echo a\0rest\n' "$TARGET"
        script '#!%s/bin/echo\r\n' "$TARGET"
        script '#!bin/echo relative\n'
        script '#!%s/bin/none\n' "$TARGET"
        script '#!%s/bin\n' "$TARGET"
        script '#!%s/file\n' "$TARGET"
        script '#!\n'
        script '#!   \n'
        script '#!'
        script '#\n'
        script ''
        chmod 755 "$bin"/s*
    }
    same_in 'both off alone' python3 -c '
import glob, subprocess
for script in sorted(glob.glob("bin/s*")):
    try:
        done = subprocess.run([script, "one", "two"], stdout=subprocess.PIPE)
        print(script, done.returncode, done.stdout)
    except OSError as e:
        print(script, e.strerror)'
}

# --- allocators ---------------------------------------------------------------------------------------------------------

@test "jemalloc and tcmalloc, preloaded and linked in: threads, children, coroutines and closed descriptors" {
    local lib name found=
    for lib in libjemalloc.so.2 libtcmalloc_minimal.so.4; do
        ldconfig -p | grep -q "$lib" || continue
        found=1
        name=$BATS_TEST_TMPDIR/with-${lib%%.*}
        gcc -std=gnu11 -D_GNU_SOURCE -O1 -o "$name" "$BATS_TEST_DIRNAME/bin/processes.c" -pthread -Wl,--no-as-needed -l:"$lib"
        same_in 'both off' "$name" children contexts closed unshared
        same_in 'both off' env LD_PRELOAD="$lib" "$(built processes)" children contexts closed interrupts
    done
    [ -n "$found" ] || skip 'neither is installed'
}

# What deadlocks if a hook asks dlsym on the way to a system call: malloc - open - dlsym - calloc - malloc, whose lock is held.
@test "a malloc that itself opens, lists and stats files of the union" {
    cat >"$BATS_TEST_TMPDIR/own-malloc.c" <<'END'
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; // not recursive: to come back in is to hang
static char room[64 << 20];
static size_t used;
static int first = 1, good;
void *malloc(size_t n) {
    struct stat st;
    char text[64];
    int saved = errno;
    pthread_mutex_lock(&lock);
    int fd = open("file", O_RDONLY); // as an allocator reads how it is set up
    good += fd >= 0 && read(fd, text, 5) == 5 && fstat(fd, &st) == 0 && stat("dir/top", &st) == 0 && readlink("/proc/self/exe", text, sizeof text) > 0 && access("dir/none", F_OK) < 0;
    close(fd);
    if (first && (fd = open("log", O_WRONLY | O_CREAT | O_APPEND, 0600)) >= 0 && write(fd, "first\n", 6) == 6)
        close(fd);
    first = 0;
    size_t *at = (size_t *)(room + used);
    used += (n + 31) & ~(size_t)15;
    *at = n;
    pthread_mutex_unlock(&lock);
    errno = saved;
    return used > sizeof room ? NULL : at + 2;
}
void free(void *p) { (void)p; }
void *calloc(size_t n, size_t size) { void *p = malloc(n * size); return p ? memset(p, 0, n * size) : p; }
void *realloc(void *p, size_t n) { void *q = malloc(n); if (p && q) memcpy(q, p, ((size_t *)p)[-2] < n ? ((size_t *)p)[-2] : n); return q; }
void *memalign(size_t a, size_t n) { char *p = malloc(n + a); return (void *)(((size_t)p + a - 1) & ~(a - 1)); }
int posix_memalign(void **p, size_t a, size_t n) { *p = memalign(a, n); return 0; }
void *aligned_alloc(size_t a, size_t n) { return memalign(a, n); }
__attribute__((destructor)) static void end(void) { char line[32]; int n = snprintf(line, sizeof line, "malloc: %s\n", good > 3 ? "good" : "bad"); if (write(1, line, n) < 0) _exit(1); }
END
    gcc -std=gnu11 -D_GNU_SOURCE -shared -fPIC -O1 -o "$BATS_TEST_TMPDIR/own-malloc.so" "$BATS_TEST_TMPDIR/own-malloc.c" -pthread
    gcc -std=gnu11 -D_GNU_SOURCE -O1 -fno-builtin -o "$BATS_TEST_TMPDIR/own-malloc" "$BATS_TEST_DIRNAME/bin/processes.c" "$BATS_TEST_TMPDIR/own-malloc.c" -pthread
    same_in 'both off alone' "$BATS_TEST_TMPDIR/own-malloc" contexts closed
    same_in 'both off alone' env LD_PRELOAD="$BATS_TEST_TMPDIR/own-malloc.so" sh -c 'ls dir; cat file; python3 -c "import os; print(sorted(os.listdir()))"'
}

# --- coroutines of other languages ------------------------------------------------------------------------------------------

@test "Boost.Context fibers of 16 KiB are in the middle of files and listings" {
    needs g++
    cat >"$BATS_TEST_TMPDIR/fibers.cc" <<'END'
#include <boost/context/fiber.hpp>
#include <boost/context/protected_fixedsize_stack.hpp>
#include <cstdio>
#include <dirent.h>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>
namespace ctx = boost::context;
struct Unwound { ~Unwound() { puts("unwound"); } };
int main() {
    std::vector<ctx::fiber> fibers;
    for (int i = 0; i < 6; i++)
        fibers.emplace_back(std::allocator_arg, ctx::protected_fixedsize_stack(16384), [i](ctx::fiber &&back) {
            Unwound unwound;
            std::string name = "made" + std::to_string(i);
            for (int round = 0;; round++) {
                FILE *f = fopen(name.c_str(), "a");
                DIR *d = opendir("dir");
                struct stat st;
                while (readdir(d))
                    back = std::move(back).resume();
                fprintf(f, "%d %d\n", round, stat("dir/top", &st));
                closedir(d);
                back = std::move(back).resume();
                fclose(f);
                if (rename(name.c_str(), (name + ".x").c_str()) < 0 || link((name + ".x").c_str(), name.c_str()) < 0 || unlink((name + ".x").c_str()) < 0)
                    perror("names");
                if (i % 2 && round == 3)
                    return std::move(back);
            }
        });
    for (int turn = 0; turn < 40; turn++)
        for (auto &f : fibers)
            if (f)
                f = std::move(f).resume();
    fibers.clear(); // those that still run are unwound
    for (int i = 1; i < 6; i += 2) {
        char text[64];
        int fd = open(("made" + std::to_string(i)).c_str(), O_RDONLY);
        ssize_t n = read(fd, text, sizeof text);
        printf("%.*s", (int)n, text);
        close(fd);
    }
}
END
    echo '#include <boost/context/fiber.hpp>' | g++ -E -x c++ - >/dev/null 2>&1 || skip 'Boost.Context is not installed'
    g++ -std=c++17 -O1 -o "$BATS_TEST_TMPDIR/fibers" "$BATS_TEST_TMPDIR/fibers.cc" -lboost_context
    same_in 'both off alone' "$BATS_TEST_TMPDIR/fibers"
}

@test "Go with cgo: goroutines that call Go's own functions and libc's, on Go's threads and signal stacks" {
    needs go
    mkdir "$BATS_TEST_TMPDIR/go"
    cat >"$BATS_TEST_TMPDIR/go/main.go" <<'END'
package main

/*
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
static int entries(const char *path) { int n = 0; DIR *d = opendir(path); if (!d) return -1; while (readdir(d)) n++; closedir(d); return n; }
static int append(const char *path, int n) { FILE *f = fopen(path, "a"); if (!f) return -1; fprintf(f, "C %d\n", n); return fclose(f); }
static int c_mkdir(const char *path) { return mkdir(path, 0755); }
*/
import "C"

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

func main() {
	signals := make(chan os.Signal, 1000)
	signal.Notify(signals, syscall.SIGUSR1)
	stop := make(chan bool)
	go func() {
		for {
			select {
			case <-stop:
				return
			default:
				syscall.Kill(os.Getpid(), syscall.SIGUSR1)
				time.Sleep(300 * time.Microsecond)
			}
		}
	}()
	var wg sync.WaitGroup
	var lock sync.Mutex
	bad := 0
	check := func(ok bool, what ...any) {
		if !ok {
			lock.Lock()
			if bad < 10 {
				fmt.Println(what...)
			}
			bad++
			lock.Unlock()
		}
	}
	for g := 0; g < 8; g++ {
		wg.Add(1)
		go func(g int) {
			defer wg.Done()
			dir := fmt.Sprintf("go%d", g)
			c := C.CString(dir)
			file := C.CString(dir + "/file")
			defer C.free(unsafe.Pointer(c))
			defer C.free(unsafe.Pointer(file))
			check(C.c_mkdir(c) == 0, "mkdir")
			for i := 0; i < 30; i++ {
				check(C.append(file, C.int(i)) == 0, "append")
				f, err := os.OpenFile(dir+"/file", os.O_APPEND|os.O_WRONLY, 0)
				check(err == nil, err)
				fmt.Fprintf(f, "Go %d\n", i)
				f.Close()
				text, err := os.ReadFile("dir/top")
				check(err == nil && string(text) == "top\n", err)
				l, err := os.ReadDir(dir)
				check(err == nil && len(l) == int(C.entries(c))-2, len(l), err)
				check(os.Rename(dir+"/file", dir+"/moved") == nil, "rename")
				check(C.access(file, C.F_OK) != 0, "access")
				check(os.Rename(dir+"/moved", dir+"/file") == nil, "rename back")
				if i%10 == 0 {
					out, err := exec.Command("cat", "file").Output()
					check(err == nil && string(out) == "text\n", err)
				}
			}
		}(g)
	}
	wg.Wait()
	close(stop)
	text, _ := os.ReadFile("go3/file")
	wd, _ := os.Getwd()
	n := 0
	filepath.Walk(".", func(string, os.FileInfo, error) error { n++; return nil })
	fmt.Println(bad, len(text), wd, n, len(signals) > 0, runtime.NumCgoCall() > 0)
	os.Chdir("dir")
	out, err := exec.Command("sh", "-c", "pwd; cat top").CombinedOutput()
	fmt.Println(string(out), err)
	_, err = os.Stat("../none")
	fmt.Println(err)
}
END
    printf 'module example.com/cgo\n\ngo 1.19\n' >"$BATS_TEST_TMPDIR/go/go.mod"
    (cd "$BATS_TEST_TMPDIR/go" && HOME=$PWD GOCACHE=$PWD/cache GOPATH=$PWD/path GOFLAGS=-mod=mod GOPROXY=off GOTOOLCHAIN=local CGO_ENABLED=1 go build -o ../cgo .)
    same_in 'both alone' "$BATS_TEST_TMPDIR/cgo"
}
