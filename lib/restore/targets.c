#include "restore/targets.h"

#include <sys/stat.h>

#include "base/io.h"
#include "base/mem.h"
#include "qemu/nbd-uri.h"

void targets_init(struct targets *t, const struct cancel *cancel)
{
	t->daemon = (struct storage_daemon){ 0 };
	for (size_t i = 0; i < ARRAY_SIZE(t->of); i++) {
		target_init(&t->of[i]);
		t->of[i].cancel = cancel;
	}
}

void targets_clear(struct targets *t)
{
	for (size_t i = 0; i < ARRAY_SIZE(t->of); i++)
		target_clear(&t->of[i]);
	storage_daemon_stop(&t->daemon);
}

static bool is_filled_now(const struct new_volume *v)
{
	return v->disk->dev && !v->live;
}

static bool is_direct(const struct volume *v)
{
	return v->path && v->format == IMAGE_RAW;
}

static int start_daemon(struct targets *t, struct restore_context *c, const struct volumes *vs,
			struct error **err)
{
	_cleanup_free_ struct storage_daemon_disk *disks = xcalloc(vs->n, sizeof(*disks));
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < vs->n; i++) {
		const struct new_volume *v = &vs->v[i];
		struct json_object *protocol = NULL;

		if (!is_filled_now(v) || is_direct(&v->volume))
			continue;
		r = volume_blockdev(&v->volume, &protocol, err);
		disks[n++] = (struct storage_daemon_disk){ .export = v->disk->key,
							   .protocol = protocol,
							   .format = image_format_name(v->volume.format),
							   .writable = true };
	}
	if (r == 0 && n)
		r = restore_context_dir(c, err);
	if (r == 0 && n)
		r = storage_daemon_start(&t->daemon, c->dir, disks, n, c->host->cancel, err);
	for (size_t i = 0; i < n; i++)
		json_object_put(disks[i].protocol);
	return r;
}

static int open_target(struct targets *t, const struct restore_context *c, const struct new_volume *v,
		       struct error **err)
{
	const struct plan_disk *d = v->disk;
	_cleanup_free_ char *path =
		is_direct(&v->volume) ? xstrdup(v->volume.path) : nbd_uri(t->daemon.socket, d->key);
	int r = target_open_existing(&t->of[d->dev], path, d->size, TARGET_READS_ZERO, err);

	if (r == 0)
		log_info(c->host->log, "map '%s' to '%s' (write zeros = 0)", d->device,
			 v->volume.path ? v->volume.path : path);
	return r < 0 ? error_wrap(err, r, "%s", d->key) : 0;
}

int targets_open(struct targets *t, struct restore_context *c, const struct volumes *vs, struct error **err)
{
	int r = start_daemon(t, c, vs, err);

	for (size_t i = 0; r == 0 && i < vs->n; i++)
		if (is_filled_now(&vs->v[i]))
			r = open_target(t, c, &vs->v[i], err);
	return r;
}

/* After a power cut a synced file may have lost its name, and so may its folder. */
static int sync_names(const struct volume *v, struct error **err)
{
	_cleanup_free_ char *folder = NULL, *parent = NULL;
	struct stat st;
	int r;

	if (!v->path || stat(v->path, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	folder = io_parent(v->path);
	parent = io_parent(folder);
	r = io_fsync_dir(folder, err);
	return r == 0 ? io_fsync_dir(parent, err) : r;
}

int targets_finish(struct targets *t, const struct volumes *vs, struct error **err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(t->of); i++)
		if (target_is_open(&t->of[i]))
			r = target_finish(&t->of[i], err);
	/* when the daemon ends, it writes out what it caches of a qcow2 image */
	storage_daemon_stop(&t->daemon);
	for (size_t i = 0; r == 0 && i < vs->n; i++)
		r = sync_names(&vs->v[i].volume, err);
	return r;
}
