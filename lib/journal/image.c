#include "journal/image.h"

#include <errno.h>
#include <string.h>

#include "base/bounded.h"
#include "base/mem.h"
#include "base/strv.h"

/* A short limit for a file system to answer, because everything else waits to be undone. */
#define ANSWER_MS 5000

/* Opens it in its storage, which the administrator may have removed from storage.cfg since. */
static int open_image(const struct host *host, const struct journal *j, const char *volid, struct volume *ret,
		      struct error **err)
{
	_cleanup_error_ struct error *mine = NULL;
	int r = volume_open(host->storages, volid, NULL, ret, &mine);

	if (r == ERR_NOT_FOUND)
		return error_set(err, r,
				 "%s: add it to storage.cfg again, or, if the image is gone for good, remove "
				 "the line '+image %s' from '%s'",
				 error_message(mine), volid, j->path);
	error_keep_first(err, &mine);
	return r;
}

static int free_image(const struct host *host, const struct journal *j, const char *volid,
		      const struct log *log, struct error **err)
{
	_cleanup_volume_ struct volume v = { 0 };
	struct storage_status st;
	int r = open_image(host, j, volid, &v, err);

	if (r == 0 && v.storage && v.storage->path)
		r = bounded_reach(v.storage->path, ANSWER_MS, NULL, err);
	/* not for a local directory: if it is not mounted, this would make an empty one, without the image */
	if (r == 0 && v.storage && (!v.storage->path || v.storage->ops->shared))
		r = storage_activate(v.storage, log, err);
	/*
	 * not for Ceph: its status needs a manager, its images do not, and it reports itself if it is
	 * unreachable
	 */
	if (r == 0 && v.storage && v.storage->path)
		r = storage_status(v.storage, &st, err);
	if (r < 0)
		return error_wrap(err, r == ERR_CANCELED ? r : ERR_PEER, "image '%s'", volid);
	return volume_free(&v, err);
}

int journal_free_image(const struct host *host, const struct journal *j, const char *volid,
		       const struct log *log, struct error **err)
{
	_cleanup_error_ struct error *mine = NULL;
	int r = free_image(host, j, volid, log, &mine);

	/* a request to stop ends only the storage command that runs at that moment, so try once more */
	if (r == ERR_CANCELED) {
		error_free(TAKE_PTR(mine));
		r = free_image(host, j, volid, log, &mine);
	}
	if (r == ERR_NOT_FOUND || r == -ENOENT)
		return 0;
	error_keep_first(err, &mine);
	return r;
}

/* ---- making one ---- */

/* To be called before the journal has the name; or after a kill the next run would remove that image. */
static int check_name_is_free(const struct storage *s, uint32_t vmid, const char *volid, struct error **err)
{
	_cleanup_strv_ char **names = NULL;
	int r = storage_taken_names(s, vmid, &names, err);

	for (size_t i = 0; r == 0 && names && names[i]; i++) {
		if (!strcmp(names[i], strchr(volid, ':') + 1))
			r = error_set(err, -EEXIST,
				      "image '%s' exists already and is not of this run: remove it if nobody "
				      "needs it",
				      volid);
	}
	return r;
}

/* "vm-100-disk-1" of "local:100/vm-100-disk-1.qcow2".  Caller frees. */
static char *image_name(const char *volid, enum image_format format)
{
	_cleanup_free_ char *extension = xasprintf(".%s", image_format_name(format));
	const char *slash = strrchr(volid, '/');
	const char *file = slash ? slash + 1 : strchr(volid, ':') + 1;
	size_t len = strlen(file);

	return xstrndup(file, str_suffix(file, extension) ? len - strlen(extension) : len);
}

int journal_alloc_image(struct journal *j, const struct storage *s, const struct volume_alloc *a,
			struct volume *ret, struct error **err)
{
	_cleanup_free_ char *volid = NULL, *name = NULL;
	struct volume_alloc named = *a;
	int r = volume_alloc_id(s, a, &volid, err);

	/* if the storage has just chosen the name, it is free */
	if (r == 0 && a->name)
		r = check_name_is_free(s, a->vmid, volid, err);
	if (r == 0)
		r = journal_add(j, JOURNAL_IMAGE, volid, err);
	if (r < 0)
		return r;
	/* give the storage this name, as it might choose another one now */
	name = image_name(volid, a->format);
	named.name = name;
	r = volume_alloc(s, &named, ret, err);
	/* another program has just made it, so we must not remove it */
	if (r == -EEXIST)
		journal_strike(j, JOURNAL_IMAGE, volid);
	return r;
}
