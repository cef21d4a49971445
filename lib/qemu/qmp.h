/*
 * QMP client.  A monitor socket takes one client at a time and others (PVE's status daemon) want it
 * too, so: open, a burst of commands, close.  Nobody holds a connection for the length of a backup.
 *
 * Events are skipped.  Answers are matched by id, so that a command that timed out cannot
 * be mistaken for the next one; the connection stays usable after ERR_PEER and ERR_TIMEOUT.
 *
 * Error codes: ERR_PEER (QEMU said no), ERR_TIMEOUT, ERR_GONE (QEMU died or
 * closed the socket), ERR_CANCELED, ERR_CORRUPT (what came is not QMP), -errno from connect().
 * One connection is used by one thread at a time.
 */
#ifndef VZDUMP_QEMU_QMP_H
#define VZDUMP_QEMU_QMP_H

#include "base/cancel.h"
#include "base/error.h"
#include "base/json.h"

struct qmp;

/*
 * What a single message from QEMU may have at most, as text and when it is parsed.  query-qmp-schema is about
 * 300 KiB; the largest is query-named-block-nodes with 2 KiB for each node: 8000 nodes.
 */
#define QMP_MAX_MESSAGE (16u * 1024 * 1024)
#define QMP_MAX_MEMORY  (256u * 1024 * 1024)

enum {
	QMP_CONNECT_TIMEOUT_MS = 10000, /* another client may hold the monitor for a while */
};

/*
 * Connects to the unix socket `path`, waits for the greeting (which comes when other clients have left)
 * and leaves capability negotiation.  cancel may be NULL; it is kept and seen by every wait.
 */
int qmp_open(const char *path, int timeout_ms, const struct cancel *cancel, struct qmp **ret,
	     struct error **err);
void qmp_close(struct qmp *q);
DEFINE_CLEANUP(struct qmp *, qmp_close)
#define _cleanup_qmp_ _cleanup_(qmp_closep)

/*
 * Cleanup paths must not be stopped by the request that led to them: qmp_set_cancel(q, NULL).
 * Returns what was set before.
 */
const struct cancel *qmp_set_cancel(struct qmp *q, const struct cancel *cancel);

/*
 * Runs a command.  args (NULL: none) is always taken over, also on errors.  *ret (ret may be NULL)
 * is the "return" member; the caller puts it.  The time limit is the one that PVE gives that command.
 */
int qmp_execute(struct qmp *q, const char *command, struct json_object *args, struct json_object **ret,
		struct error **err);
/* The same with a time limit in milliseconds. */
int qmp_execute_timeout(struct qmp *q, const char *command, struct json_object *args, int timeout_ms,
			struct json_object **ret, struct error **err);

/* QEMU keeps a copy of the descriptor under that name until qmp_close_fd(), beyond this connection. */
int qmp_pass_fd(struct qmp *q, const char *name, int fd, struct error **err);
/* 0 also if there is none. */
int qmp_close_fd(struct qmp *q, const char *name, struct error **err);

/* The greeting's version object, borrowed. */
struct json_object *qmp_greeting_version(const struct qmp *q);

#endif
