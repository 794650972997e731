# The small tools that walk, list, search, make and remove.
# shellcheck shell=bash disable=SC2002,SC2012,SC2016
set -eu
lowers() {
    local i
    mkdir -p 1-top/t/{a,c} 2-middle/t/{a/b,c/d/e,f} 3-bottom/t/{a/b/c/d/e/f,c/d,g/h,locked}
    for i in $(seq 30); do echo "line $i bottom" | tee "3-bottom/t/a/f$i" "3-bottom/t/a/b/c/f$i" >"3-bottom/t/c/d/f$i"; done
    for i in $(seq 20 40); do echo "line $i middle" | tee "2-middle/t/a/f$i" >"2-middle/t/c/d/f$i"; done
    for i in 1 25 41; do echo "line $i top" >"1-top/t/a/f$i"; done
    seq 1 20000 >3-bottom/t/g/h/large
    truncate -s 1M 3-bottom/t/g/h/hole
    ln -s ../a/b 2-middle/t/c/link
    ln -s link 1-top/t/c/link2
    ln -s loop 3-bottom/t/loop
    echo 'two words' >"3-bottom/t/a file"
    chmod 0750 2-middle/t/a
    chmod 0700 1-top/t/a
    chmod 0555 3-bottom/t/locked
}

run() {
    find t | sort; find -L t -name 'f1*' 2>&1 | sort; find t -depth -type d | wc -l
    find t -perm 0700 -o -size +50k -o -type l | sort; find t -newer t/a/f1 -o -links +1 -type f -o -empty | sort
    ls -lR --time-style=full-iso t | sed -E '/^total/d; s/^(d[^ ]* +)[0-9]+ /\1/'; ls -U t/a | sort | uniq -d; ls -id t/a | wc -w
    du -a --apparent-size t/g t/c/d | sort; du -s t/g/h/*; stat -c '%n %F %a %s %h %y' t/a/f* t/loop
    grep -rc line t | sort; grep -rl 'top$' t | sort; grep -r --include=f3 . t | sort; grep -rs . t/loop || echo "grep: $?"
    find t/a -name 'f2*' -print0 | sort -z | xargs -0 -n 3 echo; find t -name 'f3?' -exec sh -c 'echo x >>"$1"' _ {} \;
    find t/c/d -name 'f1?' -delete; ls t/c/d; find t -name f5 -execdir mv {} {}.moved \;; find t -name '*.moved' | sort
    mkdir -p t/a/b/c/d/new/deep t/f/g/h t/n/e/w; mkdir t/a || echo "mkdir: $?"
    mkdir -m 1777 t/sticky; mkdir t/none/x || echo "mkdir: $?"
    touch t/a/f2 t/new; touch -c t/none; touch -d @1000000000.5 t/a/f3 t/c; touch -r t/a/f3 t/a/f4; touch t/a/f1/x || echo "touch: $?"
    chmod u+x t/a/f6; chmod -R g+w t/c; chmod 0 t/a/f7; chmod 0755 t/a; chmod +t t/none || echo "chmod: $?"
    ln t/a/f8 t/f/hard; ln -s f8 t/a/soft; ln -sfn ../a/b t/c/link; ln -sfT ../f t/a/soft; list t/f t/c
    touch t/locked/x || echo "touch: $?"
    rm t/a/f9; rm -rf t/g; rm -r t/a/b/c/d; mkdir t/g; ls -A t/g; rmdir t/g t/a || echo "rmdir: $?"
    rmdir -p t/n/e/w || echo "rmdir: $?"
    rm t/none || echo "rm: $?"
    truncate -s 3 t/a/f10; truncate -s +100k t/a/f11; stat -c %s t/a/f1[01]; split -l 5000 - t/f/part <t/a/f12; shred -n 1 -u t/a/f13
    cat t/a/f1? | sort -u | tee t/f/sorted t/a/f24 | wc -l; sort -o t/a/f15 t/a/f15; comm -12 t/a/f20 t/c/d/f20; cmp t/a/f21 t/c/d/f22 || echo "cmp: $?"
    realpath t/c/link2 t/a/../c; readlink -m t/c/link2/c/f1; readlink t/loop; realpath t/loop || echo "realpath: $?"
    dd if=/dev/zero of=t/a/f16 bs=1 seek=2 count=2 conv=notrunc status=none; od -c t/a/f16; mknod t/pipe p; stat -c %F t/pipe
    rm -rf t/c; [ ! -e t/c ]; mkdir -p t/c/d; find t | sort; df --output=target t | tail -1 | wc -l
}
