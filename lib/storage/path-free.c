/* Images as files: what depends on one, its snapshots, removing it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/strv.h"
#include "storage/key.h"
#include "storage/path.h"
#include "storage/tool.h"
#include "storage/volume-path.h"

/* ---- linked clones ---- */

/* -EBUSY if the image is a clone of volume v, whose file is `base`; an error, too, if that is not known. */
static int check_clone(const struct volume *v, const struct storage_image *image, const char *dir,
		       const struct stat *base, struct error **err)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, image->volname);
	const struct volume clone = { .storage = v->storage, .format = image->format, .path = path };
	_cleanup_json_ struct json_object *info = NULL;
	const char *file;
	struct stat st;
	int r;

	if (image->format != IMAGE_QCOW2)
		return 0;
	r = volume_image_info(&clone, &info, err);
	if (r < 0)
		return error_wrap(err, r, "cannot determine whether '%s:%s' is a linked clone of it",
				  v->storage->id, image->volname);
	file = json_get_str(info, "full-backing-filename");
	if (!file || stat(file, &st) < 0 || st.st_dev != base->st_dev || st.st_ino != base->st_ino)
		return 0;
	return error_set(err, -EBUSY,
			 "base image '%s' is still in use by linked clone '%s:%s': remove that first",
			 v->volid, v->storage->id, image->volname);
}

static bool is_base(const struct volume *v)
{
	return str_prefix(strrchr(v->path, '/') + 1, "base-", NULL);
}

/* Removing the base of linked clones would ruin them. */
static int check_clones(const struct volume *v, struct error **err)
{
	_cleanup_free_ char *dir = path_content_dir(v->storage, STORAGE_IMAGES);
	struct storage_image *images = NULL;
	struct stat base;
	size_t n = 0;
	int r = 0;

	if (!is_base(v) || stat(v->path, &base) < 0)
		return 0;
	r = path_list(v->storage, 0, &images, &n, err);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = check_clone(v, &images[i], dir, &base, err);
	storage_images_free(images, n);
	return r;
}

/* ---- snapshots: in the image, or files that it is based on ---- */

/* With snapshot-as-volume-chain: the files "snap-<name>-<file>" beside the image. */
static int chain_snapshots(const struct volume *v, char ***ret, struct error **err)
{
	_cleanup_free_ char *dir = io_parent(v->path);
	_cleanup_free_ char *suffix = xasprintf("-%s", strrchr(v->path, '/') + 1);
	struct dirent *entry;
	const char *rest;
	DIR *d;

	if (!storage_key_flag(v->storage, "snapshot-as-volume-chain"))
		return 0;
	d = opendir(dir);
	if (!d)
		return errno == ENOENT ? 0 : error_errno(err, errno, "cannot read directory '%s'", dir);
	while ((entry = readdir(d)))
		if (str_prefix(entry->d_name, "snap-", &rest) && str_suffix(rest, suffix) &&
		    strlen(rest) > strlen(suffix))
			strv_addf(ret, "%.*s", (int)(strlen(rest) - strlen(suffix)), rest);
	closedir(d);
	return 0;
}

int path_snapshots(const struct volume *v, char ***ret, struct error **err)
{
	_cleanup_json_ struct json_object *info = NULL;
	struct json_object *snapshots;
	int r;

	if (v->content != STORAGE_IMAGES || v->format != IMAGE_QCOW2)
		return 0;
	r = volume_image_info(v, &info, err);
	snapshots = json_get_obj(info, "snapshots");
	for (size_t i = 0; r == 0 && i < json_array_len(snapshots); i++) {
		const char *name = json_get_str(json_array_at(snapshots, i), "name");

		if (name)
			strv_add(ret, name);
	}
	return r < 0 ? r : chain_snapshots(v, ret, err);
}

int path_snapshot_delete(const struct volume *v, const char *name, struct error **err)
{
	const char *const argv[] = { "qemu-img", "snapshot", "-d", name, v->path, NULL };
	const struct process_options o = { .timeout_ms = TOOL_CHANGE * 1000 };
	_cleanup_strv_ char **chain = NULL;
	int r = chain_snapshots(v, &chain, err);

	if (r == 0 && strv_contains(chain, name))
		return error_set(err, ERR_UNSUPPORTED,
				 "'%s' is based on it (snapshot-as-volume-chain): it keeps its space until "
				 "the image is removed",
				 v->path);
	return r < 0 ? r : process_run_ok(argv, &o, NULL, err);
}

/* ---- removing ---- */

static int remove_chain(const struct volume *v, char *const *names, struct error **err)
{
	_cleanup_free_ char *dir = io_parent(v->path);

	for (size_t i = 0; names && names[i]; i++) {
		_cleanup_free_ char *path =
			xasprintf("%s/snap-%s-%s", dir, names[i], strrchr(v->path, '/') + 1);

		if (unlink(path) < 0)
			return error_errno(err, errno, "cannot remove file '%s'", path);
	}
	return 0;
}

/* PVE makes base images immutable (chattr +i) where the file system supports it. */
static void clear_immutable(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int flags;

	if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0 || !(flags & FS_IMMUTABLE_FL))
		return;
	flags &= ~FS_IMMUTABLE_FL;
	/* if this fails, removing the file fails, too */
	(void)ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

int path_free(const struct volume *v, struct error **err)
{
	_cleanup_strv_ char **chain = NULL;
	int r;

	if (v->content != STORAGE_IMAGES)
		return error_set(err, ERR_UNSUPPORTED, "not an image");
	r = check_clones(v, err);
	if (r == 0)
		r = chain_snapshots(v, &chain, err);
	if (r < 0)
		return r;
	if (is_base(v))
		clear_immutable(v->path);
	if (unlink(v->path) < 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			return error_set(err, ERR_NOT_FOUND, "disk image '%s' does not exist", v->path);
		return error_errno(err, errno, "cannot remove file '%s'", v->path);
	}
	r = remove_chain(v, chain, err);
	path_remove_empty_dir(v->path);
	return r;
}
