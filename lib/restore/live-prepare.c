/* A live restore, before QEMU starts. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "restore/config.h"
#include "restore/live-internal.h"
#include "restore/undo.h"

#define STEP (UINT32_C(1) << 20)

/* ---- disks that cannot be filled later ---- */

static int copy_small_disk(const struct live_restore *l, const struct plan_disk *d, struct error **err)
{
	struct target *t = &l->parts.targets->of[d->dev];
	_cleanup_free_ uint8_t *data = xmalloc(STEP);
	uint64_t len;
	int r = 0;

	for (uint64_t at = 0; r == 0 && at < d->size; at += len) {
		const uint64_t max = d->size - at < STEP ? d->size - at : STEP;
		const bool zero = vma_random_is_zero(l->archive, d->dev, at, max, &len);

		if (zero)
			continue;
		r = vma_random_read(l->archive, d->dev, at, data, len, err);
		if (r == 0)
			r = target_write(t, at, data, len, err);
		if (r == 0)
			r = cancel_check(l->parts.context->host->cancel, err);
	}
	return r;
}

static int copy_small_disks(const struct live_restore *l, struct error **err)
{
	const struct volumes *vs = l->parts.volumes;
	int r = targets_open(l->parts.targets, l->parts.context, vs, err);

	for (size_t i = 0; r == 0 && i < vs->n; i++)
		if (vs->v[i].disk->dev && !vs->v[i].live)
			r = copy_small_disk(l, vs->v[i].disk, err);
	return r == 0 ? targets_finish(l->parts.targets, vs, err) : r;
}

/* ---- room ---- */

/*
 * If the storage fills up while the guest is restored, the guest's own writes fail, too.  So the archive's
 * data must fit before the guest starts.
 */
static int check_room(const struct live_restore *l, const struct storage *s, struct error **err)
{
	_cleanup_free_ char *need = NULL, *have = NULL;
	struct storage_status st;
	uint64_t bytes = 0;
	int r;

	for (size_t i = 0; i < l->n; i++) {
		const struct new_volume *v = l->disks[i].to;
		struct image_traits traits;

		if (v->volume.storage != s)
			continue;
		storage_traits(s, v->volume.format, &traits);
		/* the space of a volume that is not thin is reserved already */
		bytes += traits.thin ? vma_random_stored(l->archive, v->disk->dev) : 0;
	}
	r = storage_status(s, &st, err);
	if (r < 0 || bytes <= st.avail)
		return r;
	need = units_bytes(bytes, 1);
	have = units_bytes(st.avail, 1);
	return error_set(
		err, -ENOSPC,
		"storage '%s' has only %s free, the archive's disks need %s there: make room, or put "
		"them elsewhere with --storage",
		s->id, have, need);
}

static int check_rooms(const struct live_restore *l, struct error **err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < l->n; i++)
		r = check_room(l, l->disks[i].to->volume.storage, err);
	return r;
}

static int make_overlays(struct live_restore *l, struct error **err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < l->n; i++)
		r = live_disk_make_overlay(l, &l->disks[i], (unsigned)i, err);
	return r;
}

/* ---- the configuration ---- */

char *live_old_config(const struct live_restore *l)
{
	const struct restore_context *c = l->parts.context;

	return paths_get(c->host->paths, "/var/lib/vzdump/%u.conf", c->params->vmid);
}

/* Saves the old guest's configuration, so that it can be put back unchanged. */
static int save_old_config(const struct live_restore *l, struct error **err)
{
	const char *text = l->parts.replaced->config.text;
	_cleanup_free_ char *copy = live_old_config(l);
	int r;

	if (access(copy, F_OK) == 0)
		return error_set(err, -EEXIST,
				 "'%s' is the configuration of a guest that an earlier live restore replaced "
				 "and did not finish: see to the volumes that it names, then remove it",
				 copy);
	r = journal_add(l->parts.context->journal, JOURNAL_CONFIG, copy, err);
	return r < 0 ? r : io_write_file_atomic(copy, text, strlen(text), 0600, NULL, err);
}

/*
 * Appends the configuration for the start.  PVE's `freeze` keeps the vCPUs from running, and the lock keeps
 * other programs away (PVE's start then needs --skiplock, which start-command passes).
 */
static void add_start_config(const char *config, struct buf *out)
{
	const char *line;
	size_t len;

	buf_adds(out, CONFIG_FREEZE "\nlock: " RESTORE_LOCK "\n");
	while (str_next_line(&config, &line, &len))
		if (!str_prefix(line, "freeze:", NULL))
			buf_addf(out, "%.*s\n", (int)len, line);
}

static int write_start_config(struct live_restore *l, struct error **err)
{
	const struct restore_context *c = l->parts.context;
	int r = config_make(l->parts.replaced, l->parts.plan, &l->config, err);

	if (r == 0 && l->parts.replaced->exists)
		r = save_old_config(l, err);
	if (r < 0)
		return r;
	add_start_config(buf_str(&l->config), &l->start);
	return config_put(c, buf_str(&l->start), NULL, err);
}

int live_prepare(struct live_restore *l, struct error **err)
{
	int r = restore_context_dir(l->parts.context, err);

	if (r == 0)
		r = copy_small_disks(l, err);
	if (r == 0)
		r = check_rooms(l, err);
	if (r == 0)
		r = make_overlays(l, err);
	if (r == 0)
		r = firewall_write(l->parts.replaced, l->parts.plan, err);
	/* the guest may have been started since the first check, and nothing is checked from here on */
	if (r == 0)
		r = replaced_check_stopped(l->parts.replaced, err);
	return r == 0 ? write_start_config(l, err) : r;
}
