#!/usr/bin/env bats
# Under a filter that is there already, as a container's runtime sets one: whatever it refuses, a run works, or steps aside with
# a word, and doctor has known it before.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # for other shells; what bats' run sets

load helpers

bats_require_minimum_version 1.5.0

setup() {
    needs busybox
    CONTAINED=$REPO/build/test/contained
}

# What dynamic programs do, and then a static one.
# shellcheck disable=SC2016 # for the shell in the union
DYNAMIC='cd "$1" || exit; cat low; echo more >>low; rm gone; ls . d; mv d/x d/z; chmod 600 low; stat -c "%a %s" low; ./script
(umask 027; echo new >new; mkdir made); stat -c %a new made; rm new'
STATIC='./busybox cat low; ./busybox ls . d; (umask 077; exec ./busybox mkdir d/dir); ./busybox stat -c %a d/dir
./busybox chmod 640 low; ./busybox sh -c "cd d; pwd; ./../script; echo static >new; cat new"'

layers() { # layers WHO: and what is printed in a plain directory
    workspace "$1"
    as mkdir -p "$W/lowers/1/d" "$W/lowers/2/d"
    as touch "$W/lowers/1/d/y"
    # shellcheck disable=SC2016 # for that shell
    as sh -c 'cd "$1"; echo low >low; echo gone >gone; echo x >d/x; cp /bin/busybox .; printf "#!/bin/sh\necho \$0\n" >script
        chmod +x script; cp -r . "$2"; cp -r ../1/. "$2"' sh "$W/lowers/2" "$TARGET"
    dynamic=$(as sh -c "$DYNAMIC" sh "$TARGET")
    both=$dynamic$'\n'$(cd "$TARGET" && as sh -c "$STATIC")
    as find "$TARGET" -mindepth 1 -delete
    digests=$(lower_digest "$W/lowers/1" "$W/lowers/2")
}

contained() { # contained ERROR CALLS COMMANDS OPTION...: of unionrun
    local error=$1 calls=$2 commands=$3
    shift 3
    as rm -rf "$UPPER" "$UPPER.work"
    run --separate-stderr as "$CONTAINED" "$error" "$calls" timeout -k 5 60 "$UNIONRUN" "$@" --lower "$W/lowers/1" \
        --lower "$W/lowers/2" --upper "$UPPER" --target "$TARGET" -- sh -c "$commands" sh "$TARGET" </dev/null
    echo "# $error $calls $*, by $WHO: status $status; $stderr"
    [ "$(lower_digest "$W/lowers/1" "$W/lowers/2")" = "$digests" ]
    [ -z "$(ls -A "$TARGET")" ]
}

doctor_says() { as "$CONTAINED" "$1" "$2" "$UNIONRUN" doctor | grep -x "    $3 .*"; }

each() { # each FUNCTION: for both users, and both ways to refuse
    local who error
    for who in root user; do
        [ "$who" = user ] || [ "$(id -u)" = 0 ] || continue
        layers "$who"
        for error in EPERM ENOSYS; do "$1" "$error"; done
    done
}

works() { # works ERROR CALLS
    contained "$1" "$2" "$DYNAMIC
$STATIC"
    [ "$status" -eq 0 ]
    [ "$stderr" = '' ]
    same "$1 $2" "$both" "$output"
}

harmless() {
    local calls
    for calls in close_range openat2,io_uring_setup mount,umount2,setns,pivot_root,open_tree,move_mount,fsopen,fsmount name_to_handle_at,open_by_handle_at; do
        works "$1" "$calls"
    done
    [ "$1" = EPERM ] || works "$1" clone3,faccessat2
}
# What docker's own profile refuses to who has not CAP_SYS_ADMIN and CAP_SYS_PTRACE, of what a guard would use.
DOCKER=pidfd_getfd,kcmp,unshare,setns,mount,umount2,process_madvise,open_by_handle_at,open_tree,move_mount,fsopen,pivot_root
as_docker() {
    works "$1" pidfd_open
    works "$1" "$DOCKER"
    contained "$1" "$DOCKER" 'cd "$1"; for i in 1 2 3 4 5 6 7 8 9 10; do
        for mask in 077 027 002; do (umask "$mask"; exec ./busybox sh -c ">m$mask.$i; ./busybox mkdir d$mask.$i") & done
    done; wait; ./busybox stat -c "%a %n" m* d0* | sed "s/[.].*//" | sort | uniq -c' --guard=require
    [ "$status:$stderr" = 0: ]
    same 'umasks at once' "$(printf '     10 %s\n' '600 m077' '640 m027' '664 m002' '700 d077' '750 d027' '775 d002')" "$output"
}
@test "a filter that refuses namespaces, mounts, io_uring and handles, or newer calls by ENOSYS, is in nobody's way" {
    each harmless
}
@test "in a container with docker's profile guard and fence are whole" {
    each as_docker
}

