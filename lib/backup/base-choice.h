/* Which archive an incremental backup of a guest takes over from, and when a new chain begins. */
#ifndef VZDUMP_BACKUP_BASE_CHOICE_H
#define VZDUMP_BACKUP_BASE_CHOICE_H

#include "base/cancel.h"
#include "base/log.h"
#include "config/formats.h"
#include "place/place.h"
#include "vma/base.h"
#include "vma/chain.h"

struct base_choice {
	bool chained;           /* the new archive belongs to a chain: `chain` and uuid are set */
	struct vma_base *base;  /* NULL: a full backup */
	char *reason;           /* why it is one, without a full stop; NULL: it is none */
	struct vma_chain chain; /* of the new archive */
	uint8_t uuid[VMA_UUID_SIZE];
	/* The chain of the newest archive, if another one takes its place. */
	bool supersedes;
	uint8_t superseded[VMA_UUID_SIZE];
};

struct base_choice_params {
	const struct place *place; /* where archives stay */
	uint32_t vmid;
	const struct incremental_config *config;
	struct journal
		*journal; /* NULL: nothing may be written, so whether files can share blocks is not tried */
	const struct cancel *cancel;
	int64_t now; /* time(NULL) */
};

/*
 * Looks at the newest archive of the guest.  Whatever is wrong with it is a reason for a full backup, not
 * an error: errors are only those of the place itself, and ERR_CANCELED.  The caller clears *ret, also
 * after an error.
 */
int base_choose(const struct base_choice_params *p, struct base_choice *ret, struct error **err);
void base_choice_clear(struct base_choice *c);

#endif
