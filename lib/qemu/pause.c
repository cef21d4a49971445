#include "qemu/pause.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "qemu/names.h"
#include "qemu/vcpus.h"

void graph_write_out(const char *filename)
{
	_cleanup_close_ int fd = -1;

	if (!filename || *filename != '/')
		return;
	fd = open(filename, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0)
		(void)fdatasync(fd);
}

/*
 * Our own nodes are left out: QEMU does not flush a fleecing image (nodes.h), and its storage may hang, which
 * must not keep us from going on.
 */
static bool is_flushed(struct json_object *node)
{
	const char *driver = json_get_str(node, "drv");

	return (str_equal_null(driver, "file") || str_equal_null(driver, "host_device")) &&
	       !json_get_bool(node, "ro", true) && !graph_is_ours(json_get_str(node, "node-name"));
}

/* Writes out the guest's files and devices first, as `stop` flushes them with the vCPUs already halted. */
static void write_out_all(struct qmp *q)
{
	_cleanup_json_ struct json_object *nodes = NULL;
	struct json_object *args = json_put_bool(json_new_obj(), "flat", true);

	if (qmp_execute(q, "query-named-block-nodes", args, &nodes, NULL) < 0)
		return;
	for (size_t i = 0; i < json_array_len(nodes); i++) {
		struct json_object *node = json_array_at(nodes, i);

		if (is_flushed(node))
			graph_write_out(json_get_str(node, "file"));
	}
}

/*
 * *ret: the guest runs, and what `stop` would flush has been written out.  That may have taken long: what
 * others have paused or moved to another host meanwhile must not be let go on.
 */
static int prepare_stop(struct qmp *q, bool *ret, struct error **err)
{
	int r;

	*ret = false;
	if (qmp_pausing(q)->paused)
		return 0;
	r = vcpus_run(q, ret, err);
	if (r < 0 || !*ret)
		return r;
	write_out_all(q);
	return vcpus_run(q, ret, err);
}

int graph_pause_begin(struct qmp *q, struct graph_pause *p, struct error **err)
{
	bool runs;
	int r;

	*p = (struct graph_pause){ 0 };
	r = prepare_stop(q, &runs, err);
	if (r < 0 || !runs)
		return r;
	/* a request to stop does not interrupt these milliseconds */
	p->cancel = qmp_set_cancel(q, NULL);
	p->ours = qmp_pausing(q)->paused = true;
	r = qmp_execute(q, "stop", NULL, NULL, err);
	if (r == ERR_PEER) {
		p->ours = qmp_pausing(q)->paused = false;
		qmp_set_cancel(q, p->cancel);
	}
	return r;
}

/* The first error of list[at]. */
static int keep_own_error(struct qmp_command *list, size_t at, int r, struct error **err)
{
	if (r < 0 || list[at].r == 0)
		return r;
	error_keep_first(err, &list[at].err);
	return list[at].r;
}

int graph_execute_in_pause(struct qmp *q, struct qmp_command *list, size_t n, uint64_t *ret_ns,
			   struct error **err)
{
	_cleanup_free_ struct qmp_command *all = NULL;
	uint64_t since;
	bool runs;
	int r = prepare_stop(q, &runs, err);

	*ret_ns = 0;
	if (r < 0)
		return r;
	if (!runs)
		return qmp_execute_together(q, list, n, err);
	all = xcalloc(n + 2, sizeof(*all));
	all[0].name = "stop";
	memcpy(all + 1, list, n * sizeof(*list));
	all[n + 1].name = "cont";
	since = units_now_ns();
	r = qmp_execute_together(q, all, n + 2, err);
	*ret_ns = units_now_ns() - since;
	memcpy(list, all + 1, n * sizeof(*list));
	r = keep_own_error(all, 0, r, err);
	r = keep_own_error(all, n + 1, r, err);
	qmp_commands_clear(all, 1);
	qmp_commands_clear(all + n + 1, 1);
	return r;
}

int graph_pause_end(struct qmp *q, struct graph_pause *p, struct error **err)
{
	int r;

	if (!p->ours)
		return 0;
	p->ours = qmp_pausing(q)->paused = false;
	r = qmp_execute(q, "cont", NULL, NULL, err);
	qmp_set_cancel(q, p->cancel);
	return r;
}

/* By the version in the greeting, so that no command is needed. */
static bool has_context_locks(const struct qmp *q)
{
	uint64_t major = 0;

	return json_get_u64(json_get_obj(qmp_greeting_version(q), "qemu"), "major", &major) && major < 9;
}

int graph_has_iothreads(struct qmp *q, bool *ret, struct error **err)
{
	struct qmp_pausing *known = qmp_pausing(q);
	_cleanup_json_ struct json_object *iothreads = NULL;
	int r = 0;

	if (known->iothreads == QMP_IOTHREADS_UNKNOWN)
		r = qmp_execute(q, "query-iothreads", NULL, &iothreads, err);
	if (iothreads)
		known->iothreads = json_array_len(iothreads) ? QMP_IOTHREADS_ANY : QMP_IOTHREADS_NONE;
	*ret = known->iothreads == QMP_IOTHREADS_ANY;
	return r;
}

int graph_pause_is_needed(struct qmp *q, bool *ret, struct error **err)
{
	*ret = false;
	return has_context_locks(q) ? graph_has_iothreads(q, ret, err) : 0;
}

int graph_pause_if_needed(struct qmp *q, struct graph_pause *p, struct error **err)
{
	bool needed;
	int r;

	*p = (struct graph_pause){ 0 };
	r = graph_pause_is_needed(q, &needed, err);
	if (r < 0 || !needed)
		return r;
	return graph_pause_begin(q, p, err);
}

int graph_pause_end_after(struct qmp *q, struct graph_pause *p, int r, struct error **err)
{
	_cleanup_error_ struct error *e = NULL;
	int end = graph_pause_end(q, p, &e);

	if (r < 0 || end == 0)
		return r;
	error_keep_first(err, &e);
	return end;
}

int graph_execute_paused(struct qmp *q, const char *command, struct json_object *args, struct error **err)
{
	struct graph_pause pause;
	int r;

	r = graph_pause_if_needed(q, &pause, err);
	if (r == 0)
		r = qmp_execute(q, command, json_object_get(args), NULL, err);
	json_object_put(args);
	return graph_pause_end_after(q, &pause, r, err);
}
