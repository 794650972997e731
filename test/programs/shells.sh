# What a shell does itself: redirections, globbing, tests, cd, sourcing, scripts and interpreters of lower layers.
# shellcheck shell=bash disable=SC2002,SC2012,SC2016
set -eu
lowers() {
    local i
    mkdir -p 1-top/{bin,d/sub} 2-middle/{bin,d/sub} 3-bottom/{bin,d/sub,d/old,d/.hidden,lib}
    for i in 1 2 3 4 5; do echo "bottom $i" >"3-bottom/d/f$i"; done
    for i in 3 4; do echo "middle $i" >"2-middle/d/f$i"; done
    echo 'top 4' >1-top/d/f4
    echo x | tee 3-bottom/d/.hidden/h 2-middle/d/.dot 3-bottom/d/sub/s1 2-middle/d/sub/s2 1-top/d/sub/s3 >3-bottom/d/old/o
    ln -s sub/s1 3-bottom/d/link
    ln -s sub 2-middle/d/dirlink
    ln -s nowhere 1-top/d/dangling
    echo 'sourced() { echo "sourced from the lower"; }' >3-bottom/lib/functions
    printf '#!/bin/sh\necho an older tool; exit 9\n' | tee 3-bottom/bin/tool >2-middle/bin/tool
    # shellcheck disable=SC2016 # for the tool to expand
    printf '#!/bin/sh\necho "tool: $0 $# $*"; exit 4\n' >1-top/bin/tool
    # An interpreter that lies in the union, and scripts that name it
    cp /bin/dash 3-bottom/bin/dash.of.union
    cp /bin/bash 2-middle/bin/bash.of.union
    chmod 0755 ./*/bin/*
}

interpreter() { # NAME: a script whose #! line leads into the union
    # shellcheck disable=SC2016 # for the script to expand
    printf '#!%s\necho "$0: $*"; readlink /proc/$$/exe\n' "$PWD/bin/$1" >script
    chmod 0755 script
    ./script a 'b c'
}

run_bash() {
    interpreter bash.of.union
    local sh=$PWD/bin/bash.of.union
    "$sh" --norc <<'S' || echo "status $?"
shopt -s globstar dotglob nullglob extglob
# shellcheck disable=SC1091
. lib/functions; sourced
echo **; echo d/f[2-4] d/!(f*|sub); echo d/*/; compgen -f d/ | sort
cd d/dirlink; pwd; pwd -P; cd ..; pwd; cd -P dirlink/..; pwd; cd ../bin/../d; pwd; cd ..; dirs
echo more >>d/f1; cat d/f1; echo new >d/f2; cat <d/f2; echo rw 1<>d/f3; cat d/f3
set -C; echo no >d/f4; echo "status $?"; echo yes >|d/f4; echo fresh >d/f9; set +C
for t in -e -f -d -L -h -r -w -x -s -p; do for f in d/f5 d/link d/dirlink d/dangling d/sub bin/tool d/none; do [ $t $f ] && printf '%s ' "$t:$f"; done; done; echo
[ d/f9 -nt d/f5 ] && [ d/f5 -ot d/f9 ] && [ d/link -ef d/sub/s1 ] && echo newer, older, same
exec 6>>d/f5 5<d/f5; rm d/f5; echo ghost >&6; cat <&5; ls /proc/self/fd/5 >/dev/null && readlink /proc/$$/fd/5; exec 5<&- 6>&-; ls d
PATH=$PWD/bin:$PATH; tool 1 2; echo "status $?"; type tool; command -v tool; (exec -a other tool); hash -r
cat <(cat d/f3) <(echo substituted); tee >(cat >d/tee) <d/f3 >/dev/null; wait $!; mapfile -t lines <d/f1; echo "${#lines[@]} ${lines[1]}"
mkfifo d/fifo; cat d/fifo & echo through a fifo >d/fifo; wait
coproc cat; echo coproc >&"${COPROC[1]}"; read -r l <&"${COPROC[0]}"; echo "$l"
umask 077; mkdir d/private; : >d/private/x; umask 022; (cd d/private && rm x && rmdir ../private && pwd; : >y; echo "status $?")
echo d/none >d/none/x; echo "status $?"; : >d; echo "status $?"; ./d/f1; echo "status $?"; missing/command; echo "status $?"
trap 'echo trapped; rm -f d/tee' EXIT; while read -r a b; do echo "$b $a"; done <d/f3 >d/swapped; cat d/swapped
S
}

run_dash() {
    interpreter dash.of.union
    local sh=$PWD/bin/dash.of.union
    "$sh" <<'S' || echo "status $?"
# shellcheck disable=SC1091
. lib/functions; sourced
echo d/* d/.[a-z]* d/*/; cd d/dirlink && pwd && pwd -P && cd .. && pwd && cd -P dirlink/.. && pwd && cd ..
echo more >>d/f1; cat d/f1; echo new >d/f2; echo rw 1<>d/f3; cat d/f2 d/f3; set -C; echo yes >|d/f4; echo fresh >d/f9; set +C
(set -C; echo no >d/f4); echo "status $?"
for t in -e -f -d -L -r -w -x -s; do for f in d/f5 d/link d/dirlink d/dangling d/sub bin/tool d/none; do [ $t $f ] && printf '%s ' "$t:$f"; done; done; echo
[ d/f9 -nt d/f5 ] && [ d/link -ef d/sub/s1 ] && echo newer, same
exec 6>>d/f5 5<d/f5; rm d/f5; echo ghost >&6; cat <&5; exec 5<&- 6>&-; ls d
PATH=$PWD/bin:$PATH; tool 1 2; echo "status $?"; type tool; command -v tool; (exec tool e)
mkfifo d/fifo; cat d/fifo & echo through a fifo >d/fifo; wait
cat <<T | tr a-z A-Z >d/heredoc
here $(cat d/f3)
T
cat d/heredoc; umask 077; mkdir d/private; : >d/private/x; umask 022; ls d/private; rm -r d/private
(: >d) ; echo "status $?"; (echo x >d/none/x); echo "status $?"; ./d/f1; echo "status $?"; missing/command; echo "status $?"
read -r a b <d/f3; echo "$b $a"; trap 'rm d/heredoc; echo trapped' EXIT; $0 -c 'echo "$0 $PWD"; exec ./bin/tool x' sub
S
}
