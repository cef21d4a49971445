/* Directories of storages that have a path: where they are, and whether they can be used. */
#include "storage/path.h"

#include <errno.h>
#include <limits.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/bounded.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strv.h"

/* ---- directories ---- */

static const struct {
	enum storage_content content;
	const char *subdir;
} subdirs[] = {
	{ STORAGE_BACKUP, "dump" },           { STORAGE_IMAGES, "images" },
	{ STORAGE_IMPORT, "import" },         { STORAGE_ISO, "template/iso" },
	{ STORAGE_ROOTDIR, "private" },       { STORAGE_SNIPPETS, "snippets" },
	{ STORAGE_VZTMPL, "template/cache" },
};

/* "dump2" where content-dirs says "backup=dump2", else NULL.  Owned by s. */
static const char *override_dir(const struct storage *s, enum storage_content content)
{
	for (size_t i = 0; s->content_dirs && s->content_dirs[i]; i++) {
		const char *rest;

		if (str_prefix(s->content_dirs[i], storage_content_name(content), &rest) && *rest == '=')
			return rest + 1;
	}
	return NULL;
}

char *path_content_dir(const struct storage *s, enum storage_content content)
{
	const char *subdir = override_dir(s, content);

	for (size_t i = 0; !subdir && i < ARRAY_SIZE(subdirs); i++)
		if (subdirs[i].content == content)
			subdir = subdirs[i].subdir;
	return xasprintf("%s/%s", s->path, subdir);
}

int path_dir(const struct storage *s, enum storage_content content, char **ret, struct error **err)
{
	(void)err;
	*ret = path_content_dir(s, content);
	return 0;
}

/* ---- activation ---- */

bool path_find_mount(const char *path, bool (*is_meant)(const struct storage *s, const struct mntent *mount),
		     const struct storage *s)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	struct mntent entry;
	char buffer[2 * PATH_MAX + 1024];
	bool found = false;

	if (!mounts)
		return false;
	while (!found && getmntent_r(mounts, &entry, buffer, sizeof(buffer)))
		found = strcmp(entry.mnt_dir, path) == 0 && (!is_meant || is_meant(s, &entry));
	endmntent(mounts);
	return found;
}

static int check_mounted(const struct storage *s, struct error **err)
{
	_cleanup_free_ char *real = s->mountpoint ? realpath(s->mountpoint, NULL) : NULL;

	if (!s->mountpoint || (real && path_find_mount(real, NULL, NULL)))
		return 0;
	return error_set(err, ERR_NOT_FOUND,
			 "unable to activate storage '%s' - directory is expected to be a mount "
			 "point but is not mounted: '%s'",
			 s->id, s->mountpoint);
}

static int make_dirs(const struct storage *s, struct error **err)
{
	for (size_t i = 0; i < ARRAY_SIZE(subdirs); i++) {
		enum storage_content content = subdirs[i].content;
		_cleanup_free_ char *dir = NULL;
		int r;

		/* containers' migrations use the dump directory too */
		if (!(s->content & content) && !(content == STORAGE_BACKUP && (s->content & STORAGE_ROOTDIR)))
			continue;
		dir = path_content_dir(s, content);
		r = io_mkdir_p(dir, 0755, err);
		if (r < 0)
			return error_wrap(err, r, "failed to create content directory '%s' for content '%s'",
					  dir, storage_content_name(content));
	}
	return 0;
}

/* Two content types in one directory would take each other's files for their own. */
static int check_distinct(const struct storage *s, struct error **err)
{
	_cleanup_strv_ char **seen = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(subdirs); i++) {
		_cleanup_free_ char *dir = NULL;
		_cleanup_free_ char *real = NULL;

		if (!(s->content & subdirs[i].content))
			continue;
		dir = path_content_dir(s, subdirs[i].content);
		real = realpath(dir, NULL);
		if (!real)
			continue;
		if (seen && strv_contains(seen, real))
			return error_set(err, ERR_INVALID,
					 "storage '%s' uses directory %s for multiple content types", s->id,
					 real);
		strv_add(&seen, real);
	}
	return 0;
}

static bool has_base(const struct storage *s)
{
	struct stat st;

	return stat(s->path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int no_base(const struct storage *s, struct error **err)
{
	return error_set(err, ERR_NOT_FOUND,
			 "unable to activate storage '%s' - directory '%s' does not exist "
			 "or is unreachable: create or mount it, or correct its path in storage.cfg",
			 s->id, s->path);
}

int path_make_base(const struct storage *s, struct error **err)
{
	int r = s->create_base ? io_mkdir_p(s->path, 0755, err) : 0;

	if (r < 0)
		return r;
	return has_base(s) ? 0 : no_base(s, err);
}

/* The first access to a mount whose server does not answer would never return. */
static int reach_base(const struct storage *s, struct error **err)
{
	const struct cancel *cancel = cancel_requested(s->cancel) ? NULL : s->cancel;
	int r = bounded_reach(s->path, BOUNDED_REACH_MS, cancel, err);

	return r < 0 ? error_wrap(err, r, "storage '%s'", s->id) : 0;
}

static int find_base(const struct storage *s, struct error **err)
{
	int r = reach_base(s, err);

	return r == 0 ? check_mounted(s, err) : r;
}

int path_prepare(const struct storage *s, struct error **err)
{
	int r = find_base(s, err);

	return r < 0 ? r : path_make_base(s, err);
}

int path_activate(const struct storage *s, const struct log *log, struct error **err)
{
	int r = path_prepare(s, err);

	(void)log;
	if (r == 0 && s->create_subdirs)
		r = make_dirs(s, err);
	return r < 0 ? r : check_distinct(s, err);
}

/* Content directories that are missing do no harm: they are empty. */
int path_is_active(const struct storage *s, bool *ret, struct error **err)
{
	int r = find_base(s, err);

	if (r < 0)
		return r;
	*ret = has_base(s);
	if (!*ret)
		return s->create_base ? 0 : no_base(s, err);
	return check_distinct(s, err);
}

int path_status(const struct storage *s, struct storage_status *ret, struct error **err)
{
	struct statvfs fs;
	int r = check_mounted(s, err);

	if (r < 0)
		return r;
	if (statvfs(s->path, &fs) < 0)
		return error_errno(err, errno, "storage '%s': cannot determine the space of '%s'", s->id,
				   s->path);
	*ret = (struct storage_status){
		.total = (uint64_t)fs.f_blocks * fs.f_frsize,
		.used = ((uint64_t)fs.f_blocks - fs.f_bfree) * fs.f_frsize,
		.avail = (uint64_t)fs.f_bavail * fs.f_frsize,
	};
	return 0;
}
