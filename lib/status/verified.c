#include "status/verified.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "report/record.h"
#include "storage/archive-name.h"

#define FILE_MAX    (256 * 1024)
#define FILE_MEMORY ((size_t)4 * 1024 * 1024)

static char *verified_path(const struct paths *p, uint32_t vmid)
{
	return paths_get(p, "/var/log/vzdump/guests/%u.verified.json", vmid);
}

static void entry_clear(struct verified_entry *e)
{
	free(e->folder);
	free(e->name);
}

void verified_clear(struct verified *v)
{
	for (size_t i = 0; i < v->n; i++)
		entry_clear(&v->list[i]);
	free(v->list);
	*v = (struct verified){ 0 };
}

/* Takes e over. */
static void add_entry(struct verified *v, struct verified_entry e)
{
	v->list = xreallocarray(v->list, v->n + 1, sizeof(*v->list));
	v->list[v->n++] = e;
}

static void drop_entry(struct verified *v, size_t i)
{
	entry_clear(&v->list[i]);
	memmove(&v->list[i], &v->list[i + 1], (--v->n - i) * sizeof(*v->list));
}

/* ---- reading ---- */

/* An entry of which a part is missing is left out. */
static void read_entry(struct verified *v, struct json_object *o)
{
	const char *folder = json_get_str(o, "folder"), *name = json_get_str(o, "name");
	struct verified_entry e = { 0 };
	uint64_t when;

	if (!folder || !name || !json_get_u64(o, "size", &e.size) ||
	    !json_get_u64(o, "mtime-ns", &e.mtime_ns) || !json_get_u64(o, "verified", &when) ||
	    when > INT64_C(253402300799))
		return;
	e.folder = xstrdup(folder);
	e.name = xstrdup(name);
	e.when = (time_t)when;
	add_entry(v, e);
}

void verified_load(const struct paths *p, uint32_t vmid, struct verified *ret, const struct log *log)
{
	_cleanup_free_ char *path = verified_path(p, vmid);
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_json_ struct json_object *o = NULL;
	_cleanup_error_ struct error *err = NULL;
	struct json_object *archives;
	int r = io_read_file(path, FILE_MAX, &text, &err);

	*ret = (struct verified){ 0 };
	if (r >= 0)
		r = json_parse(buf_str(&text), text.len, FILE_MEMORY, &o, &err);
	if (r == ERR_CORRUPT)
		log_warn(log, "'%s' is damaged: archives of guest %u count as never verified", path, vmid);
	else if (r < 0 && r != -ENOENT)
		log_warn(log, "%s", error_message(err));
	archives = json_get_array(o, "archives");
	for (size_t i = 0; i < json_array_len(archives); i++)
		read_entry(ret, json_array_at(archives, i));
}

static uint64_t mtime_ns(const struct stat *st)
{
	return (uint64_t)st->st_mtim.tv_sec * 1000000000u + (uint64_t)st->st_mtim.tv_nsec;
}

static char *real_folder(const char *path)
{
	_cleanup_free_ char *folder = io_parent(path);

	return realpath(folder, NULL);
}

static bool is_same(const struct verified_entry *e, const char *folder, const char *name)
{
	return !strcmp(e->name, name) && !strcmp(e->folder, folder);
}

static const char *last_component(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

time_t verified_when(const struct verified *v, const char *path)
{
	_cleanup_free_ char *folder = v->n ? real_folder(path) : NULL;
	struct stat st;

	for (size_t i = v->n; folder && i > 0; i--) {
		const struct verified_entry *e = &v->list[i - 1];

		if (is_same(e, folder, last_component(path)))
			return stat(path, &st) == 0 && e->size == (uint64_t)st.st_size &&
					       e->mtime_ns == mtime_ns(&st)
				       ? e->when
				       : 0;
	}
	return 0;
}

/* ---- writing ---- */

static bool has_gone(const struct verified_entry *e)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", e->folder, e->name);

	return access(path, F_OK) < 0 && errno == ENOENT;
}

/* Only the file server of the new entry's folder has just answered: no other is asked. */
static void put_entry(struct verified *v, struct verified_entry new)
{
	for (size_t i = v->n; i > 0; i--) {
		const struct verified_entry *e = &v->list[i - 1];

		if (!strcmp(e->folder, new.folder) && (!strcmp(e->name, new.name) || has_gone(e)))
			drop_entry(v, i - 1);
	}
	while (v->n >= VERIFIED_MAX)
		drop_entry(v, 0);
	add_entry(v, new);
}

static int write_entries(const char *path, const struct verified *v, struct error **err)
{
	_cleanup_json_ struct json_object *o = json_new_obj();
	struct json_object *archives = json_new_array();
	_cleanup_free_ char *text = NULL;
	_cleanup_error_ struct error *not_synced = NULL;

	for (size_t i = 0; i < v->n; i++) {
		struct json_object *e = json_new_obj();

		json_put_text(e, "folder", v->list[i].folder);
		json_put_text(e, "name", v->list[i].name);
		json_put_u64(e, "size", v->list[i].size);
		json_put_u64(e, "mtime-ns", v->list[i].mtime_ns);
		json_put_u64(e, "verified", (uint64_t)v->list[i].when);
		json_append(archives, e);
	}
	json_put_obj(o, "archives", archives);
	text = xasprintf("%s\n", json_text(o));
	return io_write_file_atomic(path, text, strlen(text), 0600, &not_synced, err);
}

/* Locked, since two archives of a guest may be verified at once.  Takes `new` over. */
static int add_locked(const struct paths *p, uint32_t vmid, struct verified_entry new, struct error **err)
{
	_cleanup_free_ char *path = verified_path(p, vmid);
	_cleanup_verified_ struct verified v = { 0 };
	_cleanup_close_ int lock = record_lock(p, err);

	if (lock < 0) {
		entry_clear(&new);
		return lock;
	}
	verified_load(p, vmid, &v, NULL);
	put_entry(&v, new);
	return write_entries(path, &v, err);
}

int verified_add(const struct paths *p, const char *path, int fd, time_t now, struct error **err)
{
	_cleanup_archive_name_ struct archive_name name = { 0 };
	struct verified_entry e = { .when = now };
	struct stat st;

	if (archive_name_parse(path, &name, NULL) < 0 || !name.standard || !name.vmid)
		return 0;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || !io_is_named(fd, path))
		return 0;
	e.folder = real_folder(path);
	if (!e.folder)
		return 0;
	e.name = xstrdup(name.filename);
	e.size = (uint64_t)st.st_size;
	e.mtime_ns = mtime_ns(&st);
	return add_locked(p, name.vmid, e, err);
}
