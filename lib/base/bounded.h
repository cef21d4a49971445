/*
 * Calls that may never return if the server of their file system does not answer, such as unlink(), fsync()
 * and close() on a hung NFS.  Each is made in a thread of its own.  If it takes too long, or a stop is
 * requested, the thread is abandoned; it ends with the process at the latest.
 */
#ifndef VZDUMP_BASE_BOUNDED_H
#define VZDUMP_BASE_BOUNDED_H

#include "base/cancel.h"
#include "base/error.h"

struct bounded_call {
	/* Called once.  Returns 0, or a negative code and *err.  It must touch nothing but arg. */
	int (*call)(void *arg, struct error **err);
	/*
	 * Called in the caller's thread when the call has succeeded in time: hands what it has made over to
	 * ret.  NULL: it makes nothing.
	 */
	void (*take)(void *arg, void *ret);
	/* Frees arg when the call is over, even if nobody waits for it any more.  NULL: nothing to free. */
	void (*clear)(void *arg);
	void *arg, *ret;
};

/*
 * Returns what the call returned.  ERR_TIMEOUT after timeout_ms (0: no limit) or ERR_CANCELED (cancel may be
 * NULL): the call was abandoned, and may still do its work later.
 */
int bounded_run(const struct bounded_call *c, int timeout_ms, const struct cancel *cancel,
		struct error **err);

/*
 * Checks whether the file system of path answers, before it is used without a time limit.  Returns 0 (also
 * if there is no such file), ERR_TIMEOUT or ERR_CANCELED.
 */
#define BOUNDED_REACH_MS 30000 /* the usual limit; callers that can do without an answer use less */
int bounded_reach(const char *path, int timeout_ms, const struct cancel *cancel, struct error **err);
/* unlink(path); a missing file is no error.  ERR_TIMEOUT as above. */
int bounded_unlink(const char *path, int timeout_ms, struct error **err);
/* fsync(fd), which may take minutes on a slow file system and so has no limit.  ERR_CANCELED as above. */
int bounded_fsync(int fd, const struct cancel *cancel, struct error **err);
/* close(fd).  fd is closed for the caller in any case.  Errors are ignored: fsync() has reported them. */
void bounded_close(int fd, int timeout_ms);

#endif
