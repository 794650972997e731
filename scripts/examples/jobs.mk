# make -j -f jobs.mk NAMES='one two ...' COMMAND='...': a job for each name on one base, as `job` runs them; COMMAND is a
# line for sh, which finds the name as $1. What has succeeded is not run again. JOB_BASE, JOB_TARGET and JOBS are of the
# environment; those of the jobs that are to go first can be told as usual: $(JOBS)/two/done: $(JOBS)/one/done

here := $(dir $(abspath $(lastword $(MAKEFILE_LIST))))
# As it is written: its dollars are the shell's.
override COMMAND := $(value COMMAND)
export COMMAND

all: $(NAMES:%=$(JOBS)/%/done)

$(JOBS)/%/done:
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL $(here)job $* sh -c "$$COMMAND" sh $*
	touch $@

.PHONY: all
