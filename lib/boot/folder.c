#include "boot/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/strv.h"

#define BEGINNING "vzdump-boot."

static const char *default_parent(void)
{
	const char *own = getenv("TMPDIR");

	return own && *own == '/' ? own : "/var/tmp";
}

static int open_folder(const char *path)
{
	return open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* One that is ours, and whose process is gone.  A folder is locked at once after it was made. */
static void remove_left(const char *path, const struct log *log)
{
	_cleanup_close_ int fd = open_folder(path);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_uid != geteuid() || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return;
	if (io_remove_tree(path, NULL) == 0)
		log_info(log, "removed '%s', which a killed boot has left", path);
}

static void clean_in(const char *parent, const struct log *log)
{
	DIR *d = opendir(parent);
	struct dirent *entry;

	while (d && (entry = readdir(d))) {
		_cleanup_free_ char *path = xasprintf("%s/%s", parent, entry->d_name);

		if (str_prefix(entry->d_name, BEGINNING, NULL))
			remove_left(path, log);
	}
	if (d)
		closedir(d);
}

void boot_folder_clean(const struct log *log)
{
	clean_in(default_parent(), log);
}

/*
 * 0 also if another process took the new folder for a left one, before it was locked: then it is not named.
 */
static int make_one(struct boot_folder *ret, const char *parent, struct error **err)
{
	ret->path = xasprintf("%s/" BEGINNING "XXXXXX", parent);
	if (!mkdtemp(ret->path)) {
		free(TAKE_PTR(ret->path));
		return error_errno(err, errno, "cannot make a folder in '%s'", parent);
	}
	ret->lock = open_folder(ret->path);
	return ret->lock >= 0 && flock(ret->lock, LOCK_EX) < 0
		       ? error_errno(err, errno, "cannot lock '%s'", ret->path)
		       : 0;
}

int boot_folder_make(struct boot_folder *ret, const char *parent, const struct log *log, struct error **err)
{
	if (!parent)
		parent = default_parent();
	*ret = (struct boot_folder){ .lock = -1 };
	clean_in(parent, log);
	for (int i = 0; i < 10; i++) {
		int r = make_one(ret, parent, err);

		if (r < 0 || (ret->lock >= 0 && io_is_named(ret->lock, ret->path)))
			return r;
		boot_folder_remove(ret);
	}
	return error_set(err, -EBUSY, "cannot make a folder in '%s': another process removes it", parent);
}

uint64_t boot_folder_room(const struct boot_folder *f)
{
	struct statvfs fs;

	return statvfs(f->path, &fs) == 0 ? (uint64_t)fs.f_bavail * fs.f_frsize : UINT64_MAX;
}

void boot_folder_remove(struct boot_folder *f)
{
	if (f->path)
		io_remove_tree(f->path, NULL);
	if (f->lock >= 0)
		close(f->lock);
	free(f->path);
	*f = (struct boot_folder){ .lock = -1 };
}
