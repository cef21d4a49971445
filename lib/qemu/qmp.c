#include "qemu/qmp.h"

#include "base/mem.h"
#include "qemu/channel.h"

struct qmp {
	struct channel channel;
	struct json_object *greeting;
	uint64_t next_id;
	void (*event)(void *opaque, struct json_object *o); /* NULL: events are skipped */
	void *opaque;
	struct qmp_pausing pausing;
};

/* PVE::QMPClient's limits: commands that may wait for the storage get more than the default of 5 s. */
static const struct {
	const char *command;
	int seconds;
} limits[] = {
	{ "blockdev-add", 60 },
	{ "block-export-add", 60 },
	{ "quit", 60 },
	{ "block-export-del", 600 },
	{ "blockdev-del", 600 },
	{ "blockdev-reopen", 600 },
	{ "block-job-cancel", 600 },
	{ "query-block-jobs", 600 },
	/* ours: these commands drain the disks, and stop flushes them */
	{ "qom-set", 600 },
	{ "stop", 600 },
	{ "cont", 60 },
	{ "block-dirty-bitmap-add", 60 },
	{ "block-dirty-bitmap-remove", 60 },
	{ "nbd-server-stop", 60 },
	{ "query-block", 60 },
	{ "query-named-block-nodes", 60 },
};

enum {
	DEFAULT_LIMIT_S = 5,
};

static int qmp_command_timeout_ms(const char *command)
{
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
		if (!strcmp(limits[i].command, command))
			return limits[i].seconds * 1000;
	return DEFAULT_LIMIT_S * 1000;
}

void qmp_close(struct qmp *q)
{
	if (!q)
		return;
	channel_clear(&q->channel);
	json_object_put(q->greeting);
	free(q);
}

const struct cancel *qmp_set_cancel(struct qmp *q, const struct cancel *cancel)
{
	const struct cancel *before = q->channel.cancel;

	q->channel.cancel = cancel;
	return before;
}

void qmp_on_event(struct qmp *q, void (*event)(void *opaque, struct json_object *o), void *opaque)
{
	q->event = event;
	q->opaque = opaque;
}

struct qmp_pausing *qmp_pausing(struct qmp *q)
{
	return &q->pausing;
}

struct json_object *qmp_greeting_version(const struct qmp *q)
{
	return json_walk(q->greeting, "QMP", "version", NULL);
}

static int read_greeting(struct qmp *q, uint64_t deadline, struct error **err)
{
	int r;

	r = channel_message(&q->channel, deadline, &q->greeting, err);
	if (r < 0)
		return error_wrap(err, r, "waiting for the QMP greeting");
	/* who hands the commands on may have been refused */
	if (json_get_obj(q->greeting, "error"))
		return channel_result(q->greeting, NULL, err);
	if (!json_get_obj(q->greeting, "QMP"))
		return error_set(err, ERR_CORRUPT, "'%s' is no QMP socket: no greeting came",
				 q->channel.path);
	return 0;
}

static const struct channel_limits message_limits = { QMP_MAX_MESSAGE, QMP_MAX_MEMORY };

static struct qmp *qmp_new(void)
{
	struct qmp *q = xcalloc(1, sizeof(*q));

	q->channel = (struct channel)CHANNEL_INIT;
	return q;
}

/* Frees q if that fails. */
static int negotiate(struct qmp *q, uint64_t deadline, struct qmp **ret, struct error **err)
{
	_cleanup_qmp_ struct qmp *mine = q;
	int r = read_greeting(q, deadline, err);

	if (r == 0)
		r = qmp_execute(q, "qmp_capabilities", NULL, NULL, err);
	if (r == 0)
		*ret = TAKE_PTR(mine);
	return r;
}

int qmp_open(const char *path, int timeout_ms, const struct cancel *cancel, struct qmp **ret,
	     struct error **err)
{
	_cleanup_qmp_ struct qmp *q = qmp_new();
	_cleanup_error_ struct error *mine = NULL;
	uint64_t deadline = channel_deadline(timeout_ms);
	int r;

	r = channel_connect(&q->channel, path, &message_limits, deadline, cancel, err);
	if (r < 0)
		return r;
	r = negotiate(TAKE_PTR(q), deadline, ret, &mine);
	/* a monitor that serves another client accepts the connection, but sends nothing meanwhile */
	if (r == ERR_TIMEOUT)
		return error_set(err, r,
				 "another client holds the QMP socket '%s' and a monitor serves "
				 "one at a time; try again when it has left",
				 path);
	error_keep_first(err, &mine);
	return r;
}

int qmp_open_socket(int fd, const char *name, int timeout_ms, const struct cancel *cancel, struct qmp **ret,
		    struct error **err)
{
	struct qmp *q = qmp_new();

	channel_adopt(&q->channel, fd, name, &message_limits, cancel);
	return negotiate(q, channel_deadline(timeout_ms), ret, err);
}

