/*
 * Type "lvm": thick logical volumes.  An image takes its whole size at once, and a new one holds old data.
 * PVE locks a shared group in the whole cluster while it changes it; nothing outside PVE can do that, so
 * use a shared group (SAN) from one host at a time. Facts: PVE::Storage::LVMPlugin.
 */
#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "storage/block.h"
#include "storage/lvm-tools.h"
#include "storage/key.h"
#include "storage/image-list.h"
#include "storage/types.h"

static const char *const prefixes[] = { "vm", NULL };

/* With snapshot-as-volume-chain, PVE puts qcow2 images into logical volumes called *.qcow2. */
static int lvm_parse(struct volume *v, struct error **err)
{
	v->vmid = strchr(v->volname, ':') ? 0 : block_name_owner(v->volname, prefixes);
	if (!v->vmid)
		return error_set(err, ERR_INVALID,
				 "volume '%s': unable to parse lvm volume name '%s' (not "
				 "vm-<vmid>-...)",
				 v->volid, v->volname);
	v->content = STORAGE_IMAGES;
	v->format = str_suffix(v->volname, ".qcow2") ? IMAGE_QCOW2 : IMAGE_RAW;
	v->path = xasprintf("/dev/%s/%s", storage_key(v->storage, "vgname"), v->volname);
	return 0;
}

static int lvm_activate(const struct storage *s, const struct log *log, struct error **err)
{
	(void)log;
	return lvm_activate_group(s, err);
}

static int lvm_is_active(const struct storage *s, bool *ret, struct error **err)
{
	(void)ret;
	return lvm_find_group(s, err);
}

static int lvm_status(const struct storage *s, struct storage_status *ret, struct error **err)
{
	const char *const argv[] = { "vgs",
				     "--reportformat",
				     "json",
				     "--units",
				     "b",
				     "--nosuffix",
				     "-o",
				     "vg_size,vg_free",
				     storage_key(s, "vgname"),
				     NULL };
	_cleanup_json_ struct json_object *root = NULL;
	struct json_object *vg;
	int r = tool_run_json(
		&(struct tool){ .storage = s, .argv = argv, .timeout_s = TOOL_ASK, .meanings = lvm_meanings },
		&root, err);

	if (r < 0)
		return r;
	vg = json_array_at(json_get_array(json_array_at(json_get_array(root, "report"), 0), "vg"), 0);
	*ret = (struct storage_status){ 0 };
	if (!tool_json_u64(vg, "vg_size", &ret->total) || !tool_json_u64(vg, "vg_free", &ret->avail) ||
	    ret->avail > ret->total)
		return error_set(err, ERR_PEER, "storage '%s': vgs reports no sizes", s->id);
	ret->used = ret->total - ret->avail;
	return 0;
}

/* ---- listing ---- */

static bool is_tagged(const char *tags)
{
	_cleanup_strv_ char **list = strv_split_list(tags ? tags : "");

	for (size_t i = 0; list && list[i]; i++) {
		const char *rest;

		if (str_prefix(list[i], "pve-vm-", &rest) && *rest &&
		    strspn(rest, "0123456789") == strlen(rest))
			return true;
	}
	return false;
}

static void add_lv(struct image_list *list, const struct storage *s, uint32_t vmid, struct json_object *lv)
{
	const char *name = json_get_str(lv, "lv_name");
	const char *attr = json_get_str(lv, "lv_attr");
	uint32_t owner = name ? block_name_owner(name, prefixes) : 0;
	uint64_t size = 0;
	bool qcow2;

	/* mirrored and RAID volumes, too, but no thin ones, snapshots, or parts of others */
	if (!owner || (vmid && owner != vmid) || !attr || !*attr || !strchr("-mMrR", attr[0]))
		return;
	if (storage_key_flag(s, "tagged_only") && !is_tagged(json_get_str(lv, "lv_tags")))
		return;
	tool_json_u64(lv, "lv_size", &size);
	qcow2 = str_suffix(name, ".qcow2");
	image_list_add(list, (struct storage_image){ .volname = xstrdup(name),
						     .vmid = owner,
						     .format = qcow2 ? IMAGE_QCOW2 : IMAGE_RAW,
						     .size = qcow2 ? 0 : size,
						     .used = size,
						     .ctime = lvm_time(lv) });
}

static int lvm_list(const struct storage *s, uint32_t vmid, struct storage_image **ret, size_t *ret_n,
		    struct error **err)
{
	_cleanup_json_ struct json_object *root = NULL;
	struct image_list list = { 0 };
	struct json_object *lvs;
	int r = lvm_lvs(s, NULL, &root, &lvs, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < json_array_len(lvs); i++)
		add_lv(&list, s, vmid, json_array_at(lvs, i));
	image_list_finish(&list, ret, ret_n);
	return 0;
}

