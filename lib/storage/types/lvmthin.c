/*
 * Type "lvmthin": thin volumes of a pool.  They take chunks of the pool as they are written and give
 * them back when a whole chunk is discarded.  Facts: PVE::Storage::LvmThinPlugin.
 */
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "storage/block.h"
#include "storage/key.h"
#include "storage/lvm-tools.h"
#include "storage/image-list.h"
#include "storage/types.h"

static const char *const prefixes[] = { "vm", "base", NULL };

static const char *pool_of(const struct storage *s)
{
	return storage_key(s, "thinpool");
}

static int thin_parse(struct volume *v, struct error **err)
{
	v->vmid = strchr(v->volname, ':') ? 0 : block_name_owner(v->volname, prefixes);
	if (!v->vmid)
		return error_set(err, ERR_INVALID,
				 "volume '%s': unable to parse lvm volume name '%s' (neither "
				 "vm-<vmid>-... nor base-<vmid>-...)",
				 v->volid, v->volname);
	v->content = STORAGE_IMAGES;
	v->format = IMAGE_RAW;
	v->path = xasprintf("/dev/%s/%s", storage_key(v->storage, "vgname"), v->volname);
	return 0;
}

/* One logical volume in *ret, borrowed from *ret_root, which the caller puts. */
static int ask_lv(const struct storage *s, const char *name, struct json_object **ret_root,
		  struct json_object **ret, struct error **err)
{
	struct json_object *lvs;
	int r = lvm_lvs(s, name, ret_root, &lvs, err);

	*ret = r < 0 ? NULL : json_array_at(lvs, 0);
	return r;
}

static bool is_active(struct json_object *lv)
{
	const char *attr = json_get_str(lv, "lv_attr");

	return attr && strlen(attr) > 4 && attr[4] == 'a';
}

/* -K: even if the activation-skip flag is set, as on base images. */
static int activate_lv(const struct storage *s, const char *name, struct error **err)
{
	_cleanup_json_ struct json_object *root = NULL;
	_cleanup_free_ char *lv = lvm_name(s, name);
	struct json_object *found;
	int r = ask_lv(s, name, &root, &found, err);

	if (r < 0 || is_active(found))
		return r;
	return lvm_change(s, (const char *const[]){ "-ay", "-K", lv, NULL }, err);
}

static int thin_activate(const struct storage *s, const struct log *log, struct error **err)
{
	int r = lvm_activate_group(s, err);

	(void)log;
	return r < 0 ? r : activate_lv(s, pool_of(s), err);
}

static int thin_is_active(const struct storage *s, bool *ret, struct error **err)
{
	_cleanup_json_ struct json_object *root = NULL;
	struct json_object *pool = NULL;
	int r = lvm_find_group(s, err);

	if (r == 0)
		r = ask_lv(s, pool_of(s), &root, &pool, err);
	*ret = r == 0 && is_active(pool);
	return r;
}

static int thin_status(const struct storage *s, struct storage_status *ret, struct error **err)
{
	_cleanup_json_ struct json_object *root = NULL;
	struct json_object *pool;
	const char *attr;
	int r = ask_lv(s, pool_of(s), &root, &pool, err);

	if (r < 0)
		return r;
	attr = json_get_str(pool, "lv_attr");
	*ret = (struct storage_status){ 0 };
	if (!attr || attr[0] != 't' || !tool_json_u64(pool, "lv_size", &ret->total))
		return error_set(err, ERR_INVALID, "storage '%s': '%s' is not a thin pool", s->id,
				 pool_of(s));
	ret->used = lvm_percent_of(json_get_str(pool, "data_percent"), ret->total);
	if (ret->used > ret->total)
		ret->used = ret->total;
	ret->avail = ret->total - ret->used;
	return 0;
}

static int thin_list(const struct storage *s, uint32_t vmid, struct storage_image **ret, size_t *ret_n,
		     struct error **err)
{
	_cleanup_json_ struct json_object *root = NULL;
	struct image_list list = { 0 };
	struct json_object *lvs;
	int r = lvm_lvs(s, NULL, &root, &lvs, err);

