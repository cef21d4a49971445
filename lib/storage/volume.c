/* Volumes by their id. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/strv.h"
#include "base/units.h"
#include "storage/block.h"
#include "storage/in-use.h"
#include "storage/storage.h"
#include "storage/tool.h"
#include "storage/types.h"

#define QEMU_IMG_TIMEOUT_MS 10000
#define MAX_DISKS_PER_GUEST 1024

void volume_clear(struct volume *v)
{
	free(v->volid);
	free(v->path);
	*v = (struct volume){ 0 };
}

bool image_name_parse(const char *name, enum image_format *ret)
{
	const char *dot = strrchr(name, '.');
	int format = dot ? image_format_parse(dot + 1) : -1;

	if (format < 0 || dot == name || strpbrk(name, "/ \t\r\n\f\v"))
		return false;
	/* files that belong to a volume, but are none */
	if (format == IMAGE_QCOW2 && str_prefix(name, "snap-", NULL))
		return false;
	*ret = (enum image_format)format;
	return true;
}

static int open_path(const char *path, const char *format, struct volume *v, struct error **err)
{
	int parsed = format ? image_format_parse(format) : IMAGE_RAW;

	if (parsed < 0 || parsed == IMAGE_SUBVOL)
		return error_set(err, ERR_UNSUPPORTED,
				 "volume '%s': format '%s' is not supported (use raw, qcow2 or vmdk)", path,
				 format);
	v->content = STORAGE_IMAGES;
	v->format = (enum image_format)parsed;
	v->volid = xstrdup(path);
	v->volname = v->volid;
	v->path = xstrdup(path);
	return 0;
}

static int open_in_storage(const struct storage_config *c, const char *volid, struct volume *v,
			   struct error **err)
{
	const char *colon = strchr(volid, ':');
	_cleanup_free_ char *id = colon ? xstrndup(volid, (size_t)(colon - volid)) : NULL;
	int r;

	if (!id || !storage_id_valid(id) || !colon[1])
		return error_set(err, ERR_INVALID,
				 "unable to parse volume ID '%s' (neither <storage>:<volume> nor "
				 "an absolute path)",
				 volid);
	r = storage_get(c, id, 0, &v->storage, err);
	if (r < 0)
		return error_prefix(err, "volume '%s'", volid), r;
	v->volid = xstrdup(volid);
	v->volname = v->volid + strlen(id) + 1;
	return v->storage->ops->parse(v, err);
}

static int check_format(const struct volume *v, const char *format, struct error **err)
{
	const char *own = image_format_name(v->format);

	if (format && strcmp(format, own) != 0)
		return error_set(err, ERR_INVALID,
				 "volume '%s' - 'format=%s' option different from storage format '%s'",
				 v->volid, format, own);
	return 0;
}

int volume_open(const struct storage_config *c, const char *volid, const char *format, struct volume *ret,
		struct error **err)
{
	_cleanup_volume_ struct volume v = { 0 };
	int r;

	if (volid[0] == '/') {
		r = open_path(volid, format, &v, err);
	} else {
		r = open_in_storage(c, volid, &v, err);
		if (r == 0)
			r = check_format(&v, format, err);
	}
	if (r < 0)
		return r;
	*ret = v;
	v = (struct volume){ 0 };
	return 0;
}

int volume_activate(const struct volume *v, struct error **err)
{
	if (!v->storage || !v->storage->ops->volume_activate)
		return 0;
	return v->storage->ops->volume_activate(v, err);
}

bool volume_is_active(const struct volume *v)
{
	return !v->storage || !v->storage->ops->volume_deactivate || !v->path || access(v->path, F_OK) == 0;
}

int volume_deactivate(const struct volume *v, struct error **err)
{
	if (!v->storage || !v->storage->ops->volume_deactivate)
		return 0;
	return v->storage->ops->volume_deactivate(v, err);
}

/* ---- what it is ---- */

/* Why a look at it failed, from errno. */
static int cannot_look(const struct volume *v, struct error **err)
{
	if (errno == ENOENT || errno == ENOTDIR)
		return error_set(err, ERR_NOT_FOUND, "volume '%s' does not exist (no file %s)", v->volid,
				 v->path);
	return error_errno(err, errno, "volume '%s': cannot look at '%s'", v->volid, v->path);
}

