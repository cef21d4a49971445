/*
 * A backup job: the global lock, the hook script's job phases, what killed runs left behind, and the
 * guests one after the other.
 */
#ifndef VZDUMP_BACKUP_JOB_H
#define VZDUMP_BACKUP_JOB_H

#include "backup/observer.h"
#include "backup/select.h"
#include "config/settings.h"
#include "storage/host.h"

struct job_params {
	const struct settings *settings;
	const struct selection *selection; /* of job_choose() */
	const char *command_line;          /* "vzdump 123 --mode snapshot", for the log */
	int stdout_fd;                     /* --stdout: where the archive goes */
	const struct observers *observers; /* the hook script, the terminal, ...; may be NULL */
};

/*
 * What comes before all else: whether the job is for this node, which guests are meant, --stop.  1 if there
 * is something to run; 0 if not, and the run has silently succeeded: another node's job, no guest here,
 * nothing but --stop.  Errors: a pool that does not exist, --stdout with other than one guest, --stop in
 * vain.  settings_init() is enough for it: vzdump.conf need not have been read.
 * The caller clears *ret, also after an error.
 */
int job_choose(const struct host *host, const struct settings_request *q, struct selection *ret,
	       struct error **err);

/*
 * Runs the job; storage.cfg is read after the phase job-init, so host->storages is not looked at.  0 when
 * every guest was saved.  "job errors" when a guest failed; the log has each one's reason, and so has the
 * report that observers get.
 */
int job_run(const struct host *host, const struct job_params *p, struct error **err);

/* --cleanup: undoes what killed runs left behind, of the guests that the request names or of all. */
int job_cleanup(const struct host *host, const struct settings *s, const struct observers *observers,
		struct error **err);

/*
 * --stop: ends the running job on this host, PVE's or ours, and waits up to 15 s for it.  A holder of the
 * lock that the pid file does not name is warned about and left alone.
 */
int job_stop_running(const struct host *host, struct error **err);

#endif