	for (size_t i = 0; r == 0 && i < json_array_len(lvs); i++) {
		struct json_object *lv = json_array_at(lvs, i);
		const char *name = json_get_str(lv, "lv_name");
		const char *attr = json_get_str(lv, "lv_attr");
		uint32_t owner = name ? block_name_owner(name, prefixes) : 0;
		uint64_t size = 0;

		if (!owner || (vmid && owner != vmid) || !attr || attr[0] != 'V' ||
		    !str_equal_null(json_get_str(lv, "pool_lv"), pool_of(s)))
			continue;
		tool_json_u64(lv, "lv_size", &size);
		image_list_add(&list, (struct storage_image){
					      .volname = xstrdup(name),
					      .vmid = owner,
					      .format = IMAGE_RAW,
					      .size = size,
					      .used = lvm_percent_of(json_get_str(lv, "data_percent"), size),
					      .ctime = lvm_time(lv) });
	}
	image_list_finish(&list, ret, ret_n);
	return r;
}

static int thin_volume_activate(const struct volume *v, struct error **err)
{
	int r = activate_lv(v->storage, v->volname, err);

	return r < 0 ? r : block_wait(v, TOOL_ASK, err);
}

static int thin_used(const struct volume *v, uint64_t *ret, struct error **err)
{
	_cleanup_json_ struct json_object *root = NULL;
	struct json_object *lv;
	uint64_t size;
	int r = ask_lv(v->storage, v->volname, &root, &lv, err);

	if (r == 0 && !tool_json_u64(lv, "lv_size", &size))
		r = error_set(err, ERR_PEER, "storage '%s': lvs reports no size of '%s'", v->storage->id,
			      v->volname);
	if (r == 0)
		*ret = lvm_percent_of(json_get_str(lv, "data_percent"), size);
	return r;
}

static void thin_traits(const struct storage *s, enum image_format format, struct image_traits *ret)
{
	(void)s;
	(void)format;
	*ret = (struct image_traits){
		.thin = true,
		.punches_holes = true,
		.discard_granularity = 64 * KIB, /* the smallest chunk; volume_traits() asks the device */
		.size_granularity = 4 * MIB,
	};
}

static int thin_alloc(const struct volume *v, uint64_t size, const struct cancel *cancel, struct error **err)
{
	_cleanup_free_ char *bytes = xasprintf("%" PRIu64 "b", size);
	_cleanup_free_ char *pool = lvm_name(v->storage, pool_of(v->storage));
	_cleanup_free_ char *lv = lvm_name(v->storage, v->volname);
	const char *const args[] = { "-aly", "-V", bytes, "--name", v->volname, "--thinpool", pool, NULL };
	int r = lvm_create(v->storage, args, cancel, err);

	/* lvcreate accepts this option for thick volumes only (LVM 2.03.31); a failure does no harm */
	if (r == 0)
		lvm_change(v->storage, (const char *const[]){ "--setautoactivation", "n", lv, NULL }, NULL);
	return r;
}

/* ---- snapshots ---- */

static int thin_snapshots(const struct volume *v, char ***ret, struct error **err)
{
	_cleanup_free_ char *prefix = xasprintf("snap_%s_", v->volname);

	return lvm_names(v->storage, prefix, "", ret, err);
}

static int thin_snapshot_delete(const struct volume *v, const char *name, struct error **err)
{
	_cleanup_free_ char *lv = xasprintf("snap_%s_%s", v->volname, name);

	return lvm_remove(v->storage, lv, err);
}

static int thin_free(const struct volume *v, struct error **err)
{
	_cleanup_strv_ char **names = NULL;
	int r = thin_snapshots(v, &names, err);

	for (size_t i = 0; r == 0 && names && names[i]; i++)
		r = thin_snapshot_delete(v, names[i], err);
	return r < 0 ? r : lvm_remove(v->storage, v->volname, err);
}

const struct storage_ops storage_lvmthin_ops = {
	.type = "lvmthin",
	.keys = "thinpool vgname bwlimit",
	.tools = "vgs lvs",
	.content = STORAGE_IMAGES | STORAGE_ROOTDIR,
	.content_default = STORAGE_IMAGES | STORAGE_ROOTDIR,
	.formats = 1U << IMAGE_RAW,
	.format_default = IMAGE_RAW,
	.ask_interval_ms = 1000,
	.check = lvm_check,
	.activate = thin_activate,
	.is_active = thin_is_active,
	.status = thin_status,
	.list = thin_list,
	.names = lvm_all_names,
	.traits = thin_traits,
	.fleecing_format = block_fleecing_format,
	.parse = thin_parse,
	.volume_activate = thin_volume_activate,
	.used = thin_used,
	.volname = block_volname,
	.alloc = thin_alloc,
	.free = thin_free,
	.snapshots = thin_snapshots,
	.snapshot_delete = thin_snapshot_delete,
};
