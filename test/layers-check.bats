#!/usr/bin/env bats
# `unionrun check`: what is left over, or leads nowhere; and `unionrun tree`.

load helpers
bats_require_minimum_version 1.5.0

setup() {
    workspace root
    as mkdir -p "$W/lowers/1/d" "$W/lowers/2/d" "$W/lowers/2/m"
    as sh -c "cd '$W/lowers' && echo A >1/d/a && echo a >2/d/a && echo b >2/d/b && echo x >2/m/x && echo g >2/g"
}

tool() {
    as "$UNIONRUN" "$1" --lower "$W/lowers/1" --lower "$W/lowers/2" --upper "$UPPER" --target "$TARGET" "${@:2}"
}

kinds() { tool check --json "$@" | jq -r '.findings[].kind' | sort; }

@test "an upper that a run has left whole has no findings" {
    run tool check
    [ "$status" -eq 0 ]
    union sh -c "cd '$TARGET' && echo 2 >>d/a && rm d/b && mv m m2 && ln -s a d/l && chmod 600 g"
    run tool check
    [ "$status" -eq 0 ]
    [ "$output" = '' ]
}

@test "each kind of thing that is wrong is told, and mended without a change of the view" {
    union sh -c "cd '$TARGET' && echo 2 >>d/a && rm d/b && mv m m2 && mkdir own && echo o >own/o"
    as rm "$W/lowers/2/d/b" # its whiteout dangles
    as rm -r "$W/lowers/2/m" # m2 looks for it
    as mkdir -p "$W/lowers/2/m2" "$UPPER.work/unionrun/tmp/half/done" "$W/lowers/1/.wh..wh.unionrun/layer"
    as touch "$W/lowers/2/m2/not-joined"
    as chmod 700 "$UPPER/own"
    as ln -s "mode 755 $(stat -c %i "$UPPER/own") $UPPER/own" "$UPPER.work/unionrun/journal/0123"
    as ln -s '1 2' "$UPPER.work/unionrun/origin/ffffffff"
    run kinds
    same findings $'journal\nlitter\norigin\nredirect\nstage\nwhiteout\nwhiteout' "$output"
    before=$(union find "$TARGET" -mindepth 1 | sort)
    as mkdir -p "$UPPER.work/unionrun/tmp/half/done"
    tool check --repair
    run tool check
    [ "$status" -eq 0 ]
    same view "$before" "$(union find "$TARGET" -mindepth 1 | sort)"
    [ ! -e "$W/lowers/1/.wh..wh.unionrun" ]
}

@test "a lower that has changed since the copy-up is told, and left to the person" {
    union sh -c "echo 2 >>'$TARGET/d/a'"
    as sh -c "echo other >>'$W/lowers/1/d/a'"
    run tool check --repair
    [ "$status" -eq 1 ]
    [ "$output" = "$UPPER/d/a: its lower has changed since it was copied up" ]
    tool undo "$TARGET/d/a" >/dev/null
    tool check
}

@test "tree names the layer that each name comes from" {
    union sh -c "cd '$TARGET' && echo 2 >>d/a && rm g && mv m m2"
    same tree "$TARGET  [upper and 2 below]
  d/  [upper and 2 below]
    a  [upper]
    b  [lower 2]
  m2/  [upper and 1 below]
    x  [lower 2]" "$(tool tree)"
    same names "$(union find "$TARGET" | sort)" "$(tool tree --json | jq -r '.names[].path' | sort)"
    same beneath 'b lower 2' "$(tool tree --json "$TARGET/d" | jq -r '.names[] | select(.path | endswith("/b")) | "b \(.layer)"')"
}

# page HASH: the names that the page shows, each with its layer's number, in a browser
page() {
    clean_env root env TMPDIR="$BATS_TEST_TMPDIR" HOME="$BATS_TEST_TMPDIR" timeout 60 chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --user-data-dir="$BATS_TEST_TMPDIR/profile" \
        --virtual-time-budget=2000 --dump-dom "file://$W/page.html#$1" 2>/dev/null >"$BATS_TEST_TMPDIR/dom"
    python3 - "$BATS_TEST_TMPDIR/dom" <<'END'
import html.parser, sys
class Rows(html.parser.HTMLParser):
    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        if (a.get("class") or "").split(" ")[0] == "row":
            print(a["data-path"], a.get("data-layer"))
Rows().feed(open(sys.argv[1]).read())
END
}

@test "the page lays the layers over one another, switches them off and searches, in a browser" {
    needs chromium
    as touch "$W/lowers/2/<!--<script>"
    union sh -c "cd '$TARGET' && echo 2 >>d/a && rm g && mv m m2"
    as sh -c "cd '$W' && '$UNIONRUN' tree --lower lowers/1 --lower lowers/2 --upper '$UPPER' --target '$TARGET' --html page.html"
    fails grep -E -q '(src|href)=|https?://' "$W/page.html"
    same all '/<!--<script> 2
/d 0
/d/a 0
/d/b 2
/m2 0
/m2/x 2' "$(page 'open=/d,/m2')"
    same 'without the upper' '/<!--<script> 2
/d 1
/d/a 1
/d/b 2
/g 2
/m 2' "$(page 'off=0&open=/d')"
    same 'with what is hidden' '/g 0' "$(page 'hidden&q=g' | grep /g)"
    same found '/m2/x 2' "$(page 'q=X')"
}
