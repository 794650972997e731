# What shows that nothing is lost.
#
#   make sweep    a kill and errors at every system call of every operation, and kills of the run's own processes; an hour
#   make race     MINUTES=5: races by shim, by guard and by both
#   make soak     MINUTES=60: builds, git gc, rsync, rm -rf in one union, and nothing grows
#   make check-tsan SECONDS=10: the shared index under ThreadSanitizer, with an oracle
#   make fuzz     SECONDS=60: bad input, each kind so long

sweep := $(wildcard test/sweep/*.c) test/differ/observe.c test/differ/say.c
test_programs += $(BUILD)/test/sweep

.PHONY: sweep

$(BUILD)/test/sweep: $(sweep)
	@mkdir -p $(@D)
	$(COMPILE) $(LDFLAGS) -o $@ $(sweep)

sweep: tests
	test/sweep/run $(SWEEP)

# Races with an oracle: MINUTES each by shim, by guard, and by both.
test_programs += $(BUILD)/test/race
.PHONY: race

$(BUILD)/test/race: test/race/race.c
	@mkdir -p $(@D)
	$(COMPILE) $(LDFLAGS) -o $@ $< -pthread

race: tests
	test/race/run $$((60 * $(or $(MINUTES),5)))

# Bad input: test/fuzz/NAME.c is a libFuzzer target each, SECONDS of it; that of the images is exchange.mk's.
fuzzers := $(patsubst test/fuzz/%.c,$(BUILD)/fuzz/%,$(filter-out test/fuzz/import.c test/fuzz/walk.c,$(wildcard test/fuzz/*.c)))
FUZZ_CFLAGS := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all
FUZZ = clang -std=gnu11 $(CPPFLAGS) -I. -D_GNU_SOURCE -DUNIONRUN_VERSION='"$(VERSION)"' $(FUZZ_CFLAGS)
.PHONY: fuzz fuzz-input fuzzers

$(BUILD)/fuzz/%.o: %.c | $(BUILD)/have/jansson
	@mkdir -p $(@D)
	@$(FUZZ) -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<

$(BUILD)/fuzz/%: test/fuzz/%.c $(call objects,fuzz,$(config) $(engine))
	@mkdir -p $(@D)
	@echo '  FUZZ    $@'
	@$(FUZZ) -fsanitize=fuzzer -o $@ $^ -ljansson

fuzzers: $(fuzzers)

fuzz: fuzz-input fuzz-import

fuzz-input: $(fuzzers)
	test/fuzz/run $(or $(SECONDS),60) $(fuzzers)

# Long life: builds, git gc, rsync and rm -rf in one union for MINUTES.
.PHONY: soak
soak: tests
	test/soak/run $$((60 * $(or $(MINUTES),60)))

# The power fails at each point: DURABILITY=copy-up or strict; SAMPLE=0: all points, and SEED.
test_programs += $(BUILD)/test/powerloss
.PHONY: powerloss

$(BUILD)/test/powerloss: test/powerloss/powerloss.c
	@mkdir -p $(@D)
	$(COMPILE) $(LDFLAGS) -o $@ $<

powerloss: tests
	for durability in $(or $(DURABILITY),copy-up strict); do \
		test/powerloss/run $$durability $(or $(SAMPLE),0) $(or $(SEED),1) || exit 1; done

# What processes share, by threads under ThreadSanitizer, for SECONDS.
# exec.c has a fence that ThreadSanitizer does not know; it is not what is tested here.
TSAN_CFLAGS := -O1 -g -fsanitize=thread $(call if_known,-Wno-tsan)
.PHONY: check-tsan

$(BUILD)/tsan/%.o: %.c
	@mkdir -p $(@D)
	$(COMPILE) $(TSAN_CFLAGS) -c -o $@ $<

$(BUILD)/tsan/shared: $(call objects,tsan,test/tsan/shared.c $(wrapped) config/table.c)
	$(LINK) $(TSAN_CFLAGS) $(LDFLAGS) -o $@ $^ -pthread

check-tsan: $(BUILD)/tsan/shared
	$< $(or $(SECONDS),10)

# Public suites of filesystems, from the caller's checkouts in SUITES, in a plain directory and in a union.
.PHONY: suites
suites: all
	@test -n '$(SUITES)' || { echo 'make suites SUITES=DIR: a directory with checkouts of pjdfstest, LTP, xfstests ...' >&2; exit 2; }
	test/suites/run '$(SUITES)' $(MODES)
