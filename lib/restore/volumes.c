/* The volumes of a restore: where they go, making them, opening them. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/strv.h"
#include "journal/run-dir.h"
#include "restore/restore-internal.h"
#include "restore/serve.h"

static int choose_storage(const struct restore *r, const struct plan_disk *d, const struct storage **ret,
			  struct error **err)
{
	const char *id = r->p->storage ? r->p->storage : d->storage ? d->storage : "local";
	int s = storage_get(r->host->storages, id, STORAGE_IMAGES, ret, err);

	if (s == 0)
		s = storage_activate(*ret, r->host->log, err);
	if (s < 0)
		error_prefix(err, "%s%s", d->key, r->p->storage ? "" : " (--storage puts it elsewhere)");
	return s;
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

bool restore_name_taken(const struct storage *s, uint32_t vmid, const char *volid)
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

bool restore_is_there(const struct volume *v)
{
	struct storage_image *images = NULL;
	bool found = false;
	size_t n = 0;

	/* a device is also gone when its volume is not active */
	if (v->path && access(v->path, F_OK) == 0)
		return true;
	if (storage_list(v->storage, v->vmid, &images, &n, NULL) < 0)
		return true;
	for (size_t i = 0; i < n && !found; i++)
		found = !strcmp(images[i].volname, v->volname);
	storage_images_free(images, n);
	return found;
}

/* "vm-100-disk-1" of "local:100/vm-100-disk-1.qcow2".  Caller frees. */
static char *name_of(const char *volid, enum image_format format)
{
	_cleanup_free_ char *extension = xasprintf(".%s", image_format_name(format));
	const char *slash = strrchr(volid, '/');
	const char *file = slash ? slash + 1 : strchr(volid, ':') + 1;
	size_t len = strlen(file);

	return xstrndup(file, str_suffix(file, extension) ? len - strlen(extension) : len);
}

static int allocate(struct restore *r, const struct storage *s, const char *volid, struct restore_volume *v,
		    struct error **err)
{
	const enum image_format format = choose_format(s, v->disk);
	_cleanup_free_ char *name = name_of(volid, format);
	const struct volume_alloc a = {
		.vmid = r->p->vmid,
		.name = name,
		.format = format,
		.size = (v->disk->size + PLAN_SIZE_STEP - 1) / PLAN_SIZE_STEP * PLAN_SIZE_STEP,
		.cancel = r->host->cancel,
	};
	int res = journal_add(r->journal, JOURNAL_IMAGE, volid, err);

	if (res == 0)
		res = volume_alloc(s, &a, &v->volume, err);
	if (res == -EEXIST)
		journal_strike(r->journal, JOURNAL_IMAGE, volid);
	return res;
}

/*
 * The name is found first: a kill between journal and allocation must not cost somebody an image of
 * that name.
 */
static int make_volume(struct restore *r, struct restore_volume *v, struct error **err)
{
	struct plan_disk *d = v->disk;
	_cleanup_free_ char *cloudinit = xasprintf("vm-%" PRIu32 "-cloudinit", r->p->vmid);
	struct volume_alloc a = { .vmid = r->p->vmid, .name = d->cloudinit ? cloudinit : NULL };
	const struct storage *s;
	int res = choose_storage(r, d, &s, err);

	if (res < 0)
		return res;
	a.format = choose_format(s, d);
	res = volume_alloc_id(s, &a, &d->volid, err);
	/* the guest that is replaced may have one, and its content is made anew anyway */
	if (res == 0 && d->cloudinit && restore_name_taken(s, r->p->vmid, d->volid))
		return 0;
	if (res == 0)
		res = allocate(r, s, d->volid, v, err);
	if (res < 0)
		return error_prefix(err, "%s", d->key), res;
	log_info(r->host->log, "new volume ID is '%s'", d->volid);
	return volume_activate(&v->volume, err);
}

int restore_make_volumes(struct restore *r, struct error **err)
{
	int res = 0;

	for (size_t i = 0; res == 0 && i < r->n; i++) {
		res = make_volume(r, &r->volumes[i], err);
		if (res == 0)
			res = cancel_check(r->host->cancel, err);
	}
	return res;
}

/* ---- where data is written ---- */

/* Raw volumes with a path are written as they are; what else there is needs QEMU's drivers. */
static bool is_direct(const struct volume *v)
{
	return v->path && v->format == IMAGE_RAW;
}

static int start_daemon(struct restore *r, struct error **err)
{
	_cleanup_free_ struct storage_daemon_disk *disks = xcalloc(r->n, sizeof(*disks));
	size_t n = 0;
	int res = 0;

	for (size_t i = 0; res == 0 && i < r->n; i++) {
		struct restore_volume *v = &r->volumes[i];
		struct json_object *protocol = NULL;

		if (!v->disk->dev || v->live || is_direct(&v->volume))
			continue;
		res = volume_blockdev(&v->volume, &protocol, err);
		disks[n++] = (struct storage_daemon_disk){ .export = v->disk->key,
							   .protocol = protocol,
							   .format = image_format_name(v->volume.format),
							   .writable = true };
	}
	if (res == 0 && n) {
		if (!r->dir)
			res = run_dir_make(r->host->paths, r->journal, &r->dir, err);
		if (res == 0)
			res = storage_daemon_start(&r->daemon, r->dir, disks, n, r->host->cancel, err);
	}
	for (size_t i = 0; i < n; i++)
		json_object_put(disks[i].protocol);
	return res;
}

static int open_target(struct restore *r, const struct restore_volume *v, struct error **err)
{
	const struct plan_disk *d = v->disk;
	_cleanup_free_ char *path =
		is_direct(&v->volume) ? xstrdup(v->volume.path) : serve_uri(r->daemon.socket, d->key);
	int res = target_existing(&r->targets[d->dev], path, d->size, false, err);

	if (res == 0)
		log_info(r->host->log, "map '%s' to '%s' (write zeros = 0)", d->device,
			 v->volume.path ? v->volume.path : path);
	return res < 0 ? (error_prefix(err, "%s", d->key), res) : 0;
}

int restore_open_targets(struct restore *r, struct error **err)
{
	int res = start_daemon(r, err);

	for (size_t i = 0; res == 0 && i < r->n; i++)
		if (r->volumes[i].disk->dev && !r->volumes[i].live)
			res = open_target(r, &r->volumes[i], err);
	return res;
}

/* Of a file that is synced its name may still be lost, and the folder's own. */
static int sync_names(const struct volume *v, struct error **err)
{
	_cleanup_free_ char *folder = NULL, *parent = NULL;
	struct stat st;
	int res;

	if (!v->path || stat(v->path, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	folder = io_parent(v->path);
	parent = io_parent(folder);
	res = io_fsync_dir(folder, err);
	return res == 0 ? io_fsync_dir(parent, err) : res;
}

int restore_close_targets(struct restore *r, struct error **err)
{
	int res = 0;

	for (unsigned i = 1; res == 0 && i <= VMA_MAX_DEVICES; i++)
		if (target_is_open(&r->targets[i]))
			res = target_finish(&r->targets[i], err);
	/* the daemon writes back what it holds of a qcow2 image when it ends */
	storage_daemon_stop(&r->daemon);
	for (size_t i = 0; res == 0 && i < r->n; i++)
		res = sync_names(&r->volumes[i].volume, err);
	return res;
}
