#!/usr/bin/env bats
# The layer file: what is accepted, what it comes to, and that every mistake is refused before the command starts,
# with its place, what is wrong and what to do, and exit 125. Runs without the shim, and under ASan as it is.
# shellcheck disable=SC2016 # ${NAME} in a layer file is not the shell's

setup() {
    UNIONRUN=${UNIONRUN:-$BATS_TEST_DIRNAME/../unionrun}
    cd "$BATS_TEST_TMPDIR" || return
    HERE=$PWD
    mkdir a b c t
}

# layers JSON: the layer file
layers() { printf '%s' "$1" >layers.json; }

# check [ARGUMENT...]: the plan as JSON, of the layer file unless told
check() {
    [ "$#" -gt 0 ] || set -- --layers layers.json
    "$UNIONRUN" --check --json "$@"
}

# one EXPRESSION [ARGUMENT...]: what jq says of it, on one line
one() { check "${@:2}" | jq -cr "$1"; }

# refused JSON PATTERN...: a run with this layer file says one line that has each pattern, exits 125, runs nothing
refused() {
    layers "$1"
    refused_run "${@:2}" -- --layers layers.json
}

# refused_run PATTERN... -- ARGUMENT...
refused_run() {
    local patterns=()
    while [ "$1" != -- ]; do
        patterns+=("$1")
        shift
    done
    shift
    local before
    before=$(find . | sort)
    run "$UNIONRUN" "$@" -- touch ran
    echo "$output"
    [ "$status" -eq 125 ]
    [ "${#lines[@]}" -eq 1 ]
    [ "${output#unionrun: }" != "$output" ]
    for pattern in "${patterns[@]}"; do
        [[ $output == *"$pattern"* ]] || { echo "lacks: $pattern"; return 1; }
    done
    [ "$(find . | sort)" = "$before" ]
}

@test "the smallest layer file is accepted" {
    layers '{"mounts":[{"target":"'"$HERE"'/t","lower":["'"$HERE"'/a","'"$HERE"'/b"],"upper":"'"$HERE"'/u","work":"'"$HERE"'/w"}]}'
    [ "$(one '.mounts[0]')" = '{"target":"'"$HERE"'/t","kind":"union","lower":["'"$HERE"'/a","'"$HERE"'/b"],"upper":"'"$HERE"'/u","work":"'"$HERE"'/w"}' ]
}

@test "one lower may be a string" {
    layers '{"mounts":[{"target":"/t","lower":"a"}]}'
    [ "$(one '.mounts[0].lower')" = '["'"$HERE"'/a"]' ]
}

@test "relative paths are relative to the layer file, from wherever it is named" {
    mkdir -p deep/er
    layers '{"mounts":[{"target":"t","lower":["a"],"upper":"deep/u"}]}'
    for from in . deep deep/er /; do
        [ "$(cd "$from" && one '.mounts[0]|.target,.lower[0],.upper' --layers "$HERE/layers.json" | tr '\n' ' ')" = \
            "$HERE/t $HERE/a $HERE/deep/u " ]
    done
    [ "$(cd deep && one '.mounts[0].target' --layers ../layers.json)" = "$HERE/t" ]
}

@test "\${NAME} is the environment's, \$\$ a dollar" {
    mkdir '$x'
    layers '{"mounts":[{"target":"${WHERE}/t","lower":["$$x","${WHERE}/${LETTER}"]}]}'
    [ "$(WHERE=$HERE LETTER=b one '.mounts[0]|.target,.lower[]' | tr '\n' ' ')" = "$HERE/t $HERE/\$x $HERE/b " ]
}

@test "work left out stands beside the upper" {
    layers '{"mounts":[{"target":"t","lower":"a","upper":"u/"}]}'
    [ "$(one '.mounts[0].work')" = "$HERE/u.work" ]
}

