#include "journal/journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/lock-holder.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/trace.h"
#include "base/units.h"

#define JOURNAL_MAX (1024 * 1024)

const struct journal_kind journal_kind_pid = { .name = JOURNAL_PID };

static const struct journal_kind *find_kind(const struct journal *j, const char *name)
{
	for (size_t i = 0; j->kinds[i]; i++) {
		if (!strcmp(j->kinds[i]->name, name))
			return j->kinds[i];
	}
	return NULL;
}

bool journal_entry_is(const struct journal_entry *e, const char *kind)
{
	return !strcmp(e->kind->name, kind);
}

static char *journal_path(const struct paths *p, uint32_t vmid)
{
	return paths_get(p, "/var/lib/vzdump/%u.journal", vmid);
}

static struct journal *journal_new(const struct paths *p, const struct journal_kind *const *kinds,
				   uint32_t vmid)
{
	struct journal *j = xcalloc(1, sizeof(*j));

	j->fd = -1;
	j->path = journal_path(p, vmid);
	j->vmid = vmid;
	j->kinds = kinds;
	return j;
}

static void add_entry(struct journal *j, const struct journal_kind *kind, const char *value)
{
	j->entries = xreallocarray(j->entries, j->n + 1, sizeof(*j->entries));
	j->entries[j->n++] = (struct journal_entry){ kind, xstrdup(value) };
}

static void remove_entry(struct journal *j, const char *kind, const char *value)
{
	for (size_t i = 0; i < j->n; i++) {
		if (!journal_entry_is(&j->entries[i], kind) || strcmp(j->entries[i].value, value) != 0)
			continue;
		free(j->entries[i].value);
		memmove(&j->entries[i], &j->entries[i + 1], (j->n - i - 1) * sizeof(*j->entries));
		j->n--;
		return;
	}
}

/* If a full disk cuts the line, removes it again, or the next line would be appended to it. */
static int append_line(struct journal *j, char sign, const char *kind, const char *value)
{
	_cleanup_free_ char *line = xasprintf("%c%s %s\n", sign, kind, value);
	const off_t end = lseek(j->fd, 0, SEEK_END);
	int r = io_write_all(j->fd, line, strlen(line));

	trace(TRACE_JOURNAL, "%u: %c%s %s", j->vmid, sign, kind, value);
	if (r < 0 && end >= 0)
		(void)!ftruncate(j->fd, end);
	return r;
}

int journal_add(struct journal *j, const char *kind, const char *value, struct error **err)
{
	const struct journal_kind *row = find_kind(j, kind);
	int r;

	value = value ? value : "";
	if (strchr(value, '\n'))
		return error_set(err, ERR_INVALID, "name '%s' has a line break", value);
	if (!row)
		return error_set(err, ERR_INVALID, "the journal has no kind of entries '%s'", kind);
	r = append_line(j, '+', kind, value);
	if (r == 0 && fdatasync(j->fd) < 0)
		r = -errno;
	if (r < 0)
		return error_errno(err, -r, "cannot write the journal '%s'", j->path);
	add_entry(j, row, value);
	return 0;
}

int journal_add_pid(struct journal *j, struct error **err)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	return journal_add(j, JOURNAL_PID, pid, err);
}

void journal_strike(struct journal *j, const char *kind, const char *value)
{
	value = value ? value : "";
	append_line(j, '-', kind, value);
	remove_entry(j, kind, value);
}

void journal_strike_all(struct journal *j, const char *kind)
{
	for (size_t i = 0; i < j->n;) {
		_cleanup_free_ char *value = NULL;

		if (!journal_entry_is(&j->entries[i], kind)) {
			i++;
			continue;
		}
		value = xstrdup(j->entries[i].value);
		journal_strike(j, kind, value);
	}
}

bool journal_has(const struct journal *j, const char *kind)
{
	for (size_t i = 0; i < j->n; i++) {
		if (journal_entry_is(&j->entries[i], kind))
			return true;
	}
	return false;
}

static int journal_busy(const struct journal *j, struct error **err)
{
	_cleanup_free_ char *holder = lock_holder_text(j->path);

	return error_set(err, -EBUSY, "another process works on VM %u: the guest is %s", j->vmid, holder);
}