no_guard() {
    local calls
    for calls in listener seccomp process_vm_readv process_vm_writev ptrace,pidfd_getfd ptrace,process_vm_readv,process_vm_writev,pidfd_getfd; do
        contained "$1" "$calls" "$DYNAMIC"
        [ "$status" -eq 0 ]
        [ "${#stderr_lines[@]}" -eq 1 ]
        [[ $stderr == 'unionrun: no guard: '*'static programs, Go and inline system calls will not see the union'* ]]
        same "$1 $calls" "$dynamic" "$output"
        contained "$1" "$calls" 'echo ran' --guard=require
        [ "$status" -eq 125 ]
        [[ $stderr == 'unionrun: --guard=require, and there can be none: '* && $output != *ran* ]]
        contained "$1" "$calls" "$DYNAMIC" --guard=off
        [ "$status:$stderr" = 0: ]
        [ "$calls" = seccomp ] || doctor_says "$1" "$calls" 'guard   no:'
    done
}
@test "where the guard could not look or listen a run goes without one, says so once, and require refuses" {
    each no_guard
}

no_threads() {
    [ "$1" = EPERM ] || return 0 # libc falls back
    contained "$1" clone3 "$DYNAMIC"
    [ "$status" -eq 0 ]
    [[ $stderr == 'unionrun: no guard: threads cannot be made here'* ]]
    same "$1" "$dynamic" "$output"
    doctor_says "$1" clone3 'guard   no:'
}
@test "where no threads can be made a run goes without a guard, and does not hang" {
    each no_threads
}

no_ptrace() {
    contained "$1" ptrace "$DYNAMIC
./busybox cat low; ./busybox ls . d; ./busybox sh -c 'cd d; echo static >new'; cat new"
    [ "${#stderr_lines[@]}" -eq 2 ]
    [[ $stderr == *'unionrun: ptrace is refused here'*'static programs cannot change their directory'* ]]
    [[ $stderr == *"cd: line 0: can't cd to d: Operation not permitted"* ]]
    [[ $output == "$dynamic"*$'\nstatic' ]]
    contained "$1" ptrace 'echo ran' --guard=require
    [ "$status" -eq 125 ]
    doctor_says "$1" ptrace 'guard   partly: for want of ptrace'
}
@test "where ptrace is refused the guard serves, but for what only the process could do, and says so once" {
    each no_ptrace
}

no_fence() {
    local call
    for call in landlock_create_ruleset landlock_restrict_self; do
        contained "$1" "$call" "$DYNAMIC
$STATIC"
        [ "$status" -eq 0 ]
        [ "${#stderr_lines[@]}" -eq 1 ]
        [[ $stderr == *': programs that pass the union by can write wherever their user can '* ]]
        same "$1 $call" "$both" "$output"
        contained "$1" "$call" 'echo ran' --fence=require
        [ "$status" -eq 125 ]
        [ "${#stderr_lines[@]}" -eq 1 ]
        [ "$output" = '' ]
    done
}
@test "a filter that hides Landlock, or only its last step, is said once, and require refuses" {
    each no_fence
}

@test "a pipe ends when the command's output does, also where close_range is refused" {
    layers user
    run -0 as timeout -k 5 60 sh -c '"$@" | cat' sh "$CONTAINED" ENOSYS close_range "$UNIONRUN" --lower "$W/lowers/1" --upper "$UPPER" \
        --target "$TARGET" -- sh -c 'sleep 300 >/dev/null 2>&1 & echo "$! there"'
    [[ $output == *' there' ]]
    kill "${output%% *}"
}
