#include "guest/disk-user.h"

#include <errno.h>

#include "base/strv.h"
#include "guest/mirror.h"
#include "storage/in-use.h"

int disk_check_unused(const struct host *host, uint32_t vmid, const struct volume *v, const char *ignored,
		      struct error **err)
{
	_cleanup_free_ char *socket = paths_get(host->paths, "/run/qemu-server/%u.qmp", vmid);
	_cleanup_error_ struct error *mine = NULL;
	int r = volume_check_unused(v, ignored, host->cancel, &mine);

	if (r == -EBUSY && mirror_has(host->paths, vmid))
		return error_set(err, r, "%s, but libvirt says that the guest does not run: end that first",
				 error_message(mine));
	if (r == -EBUSY && str_prefix(error_message(mine), IN_USE_QEMU " ", NULL))
		return error_set(err, r,
				 "%s, but VM %u has no QMP socket '%s': if that QEMU is this VM, start it "
				 "with '-qmp unix:%s,server=on,wait=off'; if not, take the disk out of it",
				 error_message(mine), vmid, socket, socket);
	if (r == -EBUSY)
		return error_set(err, r, "%s: end that first", error_message(mine));
	error_keep_first(err, &mine);
	return r;
}
