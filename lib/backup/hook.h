/* The hook script of --script, called at PVE's phases with PVE's arguments and environment. */
#ifndef VZDUMP_BACKUP_HOOK_H
#define VZDUMP_BACKUP_HOOK_H

#include "backup/env.h"

/* What the script learns about the guest that is being saved; NULL members are left out. */
struct hook_guest {
	const char *mode;	/* snapshot, suspend, stop */
	uint32_t vmid;
	const char *hostname;	/* name of the guest */
	const char *target;	/* archive path, or "-" */
	const char *logfile;
};

/*
 * Runs "<script> <phase> [<mode> <vmid>]"; its output goes to log.  Nothing to do without --script.
 * guest is NULL for the phases of the job (job-init, job-start, job-end, job-abort).
 * dumpdir may be NULL.
 */
int hook_run(const struct backup_env *env, const char *phase, const struct hook_guest *guest,
	     const char *dumpdir, const struct log *log, struct error **err);

#endif
