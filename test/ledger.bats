#!/usr/bin/env bats
# The ledger: what libc exports and what the kernel answers is known, each by its name.

load helpers

# A copy of the tables, to spoil.
tables() {
    (cd "$REPO" && cp --parents shim/symbols.{def,not} shim/syscalls.def engine/numbers.def launch/guard/calls.def "$BATS_TEST_TMPDIR")
}
ledger() { run "$REPO/test/ledger" -d "$BATS_TEST_TMPDIR" "$@"; }

@test "every symbol of the installed libcs is hooked, or said not to need it" {
    run "$REPO/test/ledger" symbols
    echo "$output"
    [ "$status" -eq 0 ]
    grep -Eq '^ledger: .* [1-9][0-9]* hooked, .*, unknown = 0$' <<<"$output"
}

@test "a symbol that a new libc brings is told, and so is one that is named twice" {
    local libc=$BATS_TEST_TMPDIR/libc.so
    echo 'int open_of_tomorrow(void); int open_of_tomorrow(void) { return 0; }' | gcc -shared -fPIC -o "$libc" -xc -
    tables
    ledger symbols "$libc"
    [ "$status" -ne 0 ]
    grep -q 'unknown = 1$' <<<"$output"
    grep -qx 'ledger: unknown: open_of_tomorrow' <<<"$output"

    printf '\nnothing: tomorrow\n    open_of_tomorrow\n' >>"$BATS_TEST_TMPDIR/shim/symbols.not"
    ledger symbols "$libc"
    [ "$status" -eq 0 ]

    printf '    memcpy openat\n' >>"$BATS_TEST_TMPDIR/shim/symbols.not"
    ledger symbols "$libc"
    [ "$status" -ne 0 ]
    same 'twice' $'ledger: in two places: memcpy\nledger: in two places: openat' "$(grep 'two places' <<<"$output")"
}

@test "a hook that is taken out of symbols.def is missed" {
    local name
    tables
    for name in openat open64 fts_read chroot posix_spawnp; do
        grep -Ev "^UR_[A-Z]+\\(([a-z]+, )?$name," "$REPO/shim/symbols.def" >"$BATS_TEST_TMPDIR/shim/symbols.def"
        ledger symbols
        [ "$status" -ne 0 ]
        same "$name" "ledger: unknown: $name" "$(grep unknown: <<<"$output")"
    done
}

@test "every system call of the installed headers is known, by its number, and has the rows that it needs" {
    run "$REPO/test/ledger" calls
    echo "$output"
    [ "$status" -eq 0 ]
    grep -Eq "^ledger: $(uname -m): [1-9][0-9]* system calls .*, unknown = 0\$" <<<"$output"
}

@test "a system call that new headers bring is told, and a row that is missing, too many or wrong" {
    local rows=$BATS_TEST_TMPDIR
    tables
    mkdir -p "$rows/headers/asm"
    printf '#define __NR_openat 5000\n#define __NR_open_of_tomorrow 500\n' >"$rows/headers/asm/unistd.h"
    ledger calls "$rows/headers"
    [ "$status" -ne 0 ]
    grep -q "^ledger: unknown: system call 500, open_of_tomorrow ($(uname -m))\$" <<<"$output"
    grep -q '^ledger: openat is 5000, not ' <<<"$output"

    sed -i '/^GUARD(openat,/d' "$rows/launch/guard/calls.def"
    sed -i '/^UR_CALL(linkat,/d' "$rows/shim/syscalls.def"
    echo 'UR_CALL(getpid, 1)' >>"$rows/shim/syscalls.def"
    echo 'GUARD(getppid, PATH, answer_open)' >>"$rows/launch/guard/calls.def"
    echo 'CALL(open_of_tomorrow, 2, 500, PASSES)' >>"$rows/engine/numbers.def"
    ledger calls
    [ "$status" -ne 0 ]
    same 'said' 'ledger: getpid: PASSES, and a row in syscalls.def
ledger: getppid: PASSES, and a row in calls.def
ledger: linkat: UNION, and no row in syscalls.def
ledger: one number, two calls: open_of_tomorrow and open (x86_64)
ledger: openat: UNION, and no row in calls.def' "$(grep -v 'unknown = 0$' <<<"$output" | LC_ALL=C sort)"
}