@test "symlinks in targets, lowers and uppers are resolved" {
    ln -s a la
    ln -s . self
    layers '{"mounts":[{"target":"self/self/t/./new//x","lower":"self/la","upper":"self/u"}]}'
    [ "$(one '.mounts[0]|.target,.lower[],.upper' | tr '\n' ' ')" = "$HERE/t/new/x $HERE/a $HERE/u " ]
}

@test "a target that is its own lower is accepted, with its upper inside" {
    layers '{"mounts":[{"target":"a","lower":["a"],"upper":"a/u"}]}'
    check
    layers '{"mounts":[{"target":"/","lower":["b","/"],"upper":"u"}]}'
    check
}

@test "a lower that holds the target is accepted" {
    layers '{"mounts":[{"target":"/mnt/x","lower":["/"],"upper":"u"}]}'
    check
}

@test "nested targets are accepted" {
    layers '{"mounts":[{"target":"t","lower":["a"],"upper":"u"},{"target":"t/in","lower":["b"]},{"target":"t/in/deep","lower":["c"]}]}'
    [ "$(one '.mounts|map(select(.kind=="union"))|length')" = 3 ]
}

@test "500 lowers are accepted, 501 are refused" {
    for ((i = 0; i < 501; i++)); do mkdir "l$i"; done
    layers "$(jq -nc '{mounts:[{target:"t",lower:[range(500)|"l\(.)"],upper:"u"}]}')"
    [ "$(one '.mounts[0].lower|length,.[499]' | tr '\n' ' ')" = "500 $HERE/l499 " ]
    refused "$(jq -nc '{mounts:[{target:"t",lower:[range(501)|"l\(.)"]}]}')" 'mounts[0].lower' '501' '500'
}

@test "/ as target passes /proc, /sys and /dev through, unless told which" {
    layers '{"mounts":[{"target":"/","lower":["/"],"upper":"u"}]}'
    [ "$(one '[.mounts[]|select(.kind=="pass").target]')" = '["/proc","/sys","/dev"]' ]
    layers '{"mounts":[{"target":"/","lower":["/"],"upper":"u"}],"pass":["/proc","'"$HERE"'"]}'
    [ "$(one '[.mounts[]|select(.kind=="pass").target]')" = '["/proc","'"$HERE"'"]' ]
    layers '{"mounts":[{"target":"/","lower":["/"],"upper":"u"}],"pass":[]}'
    [ "$(one '[.mounts[]|select(.kind=="pass").target]')" = '[]' ]
}

@test "a pass-through path outside every target is left to the host" {
    layers '{"mounts":[{"target":"t","lower":["a"]}],"pass":["t/in","b"]}'
    [ "$(one '[.mounts[]|select(.kind=="pass").target]')" = '["'"$HERE"'/t/in"]' ]
}

@test "missing directories that lead to a target are made for the run, the target itself not" {
    skeletons() { one '[.mounts[]|select(.kind=="skeleton").target]'; }
    layers '{"mounts":[{"target":"t/new","lower":"a"}]}'
    [ "$(skeletons)" = '[]' ]
    layers '{"mounts":[{"target":"no/such/place","lower":"a"},{"target":"no/other","lower":"b"}]}'
    [ "$(skeletons)" = '["'"$HERE"'/no"]' ]
}

@test "of a target in another union its layers tell which directories are missing" {
    skeletons() { one '[.mounts[]|select(.kind=="skeleton").target]'; }
    mkdir -p b/there t/host
    layers '{"mounts":[{"target":"t","lower":["a","b"]},{"target":"t/there/x","lower":"c"}]}'
    [ "$(skeletons)" = '[]' ]
    layers '{"mounts":[{"target":"t","lower":["a","b"]},{"target":"t/host/x","lower":"c"}]}'
    [ "$(skeletons)" = '["'"$HERE"'/t/host"]' ]
    layers '{"mounts":[{"target":"t","lower":["a","b"]},{"target":"t/there/more/x","lower":"c"}]}'
    [ "$(skeletons)" = '["'"$HERE"'/t/there/more"]' ]
}

