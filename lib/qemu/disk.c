#include "qemu/disk.h"

#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/strv.h"
#include "qemu/names.h"
#include "qemu/pause.h"

enum {
	MAX_DEPTH = 32, /* of the chain of filters and formats above a protocol node */
};

void graph_disk_clear(struct graph_disk *d)
{
	free(d->key);
	free(d->qom_path);
	free(d->qom_type);
	free(d->root);
	free(d->node);
	free(d->filename);
	free(d->throttle);
	json_object_put(d->throttle_options);
	free(d->iothread);
	*d = (struct graph_disk){ 0 };
}

char *graph_qom_path(struct json_object *device)
{
	const char *qdev = json_get_str(device, "qdev");

	if (!qdev || !*qdev)
		return NULL;
	return *qdev == '/' ? xstrdup(qdev) : xasprintf("/machine/peripheral/%s", qdev);
}

char *graph_qom_string(struct qmp *q, const char *path, const char *property)
{
	_cleanup_json_ struct json_object *answer = NULL;
	struct json_object *args = json_new_str("path", path);
	const char *s;

	json_put_str(args, "property", property);
	if (qmp_execute(q, "qom-get", args, &answer, NULL) < 0 ||
	    !json_object_is_type(answer, json_type_string))
		return NULL;
	s = json_object_get_string(answer);
	return *s ? xstrdup(s) : NULL;
}

/* ---- finding the device ---- */

static bool device_has_key(struct json_object *device, const char *key)
{
	_cleanup_free_ char *path = graph_qom_path(device);
	const char *rest;

	return path && str_prefix(path, "/machine/peripheral/", &rest) && str_prefix(rest, key, &rest) &&
	       (!*rest || !strcmp(rest, "/virtio-backend"));
}

static bool device_has_drive_name(struct json_object *device, const char *key)
{
	_cleanup_free_ char *name = xasprintf("drive-%s", key);

	return str_equal_null(json_get_str(device, "device"), name) ||
	       str_equal_null(blockgraph_device_node(device), name);
}

/* OVMF keeps its variables in the machine's second flash, on x86 and on ARM. */
static bool device_is_efidisk(struct json_object *device, const char *key)
{
	const char *qdev = json_get_str(device, "qdev");

	return qdev && !strcmp(key, "efidisk0") &&
	       (!strcmp(qdev, "/machine/system.flash1") || !strcmp(qdev, "/machine/virt.flash1"));
}

static struct json_object *find_device(const struct blockgraph *g, const char *key,
				       bool (*is_it)(struct json_object *, const char *))
{
	for (size_t i = 0; i < json_array_len(g->devices); i++) {
		struct json_object *device = json_array_at(g->devices, i);

		if (json_get_str(device, "qdev") && blockgraph_device_node(device) && is_it(device, key))
			return device;
	}
	return NULL;
}

const char *graph_filename(const struct blockgraph *g, const char *node)
{
	const char *child;

	for (int i = 0; i < MAX_DEPTH && (child = blockgraph_child(g, node, "file")); i++)
		node = child;
	return json_get_str(json_walk(blockgraph_node(g, node), "image", NULL), "filename");
}

static bool is_same_file(const struct stat *want, const char *path)
{
	struct stat st;

	if (!path || *path != '/' || stat(path, &st))
		return false;
	if (S_ISBLK(want->st_mode))
		return S_ISBLK(st.st_mode) && st.st_rdev == want->st_rdev;
	return st.st_dev == want->st_dev && st.st_ino == want->st_ino;
}

static struct json_object *find_device_by_path(const struct blockgraph *g, const char *path)
{
	struct stat want;

	if (!path || stat(path, &want))
		return NULL;
	for (size_t i = 0; i < json_array_len(g->devices); i++) {
		struct json_object *device = json_array_at(g->devices, i);
		const char *node = blockgraph_device_node(device);

		if (node && json_get_str(device, "qdev") && is_same_file(&want, graph_filename(g, node)))
			return device;
	}
	return NULL;
}

struct json_object *graph_find_device(const struct blockgraph *g, const char *key, const char *id,
				      const char *path)
{
	struct json_object *device = id ? find_device(g, id, device_has_key) : NULL;

	if (!device)
		device = find_device(g, key, device_has_key);
	if (!device)
		device = find_device(g, key, device_has_drive_name);
	if (!device)
		device = find_device(g, key, device_is_efidisk);
	return device ? device : find_device_by_path(g, path);
}

/* ---- the nodes below the device ---- */

enum {
	MAX_FILE_MEMORY = 1024 * 1024,
};

/* The file name that QEMU reports for a throttle filter has it: "json:{"throttle-group": "g", ...}". */
static int throttle_group(struct json_object *node, char **ret, struct error **err)
{
	const char *name = json_get_str(node, "node-name");
	const char *text = json_get_str(node, "file");
	_cleanup_json_ struct json_object *o = NULL;
	const char *json, *group;

	if (text && str_prefix(text, "json:", &json))
		(void)json_parse(json, strlen(json), MAX_FILE_MEMORY, &o, NULL);
	group = json_get_str(o, "throttle-group");
	if (!group)
		return error_set(err, ERR_UNSUPPORTED,
				 "throttle filter '%s': QEMU does not report its throttle group", name);
	*ret = xstrdup(group);
	return 0;
}

static struct json_object *cache_options(struct json_object *node)
{
	struct json_object *cache = json_get_obj(node, "cache");
	struct json_object *o = json_new_obj();

	json_put_bool(o, "direct", json_get_bool(cache, "direct", false));
	return json_put_bool(o, "no-flush", json_get_bool(cache, "no-flush", false));
}

