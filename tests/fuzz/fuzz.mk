# Fuzzing: `make fuzz` runs each target for FUZZ_TIME seconds; `make lint` builds them.  Included by the Makefile.
# What a target finds goes to $(FUZZ_BUILD)/; put it into tests/fuzz/corpus/NAME with the repair.

FUZZ_TIME  ?= 600
FUZZ_BUILD ?= $(BUILD)-fuzz
FUZZERS    := $(patsubst tests/fuzz/fuzz-%.c,%,$(wildcard tests/fuzz/fuzz-*.c))
FUZZ_FLAGS  = -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined
FUZZ_LIB    = $(FUZZ_BUILD)/lib/libvzdump.a

# The whole library, so that a target needs no list of what it calls.
$(FUZZ_LIB): force
	@$(MAKE) --no-print-directory BUILD=$(@D) CC=clang SANITIZE= \
	  CFLAGS='$(FUZZ_FLAGS) -fsanitize=fuzzer-no-link' $@

$(FUZZ_BUILD)/%: tests/fuzz/fuzz-%.c tests/fuzz/targets.h tests/fuzz/base-recipe.h $(FUZZ_LIB)
	$(call say,LINK,$@)
	$(Q)clang -std=c17 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -include lib/base/banned.h -Ilib $(PKG_CFLAGS) \
	  -pthread $(FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $< $(FUZZ_LIB) $(ALL_LIBS)

.PHONY: fuzz fuzzers run-fuzz
fuzz:
	@scripts/deps build fuzz
	@$(MAKE) --no-print-directory run-fuzz

fuzzers: $(FUZZERS:%=$(FUZZ_BUILD)/%)

run-fuzz: fuzzers
	@for name in $(FUZZERS); do \
	  mkdir -p $(FUZZ_BUILD)/corpus-$$name; \
	  (cd $(FUZZ_BUILD) && ./$$name -max_total_time=$(FUZZ_TIME) -max_len=1000000 -rss_limit_mb=1024 \
	    -timeout=20 corpus-$$name $(CURDIR)/tests/fuzz/corpus/$$name) || exit 1; \
	done
