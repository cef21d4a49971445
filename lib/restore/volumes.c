#include "restore/volumes.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "journal/image.h"

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

/* ---- storage and format ---- */

static int choose_volume_storage(const struct restore_context *c, const struct plan_disk *d,
				 const struct storage **ret, struct error **err)
{
	const char *wanted = c->params->storage;
	const char *id = wanted ? wanted : d->storage ? d->storage : "local";
	int r = storage_get(c->host->storages, id, STORAGE_IMAGES, ret, err);

	if (r == 0)
		r = storage_activate(*ret, c->host->log, err);
	if (r < 0)
		return error_wrap(err, r, "%s%s", d->key, wanted ? "" : " (--storage puts it elsewhere)");
	return r;
}

/* The format that the disk had, if the storage supports it. */
static enum image_format choose_volume_format(const struct storage *s, const struct plan_disk *d)
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
	/* one rate applies to all, so it is that of the slowest storage */
	for (size_t i = 0; i < vs->n; i++) {
		const struct storage *s = vs->v[i].volume.storage;
		const uint64_t one = s ? storage_restore_bwlimit(s) * KIB : 0;

		if (one && one < limit)
			limit = one;
	}
	return limit == RESTORE_BWLIMIT_OF_STORAGES ? 0 : limit;
}

/* ---- checking that they exist ---- */

/* True also if the storage cannot be asked. */
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

/*
 * The names that a configuration (NULL: there is none) has for volumes of a storage.  A guest that has lost
 * a volume still names it.  If the new one got that name, the guest would seem to have its disk back while it
 * is being filled, and it would stay when the restore is undone.  Caller frees.
 */
static char **named_volumes(const struct guest_config *c, const struct storage *s)
{
	_cleanup_free_ char *head = xasprintf("%s:", s->id);
	char **names = NULL;

	for (const char *at = c ? c->text : ""; (at = strstr(at, head)) != NULL;) {
		_cleanup_free_ char *name = NULL;

		at += strlen(head);
		name = xstrndup(at, strcspn(at, " \t\r\n,"));
		strv_add(&names, name);
	}
	return names;
}

/*
 * If the replaced guest has a cloud-init image, that is used, as its content is generated anew anyway.  Then
 * v->volume stays empty.
 */
static int allocate_volume(const struct volumes *vs, const struct storage *s, struct new_volume *v,
			   struct error **err)
{
	const struct restore_context *c = vs->context;
	struct plan_disk *d = v->disk;
	_cleanup_strv_ char **taken = named_volumes(vs->old, s);
	_cleanup_free_ char *cloudinit = xasprintf("vm-%" PRIu32 "-cloudinit", c->params->vmid);
	const struct volume_alloc a = {
		.vmid = c->params->vmid,
		.name = d->cloudinit ? cloudinit : NULL,
		.taken = taken,
		.format = choose_volume_format(s, d),
		.size = plan_volume_size(d),
		.cancel = c->host->cancel,
	};
	_cleanup_error_ struct error *mine = NULL;
	int r = journal_alloc_image(c->journal, s, &a, &v->volume, &mine);

	if (r == -EEXIST && d->cloudinit)
		return volume_alloc_id(s, &a, &d->volid, err);
	if (r == 0)
		d->volid = xstrdup(v->volume.volid);
	error_keep_first(err, &mine);
	return r;
}

static int make_volume(const struct volumes *vs, struct new_volume *v, struct error **err)
{
	const struct restore_context *c = vs->context;
	const struct storage *s;
	int r = choose_volume_storage(c, v->disk, &s, err);

	if (r < 0)
		return r;
	r = allocate_volume(vs, s, v, err);
	if (r < 0)
		return error_wrap(err, r, "%s", v->disk->key);
	if (!v->volume.volid)
		return 0;
	log_info(c->host->log, "new volume ID is '%s'", v->disk->volid);
	return volume_activate(&v->volume, err);
}

int volumes_make(struct volumes *vs, const struct guest_config *old, struct error **err)
{
	int r = 0;

	vs->old = old;
	for (size_t i = 0; r == 0 && i < vs->n; i++) {
		r = make_volume(vs, &vs->v[i], err);
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