static int stat_volume(const struct volume *v, struct stat *ret, struct error **err)
{
	return stat(v->path, ret) == 0 ? 0 : cannot_look(v, err);
}

int volume_blockdev_by_path(const struct volume *v, struct json_object **ret, struct error **err)
{
	struct stat st;
	int r = stat_volume(v, &st, err);

	if (r < 0)
		return r;
	*ret = json_new_str("driver", S_ISBLK(st.st_mode) || S_ISCHR(st.st_mode) ? "host_device" : "file");
	json_put_str(*ret, "filename", v->path);
	return 0;
}

int volume_blockdev(const struct volume *v, struct json_object **ret, struct error **err)
{
	if (v->storage && v->storage->ops->blockdev)
		return v->storage->ops->blockdev(v, ret, err);
	return volume_blockdev_by_path(v, ret, err);
}

char *volume_qemu_name(const struct volume *v)
{
	if (v->path)
		return xstrdup(v->path);
	return v->storage->ops->qemu_name(v);
}

static int device_size(const struct volume *v, uint64_t *ret, struct error **err)
{
	_cleanup_close_ int fd = open(v->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || ioctl(fd, BLKGETSIZE64, ret) < 0)
		return error_errno(err, errno, "cannot determine size of volume '%s'", v->volid);
	return 0;
}

int volume_image_info(const struct volume *v, struct json_object **ret, struct error **err)
{
	const char *const argv[] = { "qemu-img",      "info", "-U",
				     "--output=json", "-f",   image_format_name(v->format),
				     v->path,         NULL };
	const struct process_options o = { .timeout_ms = QEMU_IMG_TIMEOUT_MS };
	_cleanup_(process_result_clear) struct process_result result = { 0 };
	int r = process_run_ok(argv, &o, &result, err);

	if (r < 0)
		return r;
	if (result.out && json_parse(result.out, strlen(result.out), JSON_TOOL_MEMORY, ret, NULL) == 0 &&
	    *ret)
		return 0;
	return error_set(err, ERR_PEER, "qemu-img info '%s' prints no JSON", v->path);
}

static int image_size(const struct volume *v, uint64_t *ret, struct error **err)
{
	_cleanup_tool_json_ struct json_object *info = NULL;
	int r = volume_image_info(v, &info, err);

	if (r == 0 && !tool_json_u64(info, "virtual-size", ret))
		r = error_set(err, ERR_PEER, "qemu-img info gives none");
	if (r < 0)
		error_prefix(err, "cannot determine size of volume '%s'", v->volid);
	return r;
}

int volume_size(const struct volume *v, uint64_t *ret, struct error **err)
{
	struct stat st;
	int r;

	if (v->storage && v->storage->ops->size)
		return v->storage->ops->size(v, ret, err);
	r = stat_volume(v, &st, err);
	if (r < 0)
		return r;
	if (v->format != IMAGE_RAW)
		return image_size(v, ret, err);
	if (S_ISBLK(st.st_mode))
		return device_size(v, ret, err);
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERR_INVALID,
				 "cannot determine size of volume '%s': '%s' is neither file nor "
				 "block device",
				 v->volid, v->path);
	*ret = (uint64_t)st.st_size;
	return 0;
}

/* File systems whose pages are written to another machine later on; from linux/magic.h and theirs. */
static bool is_remote(long type)
{
	static const uint32_t magics[] = {
		0x6969,     /* NFS */
		0xff534d42, /* CIFS */
		0xfe534d42, /* SMB2 */
		0x00c36400, /* Ceph */
		0x65735546, /* FUSE: ceph-fuse, GlusterFS, sshfs */
	};

	for (size_t i = 0; i < ARRAY_SIZE(magics); i++)
		if ((uint32_t)type == magics[i])
			return true;
	return false;
}

bool volume_errors_come_late(const struct volume *v)
{
	struct stat st;
	struct statfs fs;

	/* librbd has a cache of its own */
	if (!v->path || stat(v->path, &st) < 0 || !S_ISREG(st.st_mode))
		return true;
	return statfs(v->path, &fs) == 0 && is_remote(fs.f_type);
}

