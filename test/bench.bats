#!/usr/bin/env bats
# scripts/bench works: it measures every contender that it names, on data of its own, and its report says so. How fast
# anything is, is no test's business.

load helpers

measured() { jq -e --arg row "$1" --arg name "$2" '.rows[] | select(.id == $row) | .contenders[$name].value > 0' "$BENCH/report/bench.json"; }

@test "the benchmark measures what it is asked for, and leaves its layers as they are" {
    needs hyperfine
    BENCH=$BATS_TEST_TMPDIR/bench
    "$REPO/scripts/bench" --quick --rows stat,find,rm,append --contenders plain,shim,unionrun --dir "$BENCH" >"$BATS_TEST_TMPDIR/said"
    for row in stat find rm append; do
        for name in shim unionrun; do measured "$row" "$name"; done
    done
    grep -q '^| stat, deep names | [0-9.]* [µnm]*s | ' "$BATS_TEST_TMPDIR/said"
    grep -q '^| rm -rf of lower files (400 files) |' "$BENCH/report/bench.md"
    [ "$(find "$BENCH/worlds/doomed/1/it" -type f | wc -l)" = 400 ]
    [ "$(stat -c %s "$BENCH/worlds/big/1/big")" = $((16 << 20)) ]
    python3 -c 'import sys, xml.dom.minidom; assert len(xml.dom.minidom.parse(sys.argv[1]).getElementsByTagName("rect")) > 5' \
        "$BENCH/report/bench.svg"
}

@test "a library's pages are read once for nine unions, and what the first write costs is (F+k)/k" {
    needs hyperfine
    BENCH=$BATS_TEST_TMPDIR/bench
    "$REPO/scripts/bench" --seed --quick --contenders unionrun --dir "$BENCH" >"$BATS_TEST_TMPDIR/said"
    # As the filesystem has it: on tmpfs nothing is read, and frames are told to root alone.
    jq -e '.pages | map({(.contender): .}) | add |
        .unionrun["page-ins"] <= 130 and .plain["page-ins"] >= .unionrun["page-ins"] and
        (.unionrun.frames == 0 or (.unionrun.frames == 130 and .plain.frames == 9 * 130))' "$BENCH/report/seed.json"
    jq -e '.disk | .["uppers and works"] < .unions * 262144' "$BENCH/report/seed.json"
    jq -e '[.amplification[] | select(.["upper on"] == "the tree\u0027s" and .formula > 0) | (.disk / 4096 - .formula) | fabs <= 2] |
        length == 5 and all' "$BENCH/report/seed.json"
}

@test "a row or contender that there is not is refused by name" {
    needs hyperfine
    run "$REPO/scripts/bench" --rows stat,nosuch --dir "$BATS_TEST_TMPDIR/bench"
    [ "$status" -ne 0 ]
    [[ $output == *"no row nosuch"* ]]
}
