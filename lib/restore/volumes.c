#include "restore/volumes.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"

void volumes_init(struct volumes *vs, const struct restore_context *c, const struct plan *p)
{
	*vs = (struct volumes){ .context = c, .n = p->n_chosen };
	vs->v = xcalloc(vs->n, sizeof(*vs->v));
	for (size_t i = 0; i < vs->n; i++)
		vs->v[i].disk = p->chosen[i];
}

void volumes_clear(struct volumes *vs)
{
	for (size_t i = 0; i < vs->n; i++)
		volume_clear(&vs->v[i].volume);
	free(vs->v);
	*vs = (struct volumes){ 0 };
}

/* ---- where one goes ---- */

static int choose_storage(const struct restore_context *c, const struct plan_disk *d,
			  const struct storage **ret, struct error **err)
{
	const char *wanted = c->params->storage;
	const char *id = wanted ? wanted : d->storage ? d->storage : "local";
	int r = storage_get(c->host->storages, id, STORAGE_IMAGES, ret, err);

	if (r == 0)
		r = storage_activate(*ret, c->host->log, err);
	if (r < 0)
		error_prefix(err, "%s%s", d->key, wanted ? "" : " (--storage puts it elsewhere)");
	return r;
}

/* The one it had, where the storage takes that. */
static enum image_format choose_format(const struct storage *s, const struct plan_disk *d)
{
	int format = d->format ? image_format_parse(d->format) : -1;

	if (d->cloudinit && s->ops->formats & (1u << IMAGE_RAW))
		return IMAGE_RAW;
	if (format >= 0 && format != IMAGE_SUBVOL && s->ops->formats & (1u << format))
		return (enum image_format)format;
	return s->format;
}

uint64_t volumes_bwlimit(const struct volumes *vs)
{
	uint64_t limit = vs->context->params->bwlimit;

	if (limit != RESTORE_BWLIMIT_OF_STORAGES)
		return limit;
	/* one rate holds for all, so the slowest storage's */
	for (size_t i = 0; i < vs->n; i++) {
		const struct storage *s = vs->v[i].volume.storage;
		const uint64_t one = s ? storage_restore_bwlimit(s) * KIB : 0;

		if (one && one < limit)
			limit = one;
	}
	return limit == RESTORE_BWLIMIT_OF_STORAGES ? 0 : limit;
}

/* ---- is it there? ---- */

bool volumes_name_taken(const struct storage *s, uint32_t vmid, const char *volid)
{
	struct storage_image *images = NULL;
	bool taken = false;
	size_t n = 0;

	if (storage_list(s, vmid, &images, &n, NULL) < 0)
		return false;
	for (size_t i = 0; i < n && !taken; i++)
		taken = !strcmp(images[i].volname, strchr(volid, ':') + 1);
	storage_images_free(images, n);
	return taken;
}

/* True also if the storage cannot say. */
static bool volume_is_there(const struct volume *v)
{
	struct storage_image *images = NULL;
	bool found = false;
	size_t n = 0;

	/* a volume that is not active has no device, but exists */
	if (v->path && access(v->path, F_OK) == 0)
		return true;
	if (storage_list(v->storage, v->vmid, &images, &n, NULL) < 0)
		return true;
	for (size_t i = 0; i < n && !found; i++)
		found = !strcmp(images[i].volname, v->volname);
	storage_images_free(images, n);
	return found;
}

int volumes_check_there(const struct volumes *vs, struct error **err)
{
	for (size_t i = 0; i < vs->n; i++) {
		const struct volume *v = &vs->v[i].volume;

		if (v->volid && !volume_is_there(v))
			return error_set(err, ERR_NOT_FOUND,
					 "volume '%s' of this restore is gone: somebody else removed it",
					 v->volid);
	}
	return 0;
}

/* ---- making them ---- */

/* "vm-100-disk-1" of "local:100/vm-100-disk-1.qcow2".  Caller frees. */
static char *name_of(const char *volid, enum image_format format)
{
	_cleanup_free_ char *extension = xasprintf(".%s", image_format_name(format));
	const char *slash = strrchr(volid, '/');
	const char *file = slash ? slash + 1 : strchr(volid, ':') + 1;
	size_t len = strlen(file);

	return xstrndup(file, str_suffix(file, extension) ? len - strlen(extension) : len);
}

static int allocate_volume(const struct restore_context *c, const struct storage *s, const char *volid,
			   struct new_volume *v, struct error **err)
{
	const enum image_format format = choose_format(s, v->disk);
	_cleanup_free_ char *name = name_of(volid, format);
	const struct volume_alloc a = {
		.vmid = c->params->vmid,
		.name = name,
		.format = format,
		.size = plan_volume_size(v->disk),
		.cancel = c->host->cancel,
	};
	int r = journal_add(c->journal, JOURNAL_IMAGE, volid, err);

	if (r == 0)
		r = volume_alloc(s, &a, &v->volume, err);
	if (r == -EEXIST)
		journal_strike(c->journal, JOURNAL_IMAGE, volid);
	return r;
}

/*
 * The name is found first: a kill between journal and allocation must not cost somebody an image of that
 * name.
 */
static int make_volume(const struct restore_context *c, struct new_volume *v, struct error **err)
{
	struct plan_disk *d = v->disk;
	_cleanup_free_ char *cloudinit = xasprintf("vm-%" PRIu32 "-cloudinit", c->params->vmid);
	struct volume_alloc a = { .vmid = c->params->vmid, .name = d->cloudinit ? cloudinit : NULL };
	const struct storage *s;
	int r = choose_storage(c, d, &s, err);

	if (r < 0)
		return r;
	a.format = choose_format(s, d);
	r = volume_alloc_id(s, &a, &d->volid, err);
	/* the guest that is replaced may have one, and its content will be generated in any case */
	if (r == 0 && d->cloudinit && volumes_name_taken(s, c->params->vmid, d->volid))
		return 0;
	if (r == 0)
		r = allocate_volume(c, s, d->volid, v, err);
	if (r < 0)
		return error_prefix(err, "%s", d->key), r;
	log_info(c->host->log, "new volume ID is '%s'", d->volid);
	return volume_activate(&v->volume, err);
}

int volumes_make(struct volumes *vs, struct error **err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < vs->n; i++) {
		r = make_volume(vs->context, &vs->v[i], err);
		if (r == 0)
			r = cancel_check(vs->context->host->cancel, err);
	}
	return r;
}

void volumes_deactivate(const struct volumes *vs)
{
	for (size_t i = 0; i < vs->n; i++) {
		_cleanup_error_ struct error *err = NULL;

		if (vs->v[i].volume.volid && volume_deactivate(&vs->v[i].volume, &err) < 0)
			log_warn(vs->context->host->log, "%s", error_message(err));
	}
}
