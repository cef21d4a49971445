/* The backup of one guest, from "Starting Backup of VM 123 (qemu)" to "Finished Backup". */
#ifndef VZDUMP_BACKUP_TASK_H
#define VZDUMP_BACKUP_TASK_H

#include "storage/host.h"
#include "backup/progress.h"
#include "config/settings.h"

/* What all guests of a job have in common.  Borrowed. */
struct task_options {
	const struct settings *settings;
	const struct storage *storage;                            /* NULL with --dumpdir and --stdout */
	const char *dumpdir;                                      /* NULL with --stdout */
	int stdout_fd;                                            /* --stdout: where the archive goes */
	struct prune_keep keep;                                   /* retention, by settings_keep() */
	bool remove;                                              /* prune after the backup */
	void (*progress)(void *opaque, const struct progress *p); /* may be NULL; every 200 ms */
	bool shows_progress; /* progress() does it: those lines go to the guest's log file only */
	void *opaque;
};

struct task_result {
	uint64_t size; /* of the archive, bytes */
	char *target;  /* its path; caller frees */
	uint64_t seconds;
};

/*
 * Saves guest vmid.  Says everything in host->log, the failure included; the error is for the
 * caller's account.  ERR_CANCELED ends the job.
 */
int task_run(const struct host *host, const struct task_options *o, uint32_t vmid, struct task_result *ret,
	     struct error **err);

#endif
