#include "qemu/nodes.h"

#include <string.h>

#include "qemu/blockgraph.h"
#include "qemu/pause.h"

static int add_node(struct qmp *q, struct json_object *node, struct error **err)
{
	return graph_execute_paused(q, "blockdev-add", node, err);
}

/* False also if QEMU does not tell. */
static bool is_gone(struct qmp *q, const char *name)
{
	_cleanup_blockgraph_ struct blockgraph g = { 0 };

	return blockgraph_load(q, &g, NULL) == 0 && !blockgraph_node(&g, name);
}

/* The graph is looked at only after a refusal, whose words depend on the version of QEMU. */
static int del_node(struct qmp *q, const char *name, struct error **err)
{
	_cleanup_error_ struct error *refusal = NULL;
	int r = qmp_execute(q, "blockdev-del", json_new_str("node-name", name), NULL, &refusal);

	if (r == ERR_PEER && is_gone(q, name))
		return 0;
	error_keep_first(err, &refusal);
	return r;
}

int graph_del_node(struct qmp *q, const char *name, struct error **err)
{
	struct graph_pause pause;
	int r = graph_pause_if_needed(q, &pause, err);

	if (r == 0)
		r = del_node(q, name, err);
	return graph_pause_end_after(q, &pause, r, err);
}

/* ---- target ---- */

/* Options that both layers of the image need; libvirt and PVE set the cache on both, too. */
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

/* Takes ownership of image.  Without `discard`, TRIMs of the filter end here. */
static struct json_object *throttle(const struct graph_names *n, const char *group, struct json_object *image)
{
	struct json_object *o = json_new_str("driver", "throttle");

	json_put_str(o, "node-name", n->target);
	json_put_str(o, "throttle-group", group);
	return json_put_obj(o, "file", image);
}

int graph_add_image(struct qmp *q, const struct graph_names *n, const struct graph_image *img,
		    struct error **err)
{
	struct json_object *o = json_new_str("driver", img->format);

	json_put_str(o, "node-name", img->group ? n->image : n->target);
	put_image_options(o, img->direct);
	if (!strcmp(img->format, "raw"))
		json_put_u64(o, "size", img->size);
	json_put_obj(o, "file", image_protocol(n, img));
	return add_node(q, img->group ? throttle(n, img->group, o) : o, err);
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

/* ---- filter ---- */

int graph_add_filter(struct qmp *q, const struct qemu_features *f, const struct graph_disk *d,
		     const struct graph_names *n, unsigned timeout_s, struct error **err)
{
	struct json_object *node = json_new_str("driver", "copy-before-write");

	json_put_str(node, "node-name", n->cbw);
	json_put_str(node, "file", d->node);
	json_put_str(node, "target", n->target);
	json_put_str(node, "discard", "unmap");
	json_put_str(node, "on-cbw-error", "break-snapshot");
	if (d->read_only)
		json_put_bool(node, "read-only", true);
	if (f->cbw_timeout && timeout_s)
		json_put_u64(node, "cbw-timeout", qemu_cbw_timeout(f, timeout_s));
	return add_node(q, node, err);
}

/* ---- bitmap ---- */

int graph_add_bitmap(struct qmp *q, const struct graph_names *n, struct error **err)
{
	struct json_object *args = json_new_str("node", n->target);

	json_put_str(args, "name", n->bitmap);
	json_put_u64(args, "granularity", GRAPH_BITMAP_GRANULARITY);
	json_put_bool(args, "persistent", false);
	return graph_execute_paused(q, "block-dirty-bitmap-add", args, err);
}

/* ---- snapshot ---- */

int graph_add_snapshot(struct qmp *q, const struct graph_names *n, struct error **err)
{
	struct json_object *o = json_new_str("driver", "snapshot-access");

	json_put_str(o, "node-name", n->snap);
	json_put_str(o, "file", n->cbw);
	json_put_str(o, "discard", "unmap");
	return add_node(q, o, err);
}