/* The lock is held while the descriptor is open, so it ends with the process. */
static int take_lock(const struct journal *j, struct error **err)
{
	if (flock(j->fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		return journal_busy(j, err);
	return error_errno(err, errno, "cannot lock the journal '%s'", j->path);
}

/*
 * Takes the lock of a journal that was just created.  -ESTALE: a cleanup has locked it first, found it empty
 * and removed it.
 */
static int begin_journal(struct journal *j, const char *dir, struct error **err)
{
	int r = take_lock(j, err);

	/* if a cleanup has the lock, it finds an empty file and removes it */
	if (r < 0)
		return r;
	if (!io_is_named(j->fd, j->path))
		return -ESTALE;
	r = journal_add_pid(j, err);
	if (r == 0)
		r = io_fsync_dir(dir, err);
	if (r < 0)
		unlink(j->path);
	return r;
}

int journal_create(const struct paths *p, const struct journal_kind *const *kinds, uint32_t vmid,
		   struct journal **ret, struct error **err)
{
	_cleanup_free_ char *dir = paths_get(p, "/var/lib/vzdump");
	int r = io_mkdir_p(dir, 0700, err);

	if (r < 0)
		return r;
	do {
		_cleanup_(journal_freep) struct journal *j = journal_new(p, kinds, vmid);

		j->fd = open(j->path, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
		if (j->fd < 0 && errno == EEXIST)
			return error_set(
				err, -EEXIST,
				"another process works on VM %u, or has left something behind (journal "
				"'%s')",
				vmid, j->path);
		if (j->fd < 0)
			return error_errno(err, errno, "cannot create the journal '%s'", j->path);
		r = begin_journal(j, dir, err);
		if (r == 0)
			*ret = TAKE_PTR(j);
	} while (r == -ESTALE);
	return r;
}

static void replay_line(struct journal *j, char *line)
{
	char *value = strchr(line, ' ');
	const struct journal_kind *kind;

	if ((*line != '+' && *line != '-') || !value)
		return;
	*value++ = '\0';
	kind = find_kind(j, line + 1);
	if (kind && *line == '+')
		add_entry(j, kind, value);
	else if (kind)
		remove_entry(j, kind->name, value);
}

/* *ret_whole: how many bytes its whole lines have; a crash may have cut the last one.  *ret_len: all. */
static int read_lines(struct journal *j, size_t *ret_whole, size_t *ret_len, struct error **err)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	char *line, *newline;
	int r = io_read_fd(j->fd, j->path, JOURNAL_MAX, &text, err);

	for (line = text.data; r == 0 && line && (newline = strchr(line, '\n')); line = newline + 1) {
		*newline = '\0';
		replay_line(j, line);
	}
	*ret_whole = line ? (size_t)(line - text.data) : 0;
	*ret_len = text.len;
	return r;
}

/* Removes the rest of a line that a crash has cut from the file, because more lines will follow. */
static int replay(struct journal *j, struct error **err)
{
	size_t whole, len;
	int r = read_lines(j, &whole, &len, err);

	if (r == 0 && whole < len && ftruncate(j->fd, (off_t)whole) < 0)
		r = error_errno(err, errno, "cannot write the journal '%s'", j->path);
	return r;
}

/*
 * Between opening and locking, the process that held the lock may have removed the file, and another process
 * may have created a new one.  So check that the locked file is still the one with this name.
 */
int journal_load(const struct paths *p, const struct journal_kind *const *kinds, uint32_t vmid,
		 struct journal **ret, struct error **err)
{
	for (;;) {
		_cleanup_(journal_freep) struct journal *j = journal_new(p, kinds, vmid);
		int r;

		j->fd = open(j->path, O_RDWR | O_APPEND | O_CLOEXEC);
		if (j->fd < 0)
			return error_errno(err, errno, "cannot open the journal '%s'", j->path);
		r = take_lock(j, err);
		if (r < 0)
			return r;
		if (!io_is_named(j->fd, j->path))
			continue;
		r = replay(j, err);
		if (r == 0)
			*ret = TAKE_PTR(j);
		return r;
	}
}

int journal_peek(const struct paths *p, const struct journal_kind *const *kinds, uint32_t vmid,
		 struct journal **ret, struct error **err)
{
	_cleanup_(journal_freep) struct journal *j = journal_new(p, kinds, vmid);
	size_t whole, len;
	int r;

	*ret = NULL;
	j->fd = open(j->path, O_RDONLY | O_CLOEXEC);
	if (j->fd < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "cannot open the journal '%s'", j->path);
	if (lock_holder(j->path))
		return journal_busy(j, err);
	r = read_lines(j, &whole, &len, err);
	if (r == 0)
		*ret = TAKE_PTR(j);
	return r;
}

int journal_list(const struct paths *p, uint32_t **ret, size_t *ret_n, struct error **err)
{
	_cleanup_free_ char *dir = paths_get(p, "/var/lib/vzdump");
	DIR *d = opendir(dir);
	struct dirent *e;

	*ret = NULL;
	*ret_n = 0;
	if (!d)
		return errno == ENOENT ? 0 : error_errno(err, errno, "cannot read '%s'", dir);
	while ((e = readdir(d)) != NULL) {
		_cleanup_free_ char *number = NULL;
		uint64_t vmid;

		if (!str_suffix(e->d_name, ".journal"))
			continue;
		number = xstrndup(e->d_name, strlen(e->d_name) - strlen(".journal"));
		if (units_parse_u64(number, 1, UINT32_MAX, "guest id", &vmid, NULL) < 0)
			continue;
		*ret = xreallocarray(*ret, *ret_n + 1, sizeof(**ret));
		(*ret)[(*ret_n)++] = (uint32_t)vmid;
	}
	closedir(d);
	return 0;
}

int journal_check(const struct journal *j, struct error **err)
{
	if (io_is_named(j->fd, j->path))
		return 0;
	return error_set(err, -ESTALE, "the journal '%s' of this process was removed by somebody else",
			 j->path);
}

int journal_remove(struct journal *j, struct error **err)
{
	int r = journal_check(j, err);

	if (r == 0 && unlink(j->path) < 0)
		r = error_errno(err, errno, "cannot remove '%s'", j->path);
	return r;
}

bool journal_finish(struct journal *j)
{
	for (size_t i = 0; i < j->n; i++) {
		if (!journal_entry_is(&j->entries[i], JOURNAL_PID))
			return false;
	}
	/* another process may have removed it */
	return journal_remove(j, NULL) == 0 || !io_is_named(j->fd, j->path);
}

void journal_free(struct journal *j)
{
	if (!j)
		return;
	for (size_t i = 0; i < j->n; i++)
		free(j->entries[i].value);
	free(j->entries);
	if (j->fd >= 0)
		close(j->fd);
	free(j->path);
	free(j);
}
