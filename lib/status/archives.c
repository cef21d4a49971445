#include "status/archives.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bounded.h"
#include "base/io.h"
#include "base/mem.h"

/* ---- listing ---- */

/* By guest and its type, oldest first. */
static int compare(const void *a, const void *b)
{
	const struct backup *x = a, *y = b;
	int r = strcmp(x->name.type, y->name.type);

	if (x->name.vmid != y->name.vmid)
		return x->name.vmid < y->name.vmid ? -1 : 1;
	if (r == 0 && x->ctime != y->ctime)
		r = x->ctime < y->ctime ? -1 : 1;
	return r ? r : strcmp(x->path, y->path);
}

static bool is_same_folder(const char *a, const char *b)
{
	struct stat x, y;

	return !strcmp(a, b) ||
	       (stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino);
}

/* Of places that have just been listed. */
static void look_for_folder(struct archives *a, struct archive_place *p)
{
	for (size_t i = 0; &a->list[i] != p; i++)
		p->is_again |= a->list[i].place && is_same_folder(a->list[i].dir, p->dir);
}

static int list_place(const struct host *host, struct archive_place *p, struct error **err)
{
	int r = bounded_reach(p->dir, ARCHIVES_REACH_MS, host->cancel, err);

	if (r == 0)
		r = place_list(p->place, NULL, 0, &p->backups, err);
	if (r == 0 && p->backups.n)
		qsort(p->backups.list, p->backups.n, sizeof(*p->backups.list), compare);
	return r;
}

static struct archive_place *add_place(struct archives *a)
{
	a->list = xreallocarray(a->list, a->n + 1, sizeof(*a->list));
	a->list[a->n] = (struct archive_place){ 0 };
	return &a->list[a->n++];
}

static void leave_out(struct archive_place *p, const struct error *err)
{
	place_free(p->place);
	p->place = NULL;
	backups_clear(&p->backups);
	p->error = xstrdup(error_message(err));
}

static void list_storage(const struct host *host, const struct storage *s, struct archives *a)
{
	_cleanup_error_ struct error *err = NULL;
	struct archive_place *p = add_place(a);
	int r;

	p->storage = s;
	r = storage_dir(s, STORAGE_BACKUP, &p->dir, &err);
	/* activating waits longer for an answer */
	if (r == 0)
		r = bounded_reach(p->dir, ARCHIVES_REACH_MS, host->cancel, &err);
	if (r == 0)
		r = storage_activate(s, host->log, &err);
	if (r == 0)
		r = place_of_storage(s, &p->place, &err);
	if (r == 0)
		r = list_place(host, p, &err);
	if (r == 0) {
		look_for_folder(a, p);
		return;
	}
	leave_out(p, err);
	log_warn(host->log, "storage '%s' is left out, its backups are not known: %s", s->id, p->error);
}

int archives_list_storages(const struct host *host, const char *only, struct archives *ret,
			   struct error **err)
{
	const struct storage_config *c = host->storages;
	const struct storage *s;
	int r = only ? storage_get(c, only, STORAGE_BACKUP, &s, err) : 0;

	*ret = (struct archives){ 0 };
	for (size_t i = 0; i < c->n && r == 0; i++) {
		const bool is_wanted =
			only ? !strcmp(c->storages[i].id, only)
			     : storage_get(c, c->storages[i].id, STORAGE_BACKUP, &s, NULL) == 0;

		if (is_wanted)
			list_storage(host, &c->storages[i], ret);
	}
	return r;
}

/* As a folder: one of a storage is listed once more, as a place with another retention. */
static bool is_listed(const struct archives *a, const char *dir)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->list[i].dir && !a->list[i].storage && !strcmp(a->list[i].dir, dir))
			return true;
	return false;
}

void archives_list_folder(const struct host *host, const char *dir, struct archives *a)
{
	_cleanup_error_ struct error *err = NULL;
	struct archive_place *p;

	if (is_listed(a, dir))
		return;
	p = add_place(a);
	p->dir = xstrdup(dir);
	p->place = place_dir_new(dir, NULL);
	if (list_place(host, p, &err) == 0) {
		look_for_folder(a, p);
		return;
	}
	leave_out(p, err);
	log_warn(host->log, "folder '%s' is left out, its backups are not known: %s", dir, p->error);
}

void archives_clear(struct archives *a)
{
	for (size_t i = 0; i < a->n; i++) {
		backups_clear(&a->list[i].backups);
		place_free(a->list[i].place);
		free(a->list[i].dir);
		free(a->list[i].error);
	}
	free(a->list);
	*a = (struct archives){ 0 };
}

/* ---- looking something up ---- */

/* The index of the first backup whose guest comes at or behind this one. */
static size_t lower_bound(const struct backups *b, const char *type, uint32_t vmid)
{
	size_t low = 0, high = b->n;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		const struct archive_name *name = &b->list[middle].name;

		if (name->vmid < vmid || (name->vmid == vmid && strcmp(name->type, type) < 0))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct backups archives_of(const struct archive_place *p, const char *type, uint32_t vmid)
{
	const size_t first = lower_bound(&p->backups, type, vmid);
	size_t end = first;

	while (end < p->backups.n && p->backups.list[end].name.vmid == vmid &&
	       !strcmp(p->backups.list[end].name.type, type))
		end++;
	return (struct backups){ .list = p->backups.list ? p->backups.list + first : NULL, .n = end - first };
}

const struct backup *archives_newest(const struct archives *a, const char *type, uint32_t vmid, time_t now,
				     const struct archive_place **ret_place)
{
	const struct backup *newest = NULL;

	for (size_t i = 0; i < a->n; i++) {
		const struct backups b = archives_of(&a->list[i], type, vmid);
		size_t n = b.n;

		while (n && b.list[n - 1].ctime > now)
			n--;
		if (n && (!newest || b.list[n - 1].ctime > newest->ctime)) {
			newest = &b.list[n - 1];
			*ret_place = &a->list[i];
		}
	}
	return newest;
}

const struct archive_place *archives_place_of(const struct archives *a, const char *path)
{
	_cleanup_free_ char *dir = io_parent(path);

	for (size_t i = 0; i < a->n; i++)
		if (a->list[i].dir && !strcmp(a->list[i].dir, dir))
			return &a->list[i];
	return NULL;
}