@test "--check makes nothing" {
    layers '{"mounts":[{"target":"no/t","lower":["a"],"upper":"u"}]}'
    before=$(find .)
    "$UNIONRUN" --check --layers layers.json
    [ "$(find .)" = "$before" ]
}

@test "a layer file from a pipe is read" {
    "$UNIONRUN" --check --layers <(echo '{"mounts":[{"target":"'"$HERE"'/t","lower":"'"$HERE"'/a"}]}')
}

@test "the schema is JSON, and names the keys that the loader knows" {
    run jq -cr '[.properties|keys[]]+[.definitions.mount.properties|keys[]]' "$BATS_TEST_DIRNAME/../config/unionrun-layers.schema.json"
    [ "$output" = '["$schema","command","directory","durability","environment","index","max_upper","metacopy","mounts","pass","raw","root","user","writable","lower","target","upper","work"]' ]
    layers '{"$schema":"x","mounts":[{"target":"t","lower":"a","upper":"u","work":"w"}],"pass":[],"raw":"hide","writable":[],"index":"1M","durability":"strict","metacopy":true,"root":true,"environment":{"A":"b"},"directory":"/","command":["true"]}'
    check
}

@test "what may be written outside is /tmp and /dev/shm, or what the file lists in their place; options add" {
    layers '{"mounts":[{"target":"t","lower":"a"}]}'
    [ "$(one .writable)" = '["/tmp","/dev/shm"]' ]
    [ "$(one .writable --layers layers.json --writable b --writable=/)" = "[\"$HERE/b\",\"/\",\"/tmp\",\"/dev/shm\"]" ]
    touch file
    ln -s b link
    layers '{"mounts":[{"target":"t","lower":"a"}],"writable":["link/../${NAME}","file"]}'
    [ "$(NAME=c one .writable)" = "[\"$HERE/c\",\"$HERE/file\"]" ]
    [ "$(NAME=c one .writable --layers layers.json --writable b)" = "[\"$HERE/c\",\"$HERE/file\",\"$HERE/b\"]" ]
    layers '{"mounts":[{"target":"t","lower":"a"}],"writable":[]}'
    [ "$(one .writable)" = '[]' ]
}

@test "of the usual writable paths those that a union covers, or that lie in a lower, are left out" {
    [ "$(one .writable --target / --lower / --upper u)" = '["/dev/shm"]' ]
    [ "$(one .writable --target / --lower a)" = '["/dev/shm"]' ]
    [ "$(one .writable --target /tmp --lower a)" = '["/dev/shm"]' ]
    [ "$(one .writable --target / --lower / --upper u --pass /proc)" = '[]' ]
}

@test "raw is hide, or what the file says, or the option" {
    layers '{"mounts":[{"target":"t","lower":"a"}]}'
    [ "$(one .raw)" = hide ]
    [ "$(one .raw --layers layers.json --raw=allow)" = allow ]
    layers '{"mounts":[{"target":"t","lower":"a"}],"raw":"read-only"}'
    [ "$(one .raw)" = read-only ]
    [ "$(one .raw --layers layers.json --raw hide)" = hide ]
}

