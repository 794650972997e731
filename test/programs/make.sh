# A hundred targets over three layers: sources, includes and a stale object of a lower one.
# shellcheck shell=bash disable=SC2002,SC2012,SC2016
set -eu
lowers() {
    local i
    mkdir -p 1-top/{src,mk} 2-middle/{src,include,sub} 3-bottom/{src,include,mk,sub,vpath}
    echo '$(error an older Makefile shows through)' | tee 3-bottom/Makefile 2-middle/Makefile >3-bottom/mk/rules.mk
    for i in $(seq 100); do seq "$i" >"3-bottom/src/s$i.in"; done
    for i in $(seq 7 7 100); do echo "middle $i" >"2-middle/src/s$i.in"; done
    for i in $(seq 10 10 100); do echo "top $i" >"1-top/src/s$i.in"; done
    echo stale | tee 2-middle/src/s1.out >3-bottom/src/s2.out
    echo 'version 1' >3-bottom/include/version
    echo 'version 2' >2-middle/include/version
    echo found >3-bottom/vpath/searched.in
    cat >1-top/Makefile <<'M'
numbers := $(shell seq 100)
outs := $(numbers:%=out/s%.out)
groups := $(foreach n,1 2 3 4 5 6 7 8 9,out/group$(n))
vpath %.in vpath
all: out/total sub/done searched.out list
out/total: $(groups); sort $^ > $@
$(foreach n,1 2 3 4 5 6 7 8 9,$(eval out/group$(n): $(filter out/s$(n)%,$(outs)); cat $$^ > $$@))
searched.out: searched.in; cp $< $@
list: $(wildcard src/*.in); @echo $(sort $(notdir $^)) > $@
sub/done: FORCE; $(MAKE) -C sub done
clean: ; rm -rf out searched.out list && $(MAKE) -C sub clean
FORCE:
include mk/*.mk
.PHONY: all clean FORCE
M
    cat >1-top/mk/rules.mk <<'M'
out/%.out: src/%.in include/version | out ; @echo $@ && cat $^ > $@.tmp && mv $@.tmp $@
out: ; mkdir -p $@/deep
M
    printf 'done: part ; cp part $@\npart: ../include/version ; cp $< $@\nclean: ; rm -f done part\n' >3-bottom/sub/Makefile
}

# -j8 prints in any order
j8() { make -j8 --no-print-directory | sort | sed "s/^make\[[0-9]*\]: .*jobserver.*//"; }

run() {
    j8
    make -q out/total searched.out list; echo 'up to date'; j8
    echo changed >>src/s55.in; echo newer >src/s5.in; j8; cat list
    rm src/s10.in out/s3.out; echo recreated >src/s10.in; j8
    touch include/version; j8 | wc -l
    make -n clean; make clean; ls; j8; md5sum out/*.out
    make -j8 -k nothing out/missing.out | sort
}
