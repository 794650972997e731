# The manual and the completions. What they tell of options comes from --help, of keys from the schema:
#
#   --help -> doc/options -> records -> manual.awk, bash.awk, zsh.awk, fish.awk
#   schema -> keys.jq -> manual.awk

pages := unionrun.1 unionrun-layers.5
completions := $(addprefix $(BUILD)/doc/,unionrun.bash unionrun.zsh unionrun.fish)
doc := $(addprefix $(BUILD)/doc/,$(pages)) $(completions)
records := $(BUILD)/doc/records
say_doc = $(if $(V),,@echo '  DOC     $@';)

.PHONY: doc
doc: $(doc)

# The front door of this build, wherever that is.
$(BUILD)/doc/unionrun: doc/doc.mk
	@mkdir -p $(@D)
	@ln -sfn ../unionrun-launch $@

$(records): doc/options $(BUILD)/doc/unionrun $(BUILD)/unionrun-launch $(BUILD)/unionrun-layers
	$(say_doc) doc/options $(BUILD)/doc/unionrun >$@

$(BUILD)/doc/keys: doc/keys.jq config/unionrun-layers.schema.json | $(BUILD)/have/jq
	@mkdir -p $(@D)
	$(say_doc) jq -r -f $^ >$@

$(BUILD)/doc/%.1 $(BUILD)/doc/%.5: date = $(shell LC_ALL=C date -d "$$(scripts/changelog date)" '+%B %-d, %Y')

$(BUILD)/doc/unionrun%: doc/unionrun%.in doc/records.awk doc/manual.awk $(records) $(BUILD)/doc/keys CHANGELOG.md
	$(say_doc) awk -v date='$(date)' -v records=$(records) -v keys=$(BUILD)/doc/keys -f doc/records.awk -f doc/manual.awk $< >$@

$(BUILD)/doc/unionrun.%: doc/records.awk doc/%.awk $(records)
	$(say_doc) { awk -v records=$(records) -f doc/records.awk -f doc/$*.awk; cat $(wildcard doc/completion.$*); } </dev/null >$@

$(BUILD)/doc/unionrun.bash: doc/completion.bash

$(BUILD)/have/jq:
	@mkdir -p $(@D)
	@command -v jq >/dev/null || { echo 'jq is missing: install the package jq (or run scripts/install-deps)' >&2; exit 1; }
	@touch $@
