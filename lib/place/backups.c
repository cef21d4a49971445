#include "place/backups.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/mem.h"

#define NOTES_MAX (64 * 1024)

/* ---- listing ---- */

void backups_clear(struct backups *b)
{
	for (size_t i = 0; i < b->n; i++) {
		free(b->list[i].path);
		archive_name_clear(&b->list[i].name);
	}
	free(b->list);
	*b = (struct backups){ 0 };
}

static bool wanted(const struct archive_name *name, const char *type, uint32_t vmid)
{
	return (!type || strcmp(name->type, type) == 0) && (!vmid || name->vmid == vmid);
}

static void add_backup(struct backups *b, const char *dir, const char *file, const char *type, uint32_t vmid)
{
	_cleanup_archive_name_ struct archive_name name = { 0 };
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, file);
	struct backup *new;
	struct stat st;

	if (*file == '.' || (type ? archive_name_parse : archive_name_parse_any)(file, &name, NULL) < 0 ||
	    !wanted(&name, type, vmid) || stat(path, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	b->list = xreallocarray(b->list, b->n + 1, sizeof(*b->list));
	new = &b->list[b->n++];
	*new = (struct backup){
		.ctime = name.standard ? name.ctime : st.st_ctime,
		.size = (uint64_t)st.st_size,
		.is_protected = backup_is_protected(path),
		.name = name,
	};
	new->path = TAKE_PTR(path);
	name = (struct archive_name){ 0 };
}

static int compare_backups(const void *a, const void *b)
{
	const struct backup *x = a;
	const struct backup *y = b;

	if (x->ctime != y->ctime)
		return x->ctime < y->ctime ? -1 : 1;
	return strcmp(x->path, y->path);
}

int backups_list(const char *dir, const char *type, uint32_t vmid, struct backups *ret, struct error **err)
{
	struct dirent *entry;
	DIR *d = opendir(dir);

	*ret = (struct backups){ 0 };
	if (!d && errno == ENOENT)
		return 0;
	if (!d)
		return error_errno(err, errno, "cannot read directory '%s'", dir);
	while ((entry = readdir(d)))
		add_backup(ret, dir, entry->d_name, type, vmid);
	closedir(d);
	if (ret->n)
		qsort(ret->list, ret->n, sizeof(*ret->list), compare_backups);
	return 0;
}

int backup_path(const struct storage_config *c, const char *name, const struct log *log, char **ret,
		struct error **err)
{
	const char *colon = strchr(name, ':');
	_cleanup_free_ char *id = colon ? xstrndup(name, (size_t)(colon - name)) : NULL;
	_cleanup_volume_ struct volume v = { 0 };
	int r;

	if (!id || !storage_id_valid(id) || access(name, F_OK) == 0) {
		*ret = xstrdup(name);
		return 0;
	}
	r = volume_open(c, name, NULL, &v, err);
	if (r == 0 && v.content != STORAGE_BACKUP)
		r = error_set(err, ERR_INVALID, "volume '%s' is no backup (<storage>:backup/<file>)", name);
	if (r == 0)
		r = storage_activate(v.storage, log, err);
	if (r == 0)
		*ret = TAKE_PTR(v.path);
	return r;
}

/* ---- protection and notes ---- */

bool backup_is_protected(const char *archive)
{
	_cleanup_free_ char *path = xasprintf("%s.protected", archive);

	return access(path, F_OK) == 0;
}

/* A link that leads nowhere would protect nothing: whatever is no file is replaced by one. */
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

static void say_not_synced(const struct log *log, const char *path, const struct error *not_synced)
{
	if (not_synced)
		log_warn(log, "'%s' is written, but a power cut may take it away: %s", path,
			 error_message(not_synced));
}

int backup_set_protected(const char *archive, bool on, const struct log *log, struct error **err)
{
	_cleanup_free_ char *path = xasprintf("%s.protected", archive);
	_cleanup_free_ char *dir = io_parent(path);
	_cleanup_error_ struct error *not_synced = NULL;
	int r;

	if (!on) {
		if (unlink(path) < 0 && errno != ENOENT)
			return error_errno(err, errno, "could not delete protection file '%s'", path);
		return 0;
	}
	r = make_marker(path);
	if (r < 0)
		return error_errno(err, -r, "unable to create protection file '%s'", path);
	io_fsync_dir(dir, &not_synced);
	say_not_synced(log, path, not_synced);
	return 0;
}

static char *notes_path(const char *archive)
{
	return xasprintf("%s.notes", archive);
}

char *backup_notes_unfinished(const char *archive)
{
	_cleanup_free_ char *path = notes_path(archive);

	return io_unfinished_name(path, (int)getpid());
}

int backup_set_notes(const char *archive, const char *notes, const struct log *log, struct error **err)
{
	_cleanup_free_ char *path = notes_path(archive);
	_cleanup_error_ struct error *not_synced = NULL;

	if (notes && *notes) {
		int r = io_write_file_atomic(path, notes, strlen(notes), 0644, &not_synced, err);

		say_not_synced(log, path, not_synced);
		return r;
	}
	if (unlink(path) < 0 && errno != ENOENT)
		return error_errno(err, errno, "could not delete notes '%s'", path);
	return 0;
}

/* A link may lead to what is nobody's business here, and a pipe is waited for. */
static int read_notes(const char *path, struct buf *ret, struct error **err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, errno, "cannot open '%s'", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERR_INVALID, "'%s' is no file", path);
	return io_read_fd(fd, path, NOTES_MAX, ret, err);
}

