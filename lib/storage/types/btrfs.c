/*
 * Type "btrfs": a directory on Btrfs.  A raw image "<vmid>/vm-<vmid>-disk-0.raw" is the file
 * images/<vmid>/vm-<vmid>-disk-0/disk.raw, in a subvolume of its own, so that PVE can take snapshots
 * of it ("vm-<vmid>-disk-0@<snapshot>" beside it); other formats are files as on dir.
 * Facts: PVE::Storage::BTRFSPlugin.
 *
 * Seen on 6.18: discards show at once in st_blocks, but the file system gets an extent (written in one
 * go, up to 128 MiB) back only when no part of it is in use any more.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strv.h"
#include "storage/path.h"
#include "storage/tool.h"
#include "storage/key.h"
#include "storage/types.h"

#define RAW_FILE "/disk.raw"

/* The root of a subvolume has this inode number. */
#define SUBVOLUME_INODE 256

static const struct tool_meaning meanings[] = {
	{ "already exists", -EEXIST },
	{ "No such file or directory", ERR_NOT_FOUND },
	{ "No space left on device", -ENOSPC },
	{ NULL, 0 },
};

/* ---- the storage ---- */

static int check_btrfs(const struct storage *s, struct error **err)
{
	struct statfs fs;

	if (statfs(s->path, &fs) < 0)
		return error_errno(err, errno, "storage '%s': cannot access '%s'", s->id, s->path);
	if (fs.f_type != BTRFS_SUPER_MAGIC)
		return error_set(err, ERR_INVALID,
				 "storage '%s': '%s' is not a btrfs file system: mount it, or make "
				 "this a storage of type dir",
				 s->id, s->path);
	return 0;
}

static int btrfs_activate(const struct storage *s, const struct log *log, struct error **err)
{
	int r = path_prepare(s, err);

	if (r == 0)
		r = check_btrfs(s, err);
	return r < 0 ? r : path_activate(s, log, err);
}

static int btrfs_is_active(const struct storage *s, bool *ret, struct error **err)
{
	int r = path_is_active(s, ret, err);

	return r < 0 || !*ret ? r : check_btrfs(s, err);
}

/* An unmounted directory must not look like an empty storage. */
static int btrfs_status(const struct storage *s, struct storage_status *ret, struct error **err)
{
	int r = path_status(s, ret, err);

	return r < 0 ? r : check_btrfs(s, err);
}

/* As in PVE, raw images are sparse whatever preallocation says. */
static void btrfs_traits(const struct storage *s, enum image_format format, struct image_traits *ret)
{
	path_traits(s, format, ret);
	if (format == IMAGE_RAW)
		ret->thin = true;
}

/* ---- names ---- */

static bool is_raw_image(const struct volume *v)
{
	return v->content == STORAGE_IMAGES && v->format == IMAGE_RAW;
}

/* The subvolume of a raw image.  Caller frees. */
static char *subvolume_of(const struct volume *v)
{
	return xstrndup(v->path, strlen(v->path) - strlen(RAW_FILE));
}

static int btrfs_parse(struct volume *v, struct error **err)
{
	char *file;
	int r = path_parse(v, err);

	if (r < 0 || v->content != STORAGE_IMAGES)
		return r;
	file = strrchr(v->path, '/');
	if (strchr(file, '@'))
		return error_set(err, ERR_INVALID, "volume '%s': '%s' is a snapshot, not an image", v->volid,
				 file + 1);
	if (v->format == IMAGE_RAW) {
		_cleanup_free_ char *path = v->path;

		v->path = xasprintf("%.*s" RAW_FILE, (int)(strlen(path) - strlen(".raw")), path);
	}
	return 0;
}

/* A subvolume without extension is a raw image; with a "@" it is a snapshot. */
static bool btrfs_entry(const char *dir, const char *entry, char **ret_name, enum image_format *ret_format,
			struct stat *ret_st)
{
	_cleanup_free_ char *file = NULL;

	if (strpbrk(entry, "@ \t\n"))
		return false;
	if (strchr(entry, '.'))
		return !str_suffix(entry, ".raw") && path_entry(dir, entry, ret_name, ret_format, ret_st);
	file = xasprintf("%s/%s" RAW_FILE, dir, entry);
	if (stat(file, ret_st) < 0 || !S_ISREG(ret_st->st_mode))
		return false;
	*ret_name = xasprintf("%s.raw", entry);
	*ret_format = IMAGE_RAW;
	return true;
}

static int btrfs_list(const struct storage *s, uint32_t vmid, struct storage_image **ret, size_t *ret_n,
		      struct error **err)
{
	return path_list_by(s, vmid, btrfs_entry, ret, ret_n, err);
}

/* ---- allocating and removing ---- */

static int run_btrfs(const struct volume *v, char *const argv[], struct error **err)
{
	return tool_run(&(struct tool){ .storage = v->storage,
					.argv = (const char *const *)(const void *)argv,
					.timeout_s = TOOL_CHANGE,
					.meanings = meanings },
			NULL, err);
}

/* `btrfs -q subvolume <verb> -- path` */
static int run_subvolume(const struct volume *v, const char *verb, const char *path, struct error **err)
{
	_cleanup_strv_ char **argv = NULL;

	strv_add(&argv, "btrfs");
	strv_add(&argv, "-q");
	strv_add(&argv, "subvolume");
	strv_add(&argv, verb);
	strv_add(&argv, "--");
	strv_add(&argv, path);
	return run_btrfs(v, argv, err);
}

