#include "vma-daemon.h"

#include <errno.h>
#include <stdlib.h>

#include "base/io.h"
#include "base/mem.h"
#include "storage/storage.h"
#include "vma/format.h"

static int add_image(const struct vma_daemon_image *image, struct storage_daemon_disk *ret,
		     struct error **err)
{
	_cleanup_volume_ struct volume v = { 0 };
	_cleanup_free_ char *path = realpath(image->path, NULL);
	int r = path ? volume_open(&(struct storage_config){ 0 }, path, image->format, &v, err)
		     : error_errno(err, errno, "image '%s'", image->path);

	*ret = (struct storage_daemon_disk){ .export = image->export,
					     .format = image->format,
					     .writable = image->writable };
	return r < 0 ? r : volume_blockdev(&v, &ret->protocol, err);
}

/* Not in TMPDIR, whose path may be too long for a socket. */
static int make_folder(struct vma_daemon *d, struct error **err)
{
	d->dir = xasprintf("%s/vma-images.XXXXXX", P_tmpdir);
	if (mkdtemp(d->dir))
		return 0;
	free(TAKE_PTR(d->dir));
	return error_errno(err, errno, "cannot make a folder in %s", P_tmpdir);
}

int vma_daemon_start(struct vma_daemon *d, const struct vma_daemon_image *images, size_t n,
		     const struct cancel *stop, struct error **err)
{
	struct storage_daemon_disk disks[VMA_MAX_DEVICES] = { 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = add_image(&images[i], &disks[i], err);
	if (r == 0)
		r = make_folder(d, err);
	if (r == 0)
		r = storage_daemon_start(&d->storage_daemon, d->dir, disks, n, stop, err);
	for (size_t i = 0; i < n; i++)
		json_object_put(disks[i].protocol);
	return r;
}

void vma_daemon_stop(struct vma_daemon *d)
{
	storage_daemon_stop(&d->storage_daemon);
	if (d->dir)
		io_remove_tree(d->dir, NULL);
	free(TAKE_PTR(d->dir));
}
