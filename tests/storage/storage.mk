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

run-storage: all $(CONFORMANCE)
	@tests/storage/kernel > /dev/null
	@$(TESTS) JOBS=$${JOBS:-2} tests/run $(sort $(wildcard tests/storage/*.test))
