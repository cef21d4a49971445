#include "boot/verify.h"

#include <string.h>

#include "base/mem.h"
#include "boot/boot.h"

static const enum boot_agent agents[] = {
	[VERIFY_BOOT_AGENT_AS_CONFIGURED] = BOOT_AGENT_AS_CONFIGURED,
	[VERIFY_BOOT_AGENT_OFF] = BOOT_AGENT_OFF,
	[VERIFY_BOOT_AGENT_ON] = BOOT_AGENT_ON,
};

int boot_verify(const struct host *host, const struct verify_boot_config *config, uint32_t vmid,
		const char *archive, struct boot_report *ret, struct error **err)
{
	_cleanup_free_ char *keep = paths_get(host->paths, "/var/log/vzdump/qemu-%u.boot", vmid);
	const struct boot_options o = {
		.archive = archive,
		.paths = host->paths,
		.log = host->log,
		.cancel = host->cancel,
		.timeout_s = config->timeout_s,
		.expect = config->expect,
		.agent = agents[config->agent],
		.accel = boot_accel_parse(config->accel),
		.memory_mib = config->memory_mib,
		.max_written = BOOT_MAX_WRITTEN,
		.keep = keep,
	};

	return boot_run(&o, ret, err);
}
