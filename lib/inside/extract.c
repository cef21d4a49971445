#include "inside/extract.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/strv.h"

#define PIECE     65536u
#define MODE_KEPT ((mode_t)01777)

static inline void free_reader(struct archive **a)
{
	archive_read_free(*a);
}

static inline void free_writer(struct archive **a)
{
	archive_write_free(*a);
}

static inline void free_entry(struct archive_entry **e)
{
	archive_entry_free(*e);
}

static struct archive *new_writer(void)
{
	struct archive *disk = xcheck(archive_write_disk_new());
	int flags = ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_SPARSE |
		    ARCHIVE_EXTRACT_SECURE_SYMLINKS | ARCHIVE_EXTRACT_SECURE_NODOTDOT |
		    ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS;

	if (geteuid() == 0)
		flags |= ARCHIVE_EXTRACT_OWNER;
	archive_write_disk_set_options(disk, flags);
	return disk;
}

static int disk_failed(struct archive *disk, const char *path, struct error **err)
{
	return error_set(err, archive_errno(disk) > 0 ? -archive_errno(disk) : -EIO, "cannot make '%s': %s",
			 path, archive_error_string(disk));
}

/* Its words have no reason then. */
static int write_failed(struct archive *disk, const char *path, struct error **err)
{
	return error_errno(err, archive_errno(disk) > 0 ? archive_errno(disk) : EIO, "cannot write '%s'",
			   path);
}

static bool leads_out(const char *path)
{
	const char *at = path;

	if (*path == '/')
		return true;
	while (at) {
		if (str_prefix(at, "..", NULL) && (at[2] == '/' || !at[2]))
			return true;
		at = strchr(at, '/');
		at = at ? at + 1 : NULL;
	}
	return false;
}

/* A path of the stream, below name.  NULL: it would lead elsewhere.  Caller frees. */
static char *path_below(const char *name, const char *path)
{
	while (str_prefix(path, "./", &path))
		while (*path == '/')
			path++;
	if (leads_out(path))
		return NULL;
	return *path && strcmp(path, ".") != 0 ? xasprintf("%s/%s", name, path) : xstrdup(name);
}

static bool is_wanted(struct archive_entry *e)
{
	const unsigned type = archive_entry_filetype(e);

	return archive_entry_hardlink(e) || type == AE_IFREG || type == AE_IFDIR || type == AE_IFLNK;
}

/* Changes the entry to what may be made. */
static int tame(struct archive_entry *e, const char *name, struct error **err)
{
	const char *link = archive_entry_hardlink(e), *path = archive_entry_pathname(e);
	_cleanup_free_ char *target = link ? path_below(name, link) : NULL;
	_cleanup_free_ char *ours = path ? path_below(name, path) : NULL;

	if (!ours || (link && !target))
		return error_set(err, ERR_CORRUPT, "the file system has a name that leads elsewhere: '%s'",
				 path ? path : "");
	archive_entry_copy_pathname(e, ours);
	if (target)
		archive_entry_copy_hardlink(e, target);
	archive_entry_set_perm(e, archive_entry_perm(e) & MODE_KEPT);
	return 0;
}

static int copy_data(struct archive *from, struct archive *disk, const char *path, struct error **err)
{
	const void *data;
	la_int64_t at;
	size_t len;
	int r;

	/* a write that failed is ARCHIVE_WARN, too */
	while ((r = archive_read_data_block(from, &data, &len, &at)) == ARCHIVE_OK)
		if (archive_write_data_block(disk, data, len, at) < ARCHIVE_OK)
			return write_failed(disk, path, err);
	return r == ARCHIVE_EOF ? 0
				: error_set(err, ERR_GONE, "'%s' is not complete: %s", path,
					    archive_error_string(from));
}

static int make_entry(struct archive *from, struct archive *disk, struct archive_entry *e, struct error **err)
{
	const char *path = archive_entry_pathname(e);
	int r;

	if (archive_write_header(disk, e) < ARCHIVE_WARN)
		return disk_failed(disk, path, err);
	r = archive_entry_size(e) > 0 ? copy_data(from, disk, path, err) : 0;
	if (r == 0 && archive_write_finish_entry(disk) < ARCHIVE_WARN)
		r = disk_failed(disk, path, err);
	return r;
}

static int make_all(struct archive *from, struct archive *disk, const char *name, struct inside_counts *ret,
		    struct error **err)
{
	struct archive_entry *e;
	int r, found;

