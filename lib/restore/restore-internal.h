/* A restore under way. */
#ifndef VZDUMP_RESTORE_RESTORE_INTERNAL_H
#define VZDUMP_RESTORE_RESTORE_INTERNAL_H

#include "backup/offline.h"
#include "base/buf.h"
#include "config/guest.h"
#include "fleecing/journal.h"
#include "restore/plan.h"
#include "restore/restore.h"
#include "restore/target.h"
#include "vma/reader.h"

struct restore_volume {
	struct plan_disk *disk;
	struct volume volume; /* empty for a cloud-init image that was there */
};

struct restore {
	const struct backup_env *env;
	const struct restore_params *p;
	struct vma_reader *reader;
	struct plan plan;
	struct restore_volume *volumes; /* of the disks that are wanted */
	size_t n;
	struct guest_config old; /* text is NULL if there is no guest yet */
	bool has_old;
	struct journal *journal;
	char *dir; /* private folder for sockets, or NULL */
	struct offline daemon;
	struct target targets[VMA_MAX_DEVICES + 1];
	pthread_mutex_t lock; /* of what follows */
	uint64_t start_ns, written;
};

/* restore-volumes.c: makes and opens what the data goes to. */
int restore_make_volumes(struct restore *r, struct error **err);
int restore_open_targets(struct restore *r, struct error **err);
/* All is on disk, and closed. */
int restore_close_targets(struct restore *r, struct error **err);

/* restore-data.c: the archive into the targets. */
int restore_copy(struct restore *r, struct error **err);

/* restore-commit.c: from now on the guest is the new one. */
int restore_commit(struct restore *r, struct error **err);

#endif
