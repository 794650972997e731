#!/usr/bin/env bats
# Test suites of other programs, run with their temporary directory in a union and in a plain one: each test has the same outcome.
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