	while ((found = archive_read_next_header(from, &e)) == ARCHIVE_OK || found == ARCHIVE_WARN) {
		if (!is_wanted(e)) {
			ret->left_out++;
			continue;
		}
		r = tame(e, name, err);
		if (r == 0)
			r = make_entry(from, disk, e, err);
		if (r < 0)
			return r;
		ret->made++;
	}
	if (found != ARCHIVE_EOF)
		return error_set(err, ERR_GONE, "the files end too early: %s", archive_error_string(from));
	/* folders get their times and modes now */
	return archive_write_close(disk) < ARCHIVE_WARN ? disk_failed(disk, name, err) : 0;
}

/* Behind the last entry is padding, whose writer is not to be stopped. */
static void drain(int in)
{
	_cleanup_free_ char *data = xmalloc(PIECE);
	ssize_t n;

	do
		n = read(in, data, PIECE);
	while (n > 0 || (n < 0 && errno == EINTR));
}

/*
 * Waits for the first bytes, or the end.  The other end may be served by a thread which forks first: until it
 * has, nothing is allocated here, since not every allocator (that of sanitizers) survives a fork beside it.
 */
static void await_first(int in)
{
	struct pollfd p = { .fd = in, .events = POLLIN };

	while (poll(&p, 1, -1) < 0 && errno == EINTR)
		;
}

int inside_extract(int in, const char *name, struct inside_counts *ret, struct error **err)
{
	_cleanup_(free_reader) struct archive *from = NULL;
	_cleanup_(free_writer) struct archive *disk = NULL;
	int r;

	await_first(in);
	*ret = (struct inside_counts){ 0 };
	from = xcheck(archive_read_new());
	disk = new_writer();
	archive_read_support_format_tar(from);
	if (archive_read_open_fd(from, in, PIECE) < ARCHIVE_WARN)
		return error_set(err, ERR_GONE, "cannot read the files: %s", archive_error_string(from));
	r = make_all(from, disk, name, ret, err);
	if (r == 0)
		drain(in);
	return r;
}

static struct archive_entry *new_entry(const struct inside_entry *e, const char *name)
{
	struct archive_entry *ae = xcheck(archive_entry_new());

	archive_entry_copy_pathname(ae, name);
	archive_entry_set_mode(ae, (e->mode & S_IFMT) | (e->mode & MODE_KEPT));
	archive_entry_set_uid(ae, e->uid);
	archive_entry_set_gid(ae, e->gid);
	archive_entry_set_mtime(ae, (time_t)e->mtime, 0);
	if (e->link)
		archive_entry_copy_symlink(ae, e->link);
	else
		archive_entry_set_size(ae, (la_int64_t)e->size);
	return ae;
}

/* Up to the end of the stream, which must be that of the file. */
static int copy_stream(int in, struct archive *disk, const struct inside_entry *e, const char *name,
		       struct error **err)
{
	_cleanup_free_ char *data = xmalloc(PIECE);
	uint64_t at = 0;

	for (;;) {
		const ssize_t n = read(in, data, PIECE);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, errno, "cannot read the content of '%s'", name);
		if (n == 0)
			break;
		if (archive_write_data_block(disk, data, (size_t)n, (la_int64_t)at) < ARCHIVE_OK)
			return write_failed(disk, name, err);
		at += (uint64_t)n;
	}
	if (at != e->size)
		return error_set(err, ERR_GONE,
				 "'%s' is not complete: %" PRIu64 " of %" PRIu64 " bytes have come", name, at,
				 e->size);
	return 0;
}

/* in < 0: there is no content. */
static int make_one(int in, const struct inside_entry *e, const char *name, struct error **err)
{
	_cleanup_(free_entry) struct archive_entry *ae = new_entry(e, name);
	_cleanup_(free_writer) struct archive *disk = new_writer();
	int r = 0;

	if (archive_write_header(disk, ae) < ARCHIVE_WARN)
		return disk_failed(disk, name, err);
	if (in >= 0)
		r = copy_stream(in, disk, e, name, err);
	if (r == 0 && archive_write_close(disk) < ARCHIVE_WARN)
		r = disk_failed(disk, name, err);
	/* it has its full size already, and would pass for the whole */
	if (r < 0)
		unlink(name);
	return r;
}

int inside_extract_file(int in, const struct inside_entry *e, const char *name, struct error **err)
{
	await_first(in);
	return make_one(in, e, name, err);
}

int inside_extract_link(const struct inside_entry *e, const char *name, struct error **err)
{
	return make_one(-1, e, name, err);
}
