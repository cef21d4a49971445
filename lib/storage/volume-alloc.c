/* Allocating and removing volumes. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "storage/block.h"
#include "storage/in-use.h"
#include "storage/storage.h"

#define MAX_DISKS_PER_GUEST 1024

static int read_only(const struct storage *s, struct error **err)
{
	return error_set(err, ERR_UNSUPPORTED,
			 "storage '%s': images cannot be allocated or removed on storages of type '%s'",
			 s->id, s->type);
}

int storage_taken_names(const struct storage *s, uint32_t vmid, char ***ret, struct error **err)
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
 * The number in a name "vm-<vmid>-disk-<n>", which may have directories before and an extension after it; -1 if
 * there is none.  Disks of templates and containers count, too: the guest may become one.
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

static void mark_taken(bool taken[MAX_DISKS_PER_GUEST], char *const *names, uint32_t vmid)
{
	for (size_t i = 0; names && names[i]; i++) {
		int n = disk_number(names[i], vmid);

		if (n >= 0 && n < MAX_DISKS_PER_GUEST)
			taken[n] = true;
	}
}

static int next_name(const struct storage *s, const struct volume_alloc *a, char **ret, struct error **err)
{
	_cleanup_strv_ char **names = NULL;
	bool taken[MAX_DISKS_PER_GUEST] = { false };
	const uint32_t vmid = a->vmid;
	int r = storage_taken_names(s, vmid, &names, err);

	mark_taken(taken, names, vmid);
	mark_taken(taken, a->taken, vmid);
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
		int r = next_name(s, a, &name, err);

		if (r < 0)
			return r;
	}
	volname = s->ops->volname(s, a->vmid, name, a->format);
	*ret = xasprintf("%s:%s", s->id, volname);
	return 0;
}

/* Old data on the device must not show in the new image. */
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
		return error_wrap(err, r, "cannot allocate '%s'", v.volid);
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
	return r < 0 ? error_wrap(err, r, "cannot remove '%s'", v->volid) : 0;
}
