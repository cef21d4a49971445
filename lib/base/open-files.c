#include "base/open-files.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/proc.h"
#include "base/strv.h"

struct search {
	const struct open_file *files;
	size_t n;
};

struct open_file open_file_of(const struct stat *st)
{
	const bool device = S_ISBLK(st->st_mode);

	return (struct open_file){ .device = device,
				   .dev = device ? st->st_rdev : st->st_dev,
				   .ino = device ? 0 : st->st_ino };
}

static void closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

static bool is_number(const char *s)
{
	return *s && s[strspn(s, "0123456789")] == '\0';
}

/* ---- one descriptor ---- */

/* Value of "<key>:\t<number>" in fdinfo; false if it is not there. */
static bool fdinfo_value(const char *text, const char *key, int base, uint64_t *ret)
{
	const char *at = text, *line, *rest;
	size_t len;

	while (str_next_line(&at, &line, &len)) {
		if (!str_prefix(line, key, &rest))
			continue;
		*ret = strtoull(rest, NULL, base);
		return true;
	}
	return false;
}

/*
 * False if fdinfo and the link rule the file out.  That is cheap, while statx() on the file may wait for a
 * file server that does not answer.  "ino" is there since Linux 5.14.
 */
static bool may_be_searched(const struct search *s, const char *name, const char *fdinfo)
{
	uint64_t ino;
	const bool has_ino = fdinfo_value(fdinfo, "ino:\t", 10, &ino);

	for (size_t i = 0; i < s->n; i++) {
		/* a device may be open through a second node with another inode, as libvirt makes them */
		if (s->files[i].device ? strstr(name, "/dev/") != NULL : !has_ino || ino == s->files[i].ino)
			return true;
	}
	return false;
}

static bool is_searched(const struct search *s, int dir, const char *fd)
{
	struct statx st;
	bool device;
	dev_t dev;

	if (statx(dir, fd, AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO, &st) < 0)
		return false;
	device = S_ISBLK(st.stx_mode);
	dev = device ? makedev(st.stx_rdev_major, st.stx_rdev_minor)
		     : makedev(st.stx_dev_major, st.stx_dev_minor);
	for (size_t i = 0; i < s->n; i++) {
		const struct open_file *f = &s->files[i];

		if (f->device == device && f->dev == dev && (device || f->ino == st.stx_ino))
			return true;
	}
	return false;
}

/* Most descriptors of a busy host are sockets and the like; their links are not paths. */
static bool writes(const struct search *s, pid_t pid, int dir, const char *fd)
{
	char name[4096], text[1024]; /* the lines that we need come first in fdinfo */
	ssize_t len = readlinkat(dir, fd, name, sizeof(name) - 1);
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int info = -1;
	uint64_t flags;

	if (len <= 0 || *name != '/')
		return false;
	name[len] = '\0';
	path = xasprintf("/proc/%d/fdinfo/%s", (int)pid, fd);
	info = open(path, O_RDONLY | O_CLOEXEC);
	len = info < 0 ? -1 : read(info, text, sizeof(text) - 1);
	if (len < 0)
		return false;
	text[len] = '\0';
	return fdinfo_value(text, "flags:\t", 8, &flags) && (flags & O_ACCMODE) != O_RDONLY &&
	       may_be_searched(s, name, text) && is_searched(s, dir, fd);
}

/* ---- one process ---- */

static bool has_open(pid_t pid, const struct search *s)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/fd", (int)pid);
	_cleanup_(closedirp) DIR *dir = opendir(path);
	struct dirent *e;

	while (dir && (e = readdir(dir)))
		if (is_number(e->d_name) && writes(s, pid, dirfd(dir), e->d_name))
			return true;
	return false;
}

/* ---- all of them ---- */

/* The next process that is (child) or is not a child of this one; never this one.  0 at the end. */
static pid_t next_process(DIR *proc, bool child)
{
	struct dirent *e;

	while ((e = readdir(proc))) {
		const pid_t pid = is_number(e->d_name) ? (pid_t)strtol(e->d_name, NULL, 10) : 0;

		if (pid > 0 && pid != getpid() && (proc_parent(pid) == getpid()) == child)
			return pid;
	}
	return 0;
}

pid_t open_files_writer(const struct open_file *files, size_t n, const char *but)
{
	_cleanup_(closedirp) DIR *proc = opendir("/proc");
	const struct search s = { .files = files, .n = n };
	pid_t pid;

	while (proc && n && (pid = next_process(proc, false))) {
		_cleanup_free_ char *name = NULL;

		if (!has_open(pid, &s))
			continue;
		name = but ? proc_name(pid) : NULL;
		if (!name || strcmp(name, but) != 0)
			return pid;
	}
	return 0;
}

pid_t open_files_command(bool (*is_it)(const char *command, const void *opaque), const void *opaque)
{
	_cleanup_(closedirp) DIR *proc = opendir("/proc");
	pid_t pid;

	while (proc && (pid = next_process(proc, false))) {
		_cleanup_free_ char *command = proc_command(pid);

		if (command && is_it(command, opaque))
			return pid;
	}
	return 0;
}

unsigned open_files_children(bool (*is_it)(const char *command, const void *opaque), const void *opaque)
{
	_cleanup_(closedirp) DIR *proc = opendir("/proc");
	unsigned n = 0;
	pid_t pid;

	while (proc && (pid = next_process(proc, true))) {
		_cleanup_free_ char *command = proc_command(pid);

		n += command && is_it(command, opaque);
	}
	return n;
}
