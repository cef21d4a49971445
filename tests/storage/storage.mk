# make check-storage: one and the same suite on a real storage of each type.
CONFORMANCE := $(BUILD)/storage/conformance

$(CONFORMANCE): $(BUILD)/obj/tests/storage/conformance.o $(LIB)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LIBS)

-include $(BUILD)/obj/tests/storage/conformance.d

.PHONY: check-storage run-storage
check-storage:
	@scripts/deps build run check storage
	@$(MAKE) --no-print-directory run-storage

# Types share machines (WITH), unless one is asked for; those take longest and begin first.  ZFS, which is the last
# of the alphabet, is the first of them: it is built while others run.
STORAGE_WITH := $(if $(TEST),,$(shell sed -n 's/^WITH="\(.*\)"$$/\1/p' tests/storage/*.test))
STORAGE_TESTS := $(filter-out $(STORAGE_WITH:%=tests/storage/%.test),$(shell ls -r tests/storage/*.test))
STORAGE_HERE := $(shell grep -lE '^(WHERE|FILESYSTEM)=' $(STORAGE_TESTS))
STORAGE_THERE := $(filter $(shell grep -l '^WITH=' $(STORAGE_TESTS)),$(STORAGE_TESTS))
STORAGE_THERE += $(filter-out $(STORAGE_HERE) $(STORAGE_THERE),$(STORAGE_TESTS))

run-storage: all $(CONFORMANCE) $(BUILD)/tests/qmp
	@$(TESTS) VZ_WITH=$(if $(TEST),,1) JOBS=$${JOBS:-3} tests/run $(firstword $(STORAGE_HERE)) \
		$(STORAGE_THERE) $(wordlist 2,99,$(STORAGE_HERE))
