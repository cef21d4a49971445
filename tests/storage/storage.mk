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

# The first that needs the virtual machine builds its kernel, while those run that do not need it.  Types share
# machines (WITH), unless one is asked for; those that are not brief take longest and begin first.  Two at once: more
# than processors make each slower than in proportion, and what waits for a tool gives up.
STORAGE_WITH := $(if $(TEST),,$(shell sed -n 's/^WITH="\(.*\)"$$/\1/p' tests/storage/*.test))
STORAGE_TESTS := $(filter-out $(STORAGE_WITH:%=tests/storage/%.test),$(shell ls -r tests/storage/*.test))
STORAGE_HERE := $(shell grep -lE '^(WHERE|FILESYSTEM)=' $(STORAGE_TESTS))
STORAGE_THERE := $(filter-out $(STORAGE_HERE) $(shell grep -lw brief $(STORAGE_TESTS)),$(STORAGE_TESTS))
STORAGE_THERE += $(filter-out $(STORAGE_HERE) $(STORAGE_THERE),$(STORAGE_TESTS))

run-storage: all $(CONFORMANCE) $(BUILD)/tests/qmp $(BUILD)/unit/test-storage-nfs $(BUILD)/unit/test-storage-cifs
	@$(TESTS) VZ_WITH=$(if $(TEST),,1) JOBS=$${JOBS:-2} tests/run $(firstword $(STORAGE_HERE)) $(firstword $(STORAGE_THERE)) \
		$(wordlist 2,99,$(STORAGE_HERE)) $(wordlist 2,99,$(STORAGE_THERE))
