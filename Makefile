# unionrun: built into build/, with ./unionrun left runnable in the tree.
#
#   make                 all of it                    make check        the tests
#   make install PREFIX= DESTDIR=                     make check-asan   engine, config and tools under ASan and UBSan
#   make uninstall                                    make lint         format, static analysis, shell scripts
#   make dist            the sources, from git        make deb          a Debian package of them; both in build/dist
#   make check-suites    other programs' own tests, all
#   make demo            what it is good for          make differ        SEEDS= FIRST= OPS=: more random operations
#   make clean                                        make bench         BENCH='--quick': what it costs, beside others
#   make sweep           kills and errors everywhere (test/safety.mk has more of this kind)
#   make ledger          what of libc is hooked          make fuzz root-check    test/exchange.mk: imports
#
# V=1 shows the commands; TESTS='test/a.bats ...' with `make check` runs only those.
#
# Sources are found by their folder: a new file needs no change here. Of a folder without sources nothing is built.

VERSION := 0.1.0
# GNU's directories, by their names as GNU writes them, too (make install prefix=/usr). The programs' parts, the shim among
# them, are in LIBEXECDIR: nobody else links them. There is nothing for LIBDIR and SYSCONFDIR.
PREFIX ?= $(or $(prefix),/usr/local)
BINDIR ?= $(or $(bindir),$(PREFIX)/bin)
LIBEXECDIR ?= $(or $(libexecdir),$(PREFIX)/libexec)
DATADIR ?= $(or $(datadir),$(PREFIX)/share)
MANDIR ?= $(or $(mandir),$(DATADIR)/man)
DOCDIR ?= $(or $(docdir),$(DATADIR)/doc/unionrun)
BASHCOMPLETIONDIR ?= $(DATADIR)/bash-completion/completions
ZSHCOMPLETIONDIR ?= $(DATADIR)/zsh/site-functions
FISHCOMPLETIONDIR ?= $(DATADIR)/fish/vendor_completions.d
BUILD ?= build
JOBS ?= $(shell nproc)

CFLAGS ?= -O2 -g
WERROR ?= -Werror
WARNINGS := -Wall -Wextra $(WERROR) -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wvla \
	-Wpointer-arith -Wwrite-strings -Wundef -Wformat=2
COMPILE = $(if $(V),,@echo '  CC      $<';) $(CC) -std=gnu11 $(WARNINGS) $(CPPFLAGS) -I. -D_GNU_SOURCE -MMD -MP $(CFLAGS)
COMPILE_MUSL = $(if $(V),,@echo '  MUSL    $@';) $(MUSL_CC) -std=gnu11 $(WARNINGS) -I. -D_GNU_SOURCE $(MUSL_CFLAGS)
LINK = $(if $(V),,@echo '  LD      $@';) $(CC)

comma := ,
# if_known(option): the option, if the compiler has it
if_known = $(shell $(CC) -Werror $(1) -E -x c /dev/null >/dev/null 2>&1 && echo '$(1)')

# What gcc thinks of short copies and clearings, "rep movs" and "rep stos", takes longer to start than most of our calls
# take in all.
strategy := unrolled_loop:256:noalign$(comma)libcall:-1:noalign
quick_strings := $(call if_known,-mmemcpy-strategy=$(strategy)) $(call if_known,-mmemset-strategy=$(strategy))

# The shim goes into other people's programs: nothing but libc, nothing exported but the hooks. It defines what
# _FORTIFY_SOURCE redefines.
SHIM_CFLAGS ?= -fPIC -fvisibility=hidden -U_FORTIFY_SOURCE $(quick_strings) $(call if_known,-mno-outline-atomics)
# Each start of a program pays for each segment, each page that is written and each name that is looked up. What a signal
# handler may call is looked up then all the same (no_plt): later there may be no stack for it. The rest waits for its use.
# As the tables of what was looked up are written to all along, to make a part of them read-only (relro) would protect
# little, and cost a call, a page and one more area. Nor has the object anything to do for libgcc's crt files.
SHIM_LDFLAGS ?= -shared -Wl,-z,defs -Wl,-z,lazy -Wl,-z,norelro -Wl,--as-needed -Wl,-z,noseparate-code -nostartfiles -Wl,-T,shim/layout.ld
no_plt := $(call if_known,-fno-plt)
# The audit object runs in ld.so's own namespace, before there is a libc to call.
AUDIT_CFLAGS ?= -fPIC -fvisibility=hidden -ffreestanding -U_FORTIFY_SOURCE -fno-stack-protector $(call if_known,-fno-tree-loop-distribute-patterns) \
	$(call if_known,-mno-outline-atomics)
