/* Trying a guest from its newest archive, for vzdump --verify-boot. */
#ifndef VZDUMP_BOOT_VERIFY_H
#define VZDUMP_BOOT_VERIFY_H

#include "config/formats.h"
#include "report/report.h"
#include "storage/host.h"

/*
 * A task_boot_fn of backup/task.h.  Screenshot and console are kept beside the guest's log, as
 * /var/log/vzdump/qemu-<vmid>.boot.png and .log, in place of those of its last backup.
 */
int boot_verify(const struct host *host, const struct verify_boot_config *config, uint32_t vmid,
		const char *archive, struct boot_report *ret, struct error **err);

#endif
