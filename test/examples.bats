#!/usr/bin/env bats
# The examples of scripts/examples: many jobs on one base, run as the systems that they are for would run them.

bats_require_minimum_version 1.5.0
load helpers

setup() {
    workspace user
    [[ $W != /tmp/* ]] || skip 'the jobs have a /tmp of their own, in which there can be no layers (test/run lays them in /var/tmp)'
    E=$W/examples
    mkdir "$W/bin" # with what is installed they call it unionrun
    ln -s "$UNIONRUN" "$W/bin/unionrun"
    as cp -R "$REPO/scripts/examples" "$E"
    as mkdir -p "$W/base/src"
    # a build that changes, adds and removes, says who it is, and trips over what another leaves
    as tee "$W/base/Makefile" >/dev/null <<'EOF'
JOB ?= $(CONFIG)
check: out/prog
	test "$$(./out/prog)" = '$(JOB)'
	test ! -e mine && echo '$(JOB)' >mine
	test -z '$(JOB_DIR)' || { test ! -e /tmp/mine && echo '$(JOB)' >/tmp/mine; }
	rm src/old.c
	echo '$(JOB)' >>README
	test "$$(wc -l <README)" = 2
out/prog: src/main.c
	mkdir -p out
	$(CC) -DNAME='"$(JOB)"' -o $@ $<
EOF
    as tee "$W/base/src/main.c" >/dev/null <<'EOF'
#include <stdio.h>
int main(void) { return puts(NAME) < 0; }
EOF
    as touch "$W/base/src/old.c"
    as sh -c "echo base >'$W/base/README'"
    BASE=$W/base
    digest=$(lower_digest "$BASE")
}

# with NAME=VALUE... -- COMMAND...: of the workspace's user, in the environment of a job
with() {
    local set=()
    while [ "$1" != -- ]; do set+=("$1"); shift; done
    shift
    as env -C "$W" PATH="$W/bin:$PATH" HOME="$W/home" TMPDIR=/tmp JOB_BASE="$BASE" JOB_TARGET="$W/t" JOBS="$W/jobs" "${set[@]}" "$@"
}

unchanged() { [ "$digest" = "$(lower_digest "$BASE")" ]; }

# left NAME: what the job NAME has left is its own
left() {
    [ "$(cat "$W/jobs/$1/upper/mine" "$W/jobs/$1/tmp/mine")" = "$1"$'\n'"$1" ]
    [ "$(cat "$W/jobs/$1/upper/README")" = $'base\n'"$1" ]
    JOB_DIR=$W/jobs/$1 with JOB_DIR="$W/jobs/$1" -- unionrun diff --layers "$E/base.json" | grep -qx "D $W/t/src/old.c"
}

@test "20 jobs by GNU parallel share a base that stays as it is, and none sees another's changes" {
    needs parallel
    # shellcheck disable=SC2016 # for the jobs' shell
    with AT_ONCE=4 -- "$E/with-parallel" 'make -C "$JOB_TARGET" JOB="$1" check' $(seq -f job-%g 20)
    unchanged
    for n in $(seq 20); do left "job-$n"; done
    [ "$(awk 'NR > 1 && $7 == 0' "$W/jobs/joblog" | wc -l)" -eq 20 ]
    [ -z "$(as ls -A "$W/t")" ]
}

@test "a job that fails by GNU parallel is told, and harms no other" {
    needs parallel
    # shellcheck disable=SC2016 # for the jobs' shell
    run -1 with -- "$E/with-parallel" '[ "$1" != bad ] && make -C "$JOB_TARGET" JOB="$1" check' good bad fine
    left good
    left fine
    unchanged
}

@test "a job that takes too long is ended by JOB_OPTIONS, with all it has left running" {
    run -124 with JOB_OPTIONS='--timeout 0.5 --end-all' -- "$E/job" slow sh -c 'sleep 300 & sleep 300'
    run -0 with JOB_OPTIONS='--timeout 1h --end-all' -- "$E/job" quick sh -c 'sleep 300 & echo $! >/tmp/pid'
    fails kill -0 "$(cat "$W/jobs/quick/tmp/pid")"
    unchanged
}

@test "12 jobs by make -j share a base, and those that succeeded are not run again" {
    # shellcheck disable=SC2016 # for the jobs' shell
    local make=(make -s -j4 -f "$E/jobs.mk" NAMES="$(seq -s ' ' -f job-%g 12)" 'COMMAND=make -C "$JOB_TARGET" JOB="$1" check')
    with -- "${make[@]}"
    unchanged
    for n in $(seq 12); do left "job-$n"; done
    rm -rf "$W/jobs/job-7"
    with -- "${make[@]}" # each other would fail: it has its mine
    left job-7
}

# gitlab ID PART ARGUMENT...: as the runner calls it
gitlab() { with CUSTOM_ENV_CI_JOB_ID="$1" BUILD_FAILURE_EXIT_CODE=31 SYSTEM_FAILURE_EXIT_CODE=32 JOB_TARGET="$W/builds" -- "$E/gitlab/$2" "${@:3}"; }

# stage NAME: the script of a stage, as the runner hands it over
stage() {
    cat >"$W/$1.script"
    chmod 755 "$W/$1.script"
    echo "$W/$1.script"
}

@test "GitLab: the executor's config, prepare, run and cleanup, for two jobs at once" {
    as git -C "$BASE" init -q
    as git -C "$BASE" add -A
    as git -C "$BASE" -c user.name=n -c user.email=e commit -qm base
    digest=$(lower_digest "$BASE")
    [ "$(gitlab 1 config | jq -r '.builds_dir, .builds_dir_is_shared')" = "$W/builds"$'\nfalse' ]
    sources=$(stage sources <<EOF
#!/bin/bash
set -e
[ -d '$W/builds/.git' ]
cd '$W/builds' && git status --porcelain && git checkout -q -b "job-\$CUSTOM_ENV_CI_JOB_ID"
EOF
)
    build=$(stage build <<EOF
#!/bin/bash
set -e
cd '$W/builds' && [ "\$(git rev-parse --abbrev-ref HEAD)" = "job-\$CUSTOM_ENV_CI_JOB_ID" ]
make JOB="\$CUSTOM_ENV_CI_JOB_ID" check
EOF
)
    wrong=$(stage wrong <<<$'#!/bin/bash\nexit 3')
    for job in 1 2; do gitlab "$job" prepare; done
    for step in "$sources" "$build"; do
        gitlab 1 run "$step" a_stage &
        gitlab 2 run "$step" a_stage
        wait $!
    done
    left 1
    left 2
    run -31 gitlab 1 run "$wrong" after_script
    gitlab 1 cleanup
    [ ! -e "$W/jobs/1" ]
    left 2
    gitlab 2 cleanup
    [ -z "$(ls -A "$W/jobs")" ]
    unchanged
}

@test "GitLab: a base that is not there is the system's failure, not the job's" {
    rm -r "$BASE"
    run -32 gitlab 1 prepare
    [[ $output == *"$BASE"* ]]
}

@test "GitLab: the runner's configuration is TOML, and names what is there" {
    python3 - "$E/gitlab/config.toml" <<'EOF' | while read -r part; do [ -x "$E/gitlab/$part" ]; done
import os, sys, tomllib
runner = tomllib.load(open(sys.argv[1], "rb"))["runners"][0]
assert runner["executor"] == "custom"
for part in ("config", "prepare", "run", "cleanup"):
    path = runner["custom"][part + "_exec"]
    assert os.path.basename(path) == part, path
    print(part)
EOF
}

# step N: the N-th shell part of github.yml
step() { python3 -c 'import sys, yaml; print([s["run"] for s in yaml.safe_load(open(sys.argv[1]))["jobs"]["build"]["steps"] if "run" in s][int(sys.argv[2])])' "$E/github.yml" "$1"; }

@test "GitHub Actions: the steps build two configurations in one checkout, and keep what a failed one left" {
    as mkdir "$W/temp"
    step 0 >"$W/step"
    # the runner's shell
    with RUNNER_TEMP="$W/temp" GITHUB_WORKSPACE="$BASE" -- env -C "$BASE" bash --noprofile --norc -eo pipefail "$W/step"
    unchanged
    [ "$(cat "$W/temp/debug/upper/mine" "$W/temp/release/upper/mine" | xargs)" = 'debug release' ]
    # the second time they trip over their mine
    run -1 with RUNNER_TEMP="$W/temp" GITHUB_WORKSPACE="$BASE" -- env -C "$BASE" bash --noprofile --norc -eo pipefail "$W/step"
    step 1 >"$W/step"
    with RUNNER_TEMP="$W/temp" GITHUB_WORKSPACE="$BASE" -- env -C "$BASE" bash --noprofile --norc -eo pipefail "$W/step"
    [ "$(tar -xzOf "$W/temp/release.tar.gz" mine)" = release ]
    unchanged
}

# part N: the N-th shell part of the Jenkinsfile
part() { python3 -c "import re, sys; print(re.findall(r\"sh '''(.*?)'''\", open(sys.argv[1]).read(), re.S)[int(sys.argv[2])])" "$E/Jenkinsfile" "$1"; }

@test "Jenkins: the steps of both configurations run at once in one workspace, and clean up" {
    as mkdir "$W/temp"
    part 0 >"$W/part0"
    part 1 >"$W/part1"
    with WORKSPACE="$BASE" WORKSPACE_TMP="$W/temp" CONFIG=debug -- env -C "$BASE" sh -xe "$W/part0" &
    with WORKSPACE="$BASE" WORKSPACE_TMP="$W/temp" CONFIG=release -- env -C "$BASE" sh -xe "$W/part0"
    wait $!
    unchanged
    [ "$(cat "$W/temp/debug/upper/mine" "$W/temp/release/upper/mine" | xargs)" = 'debug release' ]
    run -0 with WORKSPACE="$BASE" WORKSPACE_TMP="$W/temp" -- env -C "$BASE" sh -xe "$W/part1"
    [[ $output == *"D $BASE/src/old.c"* ]]
    [ -z "$(ls -A "$W/temp")" ]
}

@test "Slurm and PBS: tasks of an array share a base, and send back what they changed" {
    as mkdir "$W/results" "$W/disk"
    for task in 1 2; do
        # shellcheck disable=SC2016 # for the job's shell
        with SLURM_JOB_ID=77 SLURM_ARRAY_TASK_ID=$task EXAMPLES="$E" RESULTS="$W/results" NODE_DISK="$W/disk" -- \
            bash "$E/slurm" sh -c 'make -C "$JOB_TARGET" JOB="$SLURM_ARRAY_TASK_ID" check'
        [ "$(tar -xzOf "$W/results/$task.tar.gz" mine)" = $task ]
    done
    run -2 with SLURM_JOB_ID=77 SLURM_ARRAY_TASK_ID=3 EXAMPLES="$E" RESULTS="$W/results" NODE_DISK="$W/disk" -- bash "$E/slurm" sh -c 'exit 2'
    # shellcheck disable=SC2016 # for the job's shell
    with PBS_JOBID='88[4].server' PBS_ARRAY_INDEX=4 PBS_O_WORKDIR="$W/results" EXAMPLES="$E" NODE_DISK="$W/disk" \
        COMMAND='make -C "$JOB_TARGET" JOB="$PBS_ARRAY_INDEX" check' -- bash "$E/pbs"
    [ "$(tar -xzOf "$W/results/4.tar.gz" mine)" = 4 ]
    unchanged
    [ -z "$(ls -A "$W/disk")" ]
    grep -q '^#SBATCH --array=' "$E/slurm"
    grep -q '^#PBS -J ' "$E/pbs"
}

@test "Kubernetes: the pod's command runs, and its volumes are those that it mounts" {
    python3 - "$E/kubernetes.yaml" "$W" <<'EOF'
import sys, yaml
path, directory = sys.argv[1:]
pod = yaml.safe_load(open(path))
assert (pod["apiVersion"], pod["kind"]) == ("v1", "Pod") and pod["metadata"]["name"]
spec = pod["spec"]
assert set(spec) <= {"restartPolicy", "securityContext", "containers", "volumes"}
[container] = spec["containers"]
assert {m["name"] for m in container["volumeMounts"]} == {v["name"] for v in spec["volumes"]}
security = container["securityContext"]
assert security["allowPrivilegeEscalation"] is False and security["capabilities"] == {"drop": ["ALL"]}
assert spec["securityContext"]["runAsNonRoot"] and container["command"] == ["/bin/sh", "-euc"]
environment = {e["name"]: e["value"] for e in container["env"]}
assert set(environment) == {"JOB_BASE", "JOB_TARGET", "JOB_DIR", "EXAMPLES"}
mounts = {m["mountPath"]: m for m in container["volumeMounts"]}
assert mounts[environment["JOB_BASE"]]["readOnly"] and "/jobs" in mounts and environment["JOB_DIR"].startswith("/jobs/")
print(container["args"][0], file=open(f"{directory}/pod.sh", "w"))
EOF
    with JOB_DIR="$W/jobs/pod" EXAMPLES="$E" JOB=pod -- sh -euc "$(cat "$W/pod.sh")"
    left pod
    unchanged
}

@test "the examples' YAML is clean" {
    needs yamllint
    yamllint -s -d '{extends: default, rules: {line-length: {max: 130}, document-start: disable, truthy: {check-keys: false}}}' \
        "$E/github.yml" "$E/kubernetes.yaml"
}
