/* The block node of a disk: a format over a protocol, with a throttle filter if it has limits. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "guest/guest-internal.h"
#include "guest/qemu-args-internal.h"

#define MAX_LIMIT 1e15 /* QEMU's */

static const char *const media_values[] = { "cdrom", "disk", NULL };
static const char *const discard_values[] = { "ignore", "on", NULL };
static const char *const cache_values[] = {
	"none", "writethrough", "writeback", "unsafe", "directsync", NULL
};
static const char *const aio_values[] = { "native", "threads", "io_uring", NULL };
static const char *const rerror_values[] = { "ignore", "report", "stop", NULL };
static const char *const werror_values[] = { "enospc", "ignore", "report", "stop", NULL };

/* clang-format off */
static const struct propstr_key drive_keys[] = {
	{ .name = "file", .value = { .type = VALUE_STRING }, .is_default = true, .required = true },
	{ .name = "volume", .alias = "file" },
	{ .name = "aio", .value = { .type = VALUE_ENUM, .values = aio_values } },
	{ .name = "cache", .value = { .type = VALUE_ENUM, .values = cache_values } },
	{ .name = "detect_zeroes", .value = { .type = VALUE_BOOL } },
	{ .name = "discard", .value = { .type = VALUE_ENUM, .values = discard_values } },
	{ .name = "format", .value = { .type = VALUE_ENUM, .values = guest_formats } },
	{ .name = "iothread", .value = { .type = VALUE_BOOL } },
	{ .name = "media", .value = { .type = VALUE_ENUM, .values = media_values } },
	{ .name = "queues", .value = { .type = VALUE_INT, .min = 2 } },
	{ .name = "rerror", .value = { .type = VALUE_ENUM, .values = rerror_values } },
	{ .name = "ro", .value = { .type = VALUE_BOOL } },
	{ .name = "scsiblock", .value = { .type = VALUE_BOOL } },
	{ .name = "snapshot", .value = { .type = VALUE_BOOL } },
	{ .name = "ssd", .value = { .type = VALUE_BOOL } },
	{ .name = "werror", .value = { .type = VALUE_ENUM, .values = werror_values } },
};
/* clang-format on */

const struct propstr_format qemu_args_drive_format = {
	.name = "drive",
	.keys = drive_keys,
	.n_keys = ARRAY_SIZE(drive_keys),
	.tolerant = true, /* limits, which are numbers with fractions, and what only PVE needs */
};

/* ---- options that each node of the chain has ---- */

struct node_options {
	bool discard;
	bool read_only;
	bool direct;
	bool no_flush;
};

static void put_common(struct json_object *node, const struct node_options *n)
{
	json_put_str(node, "discard", n->discard ? "unmap" : "ignore");
	json_put_bool(node, "read-only", n->read_only);
}

static void put_cache(struct json_object *node, const struct node_options *n)
{
	struct json_object *cache = json_put_bool(json_new_obj(), "direct", n->direct);

	json_put_obj(node, "cache", json_put_bool(cache, "no-flush", n->no_flush));
}

static const char *zeroes_of(const struct propstr *line, const struct node_options *n)
{
	if (propstr_has(line, "detect_zeroes") && !propstr_get_bool(line, "detect_zeroes"))
		return "off";
	return n->discard ? "unmap" : "on";
}

/*
 * Not on each file system: then the host's cache has to do, as it would have to for PVE's `cache=writeback`.
 */
static bool can_be_direct(struct json_object *protocol)
{
	const char *path = json_get_str(protocol, "filename");
	_cleanup_close_ int fd = -1;

	if (!path || !str_equal_null(json_get_str(protocol, "driver"), "file"))
		return true;
	fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC | O_NONBLOCK);
	return fd >= 0 || errno != EINVAL;
}

static void choose_options(const struct propstr *line, bool cd, bool flash, struct json_object *protocol,
			   struct node_options *ret)
{
	const char *cache = propstr_get(line, "cache");

	*ret = (struct node_options){
		.discard = str_equal_null(propstr_get(line, "discard"), "on"),
		.read_only = cd || propstr_get_bool(line, "ro"),
		.no_flush = str_equal_null(cache, "unsafe"),
		.direct =
			cache ? !strcmp(cache, "none") || !strcmp(cache, "directsync")
			      /* flash is written in small pieces, each of which would be read and written */
			      : !cd && !flash && can_be_direct(protocol),
	};
}

static bool has_aio(struct json_object *protocol)
{
	const char *driver = json_get_str(protocol, "driver");

	return driver && (!strcmp(driver, "file") || str_prefix(driver, "host_", NULL));
}

/* Without `aio=` it is QEMU's default, threads, which works on each kernel and file system. */
static void put_aio(const struct propstr *line, const struct node_options *n, struct json_object *protocol)
{
	const char *aio = propstr_get(line, "aio");

	if (aio && has_aio(protocol))
		json_put_str(protocol, "aio", strcmp(aio, "native") || n->direct ? aio : "threads");
}

/* ---- limits ---- */

static int put_limit(struct json_object *limits, const struct propstr *line, const char *key,
		     const char *qemu_key, double unit, struct error **err)
{
	const char *text = propstr_get(line, key);
	char *end;
	double value;

	if (!text)
		return 0;
	value = strtod(text, &end);
	if (end == text || *end || !(value >= 0) || value * unit > MAX_LIMIT)
		return error_set(err, ERR_INVALID, "%s: '%s' is not a number that can be a limit", key, text);
	if (value * unit >= 1)
		json_put_int(limits, qemu_key, (int64_t)(value * unit));
	return 0;
}