static void put_line(struct buf *text, const char *command, struct json_object *args, uint64_t id)
{
	_cleanup_json_ struct json_object *o = json_new_str("execute", command);

	json_put_obj(o, "arguments", json_object_get(args));
	json_put_u64(o, "id", id);
	buf_adds(text, json_text(o));
	buf_addc(text, '\n');
}

static int send_command(struct qmp *q, const char *command, struct json_object *args, uint64_t id,
			int pass_fd, uint64_t deadline, struct error **err)
{
	_cleanup_buf_ struct buf text = BUF_INIT;

	put_line(&text, command, args, id);
	return channel_send(&q->channel, text.data, text.len, pass_fd, deadline, err);
}

/* Passes events on, and skips late answers to commands that have timed out. */
static int wait_answer(struct qmp *q, uint64_t id, uint64_t deadline, struct json_object **ret,
		       struct error **err)
{
	for (;;) {
		_cleanup_json_ struct json_object *o = NULL;
		uint64_t answer_id;
		int r;

		r = channel_message(&q->channel, deadline, &o, err);
		if (r < 0)
			return r;
		/* an error without an id means that QEMU could not parse the command */
		if ((json_get_u64(o, "id", &answer_id) && answer_id == id) ||
		    (!json_get_obj(o, "id") && json_get_obj(o, "error"))) {
			*ret = TAKE_PTR(o);
			return 0;
		}
		if (q->event && json_get_str(o, "event"))
			q->event(q->opaque, o);
	}
}

static int execute(struct qmp *q, const char *command, struct json_object *args, int pass_fd, int timeout_ms,
		   struct json_object **ret, struct error **err)
{
	_cleanup_json_ struct json_object *answer = NULL;
	uint64_t deadline = channel_deadline(timeout_ms);
	uint64_t id = ++q->next_id;
	int r;

	r = send_command(q, command, args, id, pass_fd, deadline, err);
	if (r < 0)
		return r;
	r = wait_answer(q, id, deadline, &answer, err);
	return r < 0 ? r : channel_result(answer, ret, err);
}

/* Takes ownership of args. */
static int execute_named(struct qmp *q, const char *command, struct json_object *args, int pass_fd,
			 int timeout_ms, struct json_object **ret, struct error **err)
{
	int r;

	r = execute(q, command, args, pass_fd, timeout_ms, ret, err);
	json_object_put(args);
	return r < 0 ? error_wrap(err, r, "QMP command '%s' failed", command) : r;
}

int qmp_execute_timeout(struct qmp *q, const char *command, struct json_object *args, int timeout_ms,
			struct json_object **ret, struct error **err)
{
	return execute_named(q, command, args, -1, timeout_ms, ret, err);
}

int qmp_execute(struct qmp *q, const char *command, struct json_object *args, struct json_object **ret,
		struct error **err)
{
	return qmp_execute_timeout(q, command, args, qmp_command_timeout_ms(command), ret, err);
}

/* The answer to list[i], whose error is the command's own. */
static int take_answer(struct qmp *q, struct qmp_command *c, uint64_t id, uint64_t deadline,
		       struct error **err)
{
	_cleanup_json_ struct json_object *answer = NULL;
	int r = wait_answer(q, id, deadline, &answer, err);

	if (r < 0)
		return error_wrap(err, r, "QMP command '%s' failed", c->name);
	c->r = channel_result(answer, NULL, &c->err);
	if (c->r < 0)
		error_wrap(&c->err, c->r, "QMP command '%s' failed", c->name);
	return 0;
}

int qmp_execute_together(struct qmp *q, struct qmp_command *list, size_t n, struct error **err)
{
	const uint64_t first = q->next_id + 1;
	_cleanup_buf_ struct buf text = BUF_INIT;
	int timeout_ms = 0, r;
	uint64_t deadline;

	for (size_t i = 0; i < n; i++) {
		const int ms = qmp_command_timeout_ms(list[i].name);

		put_line(&text, list[i].name, list[i].args, ++q->next_id);
		timeout_ms = ms > timeout_ms ? ms : timeout_ms;
		list[i].r = ERR_GONE;
	}
	deadline = channel_deadline(timeout_ms);
	r = channel_send(&q->channel, text.data, text.len, -1, deadline, err);
	for (size_t i = 0; i < n && r == 0; i++)
		r = take_answer(q, &list[i], first + i, deadline, err);
	return r;
}

void qmp_commands_clear(struct qmp_command *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		json_object_put(list[i].args);
		error_free(list[i].err);
	}
}

int qmp_pass_fd(struct qmp *q, const char *name, int fd, struct error **err)
{
	return execute_named(q, "getfd", json_new_str("fdname", name), fd, qmp_command_timeout_ms("getfd"),
			     NULL, err);
}

int qmp_close_fd(struct qmp *q, const char *name, struct error **err)
{
	int r = qmp_execute(q, "closefd", json_new_str("fdname", name), NULL, err);

	if (r != ERR_PEER)
		return r;
	/* no descriptor has that name, which is the wanted result */
	if (err) {
		error_free(*err);
		*err = NULL;
	}
	return 0;
}
