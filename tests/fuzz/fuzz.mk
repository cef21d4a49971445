# Fuzzing: `make fuzz` runs each target for FUZZ_TIME seconds.  Included by the Makefile.
# What a target finds goes to $(FUZZ_BUILD)/; put it into tests/fuzz/corpus/NAME with the repair.

FUZZ_TIME  ?= 600
FUZZ_BUILD ?= $(BUILD)-fuzz
FUZZERS    := $(patsubst tests/fuzz/fuzz-%.c,%,$(wildcard tests/fuzz/fuzz-*.c))
FUZZ_FLAGS  = -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined

$(FUZZ_BUILD)/%: tests/fuzz/fuzz-%.c tests/fuzz/targets.h $(LIB_SRC) $(wildcard lib/*/*.h)
	@mkdir -p $(@D)
	clang -std=c17 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DVZDUMP_VERSION='"fuzz"' -include lib/base/banned.h -Ilib \
	  $(PKG_CFLAGS) -pthread $(FUZZ_FLAGS) -o $@ $< $(filter lib/base/% lib/stream/% lib/vma/% $(FUZZ_ALSO),$(LIB_SRC)) \
	  $(PKG_LIBS) -lm

$(FUZZ_BUILD)/plan: FUZZ_ALSO = lib/config/% lib/guest/% lib/storage/% lib/restore/plan%

.PHONY: fuzz
fuzz: $(FUZZERS:%=$(FUZZ_BUILD)/%)
	@for name in $(FUZZERS); do \
	  mkdir -p $(FUZZ_BUILD)/corpus-$$name; \
	  (cd $(FUZZ_BUILD) && ./$$name -max_total_time=$(FUZZ_TIME) -max_len=1000000 -rss_limit_mb=1024 \
	    -timeout=20 corpus-$$name $(CURDIR)/tests/fuzz/corpus/$$name) || exit 1; \
	done