/* Facts: generate_throttle_group of PVE::QemuServer::Blockdev. */
static int read_limits(const struct propstr *line, struct json_object *ret, struct error **err)
{
	static const struct {
		const char *key, *end;           /* with the direction between them */
		const char *qemu_key, *qemu_end; /* the same */
		double unit;
	} rows[] = {
		{ "mbps", "", "bps-", "", 1024 * 1024 },
		{ "mbps", "_max", "bps-", "-max", 1024 * 1024 },
		{ "bps", "_max_length", "bps-", "-max-length", 1 },
		{ "iops", "", "iops-", "", 1 },
		{ "iops", "_max", "iops-", "-max", 1 },
		{ "iops", "_max_length", "iops-", "-max-length", 1 },
	};
	static const char *const directions[][2] = { { "", "total" }, { "_rd", "read" }, { "_wr", "write" } };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(rows) * ARRAY_SIZE(directions); i++) {
		const char *const *direction = directions[i % ARRAY_SIZE(directions)];
		const size_t at = i / ARRAY_SIZE(directions);
		_cleanup_free_ char *key = xasprintf("%s%s%s", rows[at].key, direction[0], rows[at].end);
		_cleanup_free_ char *qemu_key =
			xasprintf("%s%s%s", rows[at].qemu_key, direction[1], rows[at].qemu_end);

		r = put_limit(ret, line, key, qemu_key, rows[at].unit, err);
	}
	return r;
}

/* The filter over node, which it takes over; the group is an object of its own. */
static struct json_object *throttled(struct qemu_args *a, const char *key, struct json_object *limits,
				     struct json_object *node, const struct node_options *n)
{
	_cleanup_free_ char *group = xasprintf("throttle-drive-%s", key);
	struct json_object *object = json_new_str("qom-type", "throttle-group");
	struct json_object *filter = json_new_str("driver", "throttle");

	json_put_str(object, "id", group);
	json_put_obj(object, "limits", json_copy(limits));
	qemu_args_add_json(a, "-object", object);
	json_put_str(filter, "throttle-group", group);
	put_common(filter, n);
	return json_put_obj(filter, "file", node);
}

/* ---- the chain ---- */

/* A format's node over the protocol, which it takes over. */
static struct json_object *chain(const char *key, const struct propstr *line, const char *format,
				 uint64_t size, struct json_object *protocol, const struct node_options *n)
{
	struct json_object *node = json_new_str("driver", format);
	_cleanup_free_ char *name = xasprintf("e-%s", key);

	json_put_str(protocol, "node-name", name);
	put_aio(line, n, protocol);
	put_common(protocol, n);
	put_cache(protocol, n);
	put_common(node, n);
	put_cache(node, n);
	json_put_str(node, "detect-zeroes", zeroes_of(line, n));
	if (size)
		json_put_u64(node, "size", size);
	return json_put_obj(node, "file", protocol);
}

static void add_node(struct qemu_args *a, const char *key, struct json_object *node)
{
	_cleanup_free_ char *name = xasprintf("drive-%s", key);

	json_put_str(node, "node-name", name);
	qemu_args_add_json(a, "-blockdev", node);
}

static int make_usable(struct qemu_args *a, const struct volume *v, struct error **err)
{
	int r;

	if (!v->storage || !(a->options->flags & QEMU_ARGS_ACTIVATE))
		return 0;
	r = storage_activate(v->storage, a->options->log, err);
	return r == 0 ? volume_activate(v, err) : r;
}

/* What is behind the volume id, as an object for blockdev-add; its size is clipped to what the image has. */
static int open_volume(struct qemu_args *a, const char *volid, const char *format, struct json_object **ret,
		       const char **ret_format, uint64_t *size, struct error **err)
{
	_cleanup_volume_ struct volume v = { 0 };
	struct stat st;
	int r = volume_open(a->options->storages, volid, format, &v, err);

	if (r == 0)
		r = make_usable(a, &v, err);
	if (r < 0)
		return r;
	if (v.path && stat(v.path, &st) < 0 && (a->options->flags & QEMU_ARGS_ACTIVATE || !v.storage))
		return error_errno(err, errno, "'%s' (%s)", volid, v.path);
	if (v.format != IMAGE_RAW)
		*size = 0;
	*ret_format = image_format_name(v.format);
	return volume_blockdev(&v, ret, err);
}

int qemu_args_volume_node(struct qemu_args *a, const char *key, const struct propstr *line, const char *volid,
			  enum qemu_args_use use, uint64_t size, struct error **err)
{
	_cleanup_json_ struct json_object *limits = json_new_obj();
	struct json_object *protocol = NULL, *node;
	const char *format = NULL;
	struct node_options n;
	int r = read_limits(line, limits, err);

	if (r == 0)
		r = open_volume(a, volid, propstr_get(line, "format"), &protocol, &format, &size, err);
	if (r < 0)
		return r;
	choose_options(line, use == QEMU_ARGS_CD, use == QEMU_ARGS_FLASH, protocol, &n);
	node = chain(key, line, format, size, protocol, &n);
	if (json_object_object_length(limits)) {
		_cleanup_free_ char *name = xasprintf("f-%s", key);

		json_put_str(node, "node-name", name);
		node = throttled(a, key, limits, node, &n);
	}
	add_node(a, key, node);
	return 0;
}

int qemu_args_disk_node(struct qemu_args *a, const char *key, const struct propstr *line, const char *volid,
			enum qemu_args_use use, uint64_t size, bool *ret_there, struct error **err)
{
	struct json_object *node = NULL;
	int r;

	*ret_there = true;
	if (!a->options->disk)
		return qemu_args_volume_node(a, key, line, volid, use, size, err);
	r = a->options->disk(a->options->opaque, key, &node, err);
	if (r < 0)
		return r;
	*ret_there = node != NULL;
	if (node)
		add_node(a, key, node);
	return 0;
}
