/*
 * Type "zfspool": zvols below a dataset.  Containers' subvolumes are listed but are no images.
 * Accounting lags a transaction group (5 s).  Facts: PVE::Storage::ZFSPoolPlugin.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "storage/block.h"
#include "storage/tool.h"
#include "storage/key.h"
#include "storage/image-list.h"
#include "storage/types.h"

/* udev makes /dev/zvol links after the fact; PVE gives 10 s, in a task 5 min. */
#define LINK_TIMEOUT 30
#define BUSY_TRIES   6

static const char *const bases[] = { "base", "basevol", NULL };
static const char *const prefixes[] = { "vm", "base", "subvol", "basevol", NULL };
static const char *const subvols[] = { "subvol", "basevol", NULL };

static const struct tool_meaning meanings[] = {
	{ "dataset already exists", -EEXIST },
	{ "dataset does not exist", ERR_NOT_FOUND },
	{ "no such pool", ERR_NOT_FOUND },
	{ "out of space", -ENOSPC },
	{ "is busy", -EBUSY },
	{ NULL, 0 },
};

static const char *pool_of(const struct storage *s)
{
	return storage_key(s, "pool");
}

/* "4k", "16K", "1m", "8192"; 0 if ZFS does not accept it. */
static uint64_t parse_blocksize(const char *text)
{
	uint64_t n = 0;

	if (!units_parse_disk_size(text, &n) || strchr(text, '.'))
		return 0;
	return n >= 512 && n <= 16 * MIB && (n & (n - 1)) == 0 ? n : 0;
}

static uint64_t blocksize_of(const struct storage *s)
{
	const char *text = storage_key(s, "blocksize");
	_cleanup_free_ char *upper = xstrdup_null(text);

	for (char *at = upper; at && *at; at++)
		*at = (char)toupper((unsigned char)*at);
	return upper && *upper ? parse_blocksize(upper) : 0;
}

static int zfs_check(const struct storage *s, struct error **err)
{
	const char *text = storage_key(s, "blocksize");
	_cleanup_free_ char *copy = NULL;
	const char *pool;
	int r = storage_key_required(s, "pool", &pool, err);

	if (r < 0)
		return r;
	copy = xstrdup(pool);
	for (char *part = copy, *next; part; part = next) {
		next = strchr(part, '/');
		if (next)
			*next++ = '\0';
		if (!block_word_valid(part))
			return error_set(err, ERR_INVALID,
					 "storage '%s': pool '%s' is not a valid ZFS dataset name", s->id,
					 pool);
	}
	if (text && *text && !blocksize_of(s))
		return error_set(err, ERR_INVALID,
				 "storage '%s': blocksize '%s' is not a power of 2 between 512B and "
				 "16MiB",
				 s->id, text);
	return 0;
}

static int zfs_parse(struct volume *v, struct error **err)
{
	const char *name;

	v->vmid = block_clone_owner(v->volname, bases, prefixes, &name);
	if (!v->vmid)
		return error_set(err, ERR_INVALID,
				 "volume '%s': unable to parse zfs volume name '%s' (not "
				 "vm-<vmid>-...)",
				 v->volid, v->volname);
	if (block_name_owner(name, subvols))
		return error_set(err, ERR_UNSUPPORTED,
				 "volume '%s' is a container's subvolume, not an image of a VM", v->volid);
	v->content = STORAGE_IMAGES;
	v->format = IMAGE_RAW;
	v->path = xasprintf("/dev/zvol/%s/%s", pool_of(v->storage), name);
	return 0;
}

/* "<pool>/<name>".  Caller frees. */
static char *dataset_of(const struct volume *v)
{
	const char *slash = strchr(v->volname, '/');

	return xasprintf("%s/%s", pool_of(v->storage), slash ? slash + 1 : v->volname);
}

static int run_zfs(const struct storage *s, const char *const argv[], int timeout_s, char **ret,
		   struct error **err)
{
	return tool_run(&(struct tool){ .storage = s,
					.argv = argv,
					.timeout_s = timeout_s,
					.meanings = meanings,
					.busy_tries = BUSY_TRIES },
			ret, err);
}

/* ---- the pool ---- */

static bool is_imported(const struct storage *s, const char *pool, struct error **err)
{
	const char *const argv[] = { "zpool", "list", "-H", "-o", "name", pool, NULL };

	return run_zfs(s, argv, TOOL_ASK, NULL, err) == 0;
}

/* A pool that is not imported is one that may be; a tool that is missing or hangs, no. */
static int zfs_is_active(const struct storage *s, bool *ret, struct error **err)
{
	_cleanup_free_ char *pool = xstrndup(pool_of(s), strcspn(pool_of(s), "/"));
	_cleanup_error_ struct error *mine = NULL;
	int r;

	*ret = is_imported(s, pool, &mine);
	r = *ret ? 0 : mine->code;
	if (*ret || r == ERR_NOT_FOUND || r == ERR_PEER)
		return 0;
	error_keep_first(err, &mine);
	return error_wrap(err, r, "could not activate storage '%s'", s->id);
}

