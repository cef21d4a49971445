/*
 * Type "rbd": images in a Ceph pool, through librbd in QEMU or, with krbd, as block devices.
 * Facts: PVE::Storage::RBDPlugin.
 */
#include <glob.h>
#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "storage/block.h"
#include "storage/ceph.h"
#include "storage/image-list.h"
#include "storage/key.h"
#include "storage/rbd.h"
#include "storage/tool.h"
#include "storage/types.h"

#define MAP_TIMEOUT    30
#define DEFAULT_OBJECT (4 * MIB)

static const char *const bases[] = { "base", NULL };
static const char *const prefixes[] = { "vm", "base", NULL };

static int rbd_check(const struct storage *s, struct error **err)
{
	static const char *const words[] = { "pool", "namespace", "data-pool", "username" };
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(words) && r == 0; i++)
		r = ceph_check_word(s, words[i], err);
	return r;
}

/* The device of a mapped image: as PVE's udev rule names it if that exists, else as Ceph's.  Caller frees. */
static char *device_of(const struct storage *s, const char *image)
{
	const char *ns = storage_key(s, "namespace");
	_cleanup_free_ char *name = xasprintf("%s%s%s/%s", rbd_pool(s), ns ? "/" : "", ns ? ns : "", image);
	_cleanup_free_ char *pattern = xasprintf("/dev/rbd-pve/*/%s", name);
	glob_t found = { 0 };
	char *path = NULL;

	/* if two clusters have an image of that name, the right one is not known */
	if (glob(pattern, GLOB_NOSORT, NULL, &found) == 0 && found.gl_pathc == 1)
		path = xstrdup(found.gl_pathv[0]);
	globfree(&found);
	return path ? path : xasprintf("/dev/rbd/%s", name);
}

static int rbd_parse(struct volume *v, struct error **err)
{
	const char *name;

	v->vmid = block_clone_owner(v->volname, bases, prefixes, &name);
	if (!v->vmid)
		return error_set(err, ERR_INVALID,
				 "volume '%s': unable to parse rbd volume name '%s' (not "
				 "vm-<vmid>-...)",
				 v->volid, v->volname);
	v->content = STORAGE_IMAGES;
	v->format = IMAGE_RAW;
	if (storage_key_flag(v->storage, "krbd"))
		v->path = device_of(v->storage, name);
	return 0;
}

/* ---- the storage ---- */

static int rbd_status(const struct storage *s, struct storage_status *ret, struct error **err)
{
	const char *data_pool = storage_key(s, "data-pool");
	_cleanup_json_ struct json_object *root = NULL;
	_cleanup_strv_ char **argv = NULL;
	struct json_object *pools, *stats = NULL;
	int r;

	strv_add(&argv, "ceph");
	rbd_add_connection(&argv, s);
	strv_add(&argv, "df");
	strv_add(&argv, "--format");
	strv_add(&argv, "json");
	r = tool_run_json(&(struct tool){ .storage = s,
					  .argv = (const char *const *)(const void *)argv,
					  .timeout_s = TOOL_ASK },
			  &root, err);
	if (r < 0)
		return r;
	pools = json_get_obj(root, "pools");
	for (size_t i = 0; i < json_array_len(pools) && !stats; i++) {
		struct json_object *pool = json_array_at(pools, i);

		if (str_equal_null(json_get_str(pool, "name"), data_pool ? data_pool : rbd_pool(s)))
			stats = json_get_obj(pool, "stats");
	}
	*ret = (struct storage_status){ 0 };
	if (!tool_json_u64(stats, "max_avail", &ret->avail) ||
	    (!tool_json_u64(stats, "stored", &ret->used) && !tool_json_u64(stats, "bytes_used", &ret->used)))
		return error_set(err, ERR_NOT_FOUND, "storage '%s': could not get usage stats for pool '%s'",
				 s->id, data_pool ? data_pool : rbd_pool(s));
	ret->total = ret->used + ret->avail;
	return 0;
}

