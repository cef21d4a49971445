#include "restore/libvirt-images.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/unfinished.h"

#define MAX_LIST 65536 /* bytes */

/* ---- what a killed run has left ---- */

static bool is_older(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec <= b->tv_nsec;
}

/* A guest that has been defined after all has written to its disks, or libvirt has given them to its QEMU. */
static void remove_listed(const struct libvirt_images *im, const char *text, const struct stat *list)
{
	_cleanup_free_ char *copy = xstrdup(text), *beginning = xasprintf("%s-", im->name);
	char *save = NULL;

	for (char *name = strtok_r(copy, "\n", &save); name; name = strtok_r(NULL, "\n", &save)) {
		_cleanup_free_ char *path = xasprintf("%s/%s", im->folder, name);
		struct stat st;

		if (str_prefix(name, beginning, NULL) && !strchr(name, '/') && lstat(path, &st) == 0 &&
		    S_ISREG(st.st_mode) && st.st_uid == list->st_uid && is_older(&st.st_mtim, &list->st_mtim))
			unlink(path);
	}
}

static void remove_list(const struct libvirt_images *im, const char *path)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	struct stat st;

	if (lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
	    io_read_file(path, MAX_LIST, &text, NULL) == 0)
		remove_listed(im, buf_str(&text), &st);
	unlink(path);
}

static void remove_leftovers(const struct libvirt_images *im)
{
	_cleanup_free_ char *beginning = xasprintf("%s.restore.tmp.", im->name);
	_cleanup_free_ char *images = xasprintf("%s-", im->name);
	DIR *d = opendir(im->folder);
	struct dirent *entry;

	while (d && (entry = readdir(d))) {
		_cleanup_free_ char *path = xasprintf("%s/%s", im->folder, entry->d_name);

		if (str_prefix(entry->d_name, beginning, NULL) && unfinished_is(entry->d_name))
			remove_list(im, path);
	}
	if (d)
		closedir(d);
	unfinished_remove(im->folder, images);
}

/* ---- the files ---- */

int libvirt_images_init(struct libvirt_images *im, const char *folder, const char *name, struct error **err)
{
	struct stat st;

	*im = (struct libvirt_images){ .name = name, .folder = realpath(folder, NULL) };
	if (!im->folder || stat(im->folder, &st) < 0)
		return error_set(err, ERR_NOT_FOUND,
				 "cannot use folder '%s': %s; make it, or name another with --directory",
				 folder, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return error_set(err, ERR_INVALID, "'%s' is not a folder; name one with --directory", folder);
	remove_leftovers(im);
	return 0;
}

static int refuse_existing(const char *path, struct error **err)
{
	return error_set(
		err, -EEXIST,
		"'%s' exists, and nothing is overwritten: remove it if nobody needs it, or give another "
		"name or --directory",
		path);
}

int libvirt_images_add(struct libvirt_images *im, const char *key, const char *part, uint64_t size,
		       struct target *t, struct error **err)
{
	_cleanup_free_ char *path = xasprintf("%s/%s-%s.raw", im->folder, im->name, part);
	_cleanup_free_ char *tmp = io_unfinished_name(path, getpid());
	struct stat st;

	if (lstat(path, &st) == 0)
		return refuse_existing(path, err);
	im->files = xreallocarray(im->files, im->n + 1, sizeof(*im->files));
	im->files[im->n++] =
		(struct libvirt_file){ .key = xstrdup(key), .path = TAKE_PTR(path), .size = size };
	t->sync = true;
	return target_create(t, tmp, size, err);
}

static int write_list(struct libvirt_images *im, struct error **err)
{
	_cleanup_free_ char *base = xasprintf("%s/%s.restore", im->folder, im->name);
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_close_ int fd = -1;
	int r;

	for (size_t i = 0; i < im->n; i++)
		buf_addf(&text, "%s\n", strrchr(im->files[i].path, '/') + 1);
	im->list = io_unfinished_name(base, getpid());
	fd = io_create_fresh(im->list, 0600);
	r = fd < 0 ? fd : io_write_all(fd, buf_str(&text), text.len);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r < 0)
		return error_errno(err, -r, "cannot write '%s'", im->list);
	return io_fsync_dir(im->folder, err);
}

int libvirt_images_place(struct libvirt_images *im, struct error **err)
{
	int r = write_list(im, err);

	while (r == 0 && im->placed < im->n) {
		const char *path = im->files[im->placed].path;
		_cleanup_free_ char *tmp = io_unfinished_name(path, getpid());

		r = io_rename_new(tmp, path, NULL, err);
		if (r == 0)
			im->placed++;
	}
	return r;
}

void libvirt_images_keep(struct libvirt_images *im)
{
	for (size_t i = 0; i < im->n; i++) {
		free((void *)im->files[i].key);
		free((void *)im->files[i].path);
	}
	im->n = im->placed = 0;
}

void libvirt_images_clear(struct libvirt_images *im)
{
	for (size_t i = 0; i < im->n; i++) {
		_cleanup_free_ char *tmp = io_unfinished_name(im->files[i].path, getpid());

		unlink(i < im->placed ? im->files[i].path : tmp);
	}
	libvirt_images_keep(im);
	if (im->list)
		unlink(im->list);
	free(im->list);
	free(im->files);
	free(im->folder);
	*im = (struct libvirt_images){ 0 };
}
