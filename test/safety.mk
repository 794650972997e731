# What shows that nothing is lost.
#
#   make sweep    a kill and errors at every system call of every operation; half an hour

sweep := $(wildcard test/sweep/*.c) test/differ/observe.c test/differ/say.c
test_programs += $(BUILD)/test/sweep

.PHONY: sweep

$(BUILD)/test/sweep: $(sweep)
	@mkdir -p $(@D)
	$(COMPILE) $(LDFLAGS) -o $@ $(sweep)

sweep: tests
	test/sweep/run $(SWEEP)
