/* Images as files: their names, the list of them, making and removing one. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/strv.h"
#include "base/units.h"
#include "storage/block.h"
#include "storage/path.h"
#include "storage/tool.h"
#include "storage/types.h"

/* ---- names ---- */

/* A number, as the name of a guest's directory: digits only.  0 if it is not one. */
static uint32_t owner_of(const char *text)
{
	uint32_t vmid = 0;

	if (!*text || strlen(text) > 9)
		return 0;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return 0;
		vmid = vmid * 10 + (uint32_t)(*text - '0');
	}
	return vmid;
}

/*
 * "<vmid>/<name>", or "<vmid>/<base>/<vmid>/<name>" for a linked clone; both lie at
 * images/<last vmid>/<name>.  *ret_dir and *ret_name point into parts, a copy of the volname.
 */
static bool split_image(char *parts, const char **ret_dir, const char **ret_name,
			enum image_format *ret_format)
{
	char *part[4];
	size_t n = 0;

	for (char *at = parts; at && n < 4; n++) {
		part[n] = at;
		at = strchr(at, '/');
		if (at)
			*at++ = '\0';
		if (n == 3 && at)
			return false;
	}
	if (n != 2 && n != 4)
		return false;
	for (size_t i = 0; i < n; i += 2)
		if (!owner_of(part[i]) || !image_name_parse(part[i + 1], ret_format))
			return false;
	*ret_dir = part[n - 2];
	*ret_name = part[n - 1];
	return true;
}

int path_parse(struct volume *v, struct error **err)
{
	_cleanup_free_ char *parts = xstrdup(v->volname);
	_cleanup_free_ char *images = NULL;
	const char *dir, *name;

	if (path_parse_file(v))
		return 0;
	if (!split_image(parts, &dir, &name, &v->format))
		return error_set(err, ERR_INVALID,
				 "volume '%s': '%s' is neither an image (<vmid>/vm-<vmid>-disk-0.raw) nor "
				 "a file of another kind (backup/..., iso/..., vztmpl/..., snippets/..., "
				 "import/...)",
				 v->volid, v->volname);
	images = path_content_dir(v->storage, STORAGE_IMAGES);
	v->content = STORAGE_IMAGES;
	v->vmid = owner_of(dir);
	v->path = xasprintf("%s/%s/%s", images, dir, name);
	return 0;
}

char *path_volname(const struct storage *s, uint32_t vmid, const char *name, enum image_format format)
{
	(void)s;
	return xasprintf("%" PRIu32 "/%s.%s", vmid, name, image_format_name(format));
}

/* ---- listing ---- */

struct image_list {
	path_look_fn *look;
	struct storage_image *images;
	size_t n;
};

bool path_look(const char *dir, const char *entry, char **ret_name, enum image_format *ret_format,
	       struct stat *ret_st)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, entry);

	if (!image_name_parse(entry, ret_format) || stat(path, ret_st) < 0)
		return false;
	*ret_name = xstrdup(entry);
	return true;
}

static void add_image(struct image_list *list, const char *dir, const char *owner, const char *entry)
{
	_cleanup_free_ char *name = NULL;
	enum image_format format;
	struct stat st;

	if (!list->look(dir, entry, &name, &format, &st))
		return;
	list->images = xreallocarray(list->images, list->n + 1, sizeof(*list->images));
	list->images[list->n++] = (struct storage_image){
		.volname = xasprintf("%s/%s", owner, name),
		.vmid = owner_of(owner),
		.format = format,
		.used = (uint64_t)st.st_blocks * 512,
		.ctime = st.st_ctime,
	};
}

static int list_owner(struct image_list *list, const char *dir, const char *owner, struct error **err)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, owner);
	struct dirent *entry;
	DIR *d = opendir(path);

	if (!d && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (!d)
		return error_errno(err, errno, "cannot read directory '%s'", path);
	while ((entry = readdir(d)))
		add_image(list, path, owner, entry->d_name);
	closedir(d);
	return 0;
}

static int list_owners(struct image_list *list, const char *dir, struct error **err)
{
	struct dirent *entry;
	DIR *d = opendir(dir);
	int r = 0;

	if (!d && errno == ENOENT)
		return 0;
	if (!d)
		return error_errno(err, errno, "cannot read directory '%s'", dir);
	while (r == 0 && (entry = readdir(d)))
		if (owner_of(entry->d_name))
			r = list_owner(list, dir, entry->d_name, err);
	closedir(d);
	return r;
}

