# vzdump: backup of running QEMU/KVM guests
#
# Targets
#   all                 binaries in $(BUILD)/bin, the library in $(BUILD)/libvzdump.a (default), the
#                       nbdkit plugin in $(BUILD)/plugin if nbdkit's header is there
#   check               unit tests and command tests against a real QEMU
#   check-qemu-matrix   the tests of running guests against every other QEMU that can be had
#   check-faults        slow faults: a kill at every step, full storages, a dying QEMU
#   check-storage       one suite on a real storage of each type: ZFS, LVM, NFS, Ceph and others
#   check-guestfs       files copied out of XFS, btrfs, NTFS and LVM, by libguestfs
#   check-libvirt       guests of a real libvirt, which nobody else sees
#   check-packages      deb and rpm: the same bytes twice, and a package's life in a clean Debian
#   fuzz                what reads archives and templates, FUZZ_TIME=600 seconds each (clang with its libFuzzer)
#   lint                clang-format, clang-tidy, cppcheck, shellcheck, mandoc, headers compile alone, layers, python
#   bench               what backups and restores cost, and what the guest feels, against other tools and goals
#   demo                the main job on a real QEMU, shown step by step
#   deps                install (as root) what build and tests need, or print the line to run
#   install             PREFIX=/usr/local DESTDIR= PLUGINDIR=<nbdkit's>   (uninstall takes the same out again)
#   dist                $(BUILD)/vzdump-VERSION.tar.gz, which builds without git
#   deb, rpm            packages of that tarball in $(BUILD)/deb, $(BUILD)/rpm, see doc/packaging.md
#   clean
#
# Switches
#   V=1                         show commands
#   SANITIZE=address,undefined  build with sanitizers, in a build directory of its own
#   CC=clang CFLAGS=... BUILD=dir
#   TEST=name                   tests: run only files whose name contains this
#   NAME='sentence'             tests: run only those whose name contains this

comma := ,

PREFIX     ?= /usr/local
SANITIZE   ?=
BUILD      ?= build$(if $(SANITIZE),-$(subst $(comma),-,$(SANITIZE)))
# One spelling of the folder: dependency files name targets, and know them by one name only.
override BUILD := $(patsubst $(CURDIR)/%,%,$(abspath $(BUILD)))
CFLAGS     ?= -O2 -g
V          ?=
TEST       ?=
NAME       ?=

Q     := $(if $(V),,@)
say    = $(if $(V),@:,@printf '  %-7s %s\n' $(1) $(2))

PACKAGES := json-c libnbd libzstd zlib libarchive liblzma libmd libxxhash libcurl libpcre2-8 libxml-2.0 fuse3 ext2fs blkid
WARN     := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
            -Wwrite-strings -Wformat=2 -Wundef -Wvla -Werror=implicit-function-declaration

# pkg-config is asked once per run; a missing package shows as an error of the compiler.
PKG_CFLAGS := $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null)

VERSION := $(shell cat VERSION)

ALL_CFLAGS  = -std=c17 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DVZDUMP_VERSION='"$(VERSION)"' \
              -include lib/base/banned.h -Ilib -Icli $(WARN) $(PKG_CFLAGS) -pthread -fPIC \
              $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer) $(CPPFLAGS) $(CFLAGS)
# A command gets only the libraries that it uses: libcurl alone brings thirty others.
ALL_LDFLAGS = -Wl,--as-needed -pthread $(if $(SANITIZE),-fsanitize=$(SANITIZE)) $(LDFLAGS)
ALL_LIBS    = $(PKG_LIBS) -lm