/* ---- volumes ---- */

/* Selects a qcow2 volume and its snapshots, snap_<volume>_<name>.qcow2.  Caller frees. */
static char *chain_selection(const struct volume *v)
{
	_cleanup_buf_ struct buf name = BUF_INIT;

	for (const char *at = v->volname; at[strlen(".qcow2")]; at++)
		buf_addf(&name, strchr(".+", *at) ? "[%c]" : "%c", *at);
	return xasprintf("vg_name = \"%s\" && lv_name =~ \"^(%s|snap_%s_.+)[.]qcow2$\"",
			 storage_key(v->storage, "vgname"), buf_str(&name), buf_str(&name));
}

static int change_volume(const struct volume *v, const char *what, struct error **err)
{
	_cleanup_free_ char *lv = lvm_name(v->storage, v->volname), *selection = NULL;

	if (v->format != IMAGE_QCOW2)
		return lvm_change(v->storage, (const char *const[]){ what, lv, NULL }, err);
	selection = chain_selection(v);
	return lvm_change(v->storage, (const char *const[]){ what, "--select", selection, NULL }, err);
}

static int lvm_volume_activate(const struct volume *v, struct error **err)
{
	int r = change_volume(v, "-aey", err);

	/* another host may have grown it */
	if (r == 0)
		r = change_volume(v, "--refresh", err);
	return r < 0 ? r : block_wait(v, TOOL_ASK, err);
}

static int lvm_volume_deactivate(const struct volume *v, struct error **err)
{
	return change_volume(v, "-aln", err);
}

static int lvm_used(const struct volume *v, uint64_t *ret, struct error **err)
{
	_cleanup_json_ struct json_object *root = NULL;
	struct json_object *lvs;
	int r = lvm_lvs(v->storage, v->volname, &root, &lvs, err);

	if (r == 0 && !tool_json_u64(json_array_at(lvs, 0), "lv_size", ret))
		r = error_set(err, ERR_PEER, "storage '%s': lvs reports no size of '%s'", v->storage->id,
			      v->volname);
	return r;
}

static void lvm_traits(const struct storage *s, enum image_format format, struct image_traits *ret)
{
	(void)s;
	(void)format;
	*ret = (struct image_traits){
		.discard_granularity = 4096,
		.size_granularity = 4 * MIB, /* an extent, unless vgcreate -s said otherwise */
	};
}

static int lvm_alloc(const struct volume *v, uint64_t size, const struct cancel *cancel, struct error **err)
{
	_cleanup_free_ char *bytes = xasprintf("%" PRIu64 "b", size);
	_cleanup_free_ char *tag = xasprintf("pve-vm-%" PRIu32, v->vmid);
	/* -Wy: udev and mount would take old signatures on the device for the image's */
	const char *const args[] = { "-aly", "-Wy",      "--yes",    "--size",
				     bytes,  "--name",   v->volname, "--setautoactivation",
				     "n",    "--addtag", tag,        storage_key(v->storage, "vgname"),
				     NULL };

	if (v->format != IMAGE_RAW)
		return error_set(err, ERR_UNSUPPORTED, "format '%s' cannot be allocated here: use raw",
				 image_format_name(v->format));
	return lvm_create(v->storage, args, cancel, err);
}

/* ---- removing ---- */

/* Bytes per second, with the units of `cstream -t`.  A "-" in front, which changes how cstream limits, is
 * ignored. */
static uint64_t wipe_throughput(const struct storage *s)
{
	const char *value = storage_key(s, "saferemove_throughput");
	uint64_t bytes = 0;

	if (value && *value == '-')
		value++;
	return value && units_parse_disk_size(value, &bytes) ? bytes : 0;
}

static uint64_t wipe_stepsize(const struct storage *s)
{
	const char *value = storage_key(s, "saferemove-stepsize");
	uint64_t mib = 32;

	if (value)
		units_parse_u64(value, 1, 32, "saferemove-stepsize", &mib, NULL);
	return mib * MIB;
}

/* Zeroes and removes del-<name>, which PVE no longer lists as an image. */
static int wipe_and_remove(const struct volume *v, const char *name, struct error **err)
{
	_cleanup_free_ char *lv = lvm_name(v->storage, name);
	_cleanup_free_ char *path = xasprintf("/dev/%s/%s", storage_key(v->storage, "vgname"), name);
	const struct block_zero_options o = { .step = wipe_stepsize(v->storage),
					      .bytes_per_s = wipe_throughput(v->storage),
					      .gently = true };
	struct volume renamed = { .storage = v->storage, .volid = v->volid, .path = path };
	int r = lvm_change(v->storage, (const char *const[]){ "-aly", lv, NULL }, err);

	if (r == 0)
		r = lvm_change(v->storage, (const char *const[]){ "--refresh", lv, NULL }, err);
	if (r == 0)
		r = block_wait(&renamed, TOOL_ASK, err);
	if (r == 0)
		r = block_zero(path, &o, err);
	return r < 0 ? r : lvm_remove(v->storage, name, err);
}

