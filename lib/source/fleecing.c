/* QEMU saves old data in a fleecing image.  It is read through QEMU's snapshot, and shrinks meanwhile. */
#include <sys/stat.h>

#include "base/mem.h"
#include "journal/image.h"
#include "qemu/nodes.h"
#include "qemu/server.h"
#include "source/limiter.h"
#include "source/live.h"
#include "source/room.h"

struct fleecing {
	struct volume image;
	uint64_t granularity; /* of its discards, bytes */
	bool thin;            /* else its storage counts the whole image from the start */
	size_t index;         /* in struct sources.usage and .limiter */
	bool limited;         /* its node in QEMU is below a throttle node */
};

static int find_image_storage(const struct sources *s, const struct source *d, const struct storage **ret,
			      struct error **err)
{
	return room_storage(s->p.host->storages, s->p.fleecing->storage, d->volume, ret, err);
}

static int choose_image_storage(const struct sources *s, const struct source *d, const struct storage **ret,
				struct error **err)
{
	int r = find_image_storage(s, d, ret, err);

	if (r == 0)
		r = storage_activate(*ret, s->p.log, err);
	if (r == 0)
		r = room_check(*ret, storage_fleecing_format(*ret), d->size, 0, d->device, s->p.log, err);
	return r;
}

static int plan_image(const struct sources *s, const struct source *d, uint64_t promised,
		      struct source_plan *ret, struct error **err)
{
	const struct storage *storage = ret->image_storage;
	const enum image_format format = storage_fleecing_format(storage);
	struct image_traits traits;
	struct storage_status st;

	storage_traits(storage, format, &traits);
	ret->image_reserved = !traits.thin;
	ret->has_avail = storage_status(storage, &st, NULL) == 0;
	if (ret->has_avail) {
		ret->avail = st.avail > promised ? st.avail - promised : 0;
		ret->reserve = room_reserve(s->p.fleecing, &st);
	}
	return room_check(storage, format, d->size, promised, d->device, s->p.log, err);
}

static int fleecing_plan(const struct sources *s, const struct source *d, const struct source_plan *before,
			 struct source_plan *ret, struct error **err)
{
	bool active;
	uint64_t promised = 0;
	int r = find_image_storage(s, d, &ret->image_storage, err);

	if (r == 0)
		r = storage_look(ret->image_storage, s->p.log, err);
	if (r == 0)
		r = storage_is_active(ret->image_storage, &active, err);
	for (size_t i = 0; i < d->number && r == 0; i++)
		if (before[i].image_storage == ret->image_storage && before[i].image_reserved)
			promised += before[i].size;
	if (r == 0 && active)
		r = plan_image(s, d, promised, ret, err);
	return r < 0 ? error_wrap(err, r, "allocating fleecing image for %s", d->conf->key) : 0;
}

static int make_image(const struct sources *s, const struct source *d, unsigned number, struct error **err)
{
	_cleanup_free_ char *name = xasprintf("vm-%u-fleece-%u", s->p.guest.vmid, number);
	struct fleecing *f = d->state;
	/* LVM allocates whole sectors, but a disk may end within one */
	struct volume_alloc a = { .vmid = s->p.guest.vmid,
				  .name = name,
				  .size = (d->size + 511) / 512 * 512,
				  .cancel = s->p.host->cancel,
				  .scratch = true };
	const struct storage *storage;
	int r = choose_image_storage(s, d, &storage, err);

	if (r < 0)
		return r;
	a.format = storage_fleecing_format(storage);
	return journal_alloc_image(s->p.journal, storage, &a, &f->image, err);
}

static int allocate_image(const struct sources *s, struct source *d, unsigned number, struct error **err)
{
	struct fleecing *f = d->state = xcalloc(1, sizeof(struct fleecing));
	struct image_traits traits = { 0 };
	int r = make_image(s, d, number, err);

	if (r == 0)
		r = volume_activate(&f->image, err);
	if (r == 0)
		r = volume_traits(&f->image, &traits, err);
	f->granularity = traits.discard_granularity;
	f->thin = traits.thin;
	if (r == 0)
		r = guest_own_file(&s->p.guest, s->p.power, f->image.path, err);
	return r < 0 ? error_wrap(err, r, "allocating fleecing image for %s", d->conf->key) : 0;
}

