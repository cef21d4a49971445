#include "qemu/filter-users.h"

#include <string.h>

#include "base/buf.h"
#include "base/strv.h"
#include "qemu/names.h"

enum {
	MAX_JOBS = 4, /* more are not named */
};

/* "backup 'j1', mirror 'j2'": the block jobs of others in the QEMU; "" if there is none.  Caller frees. */
static char *describe_jobs(struct qmp *q)
{
	_cleanup_json_ struct json_object *jobs = NULL;
	struct buf b = BUF_INIT;

	buf_adds(&b, "");
	(void)qmp_execute(q, "query-block-jobs", NULL, &jobs, NULL);
	for (size_t i = 0; i < json_array_len(jobs) && i < MAX_JOBS; i++) {
		struct json_object *job = json_array_at(jobs, i);
		const char *id = json_get_str(job, "device");
		const char *type = json_get_str(job, "type");

		if (!graph_is_ours(id))
			buf_addf(&b, "%s%s '%s'", b.len ? ", " : "", type ? type : "job", id ? id : "");
	}
	return buf_steal(&b);
}

/* The user is a backend without device and name, which a block job has, or has left. */
static int used_by_backend(const char *filter, const char *jobs, struct error **err)
{
	if (*jobs)
		return error_set(err, ERR_PEER,
				 "block job %s uses the backup's filter '%s': when it has ended, "
				 "'vzdump --cleanup' takes the filter out",
				 jobs, filter);
	return error_set(
		err, ERR_PEER,
		"QEMU holds the backup's filter '%s' for a block job that it has refused, and lets go "
		"of it only when it ends: shut the guest down and start it again",
		filter);
}

static int used_by_node(const struct blockgraph *g, const struct blockgraph_edge *e, const char *jobs,
			struct error **err)
{
	const char *driver = blockgraph_driver(g, e->parent);

	if (*jobs)
		return error_set(err, ERR_PEER,
				 "node '%s' (%s) is above the backup's filter '%s', and a block job is "
				 "running: %s; when it has ended, 'vzdump --cleanup' takes the filter out",
				 e->parent, driver, e->child, jobs);
	return error_set(err, ERR_PEER,
			 "node '%s' (%s) has the backup's filter '%s' as its '%s': take that node away, or "
			 "commit and remove it if it is a snapshot, then run 'vzdump --cleanup'",
			 e->parent, driver, e->child, e->name);
}

/* True for a device of the guest: it may use the filter. */
static bool is_device(const struct blockgraph *g, const char *parent)
{
	for (size_t i = 0; i < json_array_len(g->devices); i++) {
		struct json_object *device = json_array_at(g->devices, i);

		if (str_equal_null(json_get_str(device, "device"), parent) ||
		    str_equal_null(json_get_str(device, "qdev"), parent))
			return *parent != '\0';
	}
	return false;
}

static int explain(struct qmp *q, const struct blockgraph *g, const struct blockgraph_edge *e,
		   struct error **err)
{
	_cleanup_free_ char *jobs = describe_jobs(q);

	return e->parent_is_node ? used_by_node(g, e, jobs, err) : used_by_backend(e->child, jobs, err);
}

int graph_check_filter_users(struct qmp *q, const struct blockgraph *g, const char *filter,
			     struct error **err)
{
	for (size_t i = 0; i < g->n_edges; i++) {
		const struct blockgraph_edge *e = &g->edges[i];

		if (strcmp(e->child, filter) != 0 || graph_is_ours(e->parent))
			continue;
		if (e->parent_is_node ? strcmp(blockgraph_driver(g, e->parent), "throttle") != 0
				      : !is_device(g, e->parent))
			return explain(q, g, e, err);
	}
	return 0;
}
