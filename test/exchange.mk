# What the exchange of layers has beyond `make check`:
#
#   make fuzz-import     FUZZ_SECONDS=: any bytes as an image, by libFuzzer (clang)
#   make root-check      ROOT=: a whole Debian root as /, made by debootstrap (as root; the network)

FUZZ_SECONDS ?= 60
FUZZ_ROUNDS ?= 25
fuzz_dir = $(BUILD)/fuzz
imported := $(filter-out layers/main.c,$(layers)) launch/say.c launch/remove.c $(config) $(engine)

.PHONY: fuzz-import root-check fuzz-seeds check-fuzz

$(BUILD)/asan/fuzz-import: $(call objects,asan,test/fuzz/import.c test/fuzz/walk.c $(imported))
	$(LINK) $(ASAN_CFLAGS) $(LDFLAGS) -o $@ $^ -ljansson -larchive

$(BUILD)/fuzz-import: test/fuzz/import.c $(imported)
	$(if $(V),,@echo '  FUZZ    $@';) clang -std=gnu11 -I. -D_GNU_SOURCE -O1 -g -fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=all -o $@ $^ -ljansson -larchive

# The archives that the tests know, and an empty place to work in, short enough for everybody.
fuzz-seeds:
	@rm -rf $(fuzz_dir)/seeds $(fuzz_dir)/work
	@mkdir -p $(fuzz_dir)/seeds $(fuzz_dir)/work $(fuzz_dir)/corpus
	@test/exchange/hostile.py $(fuzz_dir)/seeds /nonexistent/outside
	@find $(fuzz_dir)/seeds -size +200k -delete

# Bounded, and the same every time.
check-fuzz: $(BUILD)/asan/fuzz-import fuzz-seeds
	FUZZ_DIR=$(fuzz_dir)/work $(BUILD)/asan/fuzz-import $(FUZZ_ROUNDS) 1 $(fuzz_dir)/seeds/*

fuzz-import: $(BUILD)/fuzz-import fuzz-seeds
	FUZZ_DIR=$(fuzz_dir)/work $(BUILD)/fuzz-import -max_total_time=$(FUZZ_SECONDS) -max_len=65536 -timeout=30 \
		-artifact_prefix=$(fuzz_dir)/ $(fuzz_dir)/corpus $(fuzz_dir)/seeds

root-check: all
	test/exchange/root-check $(ROOT)
