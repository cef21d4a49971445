#include "backup/undo.h"

#include <errno.h>
#include <unistd.h>

#include "base/paths.h"
#include "guest/guest-list.h"
#include "guest/guest-ops.h"
#include "guest/mirror.h"
#include "storage/host.h"

/*
 * 1: the guest belongs to this node; 0: it does not any more (it was migrated or removed), which is logged;
 * negative: unknown.  A guest that runs on two nodes would destroy its disks.
 */
static int is_here(const struct host *host, uint32_t vmid, const struct log *log, struct error **err)
{
	_cleanup_free_ char *dir = paths_get(host->paths, "/etc/pve/qemu-server");
	_cleanup_guest_entry_ struct guest_entry e = { 0 };
	int r;

	/* Proxmox VE's folder need not be there for a guest of libvirt */
	if (access(dir, F_OK) < 0 && !mirror_has(host->paths, vmid))
		return error_errno(err, errno, "cannot find out whether VM %u belongs to this node: '%s'",
				   vmid, dir);
	r = guest_entry_find(host->paths, vmid, &e, err);
	if (r < 0 || (r > 0 && e.kind != GUEST_CONTAINER && !e.node))
		return r;
	if (r > 0 && e.node)
		log_info(log, "VM %u is not started again: it belongs to node '%s' now ('%s')", vmid, e.node,
			 e.path);
	else
		log_info(log, "VM %u is not started again: it has no configuration any more", vmid);
	return 0;
}

static int undo_down(const struct host *host, struct journal *j, const char *value, const struct log *log,
		     struct error **err)
{
	const struct guest guest = guest_of(host, j->vmid);
	struct guest_status status;
	int r = is_here(host, j->vmid, log, err);

	(void)value;
	if (r <= 0)
		return r;
	r = guest_status(&guest, &status, err);
	if (r < 0 || status.running)
		return r;
	log_info(log, "restarting vm");
	return guest_start(&guest, GUEST_START, NULL, log, err);
}

/* Undone last, when nothing of ours is in the guest's way any more. */
const struct journal_kind journal_kind_down = { .name = JOURNAL_DOWN, .rank = 110, .undo = undo_down };
