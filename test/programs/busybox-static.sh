# busybox, linked statically, as shell and as every tool: it is in a lower layer and makes its calls past any preloaded object.
# shellcheck shell=bash disable=SC2002,SC2012,SC2016,SC2046
set -eu
lowers() {
    local i
    mkdir -p 3-bottom/{bin,dir/sub/deep,tree/a/b/c,full,many} 2-middle/{bin,dir/sub,tree/a,full,many} 1-top/dir
    cp /bin/busybox 3-bottom/bin/busybox
    for i in $(/bin/busybox --list); do ln -s busybox "2-middle/bin/$i"; done
    rm 2-middle/bin/busybox
    for i in 1 2 3 4 5 6; do
        echo "bottom $i" >"3-bottom/dir/b$i"
        echo "bottom line $i" >"3-bottom/dir/sub/s$i"
        echo "needle in $i" >"3-bottom/tree/a/b/c/f$i"
    done
    for i in {1..60}; do echo "$i" >"$((i % 2 + 2))-$([ $((i % 2)) = 0 ] && echo middle || echo bottom)/many/m$i"; done
    ln 3-bottom/dir/b1 3-bottom/dir/hard
    ln -s b2 3-bottom/dir/link
    ln -s sub 2-middle/dir/sublink
    ln -s nowhere 1-top/dir/dangling
    echo middle >2-middle/dir/b2
    echo 'middle needle' >2-middle/tree/a/m
    echo top >1-top/dir/b3
    chmod 0444 3-bottom/dir/b4
    chmod 2750 2-middle/dir/sub 3-bottom/dir/sub
    printf '#!%s\necho "script: $0 $*"\n' /bin/sh >3-bottom/dir/script
    chmod 755 3-bottom/dir/script
    printf 'one\ntwo\nthree\n' >3-bottom/full/text
    printf 'one\n2\nthree\nfour\n' >2-middle/full/text.new
    seq 1 20000 >3-bottom/full/numbers
}

# bb: the lines on stdin by the busybox of the layers, whose PATH leads to its links
bb() { env PATH="$PWD/bin" "$PWD/bin/busybox" sh -s; }