static int watch_images(struct sources *s, struct source *const *disks, size_t n, struct error **err)
{
	_cleanup_free_ const struct volume **images = xcalloc(n, sizeof(*images));
	_cleanup_free_ uint64_t *sizes = xcalloc(n, sizeof(*sizes));
	int r;

	for (size_t i = 0; i < n; i++) {
		struct fleecing *f = disks[i]->state;

		f->index = i;
		images[i] = &f->image;
		sizes[i] = disks[i]->size;
	}
	r = usage_start(images, n, s->p.log, &s->usage, err);
	return r == 0 ? limiter_new(s, images, sizes, n, &s->limiter, err) : r;
}

static int fleecing_prepare(struct sources *s, struct source *const *disks, size_t n, struct error **err)
{
	for (size_t i = 0; i < n; i++) {
		int r = allocate_image(s, disks[i], (unsigned)i, err);

		if (r < 0)
			return r;
	}
	return watch_images(s, disks, n, err);
}

/* Not every QEMU sees all devices. */
static int explain(const struct sources *s, const struct volume *image, int r, struct error **err)
{
	const char *hint = s->p.guest.ops->device_hint;
	struct stat st;

	if (r != ERR_PEER || !hint || !image->path || stat(image->path, &st) < 0 || !S_ISBLK(st.st_mode))
		return r;
	return error_wrap(err, r, "%s", hint);
}

static int fleecing_attach(struct sources *s, struct source *d, struct qmp *q, struct error **err)
{
	struct fleecing *f = d->state;
	struct json_object *protocol = NULL;
	const char *group = NULL;
	int r = limiter_attach(s->limiter, f->index, q, &group, err);

	if (r == 0)
		r = volume_blockdev(&f->image, &protocol, err);
	if (r < 0)
		return r;
	f->limited = group;
	log_info(s->p.log, "%s: attaching fleecing image %s to QEMU", d->device, f->image.volid);
	r = graph_add_image(q, &d->live->names,
			    &(struct graph_image){ .protocol = protocol,
						   .format = image_format_name(f->image.format),
						   .size = d->size,
						   .direct = volume_errors_come_late(&f->image),
						   .group = group },
			    err);
	json_object_put(protocol);
	return explain(s, &f->image, r, err);
}

static void fleecing_endpoint(const struct sources *s, const struct source *d, struct source_endpoint *ret)
{
	const struct fleecing *f = d->state;

	live_endpoint(s, d, ret);
	ret->bitmap = d->live->names.bitmap;
	ret->trim_granularity = f->granularity;
	ret->image_export = f->limited ? d->live->names.trim : NULL;
	/* a sink needs none of these, as clusters that were pushed to it are never read */
	ret->distrust_ranges = !qemu_reads_mixed_ranges(&s->live->features);
}

static int fleecing_explain(const struct source *d, int code, struct error **err)
{
	const struct fleecing *f = d->state;

	return error_set(err, code,
			 "QEMU gave up the snapshot of the disk, since it could not write the guest's old "
			 "data to '%s' in time",
			 f->image.volid);
}

static void fleecing_space(const struct sources *s, const struct source *d, struct source_space *ret)
{
	const struct fleecing *f = d->state;

	usage_get(s->usage, f->index, &ret->used);
	ret->reserved = !f->thin && ret->used.peak >= d->size;
}

static int fleecing_export(const struct source *d, struct qmp *q, struct error **err)
{
	const struct fleecing *f = d->state;

	return f->limited ? graph_add_image_export(q, &d->live->names, err) : 0;
}

static void fleecing_note_copied(const struct sources *s, const struct source *d, uint64_t bytes)
{
	const struct fleecing *f = d->state;

	limiter_note_copied(s->limiter, f->index, bytes);
}

static void fleecing_close(struct source *d)
{
	struct fleecing *f = d->state;

	if (f)
		volume_clear(&f->image);
	free(f);
}

const struct source_ops source_fleecing = {
	.name = "fleecing",
	.open = live_open,
	.plan = fleecing_plan,
	.prepare = fleecing_prepare,
	.attach = fleecing_attach,
	.begin = live_begin,
	.export = fleecing_export,
	.endpoint = fleecing_endpoint,
	.explain = fleecing_explain,
	.space = fleecing_space,
	.note_copied = fleecing_note_copied,
	.close = fleecing_close,
};
