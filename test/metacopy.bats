#!/usr/bin/env bats
# Metadata-only copy-up: what changes a lower file's metadata, or its name, copies none of its data; reading goes on from
# the lower, and nobody can tell but by the upper. BIG is large enough for it, SMALL is not.

# shellcheck disable=SC2016,SC2030,SC2031 # what is in quotes is for the shells in the union; each test has its own variables
bats_require_minimum_version 1.5.0
load helpers

lay_out() { # lay_out WHO [OPTION...]
    workspace "$1"
    as mkdir -p "$W/lowers/1" "$W/lowers/2/d/sub"
    head -c 400000 /dev/urandom >"$W/random"
    for name in a b d/c d/sub/e run; do as cp "$W/random" "$W/lowers/2/$name"; done
    as cp /bin/bash "$W/lowers/2/run"
    as chmod 755 "$W/lowers/2/run"
    as cp "$W/random" "$W/lowers/1/top"
    echo small >"$W/small"
    as cp "$W/small" "$W/lowers/2/small"
    as touch -d '2001-02-03 04:05:06.789012345 UTC' "$W"/lowers/2/{a,b,run,small,d/c,d/sub/e} "$W/lowers/1/top"
    BIG=$(sha256sum <"$W/random")
    BLOCKS=$(stat -c %b "$W/lowers/2/a")
    digests=$(lower_digest "$W"/lowers/*)
    UNION_OPTIONS=("${@:2}")
    export W BIG BLOCKS TARGET
}

# What a test does as root and as a plain user, with the guard and without; `lay_out` clears the stage.
everybody() { # everybody FUNCTION
    local who guard
    for who in root user; do
        [ "$who$(id -u)" = root0 ] || [ "$who" = user ] || continue
        for guard in auto off; do
            echo "# $who, --guard=$guard"
            lay_out "$who" --guard="$guard"
            "$1"
            same 'the lowers' "$digests" "$(lower_digest "$W"/lowers/*)"
            chmod -R u+rwX "$W"
            rm -rf "$W"
        done
    done
}

# in_union SCRIPT: by bash in the target, with sum FILE for its hash
in_union() {
    union env BIG="$BIG" BLOCKS="$BLOCKS" bash -euc 'cd "$TARGET"
        sum() { sha256sum <"$1"; }
        fails() { ! "$@" 2>/dev/null; }
        is() { [ "$1" = "$2" ] || { echo "$1 is not $2" >&2; exit 1; }; }
        '"$1"
}
union() { # with TARGET in the environment
    local layer args=()
    for layer in "$W"/lowers/*; do args+=(--lower "$layer"); done
    as env TARGET="$TARGET" W="$W" "$UNIONRUN" "${UNION_OPTIONS[@]}" "${args[@]}" --upper "$UPPER" --target "$TARGET" -- "$@"
}

has_no_data() { # has_no_data NAME...: the upper has that, and next to nothing in it
    local name
    for name; do
        [ "$(stat -c %s "$UPPER/$name")" = "$(stat -c %s "$W/random")" ]
        [ "$(stat -c %b "$UPPER/$name")" -le 16 ] || { echo "$name: $(stat -c %b "$UPPER/$name") blocks"; return 1; }
        getfattr -d -m metacopy "$UPPER/$name" 2>&1 | grep -q user.overlay.metacopy
    done
}
has_data() { # has_data NAME...
    local name
    for name; do
        [ "$(stat -c %b "$UPPER/$name")" -ge "$BLOCKS" ]
        fails grep -q . <(getfattr -d -m overlay "$UPPER/$name")
    done
}

only_metadata() {
    in_union 'chmod 640 a
        touch -h -d "2002-01-01 UTC" b
        setfattr -n user.note -v kept d/c
        chgrp "$(id -g)" top
        mv d/sub/e d/sub/moved
        for file in a b d/c top d/sub/moved; do
            is "$(sum $file)" "$BIG"
            is "$(stat -c "%s %b" $file)" "400000 $BLOCKS"
        done
        is "$(stat -c "%a %Y" a b | tr "\n" " ")" "640 981173106 644 1009843200 "
        is "$(getfattr --only-values -n user.note d/c)" kept
        chmod 600 small'
    has_no_data a b d/c d/sub/moved
    [ "$(stat -c %b "$UPPER/small")" -gt 0 ]
    # And in the next run.
    in_union 'for file in a b d/c top d/sub/moved; do
            is "$(sum $file)" "$BIG"
            is "$(stat -c "%s %b" $file)" "400000 $BLOCKS"
        done
        mv d D
        mv D/sub/moved .
        is "$(sum moved)" "$BIG"
        is "$(sum D/c)" "$BIG"
'
    in_union 'is "$(sum moved)" "$BIG"; is "$(sum D/c)" "$BIG"; fails ls d/sub/e D/sub/moved'
    has_no_data a b moved D/c
}

@test "chmod, utimens, setxattr and rename of a lower file copy no data, and all can be read" {
    everybody only_metadata
}

filled() {
    in_union 'for name in a b d/c d/sub/e top; do chmod 640 $name; touch -h -d "2002-01-01 UTC" $name; done'
    has_no_data a b d/c d/sub/e
    in_union 'exec 3<>a                       # opened to write, and nothing written
        is "$(stat -c %Y a)" 1009843200
        is "$(sum a)" "$BIG"
        printf X >>b
        is "$(stat -c %s b)" 400001
        is "$(head -c 400000 b | sha256sum)" "$BIG"
        printf new >d/c
        is "$(cat d/c)" new
        truncate -s 1000000 d/sub/e
        is "$(head -c 400000 d/sub/e | sha256sum)" "$BIG"
        truncate -s 0 top
        is "$(stat -c "%s %a" top)" "0 640"'
    has_data a b d/sub/e
    fails grep -q . <(getfattr -d -m overlay "$UPPER/d/c" "$UPPER/top")
    in_union 'is "$(cat d/c)" new; is "$(head -c 400000 b | sha256sum)" "$BIG"; is "$(stat -c %a b)" 640'
}

@test "the first open to write copies the data, and truncating copies none" {
    everybody filled
}

mapped() {
    in_union 'chmod 600 a; chmod 600 b; chmod 600 d/c'
    has_no_data a b d/c
    in_union 'python3 - <<END
import mmap, os
with open("a", "r+b") as f:
    m = mmap.mmap(f.fileno(), 0)
    was = bytes(m[10:400000])
    m[0:5] = b"first"
    m.flush()
with open("a", "rb") as f: assert f.read(5) == b"first" and f.seek(10) == 10 and f.read() == was
fd = os.open("b", os.O_WRONLY)
os.posix_fallocate(fd, 500000, 1000)
os.close(fd)
assert os.stat("b").st_size == 501000
fd = os.open("d/c", os.O_RDWR)
os.ftruncate(fd, 100000)
assert len(os.read(fd, 400000)) == 100000
END
    is "$(head -c 400000 b | sha256sum)" "$BIG"'
}

@test "mmap, fallocate and ftruncate on a descriptor find the data" {
    needs python3
    everybody mapped
}

at_once() {
    as sh -c 'cd "$0/lowers/2" && for n in 1 2 3 4 5 6; do cp a many$n; done' "$W"
    digests=$(lower_digest "$W"/lowers/*)
    in_union 'for n in 1 2 3 4 5 6; do chmod 640 many$n; touch -h -d "2002-01-01 UTC" many$n; done
        append() { for n in 1 2 3 4 5 6; do echo "line $1" >>many$n; done; }
        for i in 1 2 3 4; do append $i & done
        for n in 6 5 4 3 2 1; do is "$(head -c 400000 many$n | sha256sum)" "$BIG"; done
        mv many3 moved3; mv many5 d/moved5
        wait
        for file in many1 many2 moved3 many4 d/moved5 many6; do
            is "$(head -c 400000 $file | sha256sum)" "$BIG"
        done
        for file in many1 many2 many4 many6; do is "$(tail -c +400001 $file | sort -u | grep -c ^line)" 4; done'
    in_union 'for file in many1 many2 moved3 many4 d/moved5 many6; do is "$(head -c 400000 $file | sha256sum)" "$BIG"; done'
}

@test "of many that write first at once none loses a byte, and who reads meanwhile reads the data" {
    everybody at_once
}

permitted() {
    in_union 'touch -h a b run
        chmod 0 a
        [ "$(id -u)" = 0 ] || fails cat a
        chmod 400 a; is "$(sum a)" "$BIG"
        chmod 200 b; [ "$(id -u)" = 0 ] || fails cat b
        is "$(./run -c "echo runs")" runs
        chmod -x run
        fails ./run -c "echo runs"
        cp run plain; chmod 644 plain
        chmod +x run
        is "$(./run -c "echo runs")" runs
        fails ./d/c; chmod 755 d/c; fails ./d/c # it is no program
        mv run renamed; is "$(./renamed -c "echo runs")" runs
        is "$(./renamed -c "readlink /proc/\$\$/exe; :")" "$TARGET/renamed"
        is "$(stat -c %a renamed)" 755'
}

@test "the upper's mode decides who reads and executes, and /proc/self/exe tells the name" {
    everybody permitted
}

scripts() {
    as sh -c 'cd "$0/lowers/2" && { printf "#!%s/interp\necho script \$1\n" "$1"; head -c 400000 /dev/zero | tr "\0" "#"; } >script &&
        cp run interp && chmod 755 script interp' "$W" "$TARGET"
    digests=$(lower_digest "$W"/lowers/*)
    in_union 'touch -h script interp
        is "$(./script works)" "script works"
        chmod 644 interp
        fails ./script works
        chmod 755 interp
        chmod 644 script
        fails ./script works
        is "$(sh script works)" "script works"'
}

@test "scripts without their data, whose interpreters have none, are run" {
    everybody scripts
}

descriptors() {
    in_union 'python3 - <<END
import os
before = os.open("a", os.O_RDONLY)
os.chmod("a", 0o640)
after = os.open("a", os.O_RDONLY)
path = os.open("a", os.O_PATH)
same = os.stat("a")
for fd in before, after, path:
    st = os.fstat(fd)
    assert (st.st_mode, st.st_ino, st.st_dev, st.st_nlink, st.st_mtime_ns, st.st_blocks) == \
        (same.st_mode, same.st_ino, same.st_dev, same.st_nlink, same.st_mtime_ns, same.st_blocks), (fd, st, same)
os.setxattr("a", "user.note", b"1")
assert os.getxattr(after, "user.note") == b"1" and "user.note" in os.listxattr(after)
os.fchmod(after, 0o600)
assert os.stat("a").st_mode & 0o7777 == 0o600
os.utime(after, ns=(1, 2))
assert os.stat("a").st_mtime_ns == 2 == os.fstat(before).st_mtime_ns
os.rename("a", "moved")
os.chmod("moved", 0o644)
for fd in before, after:
    assert os.fstat(fd).st_mode & 0o7777 == 0o644
    assert os.readlink("/proc/self/fd/%d" % fd).endswith("/moved")
assert os.fstat(os.open("/proc/self/fd/%d" % after, os.O_RDONLY)).st_ino == same.st_ino
with open("/proc/self/fd/%d" % path, "r+b") as f: # gives it its data
    f.write(b"written")
assert os.pread(os.open("moved", os.O_RDONLY), 7, 0) == b"written"
assert os.fstat(path).st_size == 400000
END'
    has_data moved
    in_union 'chmod 600 b; mv b d/renamed'
    in_union 'exec 3<d/renamed
        is "$(stat -L -c %a /proc/self/fd/3)" 600
        is "$(readlink /proc/self/fd/3)" "$TARGET/d/renamed"
        mv d/renamed again; chmod 640 again
        is "$(stat -L -c %a /proc/self/fd/3)" 640
        is "$(readlink /proc/self/fd/3)" "$TARGET/again"'
}

@test "descriptors, opened before and after, tell and change the upper's metadata" {
    needs python3
    everybody descriptors
}

linked() {
    as ln "$W/lowers/2/b" "$W/lowers/2/b2"
    digests=$(lower_digest "$W"/lowers/*)
    in_union 'chmod 600 a
        ln a a2
        is "$(stat -c "%h %i" a)" "$(stat -c "%h %i" a2)"
        is "$(stat -c %h a)" 2
        printf X >>a2
        is "$(stat -c %s a)" 400001
        chmod 600 b
        is "$(stat -c %a b2)" 600
        printf X >>b2
        is "$(tail -c 1 b)" X
        chmod 600 top; rm top; fails ls top
        chmod 600 d/c; mv d/c a3; printf other >d/c; is "$(sum a3)" "$BIG"; is "$(cat d/c)" other'
    in_union 'fails ls top; is "$(cmp a a2)" ""; is "$(sum a3)" "$BIG"; is "$(cat d/c)" other'
}

@test "hard links, removal and a new file at the old name" {
    everybody linked
}

next_layer() {
    in_union 'chmod 600 a; mv b moved; mv d D; chmod 600 D/c'
    has_no_data a moved D/c
    as mv "$UPPER" "$W/lowers/0"
    digests=$(lower_digest "$W"/lowers/*)
    in_union 'for file in a moved D/c; do
            is "$(sum $file)" "$BIG"
            is "$(stat -c %b $file)" "$BLOCKS"
            exec 3<$file
            is "$(stat -L -c "%a %i %b" /proc/self/fd/3)" "$(stat -c "%a %i %b" $file)"
            is "$(readlink /proc/self/fd/3)" "$TARGET/$file"
        done
        is "$(stat -c %a a D/c | tr "\n" " ")" "600 600 "
        chmod 644 a; is "$(sum a)" "$BIG"
        printf X >>moved; is "$(head -c 400000 moved | sha256sum)" "$BIG"
        mv D/c .; is "$(sum c)" "$BIG"'
    in_union 'is "$(sum a)" "$BIG"; is "$(head -c 400000 moved | sha256sum)" "$BIG"; is "$(sum c)" "$BIG"'
}

@test "an upper with such files is a lower of the next run" {
    everybody next_layer
}

programs() {
    in_union 'export HOME="$TARGET" GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=n GIT_AUTHOR_EMAIL=e GIT_COMMITTER_NAME=n GIT_COMMITTER_EMAIL=e
        git init -q -b main . && git add a b run && git commit -q -m one
        chmod 600 a; touch b; mv d/c d/moved
        is "$(git status --porcelain -uno)" ""
        git rm -q --cached b && git add b && git mv a a.moved && git commit -q -m two
        git checkout -q HEAD~ && is "$(sum a)" "$BIG" && git checkout -q main && is "$(sum a.moved)" "$BIG"
        tar -cf t.tar a.moved b d top && mkdir from && tar -xpf t.tar -C from
        rsync -a b d top copied/ && rsync -ani b d top copied/ >changed && is "$(cat changed)" ""
        for file in a.moved b d/moved d/sub/e top; do is "$(sum from/$file)" "$BIG"; done
        for file in b d/moved top; do is "$(sum copied/$file)" "$BIG"; done
        is "$(stat -c "%a %Y" from/top)" "$(stat -c "%a %Y" top)"
        cp -a d/moved d/copy && cmp d/moved d/copy
        sed -i s/x/y/ d/moved; fails cmp d/moved d/copy'
}

@test "git, tar, rsync, cp -a and sed -i work on such files" {
    needs git
    needs rsync
    everybody programs
}

@test "metacopy off, or a size above the file's, has the data copied" {
    for off in --metacopy=off --metacopy=401K; do
        lay_out user "$off"
        in_union 'chmod 640 a; mv b c; is "$(sum c)" "$BIG"'
        has_data a c
        rm -rf "$W"
    done
    lay_out user --metacopy=390K
    in_union 'chmod 640 a'
    has_no_data a
    echo '{"mounts": [{"target": "t", "lower": ["lowers/1", "lowers/2"], "upper": "up/other"}], "metacopy": false}' >"$W/layers.json"
    as "$UNIONRUN" --layers "$W/layers.json" -- chmod 640 "$TARGET/a"
    [ "$(stat -c %b "$W/up/other/a")" -ge "$BLOCKS" ]
    UNION_OPTIONS=(--metacopy=off) # what is there is read all the same
    in_union 'is "$(sum a)" "$BIG"'
    for value in 1G0 no -1; do
        run -125 as "$UNIONRUN" --metacopy="$value" --lower "$W/lowers/1" --target "$TARGET" -- true
        [[ $output == *"--metacopy=$value: it is on, off, or a size"* ]] || { echo "$output"; false; }
        echo '{"mounts": [{"target": "t", "lower": "lowers/1"}],'$'\n''"metacopy": "'"$value"'"}' >"$W/layers.json"
        run -125 as "$UNIONRUN" --layers "$W/layers.json" -- true
        [[ $output == *"layers.json:2: key metacopy: \"$value\": true, false, or a size"* ]] || { echo "$output"; false; }
    done
}

@test "root's file that others may not read or write keeps to the lower only while they may neither" {
    [ "$(id -u)" = 0 ] || skip 'not root'
    lay_out root
    as_user true
    chmod 600 "$W/lowers/2/b"
    in_union "id=$(id -u "$PLAIN_USER")"'
        user() { setpriv --reuid="$id" --regid="$id" --clear-groups "$@"; }
        touch -h a b; user cat a >/dev/null; fails user cat b
        chmod 644 b; is "$(user sha256sum <b)" "$BIG"; is "$(user sha256sum b | cut -c 1-64)" "${BIG:0:64}"
        chmod 600 a; fails user cat a
        chown "$id" d/c; is "$(user sha256sum d/c | cut -c 1-64)" "${BIG:0:64}"; user sh -c "printf X >>d/c"; is "$(stat -c "%s %u" d/c)" "400001 $id"
        chmod 666 top; user sh -c "printf X >>top"; is "$(stat -c "%s %u" top)" "400001 0"'
    has_no_data a
}

# --- the kernel's ------------------------------------------------------------------------------------------

# kernel OPTIONS CMD...: with overlayfs of these layers mounted at $W/m
kernel() {
    unshare --mount sh -c 'mount -t overlay -o "$1" overlay "$2" && shift 2 && exec "$@"' sh \
        "$1,lowerdir=$W/lowers/1:$W/lowers/2,upperdir=$UPPER,workdir=$W/up/kw" "$W/m" "${@:2}"
}

kernel_mounts() {
    [ "$(id -u)" = 0 ] || skip 'not root'
    mkdir -p "$UPPER" "$W/up/kw" "$W/m"
    kernel redirect_dir=on,metacopy=on true 2>/dev/null || skip 'cannot mount overlayfs with metacopy=on here'
}

@test "kernel overlayfs with metacopy=on shows what unionrun wrote, and without refuses it" {
    lay_out root
    kernel_mounts
    in_union 'chmod 640 a; mv b moved; mv d D; chmod 600 D/c; mv D/sub/e D/e'
    has_no_data a moved D/c D/e
    kernel redirect_dir=on,metacopy=on bash -euc 'cd "$W/m"
        for file in a moved D/c D/e; do [ "$(sha256sum <$file)" = "$BIG" ]; done
        [ "$(stat -c "%a %b" a)" = "640 $BLOCKS" ]
        printf X >>moved'
    in_union 'is "$(head -c 400000 moved | sha256sum)" "$BIG"; is "$(tail -c 1 moved)" X; is "$(sum a)" "$BIG"'
    run kernel redirect_dir=on,metacopy=off cat "$W/m/a"
    [ "$status" != 0 ]
}

@test "what kernel overlayfs wrote with metacopy=on is read, changed and given its data" {
    lay_out root
    kernel_mounts
    kernel redirect_dir=on,metacopy=on sh -euc 'cd "$W/m"
        chmod 640 a; mv b moved; mv d D; chmod 600 D/c; mv D/sub/e D/e; chmod 600 small; mv top D/sub/top; mv run ran; chmod 644 ran'
    getfattr -d -m metacopy "$UPPER/small" | grep -q metacopy # the case that is meant
    local script='for file in a moved D/c D/e D/sub/top; do
            is "$(sum $file)" "$BIG"
            is "$(stat -c %b $file)" "$BLOCKS"
            exec 3<$file
            is "$(stat -L -c "%a %i" /proc/self/fd/3)" "$(stat -c "%a %i" $file)"
        done
        is "$(cat small)" small
        is "$(stat -c %a a D/c small | tr "\n" " ")" "640 600 600 "'
    in_union "$script"
    in_union 'printf X >>moved; is "$(head -c 400000 moved | sha256sum)" "$BIG"
        chmod 700 ran; is "$(./ran -c "echo runs")" runs
        mv a A; is "$(sum A)" "$BIG"; echo more >>small; is "$(head -n 1 small)" small; mv A a; mv D d; mv d D'
    in_union 'is "$(head -c 400000 moved | sha256sum)" "$BIG"; is "$(sum a)" "$BIG"; is "$(sum D/e)" "$BIG"; is "$(head -n 1 small)" small'
    # As a lower.
    rm -rf "$UPPER"
    mkdir "$UPPER"
    kernel redirect_dir=on,metacopy=on sh -euc 'cd "$W/m"
        chmod 640 a; mv b moved; mv d D; chmod 600 D/c; mv D/sub/e D/e; chmod 600 small; mv top D/sub/top'
    mv "$UPPER" "$W/lowers/0"
    in_union "$script"
}

# --- the tools -----------------------------------------------------------------------------------------------

tools() {
    in_union 'chmod 640 a; mv b moved; touch -h -d "2002-01-01 UTC" d/c; cp small b'
    layers=(--lower "$W/lowers/1" --lower "$W/lowers/2" --upper "$UPPER" --target "$TARGET")
    run -0 as "$UNIONRUN" diff "${layers[@]}"
    same 'the changes' 'm a (mode)
M b
m d/c (time)
A moved' "${output//$TARGET\//}"
    run -0 as "$UNIONRUN" explain "${layers[@]}" "$TARGET/moved"
    [[ $output == *"metadata alone; its data: $W/lowers/2/b)"* ]] || { echo "$output"; false; }
    run -0 as "$UNIONRUN" check "${layers[@]}"
    as "$UNIONRUN" export "${layers[@]}" -o "$W/up/layer.tar"
    [ "$(tar -xOf "$W/up/layer.tar" moved | sha256sum)" = "$BIG" ]
    as "$UNIONRUN" squash "${layers[@]}" --with-upper --to "$W/up/squashed"
    [ "$(sha256sum <"$W/up/squashed/moved")" = "$BIG" ]
    [ "$(stat -c %a "$W/up/squashed/a")" = 640 ]
    as "$UNIONRUN" convert "${layers[@]}" --to xattr -o "$W/up/converted"
    [ "$(sha256sum <"$W/up/converted/moved")" = "$BIG" ]
    as "$UNIONRUN" commit "${layers[@]}" --to "$W/up/committed"
    [ "$(sha256sum <"$W/up/committed/moved")" = "$BIG" ]
    has_no_data a moved d/c
    as "$UNIONRUN" commit "${layers[@]}" "$TARGET/b" # whose data `moved` has
    in_union 'is "$(sum moved)" "$BIG"; is "$(cat b)" small; is "$(sum a)" "$BIG"'
    as "$UNIONRUN" commit "${layers[@]}"
    rm -rf "$UPPER"
    in_union 'is "$(sum moved)" "$BIG"; is "$(cat b)" small; is "$(stat -c "%a %b" a)" "640 $BLOCKS"; is "$(sum d/c)" "$BIG"'
    in_union 'chmod 600 a; mv moved again'
    as "$UNIONRUN" convert "${layers[@]}" --to xattr
    has_data again
    in_union 'is "$(sum again)" "$BIG"; chmod 600 d/c; mv d/c gone'
    run -0 as "$UNIONRUN" check "${layers[@]}"
    rm "$W/lowers/1/d/c" # then it is another file of that name that is found
    run -1 as "$UNIONRUN" check "${layers[@]}"
    [[ $output == *"$UPPER/gone: its lower has changed since it was copied up"* ]] || { echo "$output"; false; }
    rm "$W/lowers/2/d/c"
    run -1 as "$UNIONRUN" check "${layers[@]}"
    [[ $output == *"$UPPER/gone: its data are to be in a lower, and none has them"* ]] || { echo "$output"; false; }
    run -0 in_union 'fails cat gone; stat -c %s gone; rm gone'
    digests=$(lower_digest "$W"/lowers/*)
}

@test "diff, explain, check, export, squash, convert and commit know files without their data" {
    everybody tools
}

# --- the judge of semantics ----------------------------------------------------------------------------------

@test "random operations agree with a plain directory, whatever the size of files" {
    local who as=()
    for who in root user; do
        [ "$who" = user ] || [ "$(id -u)" = 0 ] || continue
        [ "$who" = root ] || [ "$(id -u)" != 0 ] || as=(setpriv --reuid 65534 --regid 65534 --clear-groups)
        for guard in auto off; do
            "${as[@]}" env TMPDIR="${TMPDIR:-/var/tmp}" "$BATS_TEST_DIRNAME/differ/run" --seed "${DIFFER_FIRST:-1}" --ops 3000 \
                --union-cmd "$UNIONRUN --metacopy=1 --guard=$guard" --without kept-rdonly,root
        done
    done
}
