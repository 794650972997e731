# Go: a program without libc that uses os.* for everything (bin/raw-everything.go, built in ../given), and the Go tools themselves at work on a module in the layers.
# shellcheck shell=bash disable=SC2016
set -eu
export GOFLAGS=-mod=mod GOPROXY=off GOTOOLCHAIN=local CGO_ENABLED=0 GO111MODULE=on GONOSUMDB='*' GOTELEMETRY=off
lowers() {
    mkdir -p 3-bottom/{src/inner,dir/sub/deep,dir/old} 2-middle/{src,dir/sub} 1-top/{src,dir}
    for i in 1 2 3 4 5; do echo "bottom $i" >"3-bottom/dir/b$i"; done
    echo deep >3-bottom/dir/sub/deep/file
    echo middle >2-middle/dir/b2
    echo middle >2-middle/dir/sub/m
    echo top >1-top/dir/b3
    ln 3-bottom/dir/b1 3-bottom/dir/hard
    ln -s b2 3-bottom/dir/link
    ln -s nowhere 1-top/dir/dangling
    printf '#!/bin/sh\necho "script: $0 $*"; pwd | sed "s,.*/,,"; exit 3\n' >3-bottom/dir/script
    chmod 755 3-bottom/dir/script
    printf 'module example.com/union\n\ngo 1.19\n' >3-bottom/src/go.mod
    printf 'package inner\n\nconst Name = "older"\n\nfunc Twice(n int) int { return 2 * n }\n' >3-bottom/src/inner/inner.go
    mkdir -p 1-top/src/inner
    printf 'package inner\n\nconst Name = "newer"\n\nfunc Twice(n int) int { return 2 * n }\n' >1-top/src/inner/inner.go
    printf 'package inner\n\nimport "testing"\n\nfunc TestTwice(t *testing.T) {\n\tif Twice(2) != 4 {\n\t\tt.Fatal("no")\n\t}\n}\n' >3-bottom/src/inner/inner_test.go
    printf 'package main\n\nimport (\n\t"fmt"\n\t"os"\n\n\t"example.com/union/inner"\n)\n\nfunc main() {\n\tfmt.Println(inner.Name, inner.Twice(21), len(os.Args))\n}\n' >2-middle/src/main.go
    cp ../given/everything 2-middle
}

run_everything() {
    ./everything
}

run_build() {
    cd src
    env HOME="$PWD/../home" GOCACHE="$PWD/../.cache" GOPATH="$PWD/../path" GOTMPDIR="$PWD/../tmp" sh -c '
        go build -trimpath -o ../built . && ../built x; go vet ./... && echo vetted
        sed -i s/newer/newest/ inner/inner.go; go build -trimpath -o ../built . && ../built; go test ./... 2>&1 | sed "s/[0-9.]*s$//"
        go list ./...; gofmt -l .; go mod tidy && cat go.mod; go env GOMOD | sed "s,.*/src,src,"'
    rm -rf ../.cache ../path
    ls -A ../tmp
}
