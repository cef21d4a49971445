/*
 * The backups of all guests in all places of this host: the storages for backups that are enabled here, and
 * folders of --dumpdir that our records name.  Each place is listed once; a place that does not answer is
 * left out with a warning.
 */
#ifndef VZDUMP_STATUS_ARCHIVES_H
#define VZDUMP_STATUS_ARCHIVES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "place/place.h"
#include "storage/host.h"

struct archive_place {
	const struct storage *storage; /* NULL: a folder of --dumpdir */
	char *dir;                     /* NULL: it is not known */
	struct place *place;           /* NULL: it did not answer */
	struct backups backups;        /* a guest's stand together, oldest first; see archives_of() */
	bool is_again;                 /* its folder is that of an earlier place, perhaps by another path */
	char *error;                   /* why it was left out; NULL: it was not */
};

struct archives {
	struct archive_place *list;
	size_t n;
};

/*
 * Lists the storages that are enabled, for backups and of a known type, or the only one with that id (NULL:
 * all); ERR_NOT_FOUND and the like of storage_get() if that cannot be used.  Activates them.  A storage
 * gets ARCHIVES_REACH_MS to answer.  The caller clears *ret, also after an error.
 */
int archives_list_storages(const struct host *host, const char *only, struct archives *ret,
			   struct error **err);
/* Adds the backups in a folder, unless it is listed already. */
void archives_list_folder(const struct host *host, const char *dir, struct archives *a);
void archives_clear(struct archives *a);
#define _cleanup_archives_ _cleanup_(archives_clear)
#define ARCHIVES_REACH_MS  10000

/* The backups of a guest ("qemu", "lxc") in a place: a part of its list. */
struct backups archives_of(const struct archive_place *p, const char *type, uint32_t vmid);
/*
 * The newest backup of the guest in all places; NULL: there is none.  Those dated after `now` do not count.
 */
const struct backup *archives_newest(const struct archives *a, const char *type, uint32_t vmid, time_t now,
				     const struct archive_place **ret_place);
/* The place in whose folder the file with this path is or was; NULL: it is not among them. */
const struct archive_place *archives_place_of(const struct archives *a, const char *path);

#endif
