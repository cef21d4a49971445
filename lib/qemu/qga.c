#include "qemu/qga.h"

#include <sys/random.h>

#include "base/json.h"
#include "base/mem.h"
#include "qemu/channel.h"

enum {
	/* correct answers have about 100 bytes, but the guest may send anything */
	MAX_ANSWER = 64 * 1024,
	MAX_MEMORY = 8 * 1024 * 1024,
	SENTINEL = '\xff', /* guest-sync-delimited sends it before its answer */
};

struct qga {
	struct channel channel;
};

static const struct channel_limits limits = { MAX_ANSWER, MAX_MEMORY };

int qga_open(const char *path, const struct cancel *cancel, struct qga **ret, struct error **err)
{
	_cleanup_qga_ struct qga *q = xcalloc(1, sizeof(*q));
	int r;

	q->channel = (struct channel)CHANNEL_INIT;
	r = channel_connect(&q->channel, path, &limits, channel_deadline(QGA_CONNECT_TIMEOUT_MS), cancel,
			    err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(q);
	return 0;
}

struct qga *qga_open_socket(int fd, const char *name, const struct cancel *cancel)
{
	struct qga *q = xcalloc(1, sizeof(*q));

	q->channel = (struct channel)CHANNEL_INIT;
	channel_adopt(&q->channel, fd, name, &limits, cancel);
	return q;
}

void qga_close(struct qga *q)
{
	if (!q)
		return;
	channel_clear(&q->channel);
	free(q);
}

void qga_set_cancel(struct qga *q, const struct cancel *cancel)
{
	q->channel.cancel = cancel;
}

/* Random, so that an answer to an earlier client's sync is not mistaken for ours. */
static uint64_t new_id(void)
{
	uint64_t id;

	if (getrandom(&id, sizeof(id), 0) != (ssize_t)sizeof(id))
		id = channel_deadline(0);
	return id & INT32_MAX;
}

/*
 * Sends the sentinel first: it makes the agent's parser drop a partial message that an earlier client may
 * have left.
 */
static int send_command(struct qga *q, const char *command, uint64_t id, uint64_t deadline,
			struct error **err)
{
	_cleanup_buf_ struct buf text = BUF_INIT;

	buf_addc(&text, SENTINEL);
	buf_addf(&text, "{\"execute\":\"guest-sync-delimited\",\"arguments\":{\"id\":%llu}}\n",
		 (unsigned long long)id);
	buf_addf(&text, "{\"execute\":\"%s\"}\n", command);
	return channel_send(&q->channel, text.data, text.len, -1, deadline, err);
}

/* Skips everything up to the echo of our id, because it answers other clients. */
static int wait_sync(struct qga *q, uint64_t id, uint64_t deadline, struct error **err)
{
	for (;;) {
		_cleanup_json_ struct json_object *o = NULL;
		uint64_t echo;
		int r;

		r = channel_skip_to(&q->channel, SENTINEL, deadline, err);
		if (r < 0)
			return r;
		r = channel_message(&q->channel, deadline, &o, err);
		if (r < 0 && r != ERR_CORRUPT)
			return r;
		if (r == 0 && json_get_u64(o, "return", &echo) && echo == id)
			return 0;
		if (err) {
			error_free(*err);
			*err = NULL;
		}
	}
}

static int execute(struct qga *q, const char *command, int timeout_ms, struct json_object **ret,
		   struct error **err)
{
	_cleanup_json_ struct json_object *o = NULL;
	uint64_t deadline = channel_deadline(timeout_ms);
	uint64_t id = new_id();
	int r;

	r = send_command(q, command, id, deadline, err);
	if (r < 0)
		return r;
	r = wait_sync(q, id, deadline, err);
	if (r < 0)
		return r;
	r = channel_message(&q->channel, deadline, &o, err);
	return r < 0 ? r : channel_result(o, ret, err);
}

static int execute_named(struct qga *q, const char *command, int timeout_ms, struct json_object **ret,
			 struct error **err)
{
	int r = execute(q, command, timeout_ms, ret, err);

	return r < 0 ? error_wrap(err, r, "guest agent command '%s' failed", command) : r;
}

int qga_ping(struct qga *q, struct error **err)
{
	_cleanup_json_ struct json_object *o = NULL;

	return execute_named(q, "guest-ping", QGA_PING_TIMEOUT_MS, &o, err);
}

static int status_within(struct qga *q, int timeout_ms, enum qga_fsfreeze_status *ret, struct error **err)
{
	_cleanup_json_ struct json_object *o = NULL;
	const char *s;
	int r;

	r = execute_named(q, "guest-fsfreeze-status", timeout_ms, &o, err);
	if (r < 0)
		return r;
	s = json_object_is_type(o, json_type_string) ? json_object_get_string(o) : "";
	if (strcmp(s, "thawed") && strcmp(s, "frozen"))
		return error_set(err, ERR_CORRUPT, "guest agent: unknown fsfreeze status '%.40s'", s);
	*ret = strcmp(s, "frozen") ? QGA_FS_THAWED : QGA_FS_FROZEN;
	return 0;
}

int qga_status(struct qga *q, enum qga_fsfreeze_status *ret, struct error **err)
{
	return status_within(q, QGA_STATUS_TIMEOUT_MS, ret, err);
}

/*
 * The freeze was sent, but no answer came in time: the agent may still be working on it, or may be gone.  It
 * handles commands one after the other, so its answer to a status command shows that the freeze is done.
 */
static int wait_frozen(struct qga *q, const struct log *log, struct error **err)
{
	for (int left = QGA_FREEZE_POLLS; left > 0; left--) {
		_cleanup_error_ struct error *e = NULL;
		enum qga_fsfreeze_status status = QGA_FS_THAWED;
		int r;

		log_info(log, "still waiting on guest fs freeze - timeout in %d minutes",
			 QGA_FREEZE_TIMEOUT_MS / 60000 * left);
		r = status_within(q, QGA_FREEZE_TIMEOUT_MS, &status, &e);
		if (r == 0 && status == QGA_FS_FROZEN)
			return 0;
		if (r == 0)
			return error_set(err, ERR_PEER,
					 "unable to freeze guest fs - unexpected status 'thawed'");
		if (r != ERR_TIMEOUT) {
			error_keep_first(err, &e);
			return error_wrap(err, r, "querying status after freezing guest fs failed");
		}
	}
	return error_set(err, ERR_TIMEOUT, "unable to freeze guest fs - timeout after %d minutes",
			 QGA_FREEZE_TIMEOUT_MS / 60000 * (QGA_FREEZE_POLLS + 1));
}

static void get_count(struct json_object *o, int *ret_count)
{
	if (ret_count)
		*ret_count = json_object_is_type(o, json_type_int) ? json_object_get_int(o) : -1;
}

int qga_freeze(struct qga *q, const struct log *log, int *ret_count, struct error **err)
{
	_cleanup_json_ struct json_object *o = NULL;
	_cleanup_error_ struct error *e = NULL;
	int r;

	r = execute(q, "guest-fsfreeze-freeze", QGA_FREEZE_TIMEOUT_MS, &o, &e);
	get_count(o, ret_count);
	if (r == ERR_TIMEOUT)
		return wait_frozen(q, log, err);
	if (r < 0) {
		error_keep_first(err, &e);
		return error_wrap(err, r, "unable to freeze guest fs");
	}
	return 0;
}

int qga_thaw(struct qga *q, int timeout_ms, int *ret_count, struct error **err)
{
	_cleanup_json_ struct json_object *o = NULL;
	int r;

	r = execute(q, "guest-fsfreeze-thaw", timeout_ms, &o, err);
	get_count(o, ret_count);
	return r < 0 ? error_wrap(err, r, "unable to thaw guest filesystem") : 0;
}

int qga_shutdown(struct qga *q, struct error **err)
{
	_cleanup_json_ struct json_object *o = NULL;
	_cleanup_error_ struct error *e = NULL;
	int r;

	/* the agent may end together with the guest before it answers */
	r = execute(q, "guest-shutdown", QGA_SHUTDOWN_TIMEOUT_MS, &o, &e);
	if (r == ERR_GONE)
		return 0;
	if (r < 0) {
		error_keep_first(err, &e);
		return error_wrap(err, r, "guest agent command 'guest-shutdown' failed");
	}
	return 0;
}