run_lists() {
    bb <<'S'
ls -la --full-time dir | sed 's/  */ /g; s/ [^ ]* \(20[0-9-]* [0-9:.]* [+0-9]*\)/ \1/' | sed '/^total/d; s/^\(d[^ ]*\) [0-9]*/\1/'
ls dir full tree; ls -R tree; ls -1 many | wc -l; find . -type f | sort | head -n 20; find dir -name 'b*' -type f -exec cat {} + | sort; find . -newer dir/b1 | sort
find dir -type f -links 2 | sort; find . -type l | sort; find tree -type d -print0 | sort -z | xargs -0 -n 1 echo; stat -c '%n %F %a %s' dir/* | sort; cat dir/link dir/hard dir/sublink/s1
readlink dir/link; readlink -f dir/sublink/s2 | sed "s,$PWD,HERE,"; realpath dir/link | sed "s,$PWD,HERE,"; basename $(pwd); test -e dir/dangling || echo dangling; wc full/numbers; tail -n 2 full/numbers; md5sum dir/b1 full/text
du -a dir | wc -l; crc32 full/numbers; od -c dir/b3 | head -n 1; which ls | sed "s,$PWD,HERE,"; pwd -P | sed "s,$PWD,HERE,"; cd dir/sublink; pwd | sed "s,${PWD%/dir/sublink},HERE,"; pwd -P | sed "s,${OLDPWD},HERE,"; cd ..; ls | head -n 3
S
}

run_changes() {
    bb <<'S'
umask 022
echo changed >dir/b1; cat dir/hard; echo more >>dir/b2; cat dir/link; mv dir/b3 dir/renamed; mv dir/sub moved; ls moved; mv moved/s1 dir; rm dir/b5; rm dir/nothing || echo "rm $?"
rm -r tree/a/b; ls tree/a; mkdir -p tree/a/b/new/er tree/a/b; ls tree/a/b; cp dir/b6 tree/a/b; cp -a dir copy; ls copy; diff -r dir copy && echo same; cp -r tree/a/. dir; find dir | sort
chmod 600 dir/b2; chmod -R u+w dir; chmod 7751 dir/script; stat -c '%n %a' dir/b2 dir/script; ln dir/b6 dir/b6.hard; ln -s renamed dir/new.link; ln -sf b6 dir/link; stat -c '%h' dir/b6; readlink dir/link
touch -d '2003-04-05 06:07:08' dir/b6; stat -c '%Y %n' dir/b6.hard; touch dir/touched; mkfifo dir/fifo; (cat dir/fifo & echo through >dir/fifo; wait); rm dir/fifo; rmdir full || echo "rmdir $?"; rm -rf full; ls full || echo "ls $?"; mkdir full; ls -A full
truncate -s 3 dir/b4; cat dir/b4; echo; dd if=/dev/zero of=dir/b4 bs=10 count=3 conv=notrunc 2>/dev/null; wc -c dir/b4; cat dir/* 2>/dev/null | wc -l
mktemp dir/tmp.XXXXXX | wc -c; rm dir/tmp.*; cp -l dir/b6 dir/b6.third; cp -s "$PWD/dir/b6" dir/b6.soft; cat dir/b6.soft; rm -f dir/b6; cat dir/b6.hard dir/b6.third; cat dir/b6.soft || echo "cat $?"
S
}

run_edits() {
    bb <<'S'
sed -i 's/bottom/edited/' dir/b1 dir/b6 dir/sub/s*; cat dir/b1 dir/hard dir/b6 dir/sub/s3; sed -i.bak 's/one/1/' full/text; cat full/text full/text.bak; sed -n 2,3p full/text | tr a-z A-Z >full/upper; cat full/upper
grep -r needle . | sort; grep -rl needle tree | sort | xargs rm; find tree | sort; diff full/text full/text.new; diff -u full/text.bak full/text.new | tail -n +3 >full/p; cat full/p; (cd full; printf -- '--- text.bak\n+++ text.bak\n' | cat - p | patch -p0; cat text.bak)
sort -r full/numbers | head -n 3; sort -n -o full/numbers full/numbers; sort full/numbers | uniq | wc -l; awk '{ n += $1 } END { print n }' full/numbers; cut -c1 full/numbers | sort | uniq -c | sort -rn | head -n 1; ls full
head -c 20 full/numbers >full/head; cat full/head; tee full/tee <full/head >/dev/null; wc -c full/tee; xargs -n 2 echo <full/text; tac full/text; rev full/text; nl full/text; expr $(wc -l <full/text) + 1; paste full/text full/text.new
vi -c '%s/bottom/vi/' -c 'x' dir/b5 </dev/null >/dev/null 2>&1; cat dir/b5; vi -c '1d' -c 'w new' -c 'q!' full/text.bak </dev/null >/dev/null 2>&1; ls; cat new; vi -c '$r dir/b6' -c 'wq' dir/b3 </dev/null >/dev/null 2>&1; cat dir/b3; ed dir/b4 <<E 2>/dev/null
1s/bottom/by ed/
w
q
E
cat dir/b4
S
}

run_archives() {
    bb <<'S'
tar -cf all.tar dir tree many; tar -tf all.tar | sort | wc -l; mkdir out; tar -C out -xf all.tar; diff -r dir out/dir; diff -r many out/many && echo same; rm -r dir; tar -xf all.tar dir; ls dir; stat -c %h dir/b1; tar -czf z.tgz many; rm -r many; tar -xzf z.tgz; ls many | wc -l
gzip -k full/numbers; mv full/numbers full/n; gunzip full/numbers.gz; cmp full/n full/numbers && echo equal; bzip2 full/n; bunzip2 full/n.bz2; cmp full/n full/numbers && echo equal; gzip -c dir/b2 | zcat
find tree | cpio -o -H newc 2>/dev/null >t.cpio; mkdir c; (cd c; cpio -i -d <../t.cpio 2>/dev/null; find . | sort); ar -r x.a dir/b1 dir/b2 2>/dev/null && ar -t x.a; unzip -v >/dev/null 2>&1; uuencode dir/b1 name | uudecode -o - | cmp - dir/b1 && echo equal; rm all.tar z.tgz t.cpio; rm -rf out c
S
}

run_shell() {
    bb <<'S'
cd dir; echo *; echo s*/s[1-3]; echo ../*/; for f in b?; do [ -f $f ] && echo -n "$f "; done; echo; . ./../dir/script; ./script a 'b c'; sh ./script x; (exec ./script y); command -v ls | sed "s,${PWD%/dir},HERE,"; ls >list; wc -l <list; rm list; cd ..
while read -r a b; do echo "$b $a"; done <dir/b1 >dir/swapped; cat dir/swapped; exec 5>dir/held 6<dir/b2; rm dir/b2; cat <&6; echo ghost >&5; mv dir/held dir/moved; echo more >&5; cat dir/moved; readlink /proc/$$/fd/5 | sed "s,$PWD,HERE,"; exec 5>&- 6<&-
set -C; (echo no >dir/b3) 2>/dev/null || echo refused; echo fresh >dir/fresh; set +C; echo new >dir/none/x || echo "status $?"; (: >dir) || echo "status $?"; ./dir/b1 || echo "status $?"; missing || echo "status $?"; cat <<T | tr a-z A-Z >dir/here
here $(cat dir/b3)
T
cat dir/here; mkdir d2 && cd d2 && pwd | sed "s,${PWD%/d2},HERE," && cd .. && rmdir d2 && sh -c 'cd dir && exec sh -c "pwd; ls -d sub"' | sed "s,$PWD,HERE,"; (umask 077; echo x >private; stat -c %a private); ls | sort | xargs echo; for i in 1 2 3 4 5 6 7 8; do (cat dir/b1 >/dev/null; echo $i >>dir/log) & done; wait; sort dir/log | xargs; rm dir/log
i=0; while [ $i -lt 100 ]; do cat many/m1 >/dev/null & i=$((i + 1)); [ $((i % 20)) != 0 ] || wait; done; wait; echo "$i done"; env -i "$PWD/bin/cat" dir/b3; busybox cat dir/b3; time -p true 2>/dev/null; setsid cat dir/b3; ls /proc/self/fd | wc -l
S
}
