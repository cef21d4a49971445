/* The place of a storage's backups: a folder for all present types. */
#include "place/place.h"

int place_of_storage(const struct storage *s, struct place **ret, struct error **err)
{
	_cleanup_free_ char *dir = NULL;
	int r = storage_dir(s, STORAGE_BACKUP, &dir, err);

	if (r == 0)
		*ret = place_dir_new(dir, s->id);
	return r;
}