static int compare_images(const void *a, const void *b)
{
	const struct storage_image *x = a;
	const struct storage_image *y = b;

	return strcmp(x->volname, y->volname);
}

int path_list_by(const struct storage *s, uint32_t vmid, path_look_fn *look, struct storage_image **ret,
		 size_t *ret_n, struct error **err)
{
	_cleanup_free_ char *dir = path_content_dir(s, STORAGE_IMAGES);
	_cleanup_free_ char *owner = xasprintf("%" PRIu32, vmid);
	struct image_list list = { .look = look };
	int r = vmid ? list_owner(&list, dir, owner, err) : list_owners(&list, dir, err);

	if (r < 0) {
		storage_images_free(list.images, list.n);
		return r;
	}
	if (list.n)
		qsort(list.images, list.n, sizeof(*list.images), compare_images);
	*ret = list.images;
	*ret_n = list.n;
	return 0;
}

int path_list(const struct storage *s, uint32_t vmid, struct storage_image **ret, size_t *ret_n,
	      struct error **err)
{
	return path_list_by(s, vmid, path_look, ret, ret_n, err);
}

/* ---- images ---- */

static bool reserves(const struct storage *s)
{
	return s->preallocation == PREALLOC_FALLOC || s->preallocation == PREALLOC_FULL;
}

void path_traits(const struct storage *s, enum image_format format, struct image_traits *ret)
{
	struct statvfs fs;
	uint64_t block = statvfs(s->path, &fs) == 0 && fs.f_bsize ? fs.f_bsize : 4096;

	/* NFS tells what it likes to be sent at once (512 KiB), not what the server gives back */
	if (block > 64 * KIB)
		block = 4096;
	*ret = (struct image_traits){
		.thin = !reserves(s),
		.punches_holes = true,
		.discard_granularity = format == IMAGE_QCOW2 ? 65536 : block,
		.size_granularity = 512,
	};
}

enum image_format path_fleecing_format(const struct storage *s)
{
	(void)s;
	return IMAGE_RAW;
}

/* preallocation=full: written, where falloc only reserves. */
static int write_zeroes(const struct volume *v, int fd, uint64_t size, const struct cancel *cancel,
			struct error **err)
{
	static const char zeroes[256 * KIB];
	int r = 0;

	for (uint64_t at = 0, n; at < size && r == 0; at += n) {
		n = size - at < sizeof(zeroes) ? size - at : sizeof(zeroes);
		r = io_pwrite_all(fd, zeroes, n, (off_t)at);
		if (r < 0)
			return error_errno(err, -r, "cannot fill '%s' with zeroes", v->path);
		r = cancel_check(cancel, err);
	}
	return r;
}

static int alloc_raw(const struct volume *v, int fd, uint64_t size, const struct cancel *cancel,
		     struct error **err)
{
	int r;

	if (ftruncate(fd, (off_t)size) < 0)
		return error_errno(err, errno, "cannot set the size of '%s'", v->path);
	if (!reserves(v->storage))
		return 0;
	if (v->storage->preallocation == PREALLOC_FULL)
		return write_zeroes(v, fd, size, cancel, err);
	do
		r = posix_fallocate(fd, 0, (off_t)size);
	while (r == EINTR);
	return r ? error_errno(err, r, "cannot reserve %" PRIu64 " bytes for '%s'", size, v->path) : 0;
}

/* VMware's; it has no preallocation that PVE uses. */
static int alloc_vmdk(const struct volume *v, uint64_t size, const struct cancel *cancel, struct error **err)
{
	_cleanup_free_ char *bytes = xasprintf("%" PRIu64, size);
	const char *const argv[] = { "qemu-img", "create", "-q", "-f", "vmdk", v->path, bytes, NULL };
	const struct process_options o = { .cancel = cancel };

	return process_run_ok(argv, &o, NULL, err);
}

static int alloc_qcow2(const struct volume *v, uint64_t size, const struct cancel *cancel, struct error **err)
{
	/* by enum preallocation */
	static const char *const modes[] = { "preallocation=metadata", "preallocation=off",
					     "preallocation=metadata", "preallocation=falloc",
					     "preallocation=full" };
	_cleanup_free_ char *bytes = xasprintf("%" PRIu64, size);
	const char *const argv[] = {
		"qemu-img", "create", "-q", "-f", "qcow2", "-o", modes[v->storage->preallocation],
		v->path,    bytes,    NULL
	};
	const struct process_options o = { .cancel = cancel };

	return process_run_ok(argv, &o, NULL, err);
}

