/* The overlay of a disk in a live restore. */
#include <errno.h>
#include <inttypes.h>

#include "base/json.h"
#include "base/mem.h"
#include "journal/image.h"
#include "restore/live-internal.h"

static int alloc_overlay(const struct live_restore *l, struct live_disk *d, unsigned number,
			 struct error **err)
{
	const struct restore_context *c = l->parts.context;
	const struct storage *s = d->to->volume.storage;
	_cleanup_free_ char *name = xasprintf("vm-%" PRIu32 "-overlay-%u", c->params->vmid, number);
	const struct volume_alloc a = {
		.vmid = c->params->vmid,
		.name = name,
		.format = IMAGE_RAW,
		.size = mirror_overlay_size(d->to->disk->size),
		.cancel = c->host->cancel,
		.scratch = true,
	};
	int r = journal_alloc_image(c->journal, s, &a, &d->overlay, err);

	if (r == -EEXIST)
		error_prefix(err, "left by a live restore that did not end");
	return r;
}

int live_disk_make_overlay(const struct live_restore *l, struct live_disk *d, unsigned number,
			   struct error **err)
{
	int r = alloc_overlay(l, d, number, err);

	if (r == 0)
		r = volume_activate(&d->overlay, err);
	return r < 0 ? error_wrap(err, r, "overlay for %s", d->to->disk->key) : 0;
}

void live_disk_remove_overlay(const struct live_restore *l, struct live_disk *d)
{
	_cleanup_error_ struct error *err = NULL;

	if (volume_free(&d->overlay, &err) < 0)
		log_warn(l->parts.context->host->log, "%s; remove '%s' later", error_message(err),
			 d->overlay.volid);
	d->stage = LIVE_DONE;
}

static struct json_object *overlay_over_archive(const char *socket, const char *export,
						struct json_object *file)
{
	struct json_object *server = json_new_str("type", "unix");
	struct json_object *nbd = json_new_str("driver", "nbd");
	struct json_object *o = json_new_str("driver", "qcow2");

	json_put_str(server, "path", socket);
	json_put_obj(nbd, "server", server);
	json_put_str(nbd, "export", export);
	json_put_obj(o, "file", file);
	return json_put_obj(o, "backing", nbd);
}

int live_disk_image(const struct live_disk *d, const char *socket, char **ret, struct error **err)
{
	_cleanup_json_ struct json_object *image = NULL;
	struct json_object *file = NULL;
	int r = volume_blockdev(&d->overlay, &file, err);

	if (r < 0)
		return r;
	image = overlay_over_archive(socket, d->to->disk->device, file);
	*ret = xasprintf("json:%s", json_text(image));
	return 0;
}
