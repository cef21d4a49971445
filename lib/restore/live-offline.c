/* Copies the rest of a live restore after the guest was shut down in the meantime. */
#include <inttypes.h>

#include "base/process.h"
#include "qemu/nbd-uri.h"
#include "qemu/storage-daemon.h"
#include "restore/live-internal.h"

/* qemu-img flushes when it ends, but does not report if that fails.  The overlay is removed next. */
static int flush_volume(const struct restore_context *c, const char *uri, uint64_t size, struct error **err)
{
	struct target t;
	int r;

	target_init(&t);
	t.cancel = c->host->cancel;
	r = target_open_existing(&t, uri, size, TARGET_READS_ZERO, err);
	if (r == 0)
		r = target_finish(&t, err);
	target_clear(&t);
	return r;
}

/* Copies image, a name for qemu-img, to the volume that the daemon serves. */
static int convert_image(const struct restore_context *c, const struct live_disk *d, const char *image,
			 const struct storage_daemon *daemon, struct error **err)
{
	_cleanup_free_ char *to = nbd_uri(daemon->socket, d->to->disk->key);
	const char *argv[] = { "qemu-img", "convert", "-n", "-O", "raw", image, to, NULL };
	const struct process_options o = { .cancel = c->host->cancel };
	int r = process_run_ok(argv, &o, NULL, err);

	return r == 0 ? flush_volume(c, to, d->to->disk->size, err) : r;
}

static int copy_rest_of_disk(const struct live_restore *l, const struct live_disk *d, struct error **err)
{
	const struct restore_context *c = l->parts.context;
	const struct volume *volume = &d->to->volume;
	_cleanup_json_ struct json_object *protocol = NULL;
	_cleanup_free_ char *image = NULL;
	struct storage_daemon_disk disk = { .export = d->to->disk->key,
					    .writable = true,
					    .format = image_format_name(volume->format) };
	struct storage_daemon daemon = { 0 };
	int r = volume_blockdev(volume, &protocol, err);

	if (r == 0)
		r = live_disk_image(d, l->server.socket, &image, err);
	if (r < 0)
		return r;
	disk.protocol = protocol;
	r = storage_daemon_start(&daemon, c->dir, &disk, 1, c->host->cancel, err);
	if (r == 0)
		r = convert_image(c, d, image, &daemon, err);
	storage_daemon_stop(&daemon);
	return r;
}

int live_finish_offline(struct live_restore *l, struct error **err)
{
	const struct restore_context *c = l->parts.context;

	log_info(c->host->log, "VM %" PRIu32 " was shut down; the rest is copied now", c->params->vmid);
	for (size_t i = 0; i < l->n; i++) {
		struct live_disk *d = &l->disks[i];
		int r;

		if (live_disk_is_complete(d))
			continue;
		r = copy_rest_of_disk(l, d, err);
		if (r < 0) {
			d->stage = LIVE_BROKEN;
			return error_wrap(err, r, "%s", d->to->disk->key);
		}
		live_disk_remove_overlay(l, d);
	}
	return 0;
}
