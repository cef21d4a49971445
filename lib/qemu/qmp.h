/*
 * QMP client.  A monitor socket serves one client at a time, and other programs (PVE's status daemon) need it
 * too.  So a connection is opened for a burst of commands and closed again; it is never kept for a whole
 * backup.
 * Events are skipped unless somebody asks for them.  Answers are matched by id, so that a command that timed
 * out cannot be mistaken for the next one; the connection stays usable after ERR_PEER and ERR_TIMEOUT.
 * Error codes: ERR_PEER (QEMU answered with an error), ERR_TIMEOUT, ERR_GONE (QEMU died or closed the
 * socket), ERR_CANCELED, ERR_CORRUPT (the peer sent something that is not QMP), -errno from connect(). Only
 * one thread at a time may use a connection.
 */
#ifndef VZDUMP_QEMU_QMP_H
#define VZDUMP_QEMU_QMP_H

#include "base/cancel.h"
#include "base/error.h"
#include "base/json.h"

struct qmp;

/*
 * Limits of one message from QEMU, as text and when it is parsed.  The largest is query-named-block-nodes
 * with 2 KiB per node: 8000 nodes.
 */
#define QMP_MAX_MESSAGE (16u * 1024 * 1024)
#define QMP_MAX_MEMORY  (256u * 1024 * 1024)

enum {
	QMP_CONNECT_TIMEOUT_MS = 10000, /* another client may hold the monitor for a while */
};

/*
 * Connects to the unix socket `path`, waits for the greeting (which comes when other clients have left) and
 * ends the capability negotiation.  cancel may be NULL; it is kept and ends every wait.
 */
int qmp_open(const char *path, int timeout_ms, const struct cancel *cancel, struct qmp **ret,
	     struct error **err);
/*
 * The same with a connected socket, which it takes over, also after an error.  name stands for it in
 * messages.
 */
int qmp_open_socket(int fd, const char *name, int timeout_ms, const struct cancel *cancel, struct qmp **ret,
		    struct error **err);
void qmp_close(struct qmp *q);
DEFINE_CLEANUP(struct qmp *, qmp_close)
#define _cleanup_qmp_ _cleanup_(qmp_closep)

/*
 * Replaces the cancel of qmp_open() and returns the previous one.  NULL while cleaning up, which must not be
 * ended by the request that has caused it.
 */
const struct cancel *qmp_set_cancel(struct qmp *q, const struct cancel *cancel);

/*
 * Runs a command.  Takes ownership of args (NULL: none), also on errors.  *ret (ret may be NULL) is the
 * "return" member; the caller puts it.  The time limit depends on the command, as in PVE.
 */
int qmp_execute(struct qmp *q, const char *command, struct json_object *args, struct json_object **ret,
		struct error **err);
/* The same with a time limit in milliseconds. */
int qmp_execute_timeout(struct qmp *q, const char *command, struct json_object *args, int timeout_ms,
			struct json_object **ret, struct error **err);

/* One of several commands, and what has become of it. */
struct qmp_command {
	const char *name;
	struct json_object *args; /* NULL: none */
	int r;                    /* 0, ERR_PEER, ERR_CORRUPT; ERR_GONE: no answer came */
	struct error *err;        /* says why, if QEMU has answered */
};
/*
 * Sends all commands in one piece, then reads their answers.  QEMU runs them in their order, and goes on
 * after one that it refuses: r and err of each tell.  An error here means that some answers did not come;
 * QEMU may have run those commands or not.  The whole has the time limit of its slowest command.
 */
int qmp_execute_together(struct qmp *q, struct qmp_command *list, size_t n, struct error **err);
/* Frees what the members own. */
void qmp_commands_clear(struct qmp_command *list, size_t n);

/* QEMU keeps a copy of the descriptor under that name until qmp_close_fd(), also after qmp_close(). */
int qmp_pass_fd(struct qmp *q, const char *name, int fd, struct error **err);
/* 0 also if there is no descriptor of that name. */
int qmp_close_fd(struct qmp *q, const char *name, struct error **err);

/*
 * From now on event(opaque, o) gets each event that is found on the way to an answer.  o is borrowed:
 * {"event":"RESET","data":{...}}.
 */
void qmp_on_event(struct qmp *q, void (*event)(void *opaque, struct json_object *o), void *opaque);

/* What pause.h has learnt about this QEMU, so that it asks once per connection. */
struct qmp_pausing {
	enum {
		QMP_IOTHREADS_UNKNOWN,
		QMP_IOTHREADS_NONE,
		QMP_IOTHREADS_ANY
	} iothreads;
	bool paused; /* a pause of ours has begun on this connection and has not ended */
};
struct qmp_pausing *qmp_pausing(struct qmp *q);

/* The greeting's version object, borrowed. */
struct json_object *qmp_greeting_version(const struct qmp *q);

#endif