static int delete_snapshot(const struct volume *v, const char *path, const char *name, struct error **err)
{
	_cleanup_free_ char *snapshot = xasprintf("%s@%s", path, name);

	return run_subvolume(v, "delete", snapshot, err);
}

/* Only possible while the file is empty. */
static int set_nocow(int fd, const char *path, struct error **err)
{
	int flags = 0;

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
		return error_errno(err, errno, "cannot read the attributes of '%s'", path);
	flags |= FS_NOCOW_FL;
	if (ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0)
		return error_errno(err, errno, "cannot set '%s' to nocow", path);
	return 0;
}

static int make_file(const struct volume *v, uint64_t size, struct error **err)
{
	_cleanup_close_ int fd = path_create_file(v, err);
	int r = 0;

	if (fd < 0)
		return fd;
	if (storage_key_flag(v->storage, "nocow"))
		r = set_nocow(fd, v->path, err);
	if (r == 0 && ftruncate(fd, (off_t)size) < 0)
		r = error_errno(err, errno, "cannot set the size of '%s'", v->path);
	return r;
}

static int alloc_raw(const struct volume *v, uint64_t size, struct error **err)
{
	_cleanup_free_ char *path = subvolume_of(v);
	_cleanup_free_ char *dir = xstrndup(path, (size_t)(strrchr(path, '/') - path));
	int r = io_mkdir_p(dir, 0755, err);

	if (r < 0)
		return r;
	r = run_subvolume(v, "create", path, err);
	if (r == 0) {
		r = make_file(v, size, err);
		if (r < 0)
			(void)run_subvolume(v, "delete", path, NULL);
	}
	if (r < 0)
		path_remove_empty_dir(path);
	return r;
}

static int btrfs_alloc(const struct volume *v, uint64_t size, const struct cancel *cancel, struct error **err)
{
	if (!is_raw_image(v))
		return path_alloc(v, size, cancel, err);
	if (size > INT64_MAX)
		return error_set(err, ERR_INVALID, "size %" PRIu64 " is too large for a file", size);
	return alloc_raw(v, size, err);
}

/* Names of the snapshots "<path>@<name>". */
static void find_snapshots(const char *path, char ***ret)
{
	const char *base = strrchr(path, '/') + 1;
	_cleanup_free_ char *dir = xstrndup(path, (size_t)(base - path));
	DIR *d = opendir(dir);
	struct dirent *entry;
	const char *rest;

	while (d && (entry = readdir(d))) {
		_cleanup_free_ char *one = xasprintf("%s%s", dir, entry->d_name);
		struct stat st;

		if (str_prefix(entry->d_name, base, &rest) && rest[0] == '@' && rest[1] &&
		    lstat(one, &st) == 0 && S_ISDIR(st.st_mode) && st.st_ino == SUBVOLUME_INODE)
			strv_add(ret, rest + 1);
	}
	if (d)
		closedir(d);
}

static int btrfs_free(const struct volume *v, struct error **err)
{
	_cleanup_strv_ char **names = NULL;
	_cleanup_free_ char *path = NULL;
	int r = 0;

	if (!is_raw_image(v))
		return path_free(v, err);
	path = subvolume_of(v);
	if (access(path, F_OK) < 0 && (errno == ENOENT || errno == ENOTDIR))
		return error_set(err, ERR_NOT_FOUND, "disk image '%s' does not exist", path);
	find_snapshots(path, &names);
	for (size_t i = 0; r == 0 && names && names[i]; i++)
		r = delete_snapshot(v, path, names[i], err);
	if (r == 0)
		r = run_subvolume(v, "delete", path, err);
	if (r == 0)
		path_remove_empty_dir(path);
	return r;
}

static int btrfs_snapshots(const struct volume *v, char ***ret, struct error **err)
{
	_cleanup_free_ char *path = NULL;

	if (!is_raw_image(v))
		return path_snapshots(v, ret, err);
	path = subvolume_of(v);
	find_snapshots(path, ret);
	return 0;
}

static int btrfs_snapshot_delete(const struct volume *v, const char *name, struct error **err)
{
	_cleanup_free_ char *path = NULL;

	if (!is_raw_image(v))
		return path_snapshot_delete(v, name, err);
	path = subvolume_of(v);
	return delete_snapshot(v, path, name, err);
}

const struct storage_ops storage_btrfs_ops = {
	.type = "btrfs",
	.keys = "path shared prune-backups max-protected-backups format is_mountpoint nocow "
		"mkdir create-base-path create-subdirs preallocation",
	.tools = "btrfs",
	.content = STORAGE_IMAGES | STORAGE_ROOTDIR | STORAGE_ISO | STORAGE_VZTMPL | STORAGE_BACKUP |
		   STORAGE_SNIPPETS | STORAGE_IMPORT,
	.content_default = STORAGE_IMAGES | STORAGE_ROOTDIR,
	.formats = 1U << IMAGE_RAW | 1U << IMAGE_QCOW2 | 1U << IMAGE_VMDK | 1U << IMAGE_SUBVOL,
	.format_default = IMAGE_RAW,
	.has_path = true,
	.activate = btrfs_activate,
	.is_active = btrfs_is_active,
	.status = btrfs_status,
	.dir = path_dir,
	.list = btrfs_list,
	.traits = btrfs_traits,
	.fleecing_format = path_fleecing_format,
	.parse = btrfs_parse,
	.volname = path_volname,
	.alloc = btrfs_alloc,
	.free = btrfs_free,
	.snapshots = btrfs_snapshots,
	.snapshot_delete = btrfs_snapshot_delete,
};
