#include "qemu/throttle.h"

#include "base/mem.h"
#include "base/strv.h"
#include "qemu/disk.h"

/* What is left out counts as zero, which is no limit. */
static struct json_object *limits_of(const struct graph_rate *rate)
{
	struct json_object *o = json_put_u64(json_new_obj(), "bps-write", rate->rate);

	return json_put_u64(o, "bps-write-max", rate->burst);
}

int graph_add_group(struct qmp *q, const char *group, const struct graph_rate *rate, struct error **err)
{
	struct json_object *args = json_new_str("qom-type", "throttle-group");

	json_put_str(args, "id", group);
	return qmp_execute(q, "object-add", json_put_obj(args, "limits", limits_of(rate)), NULL, err);
}

int graph_set_group(struct qmp *q, const char *group, const struct graph_rate *rate, struct error **err)
{
	_cleanup_free_ char *path = xasprintf("/objects/%s", group);
	struct json_object *args = json_new_str("path", path);

	json_put_str(args, "property", "limits");
	return qmp_execute(q, "qom-set", json_put_obj(args, "value", limits_of(rate)), NULL, err);
}

int graph_our_groups(struct qmp *q, char ***ret, struct error **err)
{
	_cleanup_json_ struct json_object *objects = NULL;
	int r = qmp_execute(q, "qom-list", json_new_str("path", "/objects"), &objects, err);

	*ret = NULL;
	for (size_t i = 0; i < json_array_len(objects); i++) {
		const char *name = json_get_str(json_array_at(objects, i), "name");

		if (graph_is_ours(name))
			strv_add(ret, name);
	}
	return r;
}

int graph_del_group(struct qmp *q, const char *group, struct error **err)
{
	return qmp_execute(q, "object-del", json_new_str("id", group), NULL, err);
}

static void add_writes(struct graph_writes *w, struct json_object *stats)
{
	uint64_t n, bytes, ns;

	if (!json_get_u64(stats, "wr_operations", &n) || !json_get_u64(stats, "wr_bytes", &bytes) ||
	    !json_get_u64(stats, "wr_total_time_ns", &ns))
		return;
	w->n += n;
	w->bytes += bytes;
	w->ns += ns;
}

int graph_get_writes(struct qmp *q, char *const *qom_paths, struct graph_writes *ret, struct error **err)
{
	_cleanup_json_ struct json_object *devices = NULL;
	int r = qmp_execute(q, "query-blockstats", NULL, &devices, err);

	*ret = (struct graph_writes){ 0 };
	for (size_t i = 0; i < json_array_len(devices); i++) {
		struct json_object *device = json_array_at(devices, i);
		_cleanup_free_ char *path = graph_qom_path(device);

		if (path && strv_contains(qom_paths, path))
			add_writes(ret, json_get_obj(device, "stats"));
	}
	return r;
}
