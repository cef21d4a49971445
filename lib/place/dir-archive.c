/*
 * An archive in a folder while it is being made: <name>.dat, which is synced and renamed when it is
 * complete.  A file with an archive's name is therefore always complete.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bounded.h"
#include "base/io.h"
#include "base/mem.h"
#include "place/dir-internal.h"

#define CLOSE_MS 1000

struct dir_archive {
	struct archive base;
	int fd;
	char *path; /* final, after publishing */
	char *part; /* until then */
	struct journal *journal;
	const struct cancel *cancel;
};

static int create_part(struct dir_archive *a, struct error **err)
{
	int r = journal_add(a->journal, JOURNAL_FILE, a->part, err);

	if (r < 0)
		return r;
	if (access(a->path, F_OK) == 0)
		return error_set(err, -EEXIST, "archive '%s' already exists: wait a second and start again",
				 a->path);
	unlink(a->part);
	a->fd = open(a->part, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (a->fd < 0)
		return error_errno(err, errno, "unable to open file '%s'", a->part);
	return 0;
}

int dir_create(struct place *p, const char *name, struct journal *j, const struct cancel *cancel,
	       struct archive **ret, struct error **err)
{
	struct dir_archive *a = xcalloc(1, sizeof(*a));
	int r;

	a->base.place = p;
	a->fd = -1;
	a->path = dir_path(p, name);
	/* PVE replaces the last extension */
	a->part = xasprintf("%.*s.dat", (int)(strrchr(a->path, '.') - a->path), a->path);
	a->journal = j;
	a->cancel = cancel;
	r = create_part(a, err);
	if (r == 0)
		r = output_plain_new(a->fd, &a->base.output, err);
	if (r < 0)
		dir_abort(&a->base);
	else
		*ret = &a->base;
	return r;
}

/* A server that does not answer may make it hang: cancel ends the wait. */
static int sync_part(const struct dir_archive *a, struct error **err)
{
	const int r = bounded_fsync(a->fd, a->cancel, err);

	return r < 0 && r != ERR_CANCELED ? error_wrap(err, r, "cannot sync '%s'", a->part) : r;
}

int dir_publish(struct archive *archive, struct error **err)
{
	struct dir_archive *a = (struct dir_archive *)archive;
	int r = sync_part(a, err);

	if (r == 0)
		r = io_rename(a->part, a->path, &archive->not_synced, err);
	if (r == 0)
		journal_strike(a->journal, JOURNAL_FILE, a->part);
	return r;
}

void dir_abort(struct archive *archive)
{
	struct dir_archive *a = (struct dir_archive *)archive;

	if (a->fd >= 0)
		bounded_close(a->fd, CLOSE_MS);
	free(a->path);
	free(a->part);
	free(a);
}