static int rename_lv(const struct volume *v, const char *to, struct error **err)
{
	const char *const argv[] = { "lvrename", storage_key(v->storage, "vgname"), v->volname, to, NULL };

	return tool_run(
		&(struct tool){ .storage = v->storage,
				.argv = argv,
				.timeout_s = TOOL_CHANGE,
				.meanings = (const struct tool_meaning[]){ { "not found", ERR_NOT_FOUND },
									   { NULL, 0 } } },
		NULL, err);
}

/*
 * An earlier removal may have been killed after it had renamed the volume.  ERR_NOT_FOUND only if it is
 * certain that there is neither of the two.
 */
static int rename_or_find(const struct volume *v, const char *doomed, struct error **err)
{
	_cleanup_error_ struct error *renaming = NULL, *finding = NULL;
	_cleanup_json_ struct json_object *root = NULL;
	struct json_object *lvs;
	int r = rename_lv(v, doomed, &renaming);
	const int found = r == ERR_NOT_FOUND ? lvm_lvs(v->storage, doomed, &root, &lvs, &finding) : r;

	error_keep_first(err, found == r ? &renaming : &finding);
	return found;
}

static int free_lv(const struct volume *v, struct error **err)
{
	_cleanup_free_ char *doomed = xasprintf("del-%s", v->volname);
	int r;

	if (!storage_key_flag(v->storage, "saferemove"))
		return lvm_remove(v->storage, v->volname, err);
	r = rename_or_find(v, doomed, err);
	return r < 0 ? r : wipe_and_remove(v, doomed, err);
}

/* ---- snapshots, of qcow2 only: volumes that the image is based on ---- */

static char *stem_of(const struct volume *v)
{
	return xstrndup(v->volname, strlen(v->volname) - strlen(".qcow2"));
}

static int lvm_snapshots(const struct volume *v, char ***ret, struct error **err)
{
	_cleanup_free_ char *stem = NULL, *prefix = NULL;

	if (v->format != IMAGE_QCOW2)
		return 0;
	stem = stem_of(v);
	prefix = xasprintf("snap_%s_", stem);
	return lvm_names(v->storage, prefix, ".qcow2", ret, err);
}

static int lvm_snapshot_delete(const struct volume *v, const char *name, struct error **err)
{
	return error_set(err, ERR_UNSUPPORTED,
			 "'%s' is based on '%s' (snapshot-as-volume-chain): it keeps its space until the "
			 "image is removed",
			 v->volname, name);
}

static int lvm_free(const struct volume *v, struct error **err)
{
	_cleanup_strv_ char **names = NULL;
	int r = lvm_snapshots(v, &names, err);

	if (r == 0)
		r = free_lv(v, err);
	for (size_t i = 0; r == 0 && names && names[i]; i++) {
		_cleanup_free_ char *stem = stem_of(v);
		_cleanup_free_ char *name = xasprintf("snap_%s_%s.qcow2", stem, names[i]);
		struct volume one = { .storage = v->storage, .volid = v->volid, .volname = name };

		r = free_lv(&one, err);
	}
	return r;
}

const struct storage_ops storage_lvm_ops = {
	.type = "lvm",
	.keys = "vgname shared saferemove saferemove-stepsize saferemove_throughput base "
		"tagged_only bwlimit snapshot-as-volume-chain",
	.tools = "vgs lvs",
	.content = STORAGE_IMAGES | STORAGE_ROOTDIR,
	.content_default = STORAGE_IMAGES,
	.formats = 1U << IMAGE_RAW,
	.format_default = IMAGE_RAW,
	.alloc_unwiped = true,
	.ask_interval_ms = 2000,
	.check = lvm_check,
	.activate = lvm_activate,
	.is_active = lvm_is_active,
	.status = lvm_status,
	.list = lvm_list,
	.names = lvm_all_names,
	.traits = lvm_traits,
	.fleecing_format = block_fleecing_format,
	.parse = lvm_parse,
	.volume_activate = lvm_volume_activate,
	.volume_deactivate = lvm_volume_deactivate,
	.used = lvm_used,
	.volname = block_volname,
	.alloc = lvm_alloc,
	.free = lvm_free,
	.snapshots = lvm_snapshots,
	.snapshot_delete = lvm_snapshot_delete,
};
