/* Volumes by their id: opening one, and calling the callbacks of its type. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/strv.h"
#include "storage/block.h"
#include "storage/storage.h"
#include "storage/volume-path.h"

void volume_clear(struct volume *v)
{
	free(v->volid);
	free(v->path);
	*v = (struct volume){ 0 };
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
		return error_wrap(err, r, "volume '%s'", volid);
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

int volume_look(const struct volume *v, bool *ret, struct error **err)
{
	const struct storage_ops *ops = v->storage ? v->storage->ops : NULL;
	_cleanup_strv_ char **names = NULL;
	int r;

	*ret = !ops || !ops->volume_activate || !v->path || access(v->path, F_OK) == 0;
	if (*ret || !ops->names)
		return 0;
	r = ops->names(v->storage, &names, err);
	if (r == 0 && !strv_contains(names, v->volname))
		r = error_set(err, ERR_NOT_FOUND, "storage '%s' has no volume '%s'", v->storage->id,
			      v->volname);
	return r;
}

int volume_deactivate(const struct volume *v, struct error **err)
{
	if (!v->storage || !v->storage->ops->volume_deactivate)
		return 0;
	return v->storage->ops->volume_deactivate(v, err);
}

/* ---- properties ---- */

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

int volume_size(const struct volume *v, uint64_t *ret, struct error **err)
{
	if (v->storage && v->storage->ops->size)
		return v->storage->ops->size(v, ret, err);
	return volume_size_by_path(v, ret, err);
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
		return error_wrap(err, r, "cannot list the snapshots of '%s'", v->volid);
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
	return r < 0 ? error_wrap(err, r, "cannot remove snapshot '%s' of '%s'", name, v->volid) : 0;
}
