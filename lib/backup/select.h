/*
 * Selects the guests that a job backs up: those that are named, those of a pool, or all of this node.  Guests
 * of other nodes are not backed up here.  Guests of libvirt have to be named, and are found among those that
 * are known (guest/mirror.h); "all" is all of Proxmox VE's.  A named id that no guest has is kept, so that
 * its backup fails visibly.
 *
 * Facts: get_included_guests of PVE::VZDump and the call of it in PVE::API2::VZDump.
 */
#ifndef VZDUMP_BACKUP_SELECT_H
#define VZDUMP_BACKUP_SELECT_H

#include "config/settings.h"
#include "storage/host.h"

struct selected_guest {
	uint32_t vmid;
	bool container;
	char *path; /* of its configuration; NULL: no guest has this id */
};

struct selection {
	struct selected_guest *guests; /* ascending; an id that is named twice is in it twice */
	size_t n;
	uint32_t *external; /* on other nodes, ascending */
	size_t n_external;
	bool by_id; /* the guests were named one by one */
};

/*
 * Selects by ids, by pool, or all but the excluded ones (with a pool, exclusions do not count, as in PVE).
 * With q->node, guests of other nodes are not listed.  ERR_NOT_FOUND: there is no such pool.  It is an error
 * too to ask for all guests of a host that has no folder for their configurations: nothing would be saved.
 * The caller clears *ret, also after an error.
 */
int selection_make(const struct host *host, const struct settings_request *q, struct selection *ret,
		   struct error **err);
void selection_clear(struct selection *s);
#define _cleanup_selection_ _cleanup_(selection_clear)

/*
 * The ids that --cleanup is for: the ids that are named, the members of a pool, all guests of this node but
 * the excluded ones, or (*ret_n is 0 and *ret_all true) all guests with leftovers.  A named guest may be on
 * another node now, because its backup ran here. The caller frees *ret.
 */
int selection_for_cleanup(const struct host *host, const struct settings_request *q, uint32_t **ret,
			  size_t *ret_n, bool *ret_all, struct error **err);

/* "201, 202".  Caller frees. */
char *selection_external_text(const struct selection *s);

#endif
