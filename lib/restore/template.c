/* Whether a template may be replaced: not while there are linked clones of its volumes. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "base/strv.h"
#include "restore/replaced.h"
#include "place/content.h"

/*
 * How linked clones name their base: the volume's own name, without that of its own base.
 * "base-9-disk-0" of "base-1-disk-0/base-9-disk-0", "9/base-9-disk-0.raw" of "1/base-1-x/9/base-9-...".
 */
static const char *own_name(const char *volname)
{
	const char *slash = strchr(volname, '/');

	if (!slash)
		return volname;
	if (str_prefix(volname, "base-", NULL))
		return slash + 1;
	slash = strchr(slash + 1, '/');
	return slash ? slash + 1 : volname;
}

static bool is_base(const char *volname)
{
	const char *slash = strrchr(volname, '/');

	return str_prefix(slash ? slash + 1 : volname, "base-", NULL);
}

static int check_volume(const struct volume *base, struct error **err)
{
	_cleanup_free_ char *head = xasprintf("%s:%s/", base->storage->id, own_name(base->volname));
	struct storage_volume *volumes = NULL;
	size_t n = 0;
	int r = storage_content_list(base->storage, 0, STORAGE_IMAGES, NULL, &volumes, &n, err);

	for (size_t i = 0; r == 0 && i < n; i++)
		if (str_prefix(volumes[i].volid, head, NULL))
			r = error_set(err, -EBUSY,
				      "'%s' of VM %" PRIu32 " is a linked clone of its '%s': give that guest "
				      "disks of its own, or restore to another id",
				      volumes[i].volid, volumes[i].vmid, base->volid);
	storage_volumes_free(volumes, n);
	return r;
}

static int check_clones(const struct replaced *old, struct error **err)
{
	_cleanup_guest_disks_ struct guest_disks disks = { 0 };
	int r = guest_config_volumes(&old->config, &disks, err);

	for (size_t i = 0; r == 0 && i < disks.n; i++) {
		_cleanup_volume_ struct volume v = { 0 };

		/* the volume of a storage that is gone is kept */
		if (volume_open(old->context->host->storages, disks.disks[i].volid, NULL, &v, NULL) < 0)
			continue;
		if (v.storage && v.vmid == old->context->params->vmid && is_base(v.volname))
			r = check_volume(&v, err);
	}
	return r;
}

int template_check(const struct replaced *old, struct error **err)
{
	int r;

	if (old->context->params->disks)
		return error_set(err, -EPERM,
				 "unable to restore VM %" PRIu32
				 " - it is a template, which single disks do not go into; --force replaces "
				 "all of it",
				 old->context->params->vmid);
	r = check_clones(old, err);
	if (r < 0)
		return error_wrap(err, r, "unable to restore VM %" PRIu32 " - it is a template",
				  old->context->params->vmid);
	return r;
}
