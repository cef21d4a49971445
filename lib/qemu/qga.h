/*
 * Guest agent client.  The first answers on a new connection may belong to commands of earlier clients, so
 * every command is preceded by guest-sync-delimited with a random id, and everything before the echo of this
 * id is skipped.  There may be no agent at all: then commands time out.  The time limits are PVE's.
 */
#ifndef VZDUMP_QEMU_QGA_H
#define VZDUMP_QEMU_QGA_H

#include "base/cancel.h"
#include "base/error.h"
#include "base/log.h"

struct qga;

enum {
	QGA_CONNECT_TIMEOUT_MS = 5000,
	QGA_PING_TIMEOUT_MS = 3000,
	QGA_FREEZE_TIMEOUT_MS =
		10 * 60 * 1000, /* then QGA_FREEZE_POLLS status commands with the same limit */
	QGA_FREEZE_POLLS = 5,
	QGA_THAW_TIMEOUT_MS = 3 * 60 * 1000,
	QGA_THAW_AGAIN_TIMEOUT_MS = 5 * 1000, /* for a further attempt */
	QGA_SHUTDOWN_TIMEOUT_MS = 10 * 60 * 1000,
	QGA_STATUS_TIMEOUT_MS = 5000,
};

enum qga_fsfreeze_status {
	QGA_FS_THAWED,
	QGA_FS_FROZEN,
};

/* Only connects; qga_ping() finds out whether an agent runs.  Errors as of qmp_open(). */
int qga_open(const char *path, const struct cancel *cancel, struct qga **ret, struct error **err);
/* The same with a connected socket, which it takes over; name stands for it in messages. */
struct qga *qga_open_socket(int fd, const char *name, const struct cancel *cancel);
void qga_close(struct qga *q);
DEFINE_CLEANUP(struct qga *, qga_close)
#define _cleanup_qga_ _cleanup_(qga_closep)

/* NULL: requests to stop have no effect, as for thawing, which must happen in any case. */
void qga_set_cancel(struct qga *q, const struct cancel *cancel);

/* 0 if the agent runs; ERR_TIMEOUT if it does not answer. */
int qga_ping(struct qga *q, struct error **err);
/*
 * Freezes all file systems.  After the first limit it asks for the status several times, with a log line each
 * time, as PVE does; 60 minutes in all.  *ret_count (may be NULL) is the number of file systems, or -1 if
 * only the status is known.  The caller must thaw also after an error.
 */
int qga_freeze(struct qga *q, const struct log *log, int *ret_count, struct error **err);
/*
 * Thaws all file systems.  QGA_THAW_TIMEOUT_MS is PVE's limit.  ERR_PEER: the agent refuses; the file systems
 * may be frozen or not.
 */
int qga_thaw(struct qga *q, int timeout_ms, int *ret_count, struct error **err);
int qga_status(struct qga *q, enum qga_fsfreeze_status *ret, struct error **err);
/* Asks for a power-off.  The agent may end without an answer: that is success. */
int qga_shutdown(struct qga *q, struct error **err);

#endif