int volume_used_by_path(const struct volume *v, uint64_t *ret, uint64_t *ret_length, struct error **err)
{
	struct statx st;

	/* else NFS tells what it remembers */
	if (statx(AT_FDCWD, v->path, AT_STATX_FORCE_SYNC, STATX_BLOCKS | STATX_SIZE | STATX_TYPE, &st) < 0)
		return cannot_look(v, err);
	if (!S_ISREG(st.stx_mode))
		return error_set(err, ERR_UNSUPPORTED, "nobody counts what '%s' takes", v->path);
	*ret = st.stx_blocks * 512;
	*ret_length = st.stx_size;
	return 0;
}

int volume_used(const struct volume *v, uint64_t *ret, struct error **err)
{
	uint64_t length;

	if (v->storage && v->storage->ops->used)
		return v->storage->ops->used(v, ret, err);
	return volume_used_by_path(v, ret, &length, err);
}

int volume_traits(const struct volume *v, struct image_traits *ret, struct error **err)
{
	uint64_t granularity;

	storage_traits(v->storage, v->format, ret);
	if (v->storage->ops->volume_traits)
		return v->storage->ops->volume_traits(v, ret, err);
	granularity = v->path ? block_discard_granularity(v->path) : 0;
	if (granularity)
		ret->discard_granularity = granularity;
	return 0;
}

/* ---- making and removing ---- */

static int read_only(const struct storage *s, struct error **err)
{
	return error_set(err, ERR_UNSUPPORTED,
			 "storage '%s': images cannot be made or removed on storages of type '%s'", s->id,
			 s->type);
}

/* Names that are taken where the storage's images lie, whoever has them. */
static int taken_names(const struct storage *s, uint32_t vmid, char ***ret, struct error **err)
{
	struct storage_image *images;
	size_t n;
	int r;

	if (s->ops->names)
		return s->ops->names(s, ret, err);
	r = storage_list(s, vmid, &images, &n, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		strv_add(ret, images[i].volname);
	storage_images_free(images, n);
	return 0;
}

/*
 * The number of a name "vm-<vmid>-disk-<n>", maybe with directories before and an extension behind it; -1 if
 * it is none.  The disk of a template or of a container has its number too: guests may become such.
 */
static int disk_number(const char *volname, uint32_t vmid)
{
	static const char *const prefixes[] = { "vm", "base", "subvol", "basevol" };
	const char *slash = strrchr(volname, '/');
	const char *name = slash ? slash + 1 : volname;

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		_cleanup_free_ char *head = xasprintf("%s-%" PRIu32 "-disk-", prefixes[i], vmid);
		const char *rest;
		size_t digits;

		if (!str_prefix(name, head, &rest))
			continue;
		digits = strspn(rest, "0123456789");
		if (digits && digits < 6 && (!rest[digits] || rest[digits] == '.'))
			return (int)strtoul(rest, NULL, 10);
	}
	return -1;
}

static int next_name(const struct storage *s, uint32_t vmid, char **ret, struct error **err)
{
	_cleanup_strv_ char **names = NULL;
	bool taken[MAX_DISKS_PER_GUEST] = { false };
	int r = taken_names(s, vmid, &names, err);

	for (size_t i = 0; names && names[i]; i++) {
		int n = disk_number(names[i], vmid);

		if (n >= 0 && n < MAX_DISKS_PER_GUEST)
			taken[n] = true;
	}
	for (int i = 0; r == 0 && i < MAX_DISKS_PER_GUEST && !*ret; i++)
		if (!taken[i])
			*ret = xasprintf("vm-%" PRIu32 "-disk-%d", vmid, i);
	if (r == 0 && !*ret)
		r = error_set(err, ERR_INVALID,
			      "unable to allocate an image name for VM %" PRIu32 " in storage '%s'", vmid,
			      s->id);
	return r;
}

int volume_alloc_id(const struct storage *s, const struct volume_alloc *a, char **ret, struct error **err)
{
	_cleanup_free_ char *name = xstrdup_null(a->name);
	_cleanup_free_ char *volname = NULL;

	if (!s->ops->alloc)
		return read_only(s, err);
	if (!(s->ops->formats & (1U << a->format)))
		return error_set(err, ERR_UNSUPPORTED, "storage '%s' does not take images of format '%s'",
				 s->id, image_format_name(a->format));
	if (!name) {
		int r = next_name(s, a->vmid, &name, err);

		if (r < 0)
			return r;
	}
	volname = s->ops->volname(s, a->vmid, name, a->format);
	*ret = xasprintf("%s:%s", s->id, volname);
	return 0;
}