static int zfs_activate(const struct storage *s, const struct log *log, struct error **err)
{
	_cleanup_free_ char *pool = xstrndup(pool_of(s), strcspn(pool_of(s), "/"));
	const char *const import[] = { "zpool", "import",         "-d", "/dev/disk/by-id/",
				       "-o",    "cachefile=none", pool, NULL };
	_cleanup_error_ struct error *mine = NULL;
	int r;

	(void)log;
	if (is_imported(s, pool, &mine))
		return 0;
	/* a tool that is missing or hangs would not do better the second time */
	r = mine->code;
	if (r == ERR_NOT_FOUND || r == ERR_PEER) {
		error_free(TAKE_PTR(mine));
		r = run_zfs(s, import, TOOL_CHANGE, NULL, &mine);
		/* another import may have been faster */
		if (r < 0 && is_imported(s, pool, NULL))
			return 0;
	}
	error_keep_first(err, &mine);
	return r < 0 ? error_wrap(err, r, "could not activate storage '%s'", s->id) : 0;
}

/* One numeric property; ERR_NOT_FOUND if the dataset is not there. */
static int get_number(const struct storage *s, const char *dataset, const char *property, uint64_t *ret,
		      struct error **err)
{
	const char *const argv[] = { "zfs", "get", "-Hp", "-o", "value", property, dataset, NULL };
	_cleanup_free_ char *out = NULL;
	int r = run_zfs(s, argv, TOOL_ASK, &out, err);

	if (r == 0)
		r = units_parse_u64(str_strip(out), 0, UINT64_MAX, property, ret, err);
	if (r == ERR_INVALID)
		return error_wrap(err, r, "storage '%s': zfs get %s %s", s->id, property, dataset);
	return r;
}

static int zfs_status(const struct storage *s, struct storage_status *ret, struct error **err)
{
	int r = get_number(s, pool_of(s), "available", &ret->avail, err);

	if (r == 0)
		r = get_number(s, pool_of(s), "used", &ret->used, err);
	ret->total = r == 0 ? ret->avail + ret->used : 0;
	return r;
}

/* ---- listing ---- */

/* The text at *at up to the next separator, which *at is moved past; NULL after the last part. */
static char *next_part(char **at, char separator)
{
	char *start = *at;

	if (start) {
		*at = strchr(start, separator);
		if (*at)
			*(*at)++ = '\0';
	}
	return start;
}

/* "base-100-disk-0/vm-101-disk-0" for a clone of a template's snapshot.  Caller frees. */
static char *volname_with_base(const struct storage *s, const char *name, const char *origin)
{
	_cleanup_free_ char *pool = xasprintf("%s/", pool_of(s));
	const char *base;

	if (str_prefix(origin, pool, &base) && str_suffix(base, "@__base__"))
		return xasprintf("%.*s/%s", (int)strcspn(base, "@"), base, name);
	return xstrdup(name);
}

static void add_line(struct image_list *list, const struct storage *s, uint32_t vmid, char *line)
{
	_cleanup_free_ char *pool = xasprintf("%s/", pool_of(s));
	const char *dataset = next_part(&line, '\t'), *volsize = next_part(&line, '\t'),
		   *origin = next_part(&line, '\t');
	const char *type = next_part(&line, '\t'), *refquota = next_part(&line, '\t'),
		   *used = next_part(&line, '\t');
	bool subvol = type && strcmp(type, "filesystem") == 0;
	uint64_t size = 0, taken = 0;
	struct storage_image *added;
	const char *name, *parent;
	uint32_t owner;

	if (!used || !str_prefix(dataset, pool, &name))
		return;
	owner = block_name_owner(name, prefixes);
	if (!owner || (vmid && owner != vmid))
		return;
	units_parse_u64(subvol ? refquota : volsize, 0, UINT64_MAX, "size", &size, NULL);
	units_parse_u64(used, 0, UINT64_MAX, "used", &taken, NULL);
	added = image_list_add(list, (struct storage_image){ .volname = volname_with_base(s, name, origin),
							     .vmid = owner,
							     .format = subvol ? IMAGE_SUBVOL : IMAGE_RAW,
							     .size = size,
							     .used = taken });
	if (strcmp(origin, "-") != 0)
		added->parent = xstrdup(str_prefix(origin, pool, &parent) ? parent : origin);
}

static int zfs_list(const struct storage *s, uint32_t vmid, struct storage_image **ret, size_t *ret_n,
		    struct error **err)
{
	const char *const argv[] = { "zfs",      "list",
				     "-Hp",      "-d1",
				     "-t",       "volume,filesystem",
				     "-o",       "name,volsize,origin,type,refquota,usedbydataset",
				     pool_of(s), NULL };
	_cleanup_free_ char *out = NULL;
	struct image_list list = { 0 };
	int r = run_zfs(s, argv, TOOL_ASK, &out, err);

