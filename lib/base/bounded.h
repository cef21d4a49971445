/*
 * Calls that a file system whose server is away may never answer: unlink(), fsync(), close() on a hung
 * NFS.  They are made in a thread of their own; when it takes too long, or a request to stop comes, the
 * thread is left to itself, and ends with the process at the latest.
 */
#ifndef VZDUMP_BASE_BOUNDED_H
#define VZDUMP_BASE_BOUNDED_H

#include "base/cancel.h"
#include "base/error.h"

struct bounded_call {
	/* Made once.  0 or negative with *err, as everywhere.  Touches nothing but arg. */
	int (*call)(void *arg, struct error **err);
	/* Frees arg when the call is over, whoever waits for it then.  NULL: nothing to free. */
	void (*clear)(void *arg);
	void *arg;
};

/*
 * What the call returned; ERR_TIMEOUT after timeout_ms (0: no limit) or ERR_CANCELED (cancel may be
 * NULL) when it was left to itself: then it may still come true.
 */
int bounded_run(const struct bounded_call *c, int timeout_ms, const struct cancel *cancel,
		struct error **err);

/*
 * Asks the file system that path lies in whether it is there at all, before others use it without a limit:
 * ERR_TIMEOUT, ERR_CANCELED.  Good also if there is no such file.
 */
#define BOUNDED_REACH_MS 30000 /* the usual limit; who has nothing to lose by it takes less */
int bounded_reach(const char *path, int timeout_ms, const struct cancel *cancel, struct error **err);
/* unlink(path); missing is fine.  ERR_TIMEOUT as above. */
int bounded_unlink(const char *path, int timeout_ms, struct error **err);
/* close(fd), which is gone for the caller in any case; its errors say nothing that fsync() did not. */
void bounded_close(int fd, int timeout_ms);

#endif