/* The directory the image lies in.  Caller frees. */
static char *image_dir(const char *image)
{
	return xstrndup(image, (size_t)(strrchr(image, '/') - image));
}

void path_remove_empty_dir(const char *image)
{
	_cleanup_free_ char *dir = image_dir(image);

	(void)rmdir(dir);
}

int path_create_file(const struct volume *v, struct error **err)
{
	_cleanup_free_ char *dir = image_dir(v->path);
	int r = io_mkdir_p(dir, 0755, err);
	int fd;

	if (r < 0)
		return r;
	fd = open(v->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (fd < 0 && errno == EEXIST)
		return error_set(err, -EEXIST, "disk image '%s' already exists", v->path);
	if (fd < 0)
		return error_errno(err, errno, "cannot create '%s'", v->path);
	return fd;
}

int path_alloc(const struct volume *v, uint64_t size, const struct cancel *cancel, struct error **err)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (v->format == IMAGE_SUBVOL)
		return error_set(
			err, ERR_UNSUPPORTED,
			"format 'subvol' is a container's and cannot be made here, use raw or qcow2");
	if (size > INT64_MAX)
		return error_set(err, ERR_INVALID, "size %" PRIu64 " is too large for a file", size);
	fd = path_create_file(v, err);
	if (fd < 0)
		return fd;
	r = v->format == IMAGE_RAW     ? alloc_raw(v, fd, size, cancel, err)
	    : v->format == IMAGE_QCOW2 ? alloc_qcow2(v, size, cancel, err)
				       : alloc_vmdk(v, size, cancel, err);
	if (r < 0) {
		unlink(v->path);
		path_remove_empty_dir(v->path);
		return r;
	}
	return 0;
}

/* ---- linked clones ---- */

/* -EBUSY if the image stands on the file `base` of volume v; also an error if nobody can tell. */
static int check_clone(const struct volume *v, const struct storage_image *image, const char *dir,
		       const struct stat *base, struct error **err)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, image->volname);
	const struct volume clone = { .storage = v->storage, .format = image->format, .path = path };
	_cleanup_tool_json_ struct json_object *info = NULL;
	const char *file;
	struct stat st;
	int r;

	if (image->format != IMAGE_QCOW2)
		return 0;
	r = volume_image_info(&clone, &info, err);
	if (r < 0)
		return error_prefix(err, "whether '%s:%s' is a linked clone of it cannot be told",
				    v->storage->id, image->volname),
		       r;
	file = tool_json_str(info, "full-backing-filename");
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

/* ---- snapshots: in the image, or files on which it stands ---- */

/* With snapshot-as-volume-chain "snap-<name>-<file>" beside the image. */
static int chain_snapshots(const struct volume *v, char ***ret, struct error **err)
{
	_cleanup_free_ char *dir = image_dir(v->path);
	_cleanup_free_ char *suffix = xasprintf("-%s", strrchr(v->path, '/') + 1);
	struct dirent *entry;
	const char *rest;
	DIR *d;

	if (!block_flag(v->storage, "snapshot-as-volume-chain"))
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
	_cleanup_tool_json_ struct json_object *info = NULL;
	struct json_object *snapshots;
	int r;

	if (v->content != STORAGE_IMAGES || v->format != IMAGE_QCOW2)
		return 0;
	r = volume_image_info(v, &info, err);
	snapshots = tool_json_get(info, "snapshots");
	for (size_t i = 0; r == 0 && i < tool_json_len(snapshots); i++) {
		const char *name = tool_json_str(json_object_array_get_idx(snapshots, i), "name");

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
				 "'%s' stands on it (snapshot-as-volume-chain): it holds its space until "
				 "the image is removed",
				 v->path);
	return r < 0 ? r : process_run_ok(argv, &o, NULL, err);
}

/* ---- removing ---- */

static int remove_chain(const struct volume *v, char *const *names, struct error **err)
{
	_cleanup_free_ char *dir = image_dir(v->path);

	for (size_t i = 0; names && names[i]; i++) {
		_cleanup_free_ char *path =
			xasprintf("%s/snap-%s-%s", dir, names[i], strrchr(v->path, '/') + 1);

		if (unlink(path) < 0)
			return error_errno(err, errno, "cannot remove file '%s'", path);
	}
	return 0;
}

/* PVE makes base images so (chattr +i), where the file system can. */
static void clear_immutable(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int flags;

	if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0 || !(flags & FS_IMMUTABLE_FL))
		return;
	flags &= ~FS_IMMUTABLE_FL;
	/* if it fails, so does what follows */
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
