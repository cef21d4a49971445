/* Which kind of guest management a guest belongs to. */
#include "guest/guest-ops.h"
#include "guest/mirror.h"

struct guest guest_of(const struct host *host, uint32_t vmid)
{
	return (struct guest){
		.ops = mirror_has(host->paths, vmid) ? &guest_ops_libvirt : host->guest_ops,
		.paths = host->paths,
		.commands = host->commands,
		.vmid = vmid,
	};
}
