#!/usr/bin/env bats
# The ledger: what libc exports and what the kernel answers is known, each by its name.

load helpers

@test "every symbol of the installed libcs is hooked, or said not to need it" {
    run "$REPO/test/ledger"
    echo "$output"
    [ "$status" -eq 0 ]
    grep -Eq '^ledger: .* [1-9][0-9]* hooked, .*, unknown = 0$' <<<"$output"
}

@test "a symbol that a new libc brings is told, and so is one that is named twice" {
    echo 'int open_of_tomorrow(void); int open_of_tomorrow(void) { return 0; }' |
        gcc -shared -fPIC -o "$BATS_TEST_TMPDIR/libc.so" -xc -
    run "$REPO/test/ledger" "$BATS_TEST_TMPDIR/libc.so"
    [ "$status" -ne 0 ]
    grep -q 'unknown = 1$' <<<"$output"
    grep -qx 'ledger: unknown: open_of_tomorrow' <<<"$output"

    cp "$REPO"/shim/symbols.{def,not} "$BATS_TEST_TMPDIR"
    printf '\nnothing: tomorrow\n    open_of_tomorrow\n' >>"$BATS_TEST_TMPDIR/symbols.not"
    run "$REPO/test/ledger" -d "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/libc.so"
    [ "$status" -eq 0 ]

    printf '    memcpy openat\n' >>"$BATS_TEST_TMPDIR/symbols.not"
    run "$REPO/test/ledger" -d "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/libc.so"
    [ "$status" -ne 0 ]
    same 'twice' $'ledger: in two places: memcpy\nledger: in two places: openat' "$(grep 'two places' <<<"$output")"
}

@test "a hook that is taken out of symbols.def is missed" {
    local name
    cp "$REPO/shim/symbols.not" "$BATS_TEST_TMPDIR"
    for name in openat open64 fts_read chroot posix_spawnp; do
        grep -Ev "^UR_[A-Z]+\\(([a-z]+, )?$name," "$REPO/shim/symbols.def" >"$BATS_TEST_TMPDIR/symbols.def"
        run "$REPO/test/ledger" -d "$BATS_TEST_TMPDIR"
        [ "$status" -ne 0 ]
        same "$name" "ledger: unknown: $name" "$(grep unknown: <<<"$output")"
    done
}