int graph_throttle_options(const struct blockgraph *g, const char *throttle, const char *file,
			   struct json_object **ret, struct error **err)
{
	struct json_object *node = blockgraph_node(g, throttle);
	_cleanup_free_ char *group = NULL;
	struct json_object *o;
	int r;

	r = throttle_group(node, &group, err);
	if (r < 0)
		return r;
	o = json_new_str("driver", "throttle");
	json_put_str(o, "node-name", throttle);
	json_put_str(o, "throttle-group", group);
	json_put_str(o, "file", file);
	json_put_bool(o, "read-only", json_get_bool(node, "ro", false));
	json_put_str(o, "detect-zeroes", json_get_str(node, "detect_zeroes"));
	/*
	 * QEMU does not report `discard`.  It is safe to pass TRIMs on in any case: the nodes below have
	 * their own option, and PVE gives all nodes of a disk the same.
	 */
	json_put_str(o, "discard", "unmap");
	*ret = json_put_obj(o, "cache", cache_options(node));
	return 0;
}

static int refuse_leftover(const char *key, const char *node, struct error **err)
{
	return error_set(err, ERR_INVALID,
			 "%s: the filter '%s' of an earlier backup is still in place; "
			 "run 'vzdump --cleanup' first",
			 key, node);
}

/* Steps from the device's root node over throttle filters down to T. */
static int find_node(const struct blockgraph *g, struct graph_disk *d, struct error **err)
{
	const char *node = d->root, *throttle = NULL;

	for (int i = 0; i < MAX_DEPTH && !strcmp(blockgraph_driver(g, node), "throttle"); i++) {
		throttle = node;
		node = blockgraph_child(g, throttle, "file");
		if (!node)
			return error_set(err, ERR_UNSUPPORTED,
					 "%s: QEMU does not report what is below the throttle "
					 "filter '%s'",
					 d->key, throttle);
	}
	if (graph_is_ours(node))
		return refuse_leftover(d->key, node, err);
	d->node = xstrdup(node);
	d->throttle = xstrdup_null(throttle);
	if (!throttle)
		return 0;
	return graph_throttle_options(g, throttle, node, &d->throttle_options, err);
}

/* True if there is a LUKS node in the chain, or if an image itself is encrypted (qcow2). */
static bool is_encrypted(const struct blockgraph *g, const char *name)
{
	for (int i = 0; name && i < MAX_DEPTH; i++, name = blockgraph_child(g, name, "file")) {
		struct json_object *node = blockgraph_node(g, name);

		if (!strcmp(blockgraph_driver(g, name), "luks") || json_get_bool(node, "encrypted", false) ||
		    json_get_bool(json_get_obj(node, "image"), "encrypted", false))
			return true;
	}
	return false;
}

static int read_node(const struct blockgraph *g, struct graph_disk *d, struct error **err)
{
	struct json_object *node = blockgraph_node(g, d->node);
	const char *filename = graph_filename(g, d->node);

	if (!json_get_u64(json_get_obj(node, "image"), "virtual-size", &d->size))
		return error_set(err, ERR_PEER, "%s: QEMU does not report the size of node '%s'", d->key,
				 d->node);
	d->filename = xstrdup(filename ? filename : "");
	d->read_only = json_get_bool(node, "ro", false);
	d->encrypted = is_encrypted(g, d->node);
	return 0;
}

/* A virtio-blk device has its own iothread; a SCSI disk uses that of its controller. */
static char *find_iothread(struct qmp *q, const char *qom_path)
{
	_cleanup_free_ char *bus = NULL;
	char *own = graph_qom_string(q, qom_path, "iothread");
	char *slash;

	if (own)
		return own;
	bus = graph_qom_string(q, qom_path, "parent_bus");
	slash = bus ? strrchr(bus, '/') : NULL;
	if (!slash || slash == bus)
		return NULL;
	*slash = '\0';
	return graph_qom_string(q, bus, "iothread");
}

static int read_device(struct qmp *q, struct graph_disk *d, struct error **err)
{
	bool iothreads;
	int r = graph_has_iothreads(q, &iothreads, err);

	d->qom_type = graph_qom_string(q, d->qom_path, "type");
	if (!d->qom_type)
		d->qom_type = xstrdup("");
	if (iothreads)
		d->iothread = find_iothread(q, d->qom_path);
	return r;
}

static void move_disk(struct graph_disk *dst, struct graph_disk *src)
{
	*dst = *src;
	*src = (struct graph_disk){ 0 };
}

int graph_find_disk(struct qmp *q, const struct blockgraph *g, const char *key, const char *id,
		    const char *path, struct graph_disk *ret, struct error **err)
{
	_cleanup_(graph_disk_clear) struct graph_disk d = { 0 };
	struct json_object *device = graph_find_device(g, key, id, path);
	int r;

	if (!device)
		return error_set(err, ERR_NOT_FOUND,
				 "%s: the running QEMU has no such disk (looked for device '%s', "
				 "node 'drive-%s'%s%s)",
				 key, id ? id : key, key, path ? ", file " : "", path ? path : "");
	d.key = xstrdup(key);
	d.qom_path = graph_qom_path(device);
	d.root = xstrdup(blockgraph_device_node(device));
	r = find_node(g, &d, err);
	if (r == 0)
		r = read_node(g, &d, err);
	if (r == 0)
		r = read_device(q, &d, err);
	if (r == 0)
		move_disk(ret, &d);
	return r;
}

bool graph_iothread_crashes(const struct qemu_features *f, const struct graph_disk *d)
{
	return f->major < 9 && d->iothread && str_prefix(d->qom_type, "scsi-", NULL);
}
