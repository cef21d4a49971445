/* Shared by the files that make a folder a place: dir.c, dir-archive.c, dir-beside.c, dir-sharing.c. */
#ifndef VZDUMP_PLACE_DIR_INTERNAL_H
#define VZDUMP_PLACE_DIR_INTERNAL_H

#include "base/mem.h"
#include "place/place.h"

struct place_dir {
	struct place base;
	char *dir;
};

/* The archive's path.  Caller frees. */
static inline char *dir_path(const struct place *p, const char *name)
{
	return xasprintf("%s/%s", ((const struct place_dir *)p)->dir, name);
}

/* ---- dir-archive.c: callbacks for an archive while it is being made ---- */
int dir_create(struct place *p, const char *name, struct journal *j, const struct cancel *cancel,
	       struct archive **ret, struct error **err);
int dir_publish(struct archive *a, struct error **err);
void dir_abort(struct archive *a);

/* ---- dir-sharing.c: what an archive takes over from an older one; callbacks ---- */
int dir_open(const struct place *p, const char *name, int *ret, struct error **err);
int dir_sharing(const struct place *p, struct journal *j, const struct cancel *cancel,
		struct place_sharing *ret, struct error **err);

/* The marker beside an archive that protects it ends in this. */
#define DIR_PROTECTED ".protected"

/* ---- dir-beside.c: the files beside an archive; callbacks, see struct place_ops ---- */
/* True if the archive is marked as protected. */
bool dir_is_protected(const struct place *p, const char *name);
int dir_protect(const struct place *p, const char *name, const struct log *log, struct error **err);
int dir_notes(const struct place *p, const char *name, char **ret, struct error **err);
int dir_set_notes(const struct place *p, const char *name, const char *notes, struct journal *j,
		  const struct log *log, struct error **err);
char *dir_log_path(const struct place *p, const char *stem);
int dir_keep_log(const struct place *p, const char *stem, const struct buf *text, struct error **err);
/* Removes the notes and the log of an archive that has been removed.  Warns if one cannot be removed. */
void dir_remove_beside(const struct place *p, const char *name, const struct log *log);

#endif
