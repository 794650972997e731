#!/usr/bin/env bats
# test/run itself: what it tells of tests that do not end.

bats_require_minimum_version 1.5.0
load helpers

@test "a test that waits for ever fails, and the others' results are told" {
    sed 's/^TEST/@test/' >"$BATS_TEST_TMPDIR/waits.bats" <<'BATS'
TEST "a program's child holds the output" { run python3 -c 'import subprocess; subprocess.run(["sleep", "1000"])'; [ "$status" -eq 0 ]; }
TEST "the next" { true; }
BATS
    needs python3
    run -1 env -i PATH=/usr/local/bin:/usr/bin:/bin HOME="$BATS_TEST_TMPDIR" UNIONRUN_TEST_LIMIT=2 "$REPO/test/run" 2 "$BATS_TEST_TMPDIR/waits.bats"
    [[ $output == *"not ok 1 a program's child"* && $output == *'ok 2 the next'* ]]
    [ "${lines[-1]}" = "1 passed, 1 failed" ]
}
