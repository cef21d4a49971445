/*
 * What an archive in a folder can take over from an older one: opening that, and finding out whether files
 * there can share blocks.  Nothing here waits longer than BOUNDED_REACH_MS for a server.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bounded.h"
#include "base/file-system.h"
#include "base/io.h"
#include "base/mem.h"
#include "place/dir-internal.h"
#include "vma/chain.h"

/* ---- opening ---- */

struct opening {
	char *path;
	int fd;
};

static void opening_free(void *opaque)
{
	struct opening *o = opaque;

	if (o->fd >= 0)
		close(o->fd);
	free(o->path);
	free(o);
}

/* Opening a pipe would wait for its writer.  After an error nothing is open when this returns. */
static int open_archive(void *opaque, struct error **err)
{
	struct opening *o = opaque;
	_cleanup_close_ int fd = open(o->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, errno, "cannot open '%s'", o->path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERR_INVALID, "'%s' is not a file", o->path);
	o->fd = TAKE_FD(fd);
	return 0;
}

static void take_fd(void *opaque, void *ret)
{
	struct opening *o = opaque;

	*(int *)ret = TAKE_FD(o->fd);
}

int dir_open(const struct place *p, const char *name, int *ret, struct error **err)
{
	struct opening *o = xcalloc(1, sizeof(*o));
	const struct bounded_call call = {
		.call = open_archive, .take = take_fd, .clear = opening_free, .arg = o, .ret = ret
	};
	int r;

	*o = (struct opening){ .path = dir_path(p, name), .fd = -1 };
	r = bounded_run(&call, BOUNDED_REACH_MS, NULL, err);
	if (r == ERR_TIMEOUT)
		error_prefix(err, "cannot open '%s' in '%s'", name, ((const struct place_dir *)p)->dir);
	return r;
}

/* ---- sharing ---- */

/*
 * Both files get this size: ZFS has small files in blocks of their size, and larger ones in blocks of the
 * dataset's.
 */
#define PROBE_SIZE (2 * VMA_CHAIN_MAX_ALIGN)

struct probe {
	char *from, *to;
	struct place_sharing sharing;
};

static void probe_free(void *opaque)
{
	struct probe *p = opaque;

	free(p->from);
	free(p->to);
	free(p);
}

/* Nothing that a file system would store as a hole. */
static int make_file(const char *path, int *ret, struct error **err)
{
	_cleanup_free_ char *data = xmalloc(PROBE_SIZE);
	int r;

	memset(data, 0x5a, PROBE_SIZE);
	unlink(path);
	*ret = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (*ret < 0)
		return error_errno(err, errno, "unable to open file '%s'", path);
	r = io_write_all(*ret, data, PROBE_SIZE);
	return r < 0 ? error_errno(err, -r, "cannot write '%s'", path) : 0;
}

/* The file system's block as an alignment.  That of ZFS is its recordsize. */
static uint32_t block_size(const struct statfs *fs)
{
	uint32_t align = VMA_CHAIN_MIN_ALIGN;

	if (file_system_kind(fs) == FILE_SYSTEM_REMOTE)
		return align;
	while (align < VMA_CHAIN_MAX_ALIGN && align < (uint64_t)fs->f_bsize)
		align *= 2;
	return align;
}

/* 0 or -errno. */
static int share_block(int from, int to, uint32_t align)
{
	const struct file_clone_range range = {
		.src_fd = from, .src_offset = align, .src_length = align, .dest_offset = align
	};

	return ioctl(to, FICLONERANGE, &range) < 0 ? -errno : 0;
}

/* A server may have larger blocks than it says: it refuses smaller ones. */
static void try_sharing(int from, int to, struct place_sharing *s)
{
	for (uint32_t align = s->align; align <= VMA_CHAIN_MAX_ALIGN; align *= 2) {
		const int r = share_block(from, to, align);

		/* ZFS, about blocks that are not on disk yet: those of an older archive are */
		s->reflink = r == 0 || r == -EAGAIN;
		if (s->reflink)
			s->align = align;
		if (r != -EINVAL)
			return;
	}
}

static int try_with_files(struct probe *p, struct error **err)
{
	_cleanup_close_ int from = -1, to = -1;
	struct statfs fs;
	int r = make_file(p->from, &from, err);

	if (r == 0)
		r = make_file(p->to, &to, err);
	if (r < 0)
		return r;
	if (fstatfs(to, &fs) < 0)
		return error_errno(err, errno, "'%s'", p->to);
	p->sharing.remote = file_system_kind(&fs) == FILE_SYSTEM_REMOTE;
	p->sharing.align = block_size(&fs);
	try_sharing(from, to, &p->sharing);
	return 0;
}

static int run_probe(void *opaque, struct error **err)
{
	struct probe *p = opaque;
	const int r = try_with_files(p, err);

	unlink(p->from);
	unlink(p->to);
	return r;
}

/* Each guest of a job, and each job, has files of its own. */
static char *probe_path(const struct place *p, const struct journal *j, const char *which)
{
	_cleanup_free_ char *path = xasprintf("%s/.vzdump-sharing-%" PRIu32 "-%s",
					      ((const struct place_dir *)p)->dir, j->vmid, which);

	return io_unfinished_name(path, (int)getpid());
}

static void take_sharing(void *opaque, void *ret)
{
	const struct probe *p = opaque;

	*(struct place_sharing *)ret = p->sharing;
}

static int probe_bounded(const char *from, const char *to, const struct cancel *cancel,
			 struct place_sharing *ret, struct error **err)
{
	struct probe *p = xcalloc(1, sizeof(*p));
	const struct bounded_call call = {
		.call = run_probe, .take = take_sharing, .clear = probe_free, .arg = p, .ret = ret
	};

	*p = (struct probe){ .from = xstrdup(from), .to = xstrdup(to) };
	return bounded_run(&call, BOUNDED_REACH_MS, cancel, err);
}

/* A call that was abandoned may still make the files: they stay in the journal. */
static int probe_noted(const char *from, const char *to, struct journal *j, const struct cancel *cancel,
		       struct place_sharing *ret, struct error **err)
{
	int r = journal_add(j, JOURNAL_FILE, from, err);

	if (r == 0)
		r = journal_add(j, JOURNAL_FILE, to, err);
	if (r == 0)
		r = probe_bounded(from, to, cancel, ret, err);
	if (r == ERR_TIMEOUT || r == ERR_CANCELED)
		return r;
	journal_strike(j, JOURNAL_FILE, from);
	journal_strike(j, JOURNAL_FILE, to);
	return r;
}

int dir_sharing(const struct place *place, struct journal *j, const struct cancel *cancel,
		struct place_sharing *ret, struct error **err)
{
	_cleanup_free_ char *from = probe_path(place, j, "from"), *to = probe_path(place, j, "to");
	int r = probe_noted(from, to, j, cancel, ret, err);

	if (r < 0 && r != ERR_CANCELED)
		error_prefix(err, "cannot find out whether files in '%s' can share blocks",
			     ((const struct place_dir *)place)->dir);
	return r;
}
