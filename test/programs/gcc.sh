# A program, its headers, a library and a linker script, in three layers; what is built then runs.
# shellcheck shell=bash disable=SC2002,SC2012,SC2016
set -eu
lowers() {
    mkdir -p 1-top/{src,inc} 2-middle/{src,inc/deep,lib} 3-bottom/{src,inc/deep,lib}
    echo '#error an older header shows through' | tee 3-bottom/inc/a.h 2-middle/inc/a.h 3-bottom/inc/deep/b.h >3-bottom/src/main.c
    printf '#pragma once\n#include <deep/b.h>\n#define A (B + 1)\n' >1-top/inc/a.h
    printf '#pragma once\n#include_next <deep/b.h>\n' >2-middle/inc/deep/b.h
    mkdir -p 3-bottom/next/deep
    printf '#pragma once\n#define B 41\n' >3-bottom/next/deep/b.h
    printf '#include <stdio.h>\n#include <a.h>\nint twice(int);\nint main(void) { printf("%%d %%s\\n", twice(A), __FILE__); return A - 40; }\n' >2-middle/src/main.c
    printf 'int twice(int n) { return 2 * n; }\n' >3-bottom/lib/twice.c
    printf 'int thrice(int n) { return 3 * n; }\n' >2-middle/lib/thrice.c
    printf '.globl answer\nanswer: .long 42\n' >3-bottom/lib/answer.s
    printf 'SECTIONS { .text 0x10000 : { *(.text) } .data : { *(.data) } } INCLUDE lib/extra.ld\n' >3-bottom/lib/script.ld
    printf 'start_here = 0x10000;\n' >2-middle/lib/extra.ld
    echo 'void stale(void) {}' | gcc -xc -c -o 3-bottom/lib/twice.o -
}

run_gcc() {
    local cc='gcc -O1 -g -Iinc -Inext'
    $cc -MMD -MP -c -o src/main.o src/main.c; cat src/main.d
    $cc -c -o lib/twice.o lib/twice.c; $cc -o static src/main.o lib/twice.o; ./static || echo "exit $?"
    $cc -fPIC -shared -o lib/libtwice.so lib/twice.c lib/thrice.c
    $cc -o shared src/main.o -Llib -ltwice -Wl,-rpath,"$PWD/lib"; ./shared || echo "exit $?"
    # shellcheck disable=SC2016 # for ld.so to expand
    $cc -o origin src/main.c -Llib -ltwice '-Wl,-rpath,$ORIGIN/lib'; (cd inc; ../origin) || echo "exit $?"
    (unset LD_LIBRARY_PATH; $cc -o search src/main.o -Llib -ltwice; LD_LIBRARY_PATH=lib ./search) || echo "exit $?"
    $cc -E src/main.c | grep '^# 1 "[^/]'; $cc -save-temps -o temps src/main.c lib/twice.c; ls
    $cc -x c-header -o inc/a.h.gch inc/a.h; $cc -Winvalid-pch -c -o pch.o src/main.c; $cc -flto -o lto src/main.c lib/twice.c
    $cc -static -o all src/main.o lib/twice.o; ./all || echo "exit $?"
    $cc --coverage -o covered src/main.c lib/twice.c; ./covered || ls covered*; rm covered* inc/a.h.gch # they hold a time
    $cc -o none src/missing.c || echo "exit $?"
    printf '#include "missing.h"\n' | $cc -c -xc - || echo "exit $?"
    readelf --debug-dump=info src/main.o | grep -c "$PWD"; strings shared | grep "$PWD"
}

run_ld() {
    as -o lib/answer.o lib/answer.s; gcc -O1 -c -o lib/twice.o lib/twice.c; gcc -O1 -c -o lib/thrice.o lib/thrice.c
    ld -r -o lib/both.o lib/twice.o lib/thrice.o; nm lib/both.o
    ld -T lib/script.ld -o scripted lib/twice.o lib/answer.o; nm scripted; readelf -lW scripted
    ar rcs lib/libboth.a lib/twice.o lib/thrice.o; ar rD lib/libboth.a lib/answer.o; ar t lib/libboth.a; ar d lib/libboth.a twice.o; ranlib lib/libboth.a
    ld -shared -soname libboth.so.1 -o lib/libboth.so.1 lib/both.o; ln -s libboth.so.1 lib/libboth.so; readelf -d lib/libboth.so | grep SONAME
    ld --trace -o linked -e main -Llib -lboth lib/twice.o --unresolved-symbols=ignore-all -Map=map 2>&1
    gold=$(command -v ld.gold || command -v ld); "$gold" -r -o lib/gold.o lib/twice.o lib/thrice.o
    objcopy --rename-section .text=.other lib/both.o; strip --strip-debug lib/twice.o; strip -o stripped lib/thrice.o
    objcopy --only-keep-debug lib/both.o both.debug; objcopy --add-gnu-debuglink=both.debug lib/both.o; objdump -h lib/both.o | grep other
    ld -o none lib/missing.o || echo "exit $?"
    ld -o none -Llib -lmissing || echo "exit $?"
    list lib
}
