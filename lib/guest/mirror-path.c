/* Where the mirrors of libvirt guests are. */
#include <inttypes.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "guest/mirror.h"

char *mirror_folder(const struct paths *p)
{
	return paths_get(p, "/var/lib/vzdump/libvirt");
}

char *mirror_path(const struct paths *p, uint32_t vmid)
{
	return paths_get(p, "/var/lib/vzdump/libvirt/%" PRIu32 ".conf", vmid);
}

bool mirror_has(const struct paths *p, uint32_t vmid)
{
	_cleanup_free_ char *pve = paths_get(p, "/etc/pve/qemu-server/%" PRIu32 ".conf", vmid);
	_cleanup_free_ char *path = mirror_path(p, vmid);

	return access(path, F_OK) == 0 && access(pve, F_OK) < 0;
}