static void add_image(struct image_list *list, uint32_t vmid, struct json_object *o)
{
	const char *name = json_get_str(o, "image");
	struct json_object *parent = json_get_obj(o, "parent");
	const char *base = json_get_str(parent, "image"), *snapshot = json_get_str(parent, "snapshot");
	uint32_t owner = name ? block_name_owner(name, prefixes) : 0;
	uint64_t size = 0;
	struct storage_image *added;
	bool clone;

	if (!owner || (vmid && owner != vmid) || json_get_obj(o, "snapshot"))
		return;
	clone = base && block_name_owner(base, bases) && str_equal_null(snapshot, "__base__");
	tool_json_u64(o, "size", &size);
	added = image_list_add(list, (struct storage_image){ .volname = clone ? xasprintf("%s/%s", base, name)
									      : xstrdup(name),
							     .vmid = owner,
							     .format = IMAGE_RAW,
							     .size = size });
	if (base && snapshot)
		added->parent = xasprintf("%s@%s", base, snapshot);
}

static int rbd_list(const struct storage *s, uint32_t vmid, struct storage_image **ret, size_t *ret_n,
		    struct error **err)
{
	_cleanup_json_ struct json_object *root = NULL;
	struct image_list list = { 0 };
	int r = rbd_run_json(s, (const char *const[]){ "ls", "-l", "--format", "json", NULL }, &root, err);

	for (size_t i = 0; r == 0 && i < json_array_len(root); i++)
		add_image(&list, vmid, json_array_at(root, i));
	image_list_finish(&list, ret, ret_n);
	return r;
}

/* ---- volumes ---- */

static int rbd_volume_activate(const struct volume *v, struct error **err)
{
	const char *const args[] = { "map", rbd_image(v->volname), NULL };
	int r;

	if (!v->path || access(v->path, F_OK) == 0)
		return 0;
	r = rbd_run(v->storage, args, TOOL_CHANGE, err);
	return r < 0 ? r : block_wait(v, MAP_TIMEOUT, err);
}

static int rbd_volume_deactivate(const struct volume *v, struct error **err)
{
	const char *const args[] = { "unmap", v->path, NULL };

	if (!v->path || access(v->path, F_OK) < 0)
		return 0;
	return rbd_run(v->storage, args, TOOL_CHANGE, err);
}

/* One number of `rbd info`. */
static int image_number(const struct volume *v, const char *key, uint64_t *ret, struct error **err)
{
	const char *const args[] = { "info", rbd_image(v->volname), "--format", "json", NULL };
	_cleanup_json_ struct json_object *info = NULL;
	int r = rbd_run_json(v->storage, args, &info, err);

	if (r == 0 && !tool_json_u64(info, key, ret))
		r = error_set(err, ERR_PEER, "storage '%s': rbd info reports no %s of '%s'", v->storage->id,
			      key, v->volname);
	return r;
}

static int rbd_size(const struct volume *v, uint64_t *ret, struct error **err)
{
	return image_number(v, "size", ret, err);
}

static int rbd_used(const struct volume *v, uint64_t *ret, struct error **err)
{
	const char *const args[] = { "du", rbd_image(v->volname), "--format", "json", NULL };
	_cleanup_json_ struct json_object *root = NULL;
	struct json_object *images;
	int r = rbd_run_json(v->storage, args, &root, err);

	if (r < 0)
		return r;
	images = json_get_obj(root, "images");
	for (size_t i = 0; i < json_array_len(images); i++) {
		struct json_object *o = json_array_at(images, i);

		if (!json_get_obj(o, "snapshot") &&
		    str_equal_null(json_get_str(o, "name"), rbd_image(v->volname)) &&
		    tool_json_u64(o, "used_size", ret))
			return 0;
	}
	return error_set(err, ERR_PEER, "storage '%s': got no matching image from rbd du", v->storage->id);
}

static void rbd_traits(const struct storage *s, enum image_format format, struct image_traits *ret)
{
	(void)s;
	(void)format;
	*ret = (struct image_traits){
		.thin = true,
		.punches_holes = true,
		.discard_granularity = DEFAULT_OBJECT,
		.size_granularity = MIB,
	};
}

static int rbd_volume_traits(const struct volume *v, struct image_traits *ret, struct error **err)
{
	return image_number(v, "object_size", &ret->discard_granularity, err);
}