/* What lay there before must not be taken for the image's. */
static int wipe_new(const struct volume *v, const struct volume_alloc *a, struct error **err)
{
	const struct block_zero_options o = { .step = 64 * MIB, .cancel = a->cancel };
	int r = volume_activate(v, err);

	if (r == 0)
		r = block_zero(v->path, &o, err);
	if (r < 0)
		v->storage->ops->free(v, NULL);
	return r;
}

int volume_alloc(const struct storage *s, const struct volume_alloc *a, struct volume *ret,
		 struct error **err)
{
	_cleanup_volume_ struct volume v = { .storage = s };
	int r = volume_alloc_id(s, a, &v.volid, err);

	if (!v.volid)
		return r;
	v.volname = strchr(v.volid, ':') + 1;
	if (a->size == 0 || a->size % 512)
		return error_set(err, ERR_INVALID,
				 "cannot allocate '%s': size %" PRIu64 " is not a multiple of 512 bytes",
				 v.volid, a->size);
	r = s->ops->parse(&v, err);
	if (r == 0)
		r = s->ops->alloc(&v, a->size, a->cancel, err);
	if (r == 0 && s->ops->alloc_unwiped && !a->scratch)
		r = wipe_new(&v, a, err);
	if (r < 0)
		return error_prefix(err, "cannot allocate '%s'", v.volid), r;
	*ret = v;
	v = (struct volume){ 0 };
	return 0;
}

static int remove_file(const struct volume *v, struct error **err)
{
	if (unlink(v->path) == 0)
		return 0;
	if (errno == ENOENT)
		return error_set(err, ERR_NOT_FOUND, "file '%s' does not exist", v->path);
	return error_errno(err, errno, "cannot remove file '%s'", v->path);
}

static int check_free(const struct volume *v, struct error **err)
{
	_cleanup_error_ struct error *mine = NULL;
	int r = volume_check_unused(v, NULL, NULL, &mine);

	if (r == -EBUSY)
		return error_set(err, r, "%s: %s", error_message(mine),
				 str_prefix(error_message(mine), IN_USE_QEMU " ", NULL)
					 ? "shut that guest down, or take the disk out of it, first"
					 : "end that first");
	error_keep_first(err, &mine);
	return r;
}

int volume_free(const struct volume *v, struct error **err)
{
	int r;

	if (!v->storage)
		return error_set(err, ERR_UNSUPPORTED, "'%s' belongs to no storage and is not removed",
				 v->volid);
	if (!(v->content & (STORAGE_IMAGES | STORAGE_BACKUP))) {
		r = remove_file(v, err);
	} else if (!v->storage->ops->free) {
		return read_only(v->storage, err);
	} else {
		r = check_free(v, err);
		if (r == 0)
			r = v->storage->ops->free(v, err);
	}
	return r < 0 ? (error_prefix(err, "cannot remove '%s'", v->volid), r) : 0;
}

/* ---- snapshots ---- */

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int volume_snapshots(const struct volume *v, char ***ret, struct error **err)
{
	_cleanup_strv_ char **names = NULL;
	int r;

	*ret = NULL;
	if (!v->storage || !v->storage->ops->snapshots)
		return 0;
	r = v->storage->ops->snapshots(v, &names, err);
	if (r < 0)
		return error_prefix(err, "cannot list the snapshots of '%s'", v->volid), r;
	if (names)
		qsort(names, strv_len(names), sizeof(*names), compare_names);
	*ret = TAKE_PTR(names);
	return 0;
}

int volume_snapshot_delete(const struct volume *v, const char *name, struct error **err)
{
	_cleanup_strv_ char **names = NULL;
	int r = volume_snapshots(v, &names, err);

	if (r < 0)
		return r;
	if (!strv_contains(names, name))
		return error_set(err, ERR_NOT_FOUND, "volume '%s' has no snapshot '%s'", v->volid, name);
	r = v->storage->ops->snapshot_delete(v, name, err);
	if (r < 0)
		return error_prefix(err, "cannot remove snapshot '%s' of '%s'", name, v->volid), r;
	return 0;
}