@test "--check shows writable paths, raw, guard and fence, as text and as JSON" {
    [ "$(one '[.raw,.guard,.fence,.preload]' --target t --lower a)" = '["hide","auto","auto",true]' ]
    [ "$(one '[.raw,.guard,.fence,.preload]' --target t --lower a --raw=allow --fence=off --no-preload)" = '["allow","require","off",false]' ]
    [ "$("$UNIONRUN" --check --target t --lower a --guard=off --fence=require | tail -n 5)" = "\
writable  /tmp
          /dev/shm
raw       hide
guard     off
fence     require" ]
}

@test "--check shows the file's environment, directory and command, as text and as JSON" {
    layers '{"mounts":[{"target":"t","lower":"a"}],"environment":{"A":"1 2","B":"x=y"},"directory":"b","command":["sh","-c","ls *"]}'
    [ "$("$UNIONRUN" --check --layers layers.json | sed -n '/^environment/,/^writable/p' | sed '$d')" = "\
environment A=1 2
            B=x=y
directory   $HERE/b
command     sh
            -c
            ls *" ]
    [ "$(one '[.environment,.directory,.command]')" = '[{"A":"1 2","B":"x=y"},"'"$HERE"'/b",["sh","-c","ls *"]]' ]
    layers '{"mounts":[{"target":"t","lower":"a"}]}'
    [ "$(one 'has("environment") or has("directory") or has("command")')" = false ]
}

@test "writable paths that are not there, in a lower or in a target, are refused with their place" {
    mkdir a/in t/in
    refused $'{"mounts":[{"target":"t","lower":"a"}],\n"writable":["b",\n"none"]}' \
        "layers.json:3: key writable[1]: $HERE/none: No such file or directory; make it"
    refused '{"mounts":[{"target":"t","lower":"a"}],"writable":["a/in"]}' 'key writable[0]' "lies in the lower $HERE/a"
    refused '{"mounts":[{"target":"t","lower":"a"}],"writable":["a"]}' 'key writable[0]' "lies in the lower $HERE/a"
    refused '{"mounts":[{"target":"t","lower":"a"}],"writable":["t/in"]}' 'key writable[0]' "lies in the target $HERE/t" '"pass"'
    refused '{"mounts":[{"target":"a","lower":"a"}],"writable":["a/in"]}' 'key writable[0]' "lies in the lower $HERE/a"
    refused_run "--writable 2: $HERE/none: No such file" -- --target t --lower a --writable b --writable none
    layers '{"mounts":[{"target":"a","lower":"a"}],"pass":["a/in"],"writable":["a/in"]}'
    [ "$(one .writable)" = "[\"$HERE/a/in\"]" ]
}

@test "wrong values of writable, raw, guard and fence are refused" {
    refused $'{"mounts":[{"target":"t","lower":"a"}],\n"writable":"b"}' 'layers.json:2: key writable: is a string; an array of paths'
    refused '{"mounts":[{"target":"t","lower":"a"}],"writable":[3]}' 'key writable[0]: is a number; a path as a string'
    refused '{"mounts":[{"target":"t","lower":"a"}],"writable":[""]}' 'key writable[0]: is empty'
    refused '{"mounts":[{"target":"t","lower":"a"}],"durability":[]}' 'key durability: is an array; one of "volatile", "copy-up" and "strict"'
    refused '{"mounts":[{"target":"t","lower":"a"}],"durability":"full"}' 'key durability: "full": it is one of'
    refused '{"mounts":[{"target":"t","lower":"a"}],"max_upper":2}' 'key max_upper: is a number; a size such as "2G" or "500M" is wanted'
    refused '{"mounts":[{"target":"t","lower":"a"}],"max_upper":"0"}' 'key max_upper: "0": it is a size such as'
    refused_run '--max-upper=2X: it is a size such as "2G" or "500M"' -- --target t --lower a --max-upper=2X
    refused '{"mounts":[{"target":"t","lower":"a"}],"environment":[]}' 'key environment: is an array; an object of names and values'
    refused '{"mounts":[{"target":"t","lower":"a"}],"environment":{"A":1}}' 'key environment: "A" is a number; a string is wanted'
    refused '{"mounts":[{"target":"t","lower":"a"}],"environment":{"A=B":""}}' 'key environment: "A=B": a variable'
    refused '{"mounts":[{"target":"t","lower":"a"}],"environment":{"LD_PRELOAD":"x"}}' 'key environment: "LD_PRELOAD": a run sets it itself'
    refused '{"mounts":[{"target":"t","lower":"a"}],"environment":{"UNIONRUN_SESSION":"x"}}' 'key environment: "UNIONRUN_SESSION": a run sets it itself'
    refused '{"mounts":[{"target":"t","lower":"a"}],"directory":""}' 'key directory: is empty'
    refused '{"mounts":[{"target":"t","lower":"a"}],"command":"sh"}' 'key command: is a string; an array of strings'
    refused '{"mounts":[{"target":"t","lower":"a"}],"command":[]}' 'key command: is empty; name a program'
    refused '{"mounts":[{"target":"t","lower":"a"}],"command":[""]}' 'key command[0]: is empty; name a program'
    refused '{"mounts":[{"target":"t","lower":"a"}],"command":["a",null]}' 'key command[1]: is null; a string is wanted'
    refused '{"mounts":[{"target":"t","lower":"a"}],"raw":[]}' 'key raw: is an array; one of "hide", "read-only" and "allow"'
    refused '{"mounts":[{"target":"t","lower":"a"}],"raw":"hidden"}' 'key raw: "hidden": it is one of'
    refused_run '--raw=no: it is hide, read-only or allow' -- --target t --lower a --raw=no
    refused_run '--fence=on: it is auto, require or off' -- --target t --lower a --fence=on
    refused_run '--guard=: it is auto, require or off' -- --target t --lower a --guard=
    refused_run '--writable: an empty path' -- --target t --lower a --writable ''
    refused_run '--no-preload and --guard=off exclude each other' -- --target t --lower a --no-preload --guard=off
}

@test "a layer file that is not there, or a directory, is refused" {
    refused_run 'none.json: No such file' -- --layers none.json
    refused_run 'a: Is a directory' -- --layers a
}

@test "broken JSON is refused with its line" {
    refused $'{\n"mounts": [\n' 'layers.json:' 'not JSON'
    refused $'{\n"mounts": [}\n' 'layers.json:2:' 'not JSON'
    refused '' 'not JSON'
    refused '{"mounts":[{"target":"t","lower":"a"}]} more' 'layers.json:1:' 'not JSON'
    refused "$(printf '[%.0s' {1..5000})" 'not JSON'
    refused '[]' 'layers.json:1:' 'an array' 'mounts'
    refused '7' 'a number'
}

@test "a layer file of 10 MB is refused" {
    head -c 10000000 /dev/zero | tr '\0' ' ' >layers.json
    refused_run 'layers.json: larger than 1048576 bytes' -- --layers layers.json
    refused_run 'larger than' -- --layers /dev/zero
}

@test "a NUL in the file, or in a path, is refused with its line" {
    printf '{"mounts":\n[\0]}' >layers.json
    refused_run 'layers.json:2:' 'NUL' -- --layers layers.json
    refused $'{"mounts":[{"target":"t",\n"lower":"a\\u0000b"}]}' 'layers.json:2:' 'NUL'
    refused $'{"mounts":[{"target":"t",\n"lo\\u0000wer":"ab"}]}' 'layers.json:2:' 'NUL'
}

@test "what is not UTF-8 is refused with its line" {
    refused $'{\n"mounts":[{"target":"\xff"}]}' 'layers.json:2:' 'UTF-8'
}

@test "an unknown key is refused with its line, also one of a later version" {
    refused $'{"mounts":[{"target":"t","lower":"a"}],\n\n"colour":1}' 'layers.json:3: key colour: unknown key'
    refused $'{"mounts":[{"target":"t",\n"lower":"a",\n"mode":1}]}' 'layers.json:3: key mounts[0].mode: unknown key'
    refused '{"mounts":[{"target":"t","lower":"a"}],"max_lower":[]}' "key max_lower: unknown key"
}

@test "a key given twice is refused with its line" {
    refused $'{"mounts":[{"target":"t",\n"lower":"a",\n"lower":"b"}]}' 'layers.json:3:' 'lower' 'twice'
}

@test "a wrong type is refused with line, key and both types" {
    refused $'{\n"mounts":{}}' 'layers.json:2: key mounts: is an object; an array'
    refused $'{"mounts":[\n3]}' 'layers.json:2: key mounts[0]: is a number; an object'
    refused $'{"mounts":[{"target":\n3,"lower":"a"}]}' 'key mounts[0].target: is a number; a path as a string'
    refused $'{"mounts":[{"target":"t","lower":["a",\nnull]}]}' 'layers.json:2: key mounts[0].lower[1]: is null'
    refused '{"mounts":[{"target":"t","lower":true}]}' 'key mounts[0].lower: is true or false'
    refused '{"mounts":[{"target":"t","lower":"a","upper":[]}]}' 'key mounts[0].upper: is an array'
    refused '{"mounts":[{"target":"t","lower":"a"}],"pass":"/proc"}' 'key pass: is a string; an array'
}

@test "missing and empty values are refused" {
    refused '{}' 'mounts is missing'
    refused '{"mounts":[]}' 'key mounts: is empty'
    refused '{"mounts":[{"lower":"a"}]}' 'key mounts[0]: has no "target"'
    refused '{"mounts":[{"target":"t"}]}' 'key mounts[0]: has no "lower"'
    refused '{"mounts":[{"target":"t","lower":[]}]}' 'key mounts[0].lower: is empty'
    refused '{"mounts":[{"target":"","lower":"a"}]}' 'key mounts[0].target: is empty'
    refused '{"mounts":[{"target":"t","lower":["a",""]}]}' 'key mounts[0].lower[1]: is empty'
}

@test "an unset or empty variable, and a stray dollar, are refused" {
    unset UNSET
    EMPTY='' refused '{"mounts":[{"target":"t","lower":"${EMPTY}/a"}]}' 'key mounts[0].lower: ${EMPTY}: the variable is empty'
    refused '{"mounts":[{"target":"t","lower":["a","${UNSET}/b"]}]}' 'key mounts[0].lower[1]: ${UNSET}: the variable is not set'
    for stray in '$HOME' 'x$' '${' '${}' '${A' '${A-b}' '${1}'; do
        refused '{"mounts":[{"target":"t","lower":"'"$stray"'"}]}' 'write $$ for a dollar'
    done
}

@test "a path that is too long is refused" {
    refused '{"mounts":[{"target":"t","lower":"'"$(printf 'x/%.0s' {1..2100})"'"}]}' 'mounts[0].lower: the path is longer than 4095'
    refused '{"mounts":[{"target":"'"$(printf 'x%.0s' {1..300})"'","lower":"a"}]}' 'mounts[0].target' 'too long'
}

@test "a missing lower is refused with line, key and path" {
    refused $'{"mounts":[{"target":"t","lower":"a"},\n{"target":"t/x",\n"lower":[\n"b",\n"none"]}]}' \
        "layers.json:5: key mounts[1].lower[1]: $HERE/none: No such directory; make it or correct the path"
}

@test "a lower that is a file is refused" {
    touch file
    refused '{"mounts":[{"target":"t","lower":["file"]}]}' "key mounts[0].lower[0]: $HERE/file: Not a directory"
    refused '{"mounts":[{"target":"t","lower":["file/x"]}]}' "key mounts[0].lower[0]: $HERE/file/x: Not a directory"
}

@test "a lower that cannot be read is refused" {
    chmod 000 a
    layers '{"mounts":[{"target":"t","lower":["b","a"]}]}'
    local as=()
    if [ "$(id -u)" -eq 0 ]; then
        chmod go+x "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test" .
        as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
    fi
    run "${as[@]}" "$UNIONRUN" --layers layers.json -- touch ran
    echo "$output"
    [ "$status" -eq 125 ]
    [[ $output == *"key mounts[0].lower[1]: $HERE/a: Permission denied"* ]]
}

@test "symlinks in a circle are refused" {
    ln -s two one
    ln -s one two
    refused '{"mounts":[{"target":"t","lower":["one"]}]}' "key mounts[0].lower[0]: $HERE/one:" 'circle'
    refused '{"mounts":[{"target":"one/t","lower":["a"]}]}' "key mounts[0].target" 'circle'
    refused '{"mounts":[{"target":"t","lower":["a"],"upper":"one"}]}' "key mounts[0].upper" 'circle'
}

@test "a dangling symlink is refused as target and as upper" {
    ln -s nowhere dangling
    refused '{"mounts":[{"target":"dangling","lower":["a"]}]}' 'key mounts[0].target' 'leads nowhere'
    refused '{"mounts":[{"target":"dangling/x","lower":["a"]}]}' 'key mounts[0].target' 'leads nowhere'
    refused '{"mounts":[{"target":"t","lower":["a"],"upper":"dangling"}]}' 'key mounts[0].upper' 'leads nowhere'
}

@test "a target that is a file is refused, and one with .. behind a missing directory" {
    touch file
    refused '{"mounts":[{"target":"file","lower":["a"]}]}' 'key mounts[0].target' 'Not a directory'
    refused '{"mounts":[{"target":"none/../x","lower":["a"]}]}' 'key mounts[0].target' '".."'
}

@test "a target given twice is refused, also by another name" {
    ln -s t same
    refused $'{"mounts":[{"target":"t","lower":"a"},\n{"target":"t/","lower":"b"}]}' 'layers.json:2: key mounts[1].target' 'twice'
    refused '{"mounts":[{"target":"t","lower":"a"},{"target":"same","lower":"b"}]}' 'twice as a target'
    refused '{"mounts":[{"target":"t","lower":"a"}],"pass":["t"]}' 'key pass[0]' 'twice as a target'
}

@test "an upper in a lower is refused, and a lower in an upper" {
    mkdir a/in u u/in
    refused '{"mounts":[{"target":"t","lower":["a"],"upper":"a/in"}]}' 'key mounts[0].upper' "$HERE/a/in" 'lies in a lower'
    refused '{"mounts":[{"target":"t","lower":["a"],"upper":"a"}]}' 'key mounts[0].upper' 'is a lower too'
    refused '{"mounts":[{"target":"t","lower":["u/in"],"upper":"u"}]}' 'key mounts[0].lower[0]' 'lies in an upper'
    refused '{"mounts":[{"target":"t","lower":["a"],"upper":"u","work":"a/w"}]}' 'key mounts[0].work' 'lies in a lower'
    refused '{"mounts":[{"target":"t","lower":["a"],"upper":"u"},{"target":"s","lower":["b"],"upper":"a/in"}]}' \
        'key mounts[1].upper' 'lies in a lower'
    refused '{"mounts":[{"target":"t","lower":["a"],"upper":"u"},{"target":"s","lower":["u"]}]}' \
        'key mounts[0].upper' "$HERE/u is a lower too"
}

@test "an upper in a target is refused, and a target in an upper" {
    mkdir u
    refused '{"mounts":[{"target":"t","lower":["a"],"upper":"t/u"}]}' 'key mounts[0].upper' 'lies in a target'
    refused '{"mounts":[{"target":"t","lower":["a"],"upper":"t"}]}' 'key mounts[0].upper' 'is a target too'
    refused '{"mounts":[{"target":"u/t","lower":["a"],"upper":"u"}]}' 'key mounts[0].target' 'lies in an upper'
    refused '{"mounts":[{"target":"t","lower":["a"]},{"target":"s","lower":["b"],"upper":"t/u"}]}' 'key mounts[1].upper' 'lies in a target'
}

@test "work in upper and upper in work are refused" {
    mkdir u w
    refused '{"mounts":[{"target":"t","lower":["a"],"upper":"u","work":"u/w"}]}' 'key mounts[0].work' 'beside the upper'
    refused '{"mounts":[{"target":"t","lower":["a"],"upper":"u","work":"u"}]}' 'key mounts[0].work' 'beside the upper'
    refused '{"mounts":[{"target":"t","lower":["a"],"upper":"w/u","work":"w"}]}' 'key mounts[0].upper' 'lies in a work directory'
}

@test "an upper or a work of two mounts is refused" {
    refused '{"mounts":[{"target":"t","lower":"a","upper":"u"},{"target":"s","lower":"b","upper":"u","work":"v"}]}' \
        'key mounts[1].upper' 'the upper of two mounts'
    refused '{"mounts":[{"target":"t","lower":"a","upper":"u","work":"w"},{"target":"s","lower":"b","upper":"v","work":"w"}]}' \
        'key mounts[1].work' 'the work directory of two mounts'
}

@test "work without an upper is refused" {
    refused '{"mounts":[{"target":"t","lower":"a","work":"w"}]}' 'key mounts[0].work' 'without an upper'
}

@test "an upper and its work on two filesystems are refused" {
    shm=$(mktemp -d /dev/shm/unionrun-test.XXXXXX) || skip 'no /dev/shm'
    [ "$(stat -c %d "$shm")" != "$(stat -c %d .)" ] || skip 'one filesystem only'
    refused '{"mounts":[{"target":"t","lower":"a","upper":"u","work":"'"$shm"'/w"}]}' 'key mounts[0].work' 'different filesystems' || {
        rmdir "$shm"
        return 1
    }
    rmdir "$shm"
}

@test "an upper whose parent is missing, or which is a file, is refused" {
    touch file
    refused '{"mounts":[{"target":"t","lower":"a","upper":"no/u"}]}' 'key mounts[0].upper' "$HERE/no/u: No such directory; make $HERE/no"
    refused '{"mounts":[{"target":"t","lower":"a","upper":"file"}]}' 'key mounts[0].upper' 'Not a directory'
}

@test "an upper that cannot be written is refused" {
    refused '{"mounts":[{"target":"t","lower":"a","upper":"/proc/u"}]}' 'key mounts[0].upper'
    if mount -t tmpfs -o ro none b 2>/dev/null; then
        refused '{"mounts":[{"target":"t","lower":"a","upper":"b"}]}' 'key mounts[0].upper' 'read-only filesystem' || {
            umount b
            return 1
        }
        umount b
    fi
}

@test "a lower twice in a mount, or in another of the mount, is refused" {
    mkdir a/in
    ln -s a same
    refused '{"mounts":[{"target":"t","lower":["a","b","same"]}]}' 'key mounts[0].lower[2]' 'twice in one mount'
    refused '{"mounts":[{"target":"t","lower":["a/in","b","a"]}]}' 'key mounts[0].lower[0]' "in $HERE/a" 'may not overlap'
}

@test "a lower of two mounts, or in one of another mount, is refused with the reason" {
    mkdir a/in
    reason='a descriptor in it could not be told to belong to one target'
    refused '{"mounts":[{"target":"t","lower":["a"]},{"target":"s","lower":["b","a"]}]}' 'key mounts[1].lower[1]' "$reason"
    refused '{"mounts":[{"target":"t","lower":["a"]},{"target":"s","lower":["a/in"]}]}' 'key mounts[1].lower[0]' "$reason"
}

@test "a lower in an in-place lower of another mount is accepted" {
    mkdir a/in
    layers '{"mounts":[{"target":"a","lower":["a"],"upper":"u"},{"target":"s","lower":["a/in"]}]}'
    check
    layers '{"mounts":[{"target":"/","lower":["/"],"upper":"u"},{"target":"t","lower":["a"],"upper":"v"}]}'
    check
}

@test "a message has no control characters in it" {
    refused '{"mounts":[{"target":"t","lower":"x\u001b[31m\ny"}]}' ''
    refused '{"mounts":[{"target":"t","lower":"x\u001b[31m\u000ay"}]}' 'x?[31m?y: No such directory'
}

@test "mistakes on the command line are refused the same way, by the option's name" {
    refused_run '--lower 2: '"$HERE/none: No such directory" -- --target t --lower a --lower none
    refused_run '--upper: '"$HERE/a/u" 'lies in a lower' -- --target t --lower a --upper a/u
    refused_run '--lower of mount 2: '"$HERE/none" -- --target t --lower a --target s --lower none
}
