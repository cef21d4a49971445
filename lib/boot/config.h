/*
 * The configuration that a guest of an archive is tried with: its own, without anything of the host (network,
 * passed-through devices, sockets, extra words for QEMU), and no larger than the host has room for.
 */
#ifndef VZDUMP_BOOT_CONFIG_H
#define VZDUMP_BOOT_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/log.h"
#include "guest/guest.h"

struct boot_config_options {
	uint32_t vmid;
	uint64_t memory_mib; /* 0: as configured, but at most what the host has free */
	bool kvm; /* else TCG, whose CPU has all that it can do, since the configured one may not work */
	const struct log *log;
};

/*
 * text is the archive's qemu-server.conf.  log hears of what is less than configured.  -ENOMEM: the host has
 * not even BOOT_MEMORY_MIN free.  The caller clears *ret after success.
 */
#define BOOT_MEMORY_MIN_MIB UINT64_C(64)
int boot_config_make(const char *text, const struct boot_config_options *o, struct guest_config *ret,
		     struct error **err);

/* What is read of the host's free memory leaves this for others. */
#define BOOT_MEMORY_LEFT_MIB UINT64_C(256)

#endif
