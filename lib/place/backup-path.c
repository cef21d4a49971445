#include "place/backup-path.h"

#include <string.h>
#include <unistd.h>

#include "base/mem.h"

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
		r = error_set(err, ERR_INVALID, "volume '%s' is not a backup (<storage>:backup/<file>)",
			      name);
	if (r == 0)
		r = storage_activate(v.storage, log, err);
	if (r == 0)
		*ret = TAKE_PTR(v.path);
	return r;
}