static int rbd_alloc(const struct volume *v, uint64_t size, const struct cancel *cancel, struct error **err)
{
	const char *data_pool = storage_key(v->storage, "data-pool");
	_cleanup_free_ char *mib = xasprintf("%" PRIu64, (size + MIB - 1) / MIB);
	const char *const plain[] = { "create", "--image-format",      "2", "--size",
				      mib,      rbd_image(v->volname), NULL };
	const char *const erasure[] = { "create",  "--image-format",      "2", "--size", mib, "--data-pool",
					data_pool, rbd_image(v->volname), NULL };
	int r = cancel_check(cancel, err);

	return r < 0 ? r : rbd_run(v->storage, data_pool ? erasure : plain, TOOL_CHANGE, err);
}

/* ---- snapshots ---- */

static int list_snapshots(const struct volume *v, struct json_object **ret, struct error **err)
{
	const char *const args[] = { "snap", "ls", rbd_image(v->volname), "--format", "json", NULL };

	return rbd_run_json(v->storage, args, ret, err);
}

static int rbd_snapshots(const struct volume *v, char ***ret, struct error **err)
{
	_cleanup_json_ struct json_object *root = NULL;
	int r = list_snapshots(v, &root, err);

	for (size_t i = 0; r == 0 && i < json_array_len(root); i++) {
		const char *name = json_get_str(json_array_at(root, i), "name");

		if (name)
			strv_add(ret, name);
	}
	return r;
}

/* Ceph prints a string, at least up to version 19. */
static bool is_protected(struct json_object *snapshot)
{
	return str_equal_null(json_get_str(snapshot, "protected"), "true") ||
	       json_get_bool(snapshot, "protected", false);
}

/* Protected snapshots cannot be removed.  name: the one to unprotect; NULL: all. */
static int unprotect(const struct volume *v, const char *name, struct error **err)
{
	_cleanup_json_ struct json_object *root = NULL;
	int r = list_snapshots(v, &root, err);

	for (size_t i = 0; r == 0 && i < json_array_len(root); i++) {
		struct json_object *snapshot = json_array_at(root, i);
		const char *one = json_get_str(snapshot, "name");

		if (!one || (name && strcmp(one, name) != 0) || !is_protected(snapshot))
			continue;
		r = rbd_run(v->storage,
			    (const char *const[]){ "snap", "unprotect", "--snap", one, rbd_image(v->volname),
						   NULL },
			    TOOL_CHANGE, err);
	}
	return r;
}

static int rbd_snapshot_delete(const struct volume *v, const char *name, struct error **err)
{
	const char *const args[] = { "snap", "rm", "--snap", name, rbd_image(v->volname), NULL };
	int r = unprotect(v, name, err);

	return r < 0 ? r : rbd_run(v->storage, args, TOOL_CHANGE, err);
}

static int rbd_free(const struct volume *v, struct error **err)
{
	const char *name = rbd_image(v->volname);
	int r = rbd_volume_deactivate(v, err);

	if (r == 0)
		r = unprotect(v, NULL, err);
	if (r == 0)
		r = rbd_run(v->storage, (const char *const[]){ "snap", "purge", name, NULL }, TOOL_REMOVE,
			    err);
	if (r == 0)
		r = rbd_run(v->storage, (const char *const[]){ "rm", name, NULL }, TOOL_REMOVE, err);
	return r;
}

const struct storage_ops storage_rbd_ops = {
	.type = "rbd",
	.keys = "monhost pool data-pool namespace username krbd keyring bwlimit",
	.tools = "rbd ceph",
	.content = STORAGE_IMAGES | STORAGE_ROOTDIR,
	.content_default = STORAGE_IMAGES,
	.formats = 1U << IMAGE_RAW,
	.format_default = IMAGE_RAW,
	.shared = true,
	.ask_interval_ms = 2000,
	.check = rbd_check,
	.status = rbd_status,
	.list = rbd_list,
	.traits = rbd_traits,
	.fleecing_format = block_fleecing_format,
	.parse = rbd_parse,
	.volume_activate = rbd_volume_activate,
	.volume_deactivate = rbd_volume_deactivate,
	.volume_traits = rbd_volume_traits,
	.blockdev = rbd_blockdev,
	.qemu_name = rbd_qemu_name,
	.size = rbd_size,
	.used = rbd_used,
	.user = rbd_user,
	.volname = block_volname,
	.alloc = rbd_alloc,
	.free = rbd_free,
	.snapshots = rbd_snapshots,
	.snapshot_delete = rbd_snapshot_delete,
};
