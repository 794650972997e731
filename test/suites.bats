#!/usr/bin/env bats
# Test suites of other programs, run with their temporary directory in a union and in a plain one: each test has the same outcome.
#
# And `make suites`, which does so with others' checkouts.
#
#   SUITES=all   all of them, in all modes and by both users (make check-suites); else those that take seconds

load helpers
load processes

# Each test and what became of it. What a suite prints beside that has times and numbers in it.
# shellcheck disable=SC2016
PYTHON='
/usr/bin/python3 -m test --junit-xml "$TMPDIR/outcome.xml" --timeout 300 "$@" </dev/null >"$TMPDIR/log" 2>&1
echo "$?"
[ -s "$TMPDIR/outcome.xml" ] || cat "$TMPDIR/log"
/usr/bin/python3 -c "
import sys, xml.etree.ElementTree as tree
for test in sorted(tree.parse(sys.argv[1]).iter(\"testcase\"), key=lambda t: t.get(\"name\")):
    print(test.get(\"name\"), test.get(\"result\"), *sorted(c.tag for c in test if c.tag in (\"error\", \"failure\", \"skipped\")))
" "$TMPDIR/outcome.xml"
rm "$TMPDIR/outcome.xml" "$TMPDIR/log"
ls -A "$TMPDIR"'

python_suite() {
    /usr/bin/python3 -c 'import test.test_os' 2>/dev/null || skip 'libpython3-testsuite is not installed'
    export PROCESS_TIMEOUT=1200
    local modes=both
    [ "${SUITES:-}" != all ] || modes='both off alone'
    same_in "$modes" sh -c "$PYTHON" python "$@"
}

@test "Python's own tests of glob, pathlib, shutil, tempfile and import have the same outcomes as in a plain directory" {
    python_suite test_glob test_pathlib test_shutil test_tempfile test_import
}
@test "Python's own tests of os have the same outcomes as in a plain directory" {
    python_suite test_os
}
@test "Python's own tests of subprocess and tarfile have the same outcomes as in a plain directory" {
    [ "${SUITES:-}" = all ] || skip 'takes minutes: make check-suites'
    python_suite test_subprocess test_tarfile
}

# A checkout in the form of pjdfstest: a helper beside the tests, each of which runs in the directory it is started in.
checkout() {
    mkdir -p "$BATS_TEST_TMPDIR/suites/like/tests"/{chmod,rename}
    cat >"$BATS_TEST_TMPDIR/suites/like/tests/misc.sh" <<'END'
n=0
expect() { n=$((n + 1)); e=$1; shift; r=$("$@" 2>/dev/null && echo 0 || echo 1); [ "$(echo "$r" | tail -1)" = "$e" ] && echo "ok $n" || echo "not ok $n"; }
END
    cat >"$BATS_TEST_TMPDIR/suites/like/tests/chmod/00.t" <<'END'
. "$(dirname "$0")/../misc.sh"
echo 1..4
expect 0 touch f
expect 0 chmod 600 f
expect 1 chmod 600 nothing
expect 1 touch f/g
END
    cat >"$BATS_TEST_TMPDIR/suites/like/tests/rename/00.t" <<'END'
. "$(dirname "$0")/../misc.sh"
echo 1..3
expect 0 mkdir -p d/e
expect 1 mv -T d d/e/f
expect 0 mv d g
END
}

@test "make suites: a suite in the form of pjdfstest has the same outcomes in a union, in each mode" {
    checkout
    run make -C "$REPO" -s suites SUITES="$BATS_TEST_TMPDIR/suites"
    echo "$output"
    [ "$status" -eq 0 ]
    [ "${lines[-1]}" = "33 outcomes, 0 differ" ]
}

@test "make suites: an outcome that is another one in a union is printed, and counts" {
    checkout
    cat >"$BATS_TEST_TMPDIR/suites/like/tests/rename/01.t" <<'END'
. "$(dirname "$0")/../misc.sh"
echo 1..1
expect 1 test -n "$UNIONRUN_SESSION"
END
    run env -u UNIONRUN_SESSION "$BATS_TEST_DIRNAME/suites/run" "$BATS_TEST_TMPDIR/suites" off
    echo "$output"
    [ "$status" -eq 1 ]
    [[ $output == *"-tests/rename/01.t: ok 1"*"+tests/rename/01.t: not ok 1"* ]]
    [ "${lines[-1]}" = "14 outcomes, 2 differ" ]
    run "$BATS_TEST_DIRNAME/suites/run" "$REPO/test"
    [ "$status" -eq 2 ]
}
