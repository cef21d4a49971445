#include "schedule/job-run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "schedule/job-files.h"

#define FILE_MAX_SIZE ((size_t)64 << 10)
#define JSON_MEMORY   ((size_t)16 << 20)

/* ---- the lock ---- */

/* It belongs to the open file description, as that of flock(), but one can ask whether it is held. */
int job_run_lock(const struct paths *p, const char *id, struct error **err)
{
	_cleanup_free_ char *path = job_file(p, id, "lck");
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = io_open_lock(path);
	int e;

	if (fd < 0)
		return error_errno(err, -fd, "cannot open lock '%s'", path);
	if (fcntl(fd, F_OFD_SETLK, &whole) == 0)
		return fd;
	e = errno == EACCES ? EAGAIN : errno;
	close(fd);
	return error_errno(err, e, "cannot lock '%s'", path);
}

int job_run_is_on(const struct paths *p, const char *id, struct error **err)
{
	_cleanup_free_ char *path = job_file(p, id, "lck");
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || fcntl(fd, F_OFD_GETLK, &whole) < 0)
		return error_errno(err, errno, "cannot read lock '%s'", path);
	return whole.l_type != F_UNLCK;
}

/* ---- the record ---- */

void job_run_clear(struct job_run *run)
{
	free(run->msg);
	*run = (struct job_run){ 0 };
}

static int64_t get_time(struct json_object *o, const char *key)
{
	uint64_t n;

	return json_get_u64(o, key, &n) && n <= INT64_MAX ? (int64_t)n : 0;
}

bool job_run_load(const struct paths *p, const char *id, struct job_run *ret)
{
	_cleanup_free_ char *file = job_file(p, id, "run");
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_json_ struct json_object *o = NULL;

	*ret = (struct job_run){ 0 };
	if (io_read_file(file, FILE_MAX_SIZE, &text, NULL) == -ENOENT)
		return false;
	if (json_parse(buf_str(&text), text.len, JSON_MEMORY, &o, NULL) < 0)
		return true;
	ret->pid = (pid_t)get_time(o, "pid");
	ret->vzdump = (pid_t)get_time(o, "vzdump");
	ret->begun = get_time(o, "begun");
	ret->ended = get_time(o, "ended");
	ret->msg = xstrdup_null(json_get_str(o, "msg"));
	return true;
}

/* Its block is there already. */
static int overwrite(const char *file, const char *text)
{
	_cleanup_close_ int fd = open(file, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	const size_t len = strlen(text);
	int r = fd < 0 ? -errno : io_pwrite_all(fd, text, len, 0);

	if (r == 0 && (ftruncate(fd, (off_t)len) < 0 || fsync(fd) < 0))
		r = -errno;
	return r;
}

int job_run_save(const struct paths *p, const char *id, const struct job_run *run, struct error **err)
{
	_cleanup_free_ char *file = job_file(p, id, "run");
	_cleanup_json_ struct json_object *o = json_new_obj();
	_cleanup_error_ struct error *why = NULL;
	const char *text;
	int r;

	json_put_u64(o, "pid", (uint64_t)run->pid);
	if (run->vzdump)
		json_put_u64(o, "vzdump", (uint64_t)run->vzdump);
	json_put_u64(o, "begun", (uint64_t)run->begun);
	if (run->ended)
		json_put_u64(o, "ended", (uint64_t)run->ended);
	json_put_str(o, "msg", run->msg);
	text = json_text(o);
	r = io_write_file_atomic(file, text, strlen(text), 0644, NULL, &why);
	if (r == 0 || overwrite(file, text) == 0)
		return 0;
	error_keep_first(err, &why);
	return r;
}

int job_run_forget(const struct paths *p, const char *id, struct error **err)
{
	_cleanup_free_ char *file = job_file(p, id, "run");

	if (unlink(file) < 0 && errno != ENOENT)
		return error_errno(err, errno, "cannot remove '%s'", file);
	return 0;
}