AUDIT_LDFLAGS ?= -shared -nostdlib -Wl,-z,defs -Wl,-z,now -Wl,-z,relro
# Programs of another libc, to load the shim in (Debian's musl-tools). The kernel's headers are the host's.
MUSL_CC ?= $(shell command -v musl-gcc)
MUSL_CFLAGS ?= -O1 -g -idirafter /usr/include -idirafter /usr/include/$(shell $(CC) -print-multiarch) -include test/musl/musl.h
ASAN_CFLAGS ?= -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

engine := $(wildcard engine/*.c)
# What wrapped programs carry of it: not the tools' part.
wrapped := $(filter-out engine/layer.c,$(engine))
config := $(wildcard config/*.c)
layers := $(wildcard layers/*.c layers/*/*.c)
launch := $(filter-out launch/exec.c,$(wildcard launch/*.c launch/*/*.c))
# What every start and every exec runs lies together: its pages are mapped by the same fault.
started := shim/start.c shim/libc.c shim/exec.c engine/gate.c engine/programs.c engine/path.c engine/string.c engine/brief.c \
	engine/mount.c engine/index.c
shim := $(wildcard shim/*.c)
audit := $(wildcard audit/*.c)
differ := $(wildcard test/differ/*.c)
programs := $(wildcard test/bin/*.c)
musl_programs := $(wildcard test/musl/*.c)
units := $(wildcard test/unit/*.c)

# objects(folder in build/, sources)
objects = $(patsubst %.c,$(BUILD)/$(1)/%.o,$(2))

parts := $(BUILD)/unionrun-launch $(BUILD)/unionrun-exec $(BUILD)/unionrun-layers
ifneq ($(shim),)
parts += $(BUILD)/unionrun.so
endif
ifneq ($(audit),)
parts += $(BUILD)/unionrun-audit.so
endif
test_programs := $(patsubst test/bin/%.c,$(BUILD)/test/%,$(programs)) $(if $(differ),$(BUILD)/test/ops)
ifneq ($(MUSL_CC),)
test_programs += $(patsubst test/musl/%.c,$(BUILD)/test/musl-%,$(musl_programs)) $(BUILD)/test/musl-ops $(BUILD)/test/musl-hard $(BUILD)/test/musl-numbers
endif
asan_units := $(patsubst test/unit/%.c,$(BUILD)/asan/unit/%,$(units))

.PHONY: all tests ledger check differ check-asan check-aarch64 cross lint install uninstall dist deb demo bench clean
.DELETE_ON_ERROR:
.SECONDARY:

all: $(parts) unionrun doc

unionrun: unionrun.in Makefile
	sed 's,@PARTS@,$(BUILD),' $< >$@.new
	chmod 755 $@.new
	mv $@.new $@

# The launcher is static where that can be linked: loading its libraries, and each fork and exit of a process that has them
# mapped, are a sixth of a short run. STATIC= makes it dynamic.
STATIC ?= $(if $(shell echo 'int main(void) { return 0; }' | \
	$(CC) $(CFLAGS) $(LDFLAGS) -static-pie -x c -o $(BUILD)/have/static - -ljansson 2>/dev/null && echo yes),-static-pie)

$(BUILD)/unionrun-launch: $(call objects,tool,$(launch) $(config) $(engine))
	$(LINK) $(CFLAGS) $(LDFLAGS) $(STATIC) -o $@ $^ -ljansson

$(BUILD)/unionrun-layers: $(call objects,tool,$(layers) launch/say.c launch/remove.c $(config) $(engine))
	$(LINK) $(CFLAGS) $(LDFLAGS) -o $@ $^ -ljansson -larchive

$(BUILD)/tool/layers/tree_page.o: layers/page.html

$(BUILD)/unionrun-exec: $(call objects,tool,launch/exec.c launch/command.c launch/become.c launch/say.c config/text.c)
	$(LINK) $(CFLAGS) $(LDFLAGS) -o $@ $^

$(BUILD)/unionrun.so: $(call objects,shim,$(started) $(filter-out $(started),$(shim) $(wrapped)) config/table.c audit/text.c) shim/layout.ld
	$(LINK) $(CFLAGS) $(LDFLAGS) $(SHIM_LDFLAGS) -o $@ $(filter %.o,$^)

$(BUILD)/unionrun-audit.so: $(call objects,audit,$(audit) $(wrapped) config/table.c)
	$(LINK) $(CFLAGS) $(LDFLAGS) $(AUDIT_LDFLAGS) -o $@ $^

$(BUILD)/tool/%.o: %.c | $(BUILD)/have/jansson $(BUILD)/have/archive
	@mkdir -p $(@D)
	$(COMPILE) $(quick_strings) -DUNIONRUN_VERSION='"$(VERSION)"' -c -o $@ $<

$(BUILD)/shim/%.o: %.c
	@mkdir -p $(@D)
	$(COMPILE) $(SHIM_CFLAGS) -c -o $@ $<

$(BUILD)/shim/%.o: SHIM_CFLAGS += $(no_plt)
$(addprefix $(BUILD)/shim/shim/,cwd.o dir.o dl.o fsinfo.o fts.o glob_search.o ids.o libc.o scandir.o spawn.o spawn_actions.o stdio.o \
	system.o temp.o walk.o wordexp.o): no_plt =

# Its own few loops are not to become calls of libc.
$(BUILD)/shim/shim/exec.o $(BUILD)/shim/shim/start.o $(BUILD)/shim/engine/programs.o $(BUILD)/shim/audit/text.o: \
	SHIM_CFLAGS += $(call if_known,-fno-tree-loop-distribute-patterns)
$(BUILD)/shim/audit/text.o: SHIM_CFLAGS += -ffreestanding

$(BUILD)/audit/%.o: %.c
	@mkdir -p $(@D)
	$(COMPILE) $(AUDIT_CFLAGS) -c -o $@ $<

# What is missing is told by the name of its Debian package.
$(BUILD)/have/jansson: package = libjansson-dev
$(BUILD)/have/archive: package = libarchive-dev
$(BUILD)/have/%:
	@mkdir -p $(@D)
	@echo '#include <$*.h>' | $(CC) $(CPPFLAGS) -E - >/dev/null 2>&1 || \
		{ echo '$*.h is missing: install the package $(package) (or run scripts/install-deps)' >&2; exit 1; }
	@touch $@

# --- the manual, completions ---

include doc/doc.mk

# --- tests ---

include test/safety.mk
include test/exchange.mk

tests: all $(test_programs)

$(BUILD)/test/ops: $(differ)
	@mkdir -p $(@D)
	$(COMPILE) $(LDFLAGS) -o $@ $(differ)

$(BUILD)/test/musl-ops: $(differ) test/musl/musl.h
	@mkdir -p $(@D)
	$(COMPILE_MUSL) -o $@ $(differ)

$(BUILD)/test/musl-hard $(BUILD)/test/musl-numbers: $(BUILD)/test/musl-%: test/bin/%.c test/musl/musl.h
	@mkdir -p $(@D)
	$(COMPILE_MUSL) -o $@ $<

$(BUILD)/test/musl-%: test/musl/%.c test/musl/musl.h test/bin/calls.h
	@mkdir -p $(@D)
	$(COMPILE_MUSL) -o $@ $<

$(BUILD)/test/%: test/bin/%.c
	@mkdir -p $(@D)
	$(COMPILE) $(LDFLAGS) -o $@ $< -pthread -ldl

# What the ledger says: every symbol of libc and every system call is known.
ledger:
	test/ledger

check: tests ledger
	test/run $(JOBS) $(TESTS)

# All of the suites of other programs: minutes.
check-suites: tests
	SUITES=all test/run $(JOBS) test/suites.bats

# As many seeds of the differential test as one likes: make differ SEEDS=100 FIRST=1000 OPS=10000
SEEDS ?= 20
differ: tests
	DIFFER_SEEDS=$(SEEDS) DIFFER_FIRST=$(or $(FIRST),1) DIFFER_OPS=$(or $(OPS),10000) test/run $(JOBS) test/differential.bats

# What Debian's cross compiler makes (gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static), as far as it can be run
# here; the launcher is compiled, and not linked, for want of a jansson of that kind.
aarch64_programs := calls-files calls-dirs calls-stdio calls-sockets calls-wrong hard ops
check-aarch64: all
	$(MAKE) CC=aarch64-linux-gnu-gcc BUILD=build-aarch64 CPPFLAGS='-idirafter /usr/include' cross
	test/run $(JOBS) test/aarch64/aarch64.bats

cross: $(BUILD)/unionrun.so $(BUILD)/unionrun-audit.so $(BUILD)/unionrun-exec \
	$(call objects,tool,$(launch) $(config)) $(addprefix $(BUILD)/test/,$(aarch64_programs))

$(BUILD)/asan/%.o: %.c | $(BUILD)/have/jansson $(BUILD)/have/archive
	@mkdir -p $(@D)
	$(COMPILE) $(ASAN_CFLAGS) -DUNIONRUN_VERSION='"$(VERSION)"' -c -o $@ $<

$(BUILD)/asan/unionrun-launch: $(call objects,asan,$(launch) $(config) $(engine))
	$(LINK) $(ASAN_CFLAGS) $(LDFLAGS) -o $@ $^ -ljansson

$(BUILD)/asan/unit/%: $(BUILD)/asan/test/unit/%.o $(call objects,asan,$(engine) $(config))
	@mkdir -p $(@D)
	$(LINK) $(ASAN_CFLAGS) $(LDFLAGS) -o $@ $^ -ljansson -pthread

# The differential test's program with the shim and the engine in it: these hooks come before the preloaded ones. Not
# dl.c, whose dl_iterate_phdr ASan calls before its shadow memory is there.
$(BUILD)/asan/ops: $(call objects,asan,$(differ) $(filter-out shim/dl.c,$(shim)) $(engine) config/table.c)
	$(LINK) $(ASAN_CFLAGS) $(LDFLAGS) -o $@ $^ -ldl

$(BUILD)/asan/unionrun: Makefile
	@mkdir -p $(@D)
	ln -sfn unionrun-launch $@
	ln -sf ../unionrun.so ../unionrun-exec ../unionrun-audit.so ../unionrun-layers $(@D)

# Each unit test; engine and shim at the differential test, of root also as a plain user; then the launcher at all of its own
# tests. What that starts runs with the shim as usual. (disable_coredump: ASan would call getrlimit, which is hooked, before
# its shadow memory is there.)
check-asan: tests $(BUILD)/asan/unionrun $(BUILD)/asan/unionrun-launch $(BUILD)/asan/ops $(asan_units) check-fuzz
	set -e; for unit in $(asan_units); do echo "$$unit"; $$unit; done
	ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0:disable_coredump=0 UBSAN_OPTIONS=print_stacktrace=1 \
		DIFFER_UNION_OPS=$(CURDIR)/$(BUILD)/asan/ops DIFFER_OPS=5000 \
		test/run $(JOBS) -f 'random operations|all along' test/differential.bats
	ASAN_OPTIONS=verify_asan_link_order=0 UNIONRUN=$(CURDIR)/$(BUILD)/asan/unionrun \
		test/run $(JOBS) test/config.bats test/launch.bats

c_files = $(shell find config engine shim audit launch layers scripts test -name '*.[ch]' 2>/dev/null)
shell_files = unionrun.in .ci/run $(wildcard test/run test/watch test/ledger test/differ/run test/differ/committing test/sweep/run test/race/run test/fuzz/run test/soak/run test/powerloss/run test/suites/run test/exchange/root-check test/*.bash test/*.bats test/*/*.bats test/programs/*) \
	doc/completion.bash $(shell grep -lsE '^\#!.*[/ ](ba|da)?sh$$' scripts/* scripts/examples/* scripts/examples/gitlab/* doc/*)

lint:
	clang-format --dry-run -Werror $(c_files)
	shellcheck -x $(shell_files)
	cppcheck --quiet --std=c11 -j $(JOBS) --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
		--suppress=missingIncludeSystem --suppress=allocaCalled --suppress=nullPointerArithmeticRedundantCheck \
		-I. -D_GNU_SOURCE -DUNIONRUN_VERSION='""' -D__x86_64__ \
		$(wildcard config/*.c engine/*.c shim/*.c audit/*.c launch/*.c launch/*/*.c layers/*.c layers/*/*.c)

