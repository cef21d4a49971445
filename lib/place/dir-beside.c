/* The files beside an archive in its folder: the protection mark, the notes, the log. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bounded.h"
#include "base/io.h"
#include "base/mem.h"
#include "place/dir-internal.h"

#define NOTES_MAX (64 * 1024)
#define LOG_MS    5000

static char *path_beside(const struct place *p, const char *name, const char *extension)
{
	_cleanup_free_ char *archive = dir_path(p, name);

	return xasprintf("%s%s", archive, extension);
}

static void warn_not_synced(const struct log *log, const char *path, const struct error *not_synced)
{
	if (not_synced)
		log_warn(log, "'%s' is written, but may be lost in a power cut: %s", path,
			 error_message(not_synced));
}

/* ---- protection ---- */

bool dir_is_protected(const struct place *p, const char *name)
{
	_cleanup_free_ char *path = path_beside(p, name, DIR_PROTECTED);

	/* if the file system does not say, it may be: nothing is removed then */
	return access(path, F_OK) == 0 || (errno != ENOENT && errno != ENAMETOOLONG);
}

/* A dangling link would protect nothing, so anything but a file is replaced. */
static int make_marker(const char *path)
{
	struct stat st;
	int fd;

	if (lstat(path, &st) == 0 && S_ISREG(st.st_mode))
		return 0;
	fd = io_create_fresh(path, 0644);
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

int dir_protect(const struct place *p, const char *name, const struct log *log, struct error **err)
{
	_cleanup_free_ char *path = path_beside(p, name, DIR_PROTECTED);
	_cleanup_free_ char *dir = io_parent(path);
	_cleanup_error_ struct error *not_synced = NULL;
	int r = make_marker(path);

	if (r < 0)
		return error_errno(err, -r, "unable to create protection file '%s'", path);
	io_fsync_dir(dir, &not_synced);
	warn_not_synced(log, path, not_synced);
	return 0;
}

/* ---- notes ---- */

/* A link may lead to a file that must not be shown, and opening a pipe would wait for its writer. */
static int read_notes(const char *path, struct buf *ret, struct error **err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, errno, "cannot open '%s'", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERR_INVALID, "'%s' is not a file", path);
	return io_read_fd(fd, path, NOTES_MAX, ret, err);
}

int dir_notes(const struct place *p, const char *name, char **ret, struct error **err)
{
	_cleanup_free_ char *path = path_beside(p, name, ".notes");
	_cleanup_buf_ struct buf text = BUF_INIT;
	int r = read_notes(path, &text, err);

	if (r == 0)
		*ret = buf_steal(&text);
	return r;
}

static int write_notes(const char *path, const char *notes, struct journal *j, const struct log *log,
		       struct error **err)
{
	_cleanup_free_ char *unfinished = io_unfinished_name(path, (int)getpid());
	_cleanup_error_ struct error *not_synced = NULL;
	int r = j ? journal_add(j, JOURNAL_FILE, unfinished, err) : 0;

	if (r < 0)
		return r;
	r = io_write_file_atomic(path, notes, strlen(notes), 0644, &not_synced, err);
	if (j)
		journal_strike(j, JOURNAL_FILE, unfinished);
	warn_not_synced(log, path, not_synced);
	return r;
}

int dir_set_notes(const struct place *p, const char *name, const char *notes, struct journal *j,
		  const struct log *log, struct error **err)
{
	_cleanup_free_ char *path = path_beside(p, name, ".notes");

	if (*notes)
		return write_notes(path, notes, j, log, err);
	if (unlink(path) < 0 && errno != ENOENT)
		return error_errno(err, errno, "could not delete notes '%s'", path);
	return 0;
}

/* ---- the log ---- */

char *dir_log_path(const struct place *p, const char *stem)
{
	return xasprintf("%s/%s.log", ((const struct place_dir *)p)->dir, stem);
}

struct log_copy {
	char *path;
	struct buf text;
};

static void log_copy_free(void *opaque)
{
	struct log_copy *c = opaque;

	buf_clear(&c->text);
	free(c->path);
	free(c);
}

/*
 * Uses no temporary file: the journal is closed already, and half a log does no harm.  But a file or link of
 * that name is replaced, never written to: other users may be able to write to the folder.
 */
static int write_log(void *opaque, struct error **err)
{
	struct log_copy *c = opaque;
	_cleanup_close_ int fd = io_create_fresh(c->path, 0640);
	int r = fd < 0 ? fd : io_write_all(fd, buf_str(&c->text), c->text.len);

	return r < 0 ? error_errno(err, -r, "cannot write '%s'", c->path) : 0;
}

int dir_keep_log(const struct place *p, const char *stem, const struct buf *text, struct error **err)
{
	_cleanup_free_ char *path = dir_log_path(p, stem);
	struct log_copy *c = xcalloc(1, sizeof(*c));
	int r;

	c->path = xstrdup(path);
	buf_add(&c->text, buf_str(text), text->len);
	r = bounded_run(&(struct bounded_call){ .call = write_log, .clear = log_copy_free, .arg = c }, LOG_MS,
			NULL, err);
	return r == ERR_TIMEOUT ? error_wrap(err, r, "cannot write '%s'", path) : r;
}

/* ---- removal ---- */

static void remove_file(const char *path, const char *kind, const struct log *log)
{
	if (unlink(path) < 0 && errno != ENOENT)
		log_warn(log, "Removing %s file '%s' failed: %m", kind, path);
}

void dir_remove_beside(const struct place *p, const char *name, const struct log *log)
{
	_cleanup_archive_name_ struct archive_name parsed = { 0 };
	_cleanup_free_ char *logfile = NULL, *notes = NULL;

	if (archive_name_parse(name, &parsed, NULL) < 0 || !parsed.standard)
		return;
	logfile = dir_log_path(p, parsed.stem);
	notes = path_beside(p, name, ".notes");
	remove_file(logfile, "log", log);
	remove_file(notes, "notes", log);
}
