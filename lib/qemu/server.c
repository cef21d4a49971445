#include "qemu/server.h"

#include <string.h>

#include "base/strv.h"
#include "qemu/dismiss.h"
#include "qemu/pause.h"

int graph_server_start(struct qmp *q, const char *socket_path, struct error **err)
{
	_cleanup_error_ struct error *e = NULL;
	struct json_object *addr = json_new_str("type", "unix");
	int r;

	json_put_obj(addr, "data", json_new_str("path", socket_path));
	r = qmp_execute(q, "nbd-server-start", json_put_obj(json_new_obj(), "addr", addr), NULL, &e);
	if (r == ERR_PEER && strstr(e->message, "already running"))
		return error_set(err, ERR_INVALID,
				 "QEMU's NBD server is in use already (by another tool or a "
				 "migration) and a QEMU has only one; try again when it is free");
	if (r < 0)
		error_keep_first(err, &e);
	return r;
}

/* The first NBD export that is not ours, or NULL.  Borrowed from exports. */
static const char *foreign_export(struct json_object *exports)
{
	for (size_t i = 0; i < json_array_len(exports); i++) {
		struct json_object *o = json_array_at(exports, i);
		const char *id = json_get_str(o, "id");

		if (id && !graph_is_ours(id) && str_equal_null(json_get_str(o, "type"), "nbd"))
			return id;
	}
	return NULL;
}

int graph_server_stop(struct qmp *q, struct error **err)
{
	_cleanup_json_ struct json_object *exports = NULL;
	_cleanup_error_ struct error *e = NULL;
	int r;

	r = qmp_execute(q, "query-block-exports", NULL, &exports, err);
	if (r < 0)
		return r;
	if (foreign_export(exports))
		return 0;
	r = graph_execute_paused(q, "nbd-server-stop", NULL, &e);
	if (r == ERR_PEER && strstr(e->message, "not running"))
		return 0;
	if (r < 0)
		error_keep_first(err, &e);
	return r;
}

static void append_bitmap(struct json_object *bitmaps, const char *node, const char *name)
{
	json_append(bitmaps, json_put_str(json_new_str("node", node), "name", name));
}

/* bitmaps may be NULL.  Takes ownership of it. */
static int add_export(struct qmp *q, const char *id, const char *node, struct json_object *bitmaps,
		      struct error **err)
{
	struct json_object *o = json_new_str("type", "nbd");
	bool needs_pause;
	int r = graph_pause_is_needed(q, &needs_pause, err);

	json_put_str(o, "id", id);
	json_put_str(o, "node-name", node);
	json_put_str(o, "name", id);
	json_put_bool(o, "writable", true);
	if (bitmaps)
		json_put_obj(o, "bitmaps", bitmaps);
	if (r < 0) {
		json_object_put(o);
		return r;
	}
	/* while the guest is paused, the disk is in the main loop; this keeps it there */
	if (needs_pause)
		json_put_bool(o, "fixed-iothread", true);
	return graph_execute_paused(q, "block-export-add", o, err);
}

int graph_add_export(struct qmp *q, const struct graph_names *n, const char *node, const char *base,
		     struct error **err)
{
	struct json_object *bitmaps = json_new_array();

	append_bitmap(bitmaps, n->target, n->bitmap);
	if (base)
		append_bitmap(bitmaps, node, base);
	return add_export(q, n->export, n->snap, bitmaps, err);
}

int graph_add_image_export(struct qmp *q, const struct graph_names *n, struct error **err)
{
	return add_export(q, n->trim, n->image, NULL, err);
}

static const struct dismissal exports_of_ours = {
	.noun = "export",
	.command = "block-export-del",
	.key = "id",
	.mode = "hard",
	.query = "query-block-exports",
};

int graph_list_exports(struct qmp *q, char ***ret, struct error **err)
{
	return dismiss_list(q, &exports_of_ours, ret, err);
}

int graph_del_exports(struct qmp *q, char *const *ids, struct error **err)
{
	return dismiss_all(q, &exports_of_ours, ids, err);
}

static int check_jobs(struct qmp *q, struct error **err)
{
	_cleanup_json_ struct json_object *jobs = NULL;
	struct json_object *job;
	const char *id, *type;
	int r;

	r = qmp_execute(q, "query-block-jobs", NULL, &jobs, err);
	if (r < 0 || !json_array_len(jobs))
		return r;
	job = json_array_at(jobs, 0);
	id = json_get_str(job, "device");
	type = json_get_str(job, "type");
	return error_set(err, ERR_INVALID,
			 "a block job is running in the QEMU (%s '%s'); wait for its end or cancel it",
			 type ? type : "job", id ? id : "");
}

int graph_check_strangers(struct qmp *q, struct error **err)
{
	_cleanup_json_ struct json_object *exports = NULL;
	const char *id;
	int r;

	r = check_jobs(q, err);
	if (r < 0)
		return r;
	r = qmp_execute(q, "query-block-exports", NULL, &exports, err);
	if (r < 0)
		return r;
	id = foreign_export(exports);
	if (id)
		return error_set(err, ERR_INVALID,
				 "the QEMU's only NBD server is in use: export '%s' is not ours; "
				 "try again when it is gone",
				 id);
	return 0;
}
