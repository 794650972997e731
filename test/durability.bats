#!/usr/bin/env bats
# What is on disk, and when: the layer file's "durability". That it is enough: test/powerloss/run.

load helpers

setup() {
    needs strace
}

# calls MODE COMMAND...: the system calls that make, name and sync things in upper and work, in their order, a word each
calls() {
    rm -rf "$UPPER" "$UPPER.work"
    union true
    as strace -f -qq -y -o "$W/calls" -e trace=fsync,syncfs,linkat,rename,renameat,renameat2,mknod,mknodat,mkdir,mkdirat,symlink,symlinkat,unlink,unlinkat,rmdir,setxattr,lsetxattr,chmod,fchmodat \
        "$UNIONRUN" --guard=off --durability="$1" --lower "$W/lowers/base" --upper "$UPPER" --target "$TARGET" -- "${@:2}"
    sed -nE "/ENOENT|EEXIST|probe\.|unionrun\/(session|upper|lock)\"/d; s/lsetxattr/setxattr/; s/at2?\(/(/; t again
        : again
        s,^[0-9]+ +fsync\([0-9]+<[^>]*unionrun/(journal|links)>.*,sync-\1,p;t
        s,^[0-9]+ +fsync\([0-9]+<[^>]*unionrun/tmp/.*,sync-copy,p;t
        s,^[0-9]+ +fsync\([0-9]+<${UPPER}[/>].*,sync-directory,p;t
        s,^[0-9]+ +fsync\(.*,sync-other,p;t
        s,^[0-9]+ +syncfs\(.*,sync-all,p;t
        s,^[0-9]+ +setxattr\(.*overlay\.(opaque|redirect).*,mark,p;t
        /^[0-9]+ +setxattr/d; s,^[0-9]+ +([a-z]+)\(.*$UPPER.*,\1,p" "$W/calls" | xargs | sed 's/mark mark/mark/g'
}

prepared() {
    workspace "$1"
    # shellcheck disable=SC2034 # the helpers'
    UNION_OPTIONS=(--guard=off)
    as mkdir -p "$W/lowers/base/d"
    as sh -c "cd '$W/lowers/base' && echo one >f && echo two >d/g && : >empty"
}

@test "volatile: nothing is synced" {
    prepared user
    same volatile "link" "$(calls volatile sh -c "echo more >>$TARGET/f")"
}

@test "copy-up: a copy with data is synced before it has its name, and nothing else is" {
    prepared user
    same copy-up "sync-copy link" "$(calls copy-up sh -c "echo more >>$TARGET/f")"
    same 'no data' "link" "$(calls copy-up sh -c "echo more >>$TARGET/empty")"
    same 'names' "mkdir rename mknod link rename mkdir" "$(calls copy-up perl -e "chdir '$TARGET'; unlink 'd/g'; rename 'empty', 'new'; mkdir 'made'")"
}

@test "copy-up is what is done if nothing is said; --ephemeral is volatile then" {
    prepared user
    union true
    for more in '' --ephemeral; do
        # shellcheck disable=SC2086 # no word, or one
        as strace -f -qq -e trace=fsync -o "$W/calls$more" "$UNIONRUN" --guard=off $more --lower "$W/lowers/base" \
            --upper "$UPPER" --target "$TARGET" -- sh -c "echo more >>'$TARGET/f'"
    done
    [ "$(grep -c fsync "$W/calls")" = 1 ]
    fails grep fsync "$W/calls--ephemeral"
}

@test "strict: a copy and then its directory, a whiteout's directory, a new name's, both of a rename" {
    prepared user
    same append "sync-copy link sync-directory" "$(calls strict sh -c "echo more >>$TARGET/f")"
    same unlink "mknod sync-directory" "$(calls strict perl -e "unlink '$TARGET/f'")"
    same mkdir "mkdir sync-directory" "$(calls strict perl -e "mkdir '$TARGET/new'")"
    same create "sync-directory" "$(calls strict sh -c ": >$TARGET/new")"
    same rename "mkdir sync-copy rename sync-directory sync-copy link sync-directory rename sync-directory sync-directory" \
        "$(calls strict perl -e "rename '$TARGET/f', '$TARGET/d/new'")"
}

@test "strict: a directory is opaque on disk before its whiteouts go, and a redirect before the directory does" {
    prepared user
    same purge "mkdir sync-copy rename sync-directory mknod sync-directory mark sync-directory unlink mknod rename unlink sync-directory" \
        "$(calls strict perl -e "unlink '$TARGET/d/g'; rmdir '$TARGET/d'")"
    same redirect "mkdir sync-copy rename sync-directory mark sync-directory rename sync-directory" \
        "$(calls strict perl -e "rename '$TARGET/d', '$TARGET/e'")"
}

@test "strict: a note is on disk before the step that it is about" {
    prepared user
    as ln "$W/lowers/base/f" "$W/lowers/base/f2"
    [[ $(calls strict sh -c "echo more >>$TARGET/f") == *"symlink sync-journal link sync-links link"* ]]
    as chmod 555 "$W/lowers/base/d"
    [[ $(calls strict sh -c "echo more >>$TARGET/d/g") == *"symlink sync-journal fchmod sync-copy link sync-directory fchmod unlink" ]]
}

@test "strict: in a directory that its owner may not read names are made, and all is synced" {
    prepared user
    as chmod 300 "$W/lowers/base/d"
    [[ $(calls strict perl -e "mkdir '$TARGET/d/new' or die") == *"mkdir unlink sync-all" ]]
    [ -d "$UPPER/d/new" ]
}

@test "an error of the sync of a copy is the program's, and nothing has changed" {
    prepared user
    union true
    fails as strace -f -qq -o /dev/null -e trace=fsync -e inject=fsync:error=EIO "$UNIONRUN" --guard=off \
        --lower "$W/lowers/base" --upper "$UPPER" --target "$TARGET" -- sh -c "echo more >>'$TARGET/f'"
    [ ! -e "$UPPER/f" ]
    [ -z "$(ls "$UPPER.work/unionrun/tmp")" ]
}

# The upper on a disk of which every write is recorded; the power fails at points of it. The last line into $sum.
power() {
    local status=0
    "$BATS_TEST_DIRNAME/powerloss/run" "$@" >"$BATS_TEST_TMPDIR/said" 2>&1 || status=$?
    cat "$BATS_TEST_TMPDIR/said"
    sum=$(tail -n 1 "$BATS_TEST_TMPDIR/said")
    [ "$status" -ne 77 ] || skip "$sum"
}

@test "the power fails at any point: with copy-up no lower's data is lost, nor what was fsynced (a sample)" {
    power copy-up 40 1
    [[ $sum == "40 points, 0 wrong" ]]
}

@test "the power fails at any point: with strict each change of a directory is there from its return on (a sample)" {
    power strict 40 2
    [[ $sum == "40 points, 0 wrong" ]]
}

@test "the power fails: volatile loses data, and copy-up names; so the two tests above can tell" {
    power volatile 12 3
    [[ $sum != *" 0 wrong" ]]
    power copy-up 30 3 strict
    [[ $sum != *" 0 wrong" ]]
}
