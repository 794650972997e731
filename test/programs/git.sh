# A repository whose objects, refs and files are spread over three layers, as if two people had gone on
# working on top of the first one's.
# shellcheck shell=bash disable=SC2002,SC2012,SC2016
set -eu
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_EDITOR=true GIT_PAGER=cat
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org GIT_AUTHOR_DATE='1000000000 +0000'
export GIT_COMMITTER_NAME=C GIT_COMMITTER_EMAIL=c@example.org GIT_COMMITTER_DATE='1000000000 +0000'
git() { command git -c init.defaultBranch=main -c pack.threads=1 -c advice.detachedHead=false -c gc.auto=0 "$@"; }

lowers() {
    local i
    mkdir 2-middle 3-bottom
    git init -q 3-bottom/repo
    cd 3-bottom/repo
    mkdir -p src/deep doc
    for i in 1 2 3 4 5 6; do
        seq "$i" 40 >"src/f$i.c"
        seq "$i" 9 >"src/deep/g$i.c"
        echo "page $i" >"doc/p$i"
        git add .
        git commit -q -m "bottom $i"
    done
    git gc -q
    cd ../..
    cp -a 3-bottom/repo whole
    (
        cd whole
        git checkout -q -b topic HEAD~2
        for i in 1 2 3; do echo "topic $i" >>src/deep/g1.c && git commit -q -a -m "topic $i"; done
        git checkout -q main
        git mv src/f1.c src/renamed.c
        git commit -q -m 'middle: a rename'
        git tag -a -m one v1
    )
    rsync -a --checksum --compare-dest="$PWD/3-bottom/repo/" --prune-empty-dirs whole/ 2-middle/repo/
    rm -rf whole
    mkdir -p 1-top/repo/src
    echo 'a change that is not committed' >1-top/repo/src/f2.c
    echo 'a file that git does not know' >1-top/repo/untracked
    cp 3-bottom/repo/src/f1.c 1-top/repo/src/f1.c # deleted in the middle, and here again
}

# The index holds inode numbers and times: shown as text, not compared as a file.
drop_index() {
    git -C "$1" ls-files --stage
    rm -f "$(git -C "$1" rev-parse --path-format=absolute --git-path index)"
}

run() {
    cd repo
    git status --short
    git log --graph --all --format='%h %s %d'
    git fsck
    git stash -q; git status --short; git stash pop -q
    rm src/f1.c; git commit -q -a -m 'the change of the top'
    git checkout topic; cat src/deep/g1.c
    git rebase main; git log --format='%h %s' -3
    git checkout -b other main~3; echo other >src/deep/new; git add .; git commit -q -m other
    git merge -q -m merged topic; git branch -d topic; git branch -m other another
    git mv src/deep src/deeper; git mv doc docs; git commit -q -m 'two directories renamed'
    git rm -q -r docs; git commit -q -m 'one of them removed'; git checkout HEAD~1 -- docs
    git reset -q --hard; git clean -fdxn; git clean -fdxq
    git worktree add ../tree main; (cd ../tree; ls -R; git status --short)
    git worktree remove ../tree; git worktree prune
    git clone --quiet . ../clone; git clone --quiet --bare --no-hardlinks . ../bare.git
    (cd ../clone; echo c >>src/f3.c; git commit -q -a -m 'in the clone'; git push -q origin HEAD:refs/heads/pushed)
    git -C ../bare.git fetch -q "$PWD" '+refs/heads/*:refs/heads/*'
    git bisect start -q HEAD v1~4; git bisect run sh -c '! [ -e src/renamed.c ]' | tail -1; git bisect reset
    git reflog expire --expire=now --all; git gc --quiet --prune=now; git fsck; git count-objects
    git grep -c 7; git archive HEAD | tar -t
    git init -q ../fresh; git -C ../fresh status --short
    git status --short
    git log --graph --all --format='%h %s %d'
    for repo in . ../clone; do drop_index "$repo"; done
}
