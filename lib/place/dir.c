/* A folder as a place: listing its archives, and removing one. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bounded.h"
#include "base/mem.h"
#include "base/strv.h"
#include "place/dir-internal.h"

static int dir_reach(const struct place *p, const struct cancel *cancel, struct error **err)
{
	return bounded_reach(((const struct place_dir *)p)->dir, BOUNDED_REACH_MS, cancel, err);
}

static bool dir_exists(const struct place *p, const char *name)
{
	_cleanup_free_ char *path = dir_path(p, name);

	return access(path, F_OK) == 0;
}

/* ---- listing ---- */

static bool is_wanted(const struct archive_name *name, const char *type, uint32_t vmid)
{
	return (!type || strcmp(name->type, type) == 0) && (!vmid || name->vmid == vmid);
}

/*
 * The names in a folder.  Those of markers stand apart and sorted, so that not each archive's is looked
 * for.
 */
struct names {
	char **files;
	char **markers;
	size_t n_files, n_markers;
};

static void names_clear(struct names *names)
{
	for (size_t i = 0; i < names->n_files; i++)
		free(names->files[i]);
	for (size_t i = 0; i < names->n_markers; i++)
		free(names->markers[i]);
	free(names->files);
	free(names->markers);
}

static void add_name(char ***list, size_t *n, const char *name)
{
	*list = xreallocarray(*list, *n + 1, sizeof(**list));
	(*list)[(*n)++] = xstrdup(name);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A missing folder counts as empty. */
static int read_names(const char *dir, struct names *ret, struct error **err)
{
	struct dirent *entry;
	DIR *d = opendir(dir);
	int failed;

	if (!d && errno == ENOENT)
		return 0;
	if (!d)
		return error_errno(err, errno, "cannot read directory '%s'", dir);
	for (errno = 0; (entry = readdir(d)); errno = 0) {
		if (str_suffix(entry->d_name, DIR_PROTECTED))
			add_name(&ret->markers, &ret->n_markers, entry->d_name);
		else if (archive_name_has_extension(entry->d_name))
			add_name(&ret->files, &ret->n_files, entry->d_name);
	}
	failed = errno;
	closedir(d);
	if (ret->n_markers)
		qsort(ret->markers, ret->n_markers, sizeof(*ret->markers), compare_names);
	return failed ? error_errno(err, failed, "cannot read directory '%s'", dir) : 0;
}

static bool has_marker(const struct names *names, const char *file)
{
	_cleanup_free_ char *marker = xasprintf("%s" DIR_PROTECTED, file);

	return names->n_markers &&
	       bsearch(&marker, names->markers, names->n_markers, sizeof(*names->markers), compare_names);
}

static void add_backup(struct backups *b, const struct place *p, const struct names *names, const char *file,
		       const char *type, uint32_t vmid)
{
	_cleanup_archive_name_ struct archive_name name = { 0 };
	_cleanup_free_ char *path = dir_path(p, file);
	struct backup *new;
	struct stat st;

	if (*file == '.' || (type ? archive_name_parse : archive_name_parse_any)(file, &name, NULL) < 0 ||
	    !is_wanted(&name, type, vmid) || stat(path, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	b->list = xreallocarray(b->list, b->n + 1, sizeof(*b->list));
	new = &b->list[b->n++];
	*new = (struct backup){
		.ctime = name.standard ? name.ctime : st.st_ctime,
		.size = (uint64_t)st.st_size,
		.is_protected = has_marker(names, file) && dir_is_protected(p, file),
		.name = name,
	};
	new->path = TAKE_PTR(path);
	name = (struct archive_name){ 0 };
}

static int dir_list(const struct place *p, const char *type, uint32_t vmid, struct backups *ret,
		    struct error **err)
{
	_cleanup_(names_clear) struct names names = { 0 };
	int r = read_names(((const struct place_dir *)p)->dir, &names, err);

	for (size_t i = 0; r == 0 && i < names.n_files; i++)
		add_backup(ret, p, &names, names.files[i], type, vmid);
	return r;
}

/* ---- removing ---- */

static int dir_remove(const struct place *p, const char *name, const struct log *log, struct error **err)
{
	_cleanup_free_ char *path = dir_path(p, name);

	if (dir_is_protected(p, name))
		return error_set(err, -EPERM, "cannot remove protected archive '%s'", path);
	if (unlink(path) < 0 && errno != ENOENT)
		return error_errno(err, errno, "removing archive '%s' failed", path);
	dir_remove_beside(p, name, log);
	return 0;
}

/* ---- the kind ---- */

static void dir_free(struct place *p)
{
	free(((struct place_dir *)p)->dir);
	free(p);
}

static const struct place_ops dir_ops = {
	.path = dir_path,
	.reach = dir_reach,
	.exists = dir_exists,
	.create = dir_create,
	.publish = dir_publish,
	.abort = dir_abort,
	.list = dir_list,
	.remove = dir_remove,
	.open = dir_open,
	.sharing = dir_sharing,
	.notes = dir_notes,
	.set_notes = dir_set_notes,
	.protect = dir_protect,
	.keep_log = dir_keep_log,
	.log_path = dir_log_path,
	.free = dir_free,
};

struct place *place_dir_new(const char *dir, const char *storage)
{
	struct place_dir *p = xcalloc(1, sizeof(*p));

	p->base.ops = &dir_ops;
	p->base.storage = xstrdup_null(storage);
	p->dir = xstrdup(dir);
	return &p->base;
}