LIB_SRC  := $(sort $(wildcard lib/*/*.c lib/*/*/*.c))
CLI_SRC  := $(sort $(wildcard cli/*.c))
UNIT_SRC := $(sort $(wildcard tests/unit/*.c))

# Every cli/cmd-NAME.c is a command of its own; the other files in cli/ are shared by them.
CMD_SRC    := $(filter cli/cmd-%.c,$(CLI_SRC))
SHARED_SRC := $(filter-out cli/cmd-%.c,$(CLI_SRC))

LIB      := $(BUILD)/libvzdump.a
LIB_OBJ  := $(LIB_SRC:%.c=$(BUILD)/obj/%.o)
SHARED_OBJ := $(SHARED_SRC:%.c=$(BUILD)/obj/%.o)
# An archive, so that a command has only what it uses of it.
SHARED_LIB := $(BUILD)/libcli.a
BINS     := $(CMD_SRC:cli/cmd-%.c=$(BUILD)/bin/%)
UNIT_BINS := $(UNIT_SRC:tests/unit/%.c=$(BUILD)/unit/%)

# nbdkit looks for plugins in one folder only, whatever our PREFIX is.
HAVE_NBDKIT := $(shell pkg-config --exists nbdkit 2>/dev/null && echo yes)
PLUGINDIR   ?= $(shell pkg-config nbdkit --variable=plugindir 2>/dev/null)
PLUGIN      := $(if $(HAVE_NBDKIT),$(BUILD)/plugin/nbdkit-vma-plugin.so)
PLUGIN_OBJ  := $(BUILD)/obj/plugin/nbdkit-vma-plugin.o

.PHONY: all
all: $(LIB) $(BINS) $(PLUGIN)

# Changing compiler or flags rebuilds everything.
$(BUILD)/flags: force
	@mkdir -p $(BUILD)
	@printf '%s\n' '$(subst ','\'',$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS))' | cmp -s - $@ || \
	  printf '%s\n' '$(subst ','\'',$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS))' > $@

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(LIB): $(LIB_OBJ)
$(SHARED_LIB): $(SHARED_OBJ)
$(LIB) $(SHARED_LIB):
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# No function of ours takes the place of one in a shared library: error_message() is libcom_err's name too.
$(BUILD)/bin/%: $(BUILD)/obj/cli/cmd-%.o $(SHARED_LIB) $(LIB)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -Wl,--exclude-libs,ALL -o $@ $^ $(ALL_LIBS)

$(BUILD)/unit/%: $(BUILD)/obj/tests/unit/%.o $(LIB)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LIBS)

$(BUILD)/plugin/%.so: $(BUILD)/obj/plugin/%.o $(LIB)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -shared $(ALL_LDFLAGS) -Wl,--exclude-libs,ALL -Wl,--as-needed -o $@ $^ $(ALL_LIBS)

.PHONY: units
units: $(UNIT_BINS) $(BUILD)/tests/qmp $(BUILD)/tests/chain

$(BUILD)/tests/qmp: $(BUILD)/obj/tests/lib/qmp.o
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -ljson-c

$(BUILD)/tests/chain: $(BUILD)/obj/tests/lib/chain.o $(LIB)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LIBS)

# ---- tests ----

# A machine may lack everything at first, pkg-config too, which this file has asked by then: install,
# then let a new make build and test.
TESTS = BUILD='$(abspath $(BUILD))' TEST='$(TEST)' NAME='$(subst ','\'',$(NAME))' V='$(V)'

.PHONY: deps check run-check check-qemu-matrix run-matrix check-faults run-faults check-libvirt run-libvirt
deps:
	@scripts/deps build run check

check check-qemu-matrix check-faults: %: deps
	@$(MAKE) --no-print-directory run-$(subst check-qemu-,,$(subst check-faults,faults,$@))

run-check: all units
	@$(TESTS) tests/run $(UNIT_BINS) $(sort $(wildcard tests/bats/*.bats))

# Those that depend on what QEMU does; what takes longest begins first.
MATRIX = $(addprefix tests/faults/,incremental-rounds.bats others-change.bats others.bats) \
         $(addprefix tests/bats/,qmrestore-live.bats vzdump-live.bats vzdump-guest.bats in-use.bats \
                     vzdump-bitmaps.bats vzdump-incremental-guest.bats vzdump-qemu-args.bats \
                     vzdump-limit.bats) \
         $(filter $(BUILD)/unit/test-qemu% $(BUILD)/unit/test-source-bitmaps,$(UNIT_BINS))

run-matrix: all units
	@$(TESTS) tests/matrix $(MATRIX)

run-faults: all units
	@$(TESTS) tests/run $(sort $(wildcard tests/faults/*.bats))

# The guest is made of packages that are fetched, which cannot be done without a network.
.PHONY: check-guestfs run-guestfs
check-guestfs:
	@scripts/deps build run check guestfs
	@$(MAKE) --no-print-directory run-guestfs

run-guestfs: all units
	@$(TESTS) tests/run $(sort $(wildcard tests/guestfs/*.bats))

check-libvirt:
	@scripts/deps build run check libvirt
	@$(MAKE) --no-print-directory run-libvirt

run-libvirt: all units
	@tests/guest/build > /dev/null
	@$(TESTS) BATS='tests/libvirt/private bats' tests/run $(sort $(wildcard tests/libvirt/*.bats))

.PHONY: lint bench demo
lint:
	@scripts/deps build lint fuzz
	@$(MAKE) --no-print-directory all
	@BUILD='$(BUILD)' FLAGS='$(subst ','\'',$(ALL_CFLAGS))' scripts/lint

bench:
	@scripts/deps build run bench
	@$(MAKE) --no-print-directory all
	@BUILD='$(abspath $(BUILD))' scripts/bench

demo:
	@scripts/deps build run check
	@$(MAKE) --no-print-directory all
	@BUILD='$(abspath $(BUILD))' scripts/demo

# ---- installation ----

# Where things lie; packages have some of them elsewhere.
BINDIR      ?= $(PREFIX)/bin
MANDIR      ?= $(PREFIX)/share/man
DOCDIR      ?= $(PREFIX)/share/doc/vzdump
UNITDIR     ?= $(PREFIX)/lib/systemd/system
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d
BASHDIR     ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR      ?= $(PREFIX)/share/zsh/site-functions
# fish 3.6 looks below /usr/local only if XDG_DATA_DIRS names it, in its folder for the administrator always.
FISHDIR     ?= $(if $(filter /usr/local,$(PREFIX)),/etc/fish/completions,$(PREFIX)/share/fish/vendor_completions.d)

MAN_PAGES := $(sort $(wildcard man/*.[1-8]))
INSTALLED = $(BINS:$(BUILD)/bin/%=$(BINDIR)/%) \
            $(foreach page,$(MAN_PAGES),$(MANDIR)/man$(patsubst .%,%,$(suffix $(page)))/$(notdir $(page))) \
            $(patsubst systemd/%,$(UNITDIR)/%,$(wildcard systemd/*.service systemd/*.timer)) \
            $(patsubst systemd/%.tmpfiles,$(TMPFILESDIR)/%.conf,$(wildcard systemd/*.tmpfiles)) \
            $(patsubst examples/%,$(DOCDIR)/examples/%,$(wildcard examples/*)) \
            $(BINS:$(BUILD)/bin/%=$(BASHDIR)/%) \
            $(BINS:$(BUILD)/bin/%=$(ZSHDIR)/_%) \
            $(BINS:$(BUILD)/bin/%=$(FISHDIR)/%.fish) \
            $(if $(PLUGIN),$(PLUGINDIR)/$(notdir $(PLUGIN)))

# Names with blanks are two to make, and files would land where nobody wants them.
ifneq ($(filter install uninstall,$(MAKECMDGOALS)),)
ifneq ($(word 2,$(DESTDIR)x$(PREFIX)),)
$(error DESTDIR='$(DESTDIR)' and PREFIX='$(PREFIX)' must have no blanks)
endif
endif

.PHONY: install uninstall
install: all $(INSTALLED:%=$(DESTDIR)%)

uninstall:
	rm -f $(INSTALLED:%=$(DESTDIR)%)
	[ ! -d $(DESTDIR)$(DOCDIR)/examples ] || \
	  rmdir --ignore-fail-on-non-empty $(DESTDIR)$(DOCDIR)/examples $(DESTDIR)$(DOCDIR)

$(DESTDIR)$(PLUGINDIR)/%.so: $(BUILD)/plugin/%.so force
	$(call say,INSTALL,$@)
	$(Q)install -D -m 644 $< $@

$(DESTDIR)$(BINDIR)/%: $(BUILD)/bin/% force
	$(call say,INSTALL,$@)
	$(Q)install -D -m 755 $< $@

# Programs are named by their path.
INSTALL_WITH_PATH = $(Q)mkdir -p $(@D) && sed 's,@BINDIR@,$(BINDIR),' $< > $@ && chmod 644 $@

$(DESTDIR)$(UNITDIR)/%: systemd/% force
	$(call say,INSTALL,$@)
	$(INSTALL_WITH_PATH)

$(DESTDIR)$(TMPFILESDIR)/%.conf: systemd/%.tmpfiles force
	$(call say,INSTALL,$@)
	$(INSTALL_WITH_PATH)

$(DESTDIR)$(DOCDIR)/examples/%: examples/% force
	$(call say,INSTALL,$@)
	$(INSTALL_WITH_PATH)

# Each tool gets its copy of the shell's script, which asks the tool itself.
INSTALL_COMPLETION = $(Q)mkdir -p $(@D) && sed 's/@TOOL@/$*/g' $< > $@ && chmod 644 $@

$(DESTDIR)$(BASHDIR)/%: completions/tool.bash force
	$(call say,INSTALL,$@)
	$(INSTALL_COMPLETION)

$(DESTDIR)$(ZSHDIR)/_%: completions/tool.zsh force
	$(call say,INSTALL,$@)
	$(INSTALL_COMPLETION)

$(DESTDIR)$(FISHDIR)/%.fish: completions/tool.fish force
	$(call say,INSTALL,$@)
	$(INSTALL_COMPLETION)

define install_man_section
$(DESTDIR)$(MANDIR)/man$(1)/%.$(1): man/%.$(1) force
	$$(call say,INSTALL,$$@)
	$$(Q)install -D -m 644 $$< $$@
endef
$(foreach section,$(sort $(patsubst .%,%,$(suffix $(MAN_PAGES)))),$(eval $(call install_man_section,$(section))))

# ---- packages ----

DIST := $(BUILD)/vzdump-$(VERSION).tar.gz

.PHONY: dist
dist:
	$(call say,DIST,$(DIST))
	$(Q)scripts/dist $(abspath $(DIST))

.PHONY: deb rpm
deb rpm: dist
	$(Q)scripts/deps build package
	$(Q)packaging/$@ $(abspath $(DIST)) $(abspath $(BUILD))/$@

.PHONY: check-packages run-packages
check-packages:
	@scripts/deps build package
	@$(MAKE) --no-print-directory run-packages

run-packages: deb .cache/debian.tar
	@$(TESTS) tests/run $(sort $(wildcard tests/packages/*.bats))

.cache/debian.tar:
	@echo "  BASE    $@: a clean Debian, once"
	$(Q)tests/packages/make-base $@

.PHONY: clean force
clean:
	rm -rf $(BUILD)
force:

.SECONDARY:
-include $(LIB_OBJ:.o=.d) $(SHARED_OBJ:.o=.d) $(CMD_SRC:%.c=$(BUILD)/obj/%.d) \
         $(UNIT_SRC:%.c=$(BUILD)/obj/%.d) $(PLUGIN_OBJ:.o=.d) $(BUILD)/obj/tests/lib/qmp.d $(BUILD)/obj/tests/lib/chain.d

include tests/fuzz/fuzz.mk
include tests/storage/storage.mk
