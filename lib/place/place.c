/* Calling the callbacks of a place. */
#include "place/place.h"

#include <stdlib.h>
#include <string.h>

void place_free(struct place *p)
{
	if (!p)
		return;
	free(p->storage);
	p->ops->free(p);
}

char *place_path(const struct place *p, const char *name)
{
	return p->ops->path(p, name);
}

int place_reach(const struct place *p, const struct cancel *cancel, struct error **err)
{
	return p->ops->reach ? p->ops->reach(p, cancel, err) : 0;
}

bool place_exists(const struct place *p, const char *name)
{
	return p->ops->exists && p->ops->exists(p, name);
}

bool place_keeps(const struct place *p)
{
	return p->ops->list != NULL;
}

int place_create(struct place *p, const char *name, struct journal *j, const struct cancel *cancel,
		 struct archive **ret, struct error **err)
{
	return p->ops->create(p, name, j, cancel, ret, err);
}

int place_publish(struct archive *a, struct error **err)
{
	return a->place->ops->publish(a, err);
}

void place_abort(struct archive *a)
{
	if (!a)
		return;
	output_free(a->output);
	error_free(a->not_synced);
	a->place->ops->abort(a);
}

static int compare_backups(const void *a, const void *b)
{
	const struct backup *x = a;
	const struct backup *y = b;

	if (x->ctime != y->ctime)
		return x->ctime < y->ctime ? -1 : 1;
	return strcmp(x->path, y->path);
}

int place_list(const struct place *p, const char *type, uint32_t vmid, struct backups *ret,
	       struct error **err)
{
	int r;

	*ret = (struct backups){ 0 };
	r = p->ops->list(p, type, vmid, ret, err);
	if (r == 0 && ret->n)
		qsort(ret->list, ret->n, sizeof(*ret->list), compare_backups);
	return r;
}

int place_remove(const struct place *p, const char *name, const struct log *log, struct error **err)
{
	return p->ops->remove(p, name, log, err);
}

int place_open(const struct place *p, const char *name, int *ret, struct error **err)
{
	return p->ops->open(p, name, ret, err);
}

int place_sharing(const struct place *p, struct journal *j, const struct cancel *cancel,
		  struct place_sharing *ret, struct error **err)
{
	return p->ops->sharing(p, j, cancel, ret, err);
}

int place_notes(const struct place *p, const char *name, char **ret, struct error **err)
{
	return p->ops->notes(p, name, ret, err);
}

int place_set_notes(const struct place *p, const char *name, const char *notes, struct journal *j,
		    const struct log *log, struct error **err)
{
	return p->ops->set_notes(p, name, notes, j, log, err);
}

int place_protect(const struct place *p, const char *name, const struct log *log, struct error **err)
{
	return p->ops->protect(p, name, log, err);
}

int place_keep_log(const struct place *p, const char *stem, const struct buf *text, struct error **err)
{
	return p->ops->keep_log(p, stem, text, err);
}

char *place_log_path(const struct place *p, const char *stem)
{
	return p->ops->log_path(p, stem);
}
