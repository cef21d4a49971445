#include "storage/in-use-device.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/open-files.h"
#include "base/strv.h"
#include "storage/in-use-process.h"

#define MAX_DEPTH 8 /* of devices on devices */

/* ---- the device, its partitions, and what is built on them ---- */

struct devices {
	struct open_file *list;
	size_t n;
};

static bool has_device(const struct devices *d, dev_t dev)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->list[i].dev == dev)
			return true;
	return false;
}

/* "253:7" in a file of sysfs. */
static bool read_device_number(const char *path, dev_t *ret)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	unsigned major, minor;

	if (io_read_file(path, 64, &text, NULL) < 0 || sscanf(buf_str(&text), "%u:%u", &major, &minor) != 2)
		return false;
	*ret = makedev(major, minor);
	return true;
}

static void add_device(struct devices *d, dev_t dev, unsigned depth);

/*
 * Adds a device for each file below this device's folder in sysfs that matches the pattern; the device's
 * number is in the file "dev" beside it.
 */
static void add_below(struct devices *d, dev_t dev, const char *pattern, unsigned depth)
{
	_cleanup_free_ char *files = xasprintf("/sys/dev/block/%u:%u/%s", major(dev), minor(dev), pattern);
	glob_t found = { 0 };
	dev_t other;

	if (glob(files, GLOB_NOSORT, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc; i++) {
			_cleanup_free_ char *folder = io_parent(found.gl_pathv[i]);
			_cleanup_free_ char *number = xasprintf("%s/dev", folder);

			if (read_device_number(number, &other))
				add_device(d, other, depth + 1);
		}
	globfree(&found);
}

static void add_device(struct devices *d, dev_t dev, unsigned depth)
{
	if (depth > MAX_DEPTH || has_device(d, dev))
		return;
	d->list = xreallocarray(d->list, d->n + 1, sizeof(*d->list));
	d->list[d->n++] = (struct open_file){ .device = true, .dev = dev };
	/* not any file "dev": an NVMe disk has its controller's in "device", which is a character device */
	add_below(d, dev, "*/partition", depth);
	add_below(d, dev, "holders/*/dev", depth);
}

static void devices_clear(struct devices *d)
{
	free(d->list);
}

/* ---- mounts ---- */

static void endmntentp(FILE **f)
{
	if (*f)
		endmntent(*f);
}

/* Where one of the devices is mounted, if possible writable; NULL if none is. */
static char *find_mount(const struct devices *d, bool *ret_read_only)
{
	_cleanup_(endmntentp) FILE *f = setmntent("/proc/self/mounts", "re");
	_cleanup_free_ char *read_only = NULL;
	char text[8192];
	struct mntent m;
	struct stat st;

	*ret_read_only = false;
	while (f && getmntent_r(f, &m, text, sizeof(text))) {
		/* stat() of anything else may hang, on a server that does not answer */
		if (!str_prefix(m.mnt_fsname, "/dev/", NULL) || stat(m.mnt_fsname, &st) < 0 ||
		    !S_ISBLK(st.st_mode) || !has_device(d, st.st_rdev))
			continue;
		if (!hasmntopt(&m, "ro"))
			return xstrdup(m.mnt_dir);
		free(read_only);
		read_only = xstrdup(m.mnt_dir);
	}
	*ret_read_only = read_only != NULL;
	return TAKE_PTR(read_only);
}

/* ---- users ---- */

/*
 * Shows users that are neither processes nor mounts: swap, a ZFS pool, an iSCSI target of this host.  Says
 * nothing if there are devices on top: they hold the device exclusively even while nobody uses them.
 */
static bool kernel_holds_device(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_EXCL | O_CLOEXEC | O_NONBLOCK);

	return fd < 0 && errno == EBUSY;
}

char *in_use_device(const char *path, const struct stat *st, const char *ignored)
{
	_cleanup_(devices_clear) struct devices d = { 0 };
	_cleanup_free_ char *who = NULL, *mount = NULL;
	bool read_only;
	pid_t pid;

	add_device(&d, st->st_rdev, 0);
	pid = open_files_writer(d.list, d.n, ignored);
	if (pid) {
		who = in_use_process(pid);
		return xasprintf("%s has '%s' open for writing", who, path);
	}
	mount = find_mount(&d, &read_only);
	if (mount && !read_only)
		return xasprintf("'%s' is mounted on this host, at '%s'", path, mount);
	if (d.n == 1 && !mount && kernel_holds_device(path))
		return xasprintf(
			"the kernel of this host has '%s' in use (a mount, swap, a pool or an iSCSI target)",
			path);
	return NULL;
}

/* ---- files behind loop devices ---- */

static bool has_other_name(const char *a, const char *b)
{
	const char *slash_a = strrchr(a, '/'), *slash_b = strrchr(b, '/');

	return !slash_a || !slash_b || strcmp(slash_a, slash_b) != 0;
}

/* Calls stat() only if the name fits: a file of a container may lie on a server that does not answer. */
static bool is_backing_file(const char *sysfs, const char *real, const struct stat *st)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	struct stat other;

	if (io_read_file(sysfs, 8192, &text, NULL) < 0 || !text.len)
		return false;
	str_strip(text.data);
	if (real && st->st_nlink == 1 && has_other_name(text.data, real))
		return false;
	return stat(text.data, &other) == 0 && other.st_dev == st->st_dev && other.st_ino == st->st_ino;
}

char *in_use_loop(const char *path, const struct stat *st, const char *ignored)
{
	_cleanup_free_ char *real = realpath(path, NULL);
	char *who = NULL;
	glob_t found = { 0 };

	if (glob("/sys/block/loop*/loop/backing_file", GLOB_NOSORT, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc && !who; i++) {
			const char *name = found.gl_pathv[i] + strlen("/sys/block/");
			_cleanup_free_ char *device = xasprintf("/dev/%.*s", (int)strcspn(name, "/"), name);
			_cleanup_free_ char *user = NULL;
			struct stat loop;

			if (is_backing_file(found.gl_pathv[i], real, st) && stat(device, &loop) == 0 &&
			    S_ISBLK(loop.st_mode))
				user = in_use_device(device, &loop, ignored);
			if (user)
				who = xasprintf("'%s' backs '%s', and %s", path, device, user);
		}
	globfree(&found);
	return who;
}

/* ---- counters ---- */

bool in_use_sectors_written(dev_t dev, uint64_t *ret)
{
	_cleanup_free_ char *path = xasprintf("/sys/dev/block/%u:%u/stat", major(dev), minor(dev));
	_cleanup_buf_ struct buf text = BUF_INIT;
	char *at;

	if (io_read_file(path, 4096, &text, NULL) < 0 || !text.len)
		return false;
	/* the seventh of the numbers that Documentation/block/stat.rst lists */
	at = text.data;
	for (int i = 0; i < 7; i++)
		*ret = strtoull(at, &at, 10);
	return true;
}