# --- installation ---

parts_dir = $(LIBEXECDIR)/unionrun
data_dir = $(DATADIR)/unionrun
to = $(DESTDIR)$(1)
bin_to_parts = $(shell realpath -ms --relative-to='$(BINDIR)' '$(parts_dir)')

install: all
	install -d '$(call to,$(BINDIR))' '$(call to,$(parts_dir))' '$(call to,$(data_dir))' '$(call to,$(DOCDIR))' \
		'$(call to,$(MANDIR))/man1' '$(call to,$(MANDIR))/man5' \
		'$(call to,$(BASHCOMPLETIONDIR))' '$(call to,$(ZSHCOMPLETIONDIR))' '$(call to,$(FISHCOMPLETIONDIR))'
	install -m 755 $(filter-out %.so,$(parts)) '$(call to,$(parts_dir))'
	$(if $(filter %.so,$(parts)),install -m 644 $(filter %.so,$(parts)) '$(call to,$(parts_dir))')
	ln -sfn '$(bin_to_parts)/unionrun-launch' '$(call to,$(BINDIR))/unionrun'
	install -m 644 config/unionrun-layers.schema.json '$(call to,$(data_dir))'
	cp -R scripts/examples '$(call to,$(DOCDIR))'
	install -m 644 LICENSE README.md SECURITY.md CHANGELOG.md '$(call to,$(DOCDIR))'
	set -e; for page in $(pages); do \
		to='$(call to,$(MANDIR))'/man$${page##*.}/$$page; \
		sed 's,@DATADIR@,$(DATADIR),g' $(BUILD)/doc/$$page >"$$to"; chmod 644 "$$to"; done
	install -m 644 $(BUILD)/doc/unionrun.bash '$(call to,$(BASHCOMPLETIONDIR))/unionrun'
	install -m 644 $(BUILD)/doc/unionrun.zsh '$(call to,$(ZSHCOMPLETIONDIR))/_unionrun'
	install -m 644 $(BUILD)/doc/unionrun.fish '$(call to,$(FISHCOMPLETIONDIR))/unionrun.fish'

# Directories that others have things in stay.
uninstall:
	rm -f '$(call to,$(BINDIR))/unionrun' '$(call to,$(BASHCOMPLETIONDIR))/unionrun' \
		'$(call to,$(ZSHCOMPLETIONDIR))/_unionrun' '$(call to,$(FISHCOMPLETIONDIR))/unionrun.fish'
	for page in $(pages); do rm -f '$(call to,$(MANDIR))'/man$${page##*.}/$$page; done
	rm -rf '$(call to,$(parts_dir))' '$(call to,$(data_dir))' '$(call to,$(DOCDIR))'

# What is committed, the same bytes each time; it builds without git.
dist_name := unionrun-$(VERSION)
git = git -c safe.directory='*' # root builds a user's tree

dist:
	@mkdir -p $(BUILD)/dist
	$(git) archive --format=tar --prefix=$(dist_name)/ HEAD | xz -9 -T1 >$(BUILD)/dist/$(dist_name).tar.xz.new
	mv $(BUILD)/dist/$(dist_name).tar.xz.new $(BUILD)/dist/$(dist_name).tar.xz
	@echo $(BUILD)/dist/$(dist_name).tar.xz

# The tree is built anew: with Debian's flags.
deb: dist
	rm -rf $(BUILD)/deb
	mkdir -p $(BUILD)/deb
	tar -C $(BUILD)/deb -xf $(BUILD)/dist/$(dist_name).tar.xz
	cd $(BUILD)/deb/$(dist_name) && env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u BUILD dpkg-buildpackage -us -uc -b -j$(JOBS)
	mv $(BUILD)/deb/*.deb $(BUILD)/deb/*.changes $(BUILD)/deb/*.buildinfo $(BUILD)/dist
	@ls $(BUILD)/dist/*.deb

demo: all
	scripts/demo

# What cannot be installed is left out, and said.
bench: all
	-scripts/install-deps bench
	scripts/bench $(BENCH)

clean:
	rm -rf $(BUILD) unionrun

-include $(shell find $(BUILD) -path $(BUILD)/deb -prune -o -name '*.d' -type f -print 2>/dev/null)
