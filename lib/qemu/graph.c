/* Targets, filter, bitmap, frozen view: what is made beside the guest's own nodes. */
#include "qemu/graph.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/strv.h"
#include "qemu/internal.h"

bool graph_is_ours(const char *name)
{
	return name && str_prefix(name, GRAPH_PREFIX, NULL);
}

static bool put_name(char ret[32], const char *key, const char *purpose)
{
	int n = snprintf(ret, 32, GRAPH_PREFIX "%s%s", key, purpose);

	return n > 0 && n < 32;
}

int graph_names_init(struct graph_names *n, const char *key, struct error **err)
{
	if (put_name(n->cbw, key, "-cbw") && put_name(n->target, key, "-target") &&
	    put_name(n->file, key, "-file") && put_name(n->snap, key, "-snap") &&
	    put_name(n->bitmap, key, "") && put_name(n->export, key, "") &&
	    put_name(n->guard, key, "-guard") && put_name(n->guard_top, key, "-guard-top") &&
	    put_name(n->guard_job, key, "-guard-job") && put_name(n->guard_sink, key, "-guard-sink"))
		return 0;
	return error_set(err, ERR_INVALID, "disk name '%s' is too long for a QEMU node name", key);
}

static int add_node(struct qmp *q, struct json_object *node, struct error **err)
{
	return graph_execute_quietly(q, "blockdev-add", node, err);
}

int graph_del_node(struct qmp *q, const char *name, struct error **err)
{
	_cleanup_view_ struct view v = { 0 };
	int r;

	r = view_load(q, &v, err);
	if (r < 0)
		return r;
	if (!view_node(&v, name))
		return 0;
	return graph_execute_quietly(q, "blockdev-del", json_new_str("node-name", name), err);
}

/* ---- target ---- */

/* Options that both layers of the image need; libvirt and PVE set the cache on both as well. */
static void put_image_options(struct json_object *o, bool direct)
{
	struct json_object *cache = json_new_obj();

	json_put_bool(cache, "direct", direct);
	json_put_bool(cache, "no-flush", true);
	json_put_obj(o, "cache", cache);
	json_put_str(o, "discard", "unmap");
}

static bool driver_has_aio(struct json_object *protocol)
{
	const char *driver = json_get_str(protocol, "driver");

	return driver && (!strcmp(driver, "file") || !strcmp(driver, "host_device"));
}

static struct json_object *image_protocol(const struct graph_names *n, const struct graph_image *img)
{
	struct json_object *o = json_copy(img->protocol);

	json_put_str(o, "node-name", n->file);
	put_image_options(o, img->direct);
	if (img->direct && driver_has_aio(o) && !json_get_obj(o, "aio"))
		json_put_str(o, "aio", "native");
	return o;
}

int graph_add_image(struct qmp *q, const struct graph_names *n, const struct graph_image *img,
		    struct error **err)
{
	struct json_object *o = json_new_str("driver", img->format);

	json_put_str(o, "node-name", n->target);
	put_image_options(o, img->direct);
	if (!strcmp(img->format, "raw"))
		json_put_u64(o, "size", img->size);
	json_put_obj(o, "file", image_protocol(n, img));
	return add_node(q, o, err);
}

int graph_add_sink(struct qmp *q, const struct graph_names *n, const char *socket_path,
		   const char *export_name, struct error **err)
{
	struct json_object *o = json_new_str("driver", "nbd");
	struct json_object *server = json_new_str("type", "unix");

	json_put_str(server, "path", socket_path);
	json_put_str(o, "node-name", n->target);
	json_put_obj(o, "server", server);
	json_put_str(o, "export", export_name);
	json_put_str(o, "discard", "unmap");
	return add_node(q, o, err);
}

int graph_del_target(struct qmp *q, const struct graph_names *n, struct error **err)
{
	return graph_del_node(q, n->target, err);
}

/* ---- filter ---- */

int graph_add_filter(struct qmp *q, const struct qemu_features *f, const struct graph_disk *d,
		     const struct graph_names *n, const struct graph_filter_options *o, struct error **err)
{
	struct json_object *node = json_new_str("driver", "copy-before-write");

	json_put_str(node, "node-name", n->cbw);
	json_put_str(node, "file", d->node);
	json_put_str(node, "target", n->target);
	json_put_str(node, "discard", "unmap");
	json_put_str(node, "on-cbw-error", "break-snapshot");
	if (d->read_only)
		json_put_bool(node, "read-only", true);
	if (f->cbw_timeout && o->cbw_timeout_s)
		json_put_u64(node, "cbw-timeout", qemu_cbw_timeout(f, o->cbw_timeout_s));
	if (f->cbw_min_cluster_size && o->min_cluster_size)
		json_put_u64(node, "min-cluster-size", o->min_cluster_size);
	return add_node(q, node, err);
}

int graph_del_filter(struct qmp *q, const struct graph_names *n, struct error **err)
{
	return graph_del_node(q, n->cbw, err);
}

/* ---- bitmap ---- */

static struct json_object *bitmap_args(const struct graph_names *n)
{
	return json_put_str(json_new_str("node", n->cbw), "name", n->bitmap);
}

int graph_add_bitmap(struct qmp *q, const struct graph_names *n, struct error **err)
{
	struct json_object *args = bitmap_args(n);

	json_put_u64(args, "granularity", GRAPH_BITMAP_GRANULARITY);
	json_put_bool(args, "persistent", false);
	return graph_execute_quietly(q, "block-dirty-bitmap-add", args, err);
}

static bool has_bitmap(struct json_object *node, const char *name)
{
	struct json_object *bitmaps = json_get_array(node, "dirty-bitmaps");

	for (size_t i = 0; i < json_array_len(bitmaps); i++)
		if (str_equal_null(json_get_str(json_array_at(bitmaps, i), "name"), name))
			return true;
	return false;
}

int graph_del_bitmap(struct qmp *q, const struct graph_names *n, struct error **err)
{
	_cleanup_view_ struct view v = { 0 };
	int r;

	r = view_load(q, &v, err);
	if (r < 0)
		return r;
	if (!has_bitmap(view_node(&v, n->cbw), n->bitmap))
		return 0;
	return graph_execute_quietly(q, "block-dirty-bitmap-remove", bitmap_args(n), err);
}

/* ---- frozen view ---- */

int graph_add_snapshot(struct qmp *q, const struct graph_names *n, struct error **err)
{
	struct json_object *o = json_new_str("driver", "snapshot-access");

	json_put_str(o, "node-name", n->snap);
	json_put_str(o, "file", n->cbw);
	json_put_str(o, "discard", "unmap");
	return add_node(q, o, err);
}

int graph_del_snapshot(struct qmp *q, const struct graph_names *n, struct error **err)
{
	return graph_del_node(q, n->snap, err);
}