int backup_get_notes(const char *archive, char **ret, struct error **err)
{
	_cleanup_free_ char *path = notes_path(archive);
	_cleanup_buf_ struct buf text = BUF_INIT;
	int r = read_notes(path, &text, err);

	if (r == 0)
		*ret = buf_steal(&text);
	return r;
}

/* ---- removal ---- */

static void remove_aux(const char *path, const char *kind, const struct log *log)
{
	if (unlink(path) < 0 && errno != ENOENT)
		log_warn(log, "Removing %s file '%s' failed: %m", kind, path);
}

static void remove_auxiliaries(const char *archive, const struct log *log)
{
	_cleanup_archive_name_ struct archive_name name = { 0 };
	const char *slash = strrchr(archive, '/');
	_cleanup_free_ char *dir = slash ? xstrndup(archive, (size_t)(slash - archive)) : xstrdup(".");
	_cleanup_free_ char *logfile = NULL;
	_cleanup_free_ char *notes = NULL;

	if (archive_name_parse(archive, &name, NULL) < 0 || !name.standard)
		return;
	logfile = xasprintf("%s/%s.log", dir, name.stem);
	notes = xasprintf("%s.notes", archive);
	remove_aux(logfile, "log", log);
	remove_aux(notes, "notes", log);
}

int backup_remove(const char *archive, const struct log *log, struct error **err)
{
	if (backup_is_protected(archive))
		return error_set(err, -EPERM, "cannot remove protected archive '%s'", archive);
	if (unlink(archive) < 0 && errno != ENOENT)
		return error_errno(err, errno, "removing archive %s failed", archive);
	remove_auxiliaries(archive, log);
	return 0;
}

static int prune_one(const struct backup *b, const char *storage, const struct log *log, struct error **err)
{
	_cleanup_free_ char *volid = NULL;
	int r;

	if (!storage) {
		log_info(log, "delete old backup '%s'", b->path);
		return backup_remove(b->path, log, err);
	}
	volid = xasprintf("%s:backup/%s", storage, b->name.filename);
	log_info(log, "removing backup '%s'", volid);
	r = backup_remove(b->path, log, err);
	if (r < 0)
		error_prefix(err, "error when removing backup '%s'", volid);
	return r;
}

int backups_prune(struct backups *b, const char *storage, const struct log *log, unsigned *ret_removed,
		  struct error **err)
{
	int result = 0;

	*ret_removed = 0;
	for (size_t i = 0; i < b->n; i++) {
		_cleanup_error_ struct error *e = NULL;
		int r;

		if (b->list[i].mark != PRUNE_REMOVE)
			continue;
		++*ret_removed;
		r = prune_one(&b->list[i], storage, log, &e);
		if (r == 0)
			continue;
		log_error(log, "%s", error_message(e));
		if (result == 0)
			result = error_set(err, r, "%s", error_message(e));
	}
	return result;
}