	for (char *at = out, *line; r == 0 && (line = next_part(&at, '\n'));)
		add_line(&list, s, vmid, line);
	image_list_finish(&list, ret, ret_n);
	return r;
}

/* ---- volumes ---- */

static int zfs_volume_activate(const struct volume *v, struct error **err)
{
	return block_wait(v, LINK_TIMEOUT, err);
}

static int zfs_size(const struct volume *v, uint64_t *ret, struct error **err)
{
	_cleanup_free_ char *dataset = dataset_of(v);

	return get_number(v->storage, dataset, "volsize", ret, err);
}

static int zfs_used(const struct volume *v, uint64_t *ret, struct error **err)
{
	_cleanup_free_ char *dataset = dataset_of(v);

	return get_number(v->storage, dataset, "usedbydataset", ret, err);
}

static void zfs_traits(const struct storage *s, enum image_format format, struct image_traits *ret)
{
	uint64_t blocksize = blocksize_of(s);
	bool sparse = storage_key_flag(s, "sparse");

	(void)format;
	*ret = (struct image_traits){
		.thin = sparse,
		.punches_holes = sparse, /* else the reservation keeps what is freed */
		.discard_granularity = blocksize ? blocksize : 16 * KIB, /* ZFS 2.2; 2.1: 8 KiB */
		.size_granularity = MIB,
	};
}

static int zfs_alloc(const struct volume *v, uint64_t size, const struct cancel *cancel, struct error **err)
{
	_cleanup_free_ char *dataset = dataset_of(v);
	/* as PVE: sizes that are no multiple of the block are refused, and 1 MiB always is one */
	_cleanup_free_ char *kib = xasprintf("%" PRIu64 "k", (size + MIB - 1) / MIB * 1024);
	const char *blocksize = storage_key(v->storage, "blocksize");
	_cleanup_strv_ char **argv = NULL;
	int r = cancel_check(cancel, err);

	if (r < 0)
		return r;
	strv_add(&argv, "zfs");
	strv_add(&argv, "create");
	if (storage_key_flag(v->storage, "sparse"))
		strv_add(&argv, "-s");
	if (blocksize && *blocksize) {
		strv_add(&argv, "-b");
		strv_add(&argv, blocksize);
	}
	strv_add(&argv, "-V");
	strv_add(&argv, kib);
	strv_add(&argv, dataset);
	return run_zfs(v->storage, (const char *const *)(const void *)argv, TOOL_CHANGE, NULL, err);
}

static int zfs_free(const struct volume *v, struct error **err)
{
	_cleanup_free_ char *dataset = dataset_of(v);
	const char *const argv[] = { "zfs", "destroy", "-r", dataset, NULL };

	return run_zfs(v->storage, argv, TOOL_CHANGE, NULL, err);
}

/* ---- snapshots ---- */

static int zfs_snapshots(const struct volume *v, char ***ret, struct error **err)
{
	_cleanup_free_ char *dataset = dataset_of(v), *out = NULL;
	const char *const argv[] = { "zfs",      "list", "-Hp",  "-d1",   "-t",
				     "snapshot", "-o",   "name", dataset, NULL };
	int r = run_zfs(v->storage, argv, TOOL_ASK, &out, err);

	for (char *at = out, *line; r == 0 && (line = next_part(&at, '\n'));) {
		const char *name = strchr(line, '@');

		if (name)
			strv_add(ret, name + 1);
	}
	return r;
}

static int zfs_snapshot_delete(const struct volume *v, const char *name, struct error **err)
{
	_cleanup_free_ char *dataset = dataset_of(v);
	_cleanup_free_ char *snapshot = xasprintf("%s@%s", dataset, name);
	const char *const argv[] = { "zfs", "destroy", snapshot, NULL };

	return run_zfs(v->storage, argv, TOOL_CHANGE, NULL, err);
}

const struct storage_ops storage_zfspool_ops = {
	.type = "zfspool",
	.keys = "pool blocksize sparse bwlimit mountpoint",
	.tools = "zfs zpool",
	.content = STORAGE_IMAGES | STORAGE_ROOTDIR,
	.content_default = STORAGE_IMAGES | STORAGE_ROOTDIR,
	.formats = 1U << IMAGE_RAW,
	.format_default = IMAGE_RAW,
	.ask_interval_ms = 1000,
	.check = zfs_check,
	.activate = zfs_activate,
	.is_active = zfs_is_active,
	.status = zfs_status,
	.list = zfs_list,
	.traits = zfs_traits,
	.fleecing_format = block_fleecing_format,
	.parse = zfs_parse,
	.volume_activate = zfs_volume_activate,
	.size = zfs_size,
	.used = zfs_used,
	.volname = block_volname,
	.alloc = zfs_alloc,
	.free = zfs_free,
	.snapshots = zfs_snapshots,
	.snapshot_delete = zfs_snapshot_delete,
};
