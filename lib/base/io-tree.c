/* io_remove_tree(): rm -rf. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"

#define DEPTH_MAX 64 /* our trees are one folder deep; a deeper one must not use up descriptors and stack */

struct removal {
	dev_t dev;  /* of the folder that contains the tree */
	int code;   /* errno of the first entry that could not be removed; 0: none so far */
	char *path; /* that entry */
};

static void note_failure(struct removal *r, const char *path, int errnum)
{
	if (r->code)
		return;
	r->code = errnum;
	r->path = xstrdup(path);
}

/*
 * A bind mount of the same file system has the same device, but Linux 5.8 and later report that it is the
 * root of a mount.  On an overlayfs the files of one mount may have several devices, its folders have only
 * one; so only folders are compared.
 */
static bool is_mount_point(int fd, dev_t dev)
{
	struct statx sx;
	struct stat st;

	if (fstat(fd, &st) < 0 || st.st_dev != dev)
		return true;
	return statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, 0, &sx) == 0 &&
	       (sx.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

static void remove_at(struct removal *r, int parent, const char *name, const char *path, unsigned depth);

static void remove_content(struct removal *r, int fd, const char *path, unsigned depth)
{
	DIR *d = fdopendir(fd);
	struct dirent *e;

	if (!d) {
		note_failure(r, path, errno);
		close(fd);
		return;
	}
	while ((e = readdir(d)) != NULL) {
		_cleanup_free_ char *inner = NULL;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		inner = xasprintf("%s/%s", path, e->d_name);
		remove_at(r, dirfd(d), e->d_name, inner, depth);
	}
	closedir(d);
}

static void remove_folder(struct removal *r, int parent, const char *name, const char *path, unsigned depth)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0) {
		note_failure(r, path, errno);
		return;
	}
	if (depth > DEPTH_MAX || is_mount_point(fd, r->dev)) {
		note_failure(r, path, depth > DEPTH_MAX ? ENAMETOOLONG : EBUSY);
		close(fd);
		return;
	}
	remove_content(r, fd, path, depth + 1);
	/* if the folder is not empty, the cause has been noted already */
	if (unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		note_failure(r, path, errno);
}

/* For a folder, unlinkat() fails with EISDIR on Linux, with EPERM in POSIX. */
static void remove_at(struct removal *r, int parent, const char *name, const char *path, unsigned depth)
{
	if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
		return;
	if (errno == EISDIR || errno == EPERM)
		remove_folder(r, parent, name, path, depth);
	else
		note_failure(r, path, errno);
}

int io_remove_tree(const char *path, struct error **err)
{
	_cleanup_free_ char *parent = io_parent(path);
	struct removal r = { 0 };
	struct stat st;
	int result = 0;

	if (stat(parent, &st) < 0 && errno == ENOENT)
		return 0;
	r.dev = st.st_dev;
	remove_at(&r, AT_FDCWD, path, path, 0);
	if (r.code == EBUSY)
		result = error_set(err, -EBUSY,
				   "cannot remove '%s': something is mounted there; unmount it, "
				   "then remove it",
				   r.path);
	else if (r.code)
		result = error_errno(err, r.code, "cannot remove '%s'", r.path);
	free(r.path);
	return result;
}
