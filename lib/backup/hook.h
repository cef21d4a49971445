/*
 * The hook script of --script, called at PVE's phases with PVE's arguments and environment.
 *
 * It runs in a process group of its own, all of which is ended by a signal to vzdump (ERR_CANCELED) and
 * by the time limit of hook-timeout (ERR_TIMEOUT; ours, without it there is none, as in PVE).
 */
#ifndef VZDUMP_BACKUP_HOOK_H
#define VZDUMP_BACKUP_HOOK_H

#include "config/settings.h"
#include "storage/host.h"

/* What the script learns about the guest that is being saved; NULL members are left out. */
struct hook_guest {
	const char *mode; /* snapshot, suspend, stop */
	uint32_t vmid;
	bool known;           /* there is such a guest; false: none of what follows is told, nor VMTYPE */
	const char *hostname; /* name of the guest */
	const char *target;   /* archive path, or "-" */
	const char *logfile;  /* beside the archive; it is there from log-end on */
};

/*
 * Runs "<script> <phase> [<mode> <vmid>]"; its output goes to log.  Nothing to do without --script.
 * guest is NULL for the phases of the job (job-init, job-start, job-end, job-abort).
 * dumpdir may be NULL: then it is that of --dumpdir, if any.
 */
int hook_run(const struct host *host, const struct settings *s, const char *phase,
	     const struct hook_guest *guest, const char *dumpdir, const struct log *log, struct error **err);

/* The same for what comes also after a signal (backup-abort, ...): only a further one ends it. */
int hook_run_after(const struct host *host, const struct settings *s, const char *phase,
		   const struct hook_guest *guest, const char *dumpdir, const struct log *log,
		   struct error **err);

#endif
