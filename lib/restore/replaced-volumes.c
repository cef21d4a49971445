/* Keeps or removes the volumes of a guest that is replaced. */
#include <inttypes.h>
#include <string.h>

#include "guest/disk-user.h"
#include "base/strv.h"
#include "restore/replaced.h"

static const struct log *log_of(const struct replaced *old)
{
	return old->context->host->log;
}

/*
 * Opens a volume if it is the guest's own; other guests' disks and paths are neither kept nor removed.  err
 * is set if that cannot be found out, because its storage is gone.
 */
static bool open_own(const struct replaced *old, const char *volid, struct volume *ret, struct error **err)
{
	if (volume_open(old->context->host->storages, volid, NULL, ret, err) < 0)
		return false;
	if (ret->storage && ret->vmid == old->context->params->vmid)
		return true;
	volume_clear(ret);
	return false;
}

bool replaced_may_own(const struct replaced *old, const char *volid)
{
	_cleanup_volume_ struct volume v = { 0 };
	_cleanup_error_ struct error *err = NULL;

	return open_own(old, volid, &v, &err) || err;
}

/* ---- before the new configuration is in place ---- */

int replaced_check_volumes_unused(const struct replaced *old, struct error **err)
{
	_cleanup_guest_disks_ struct guest_disks disks = { 0 };
	int r = 0;

	/* disks that cannot be read are not removed either, see sort_disks() */
	if (guest_config_volumes(&old->config, &disks, NULL) < 0)
		return 0;
	for (size_t i = 0; r == 0 && i < disks.n; i++) {
		_cleanup_volume_ struct volume v = { 0 };

		if (!open_own(old, disks.disks[i].volid, &v, NULL))
			continue;
		r = disk_check_unused(old->context->host, old->context->params->vmid, &v, NULL, err);
		if (r < 0)
			error_prefix(err, "unable to restore VM %" PRIu32 " - disk '%s'",
				     old->context->params->vmid, disks.disks[i].key);
	}
	return r;
}

struct sorting {
	struct replaced *old;
	const struct plan *plan;
	struct guest_config new; /* the guest's new configuration */
};

/* Leaves out volumes that the new configuration already names. */
static void sort_volume(struct sorting *s, const char *volid, bool doomed)
{
	struct replaced *old = s->old;
	_cleanup_volume_ struct volume v = { 0 };
	_cleanup_error_ struct error *err = NULL;

	if (strv_contains(old->doomed, volid) || strv_contains(old->kept, volid) ||
	    guest_config_names_volume(&s->new, volid))
		return;
	if (open_own(old, volid, &v, &err))
		strv_add(doomed ? &old->doomed : &old->kept, volid);
	if (!err)
		return;
	log_warn(log_of(old), "%s", error_message(err));
	strv_add(&old->kept, volid);
}

/*
 * Disks stay if the archive has no copy of them: those that were added since, those that backups leave out,
 * and those of snapshots (is_main: false).  A cloud-init image goes, as a new one is generated; other CD
 * drives hold nothing of the guest's own.
 */
static void sort_disks(struct sorting *s, const struct guest_config *c, bool is_main)
{
	_cleanup_guest_disks_ struct guest_disks disks = { 0 };
	_cleanup_error_ struct error *err = NULL;

	if (guest_config_volumes(c, &disks, &err) < 0) {
		log_warn(log_of(s->old), "disks of the guest that is replaced stay where they are: %s",
			 error_message(err));
		return;
	}
	for (size_t i = 0; i < disks.n; i++) {
		const struct guest_disk *d = &disks.disks[i];

		sort_volume(s, d->volid, is_main && d->included && plan_find(s->plan, d->key));
	}
}

static void sort_unused(struct sorting *s)
{
	const struct guest_config *c = &s->old->config;

	for (size_t i = 0; i < c->n; i++)
		if (str_prefix(c->pairs[i].key, "unused", NULL))
			sort_volume(s, c->pairs[i].value, false);
}

static void sort_sections(struct sorting *s)
{
	_cleanup_guest_sections_ struct guest_sections all = { 0 };

	guest_config_sections(&s->old->config, &all);
	for (size_t i = 0; i < all.n; i++) {
		const struct guest_section *section = &all.sections[i];
		const char *state = guest_config_get(&section->config, "vmstate");

		if (section->name)
			strv_add(&s->old->snapshots, section->name);
		if (state)
			sort_volume(s, state, true);
		sort_disks(s, &section->config, false);
	}
}

void replaced_sort(struct replaced *old, const struct plan *p, struct buf *config)
{
	struct sorting s = { .old = old, .plan = p };

	guest_config_parse(old->context->params->vmid, buf_str(config), NULL, &s.new);
	sort_disks(&s, &old->config, true);
	sort_unused(&s);
	sort_sections(&s);
	guest_config_clear(&s.new);
	for (size_t i = 0; old->kept && old->kept[i]; i++) {
		log_info(log_of(old), "volume '%s' of the guest that is replaced stays, as unused%zu",
			 old->kept[i], i);
		buf_addf(config, "unused%zu: %s\n", i, old->kept[i]);
	}
}

/* ---- when it is in place ---- */

/* False if the volume is still there, or may be. */
static bool remove_volume(const struct replaced *old, const char *volid)
{
	_cleanup_volume_ struct volume v = { 0 };
	_cleanup_strv_ char **snapshots = NULL;
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *list = NULL;
	int r;

	if (!open_own(old, volid, &v, &err)) {
		if (err)
			log_warn(log_of(old), "volume '%s' is not removed: %s", volid, error_message(err));
		return !err;
	}
	/* only for the log */
	volume_snapshots(&v, &snapshots, NULL);
	list = snapshots ? strv_join(snapshots, ", ") : NULL;
	log_info(log_of(old), "removing volume '%s' of the guest that was replaced%s%s", volid,
		 list ? ", with its snapshots: " : "", list ? list : "");
	r = volume_free(&v, &err);
	if (r < 0)
		log_warn(log_of(old), "%s", error_message(err));
	return r == 0 || r == ERR_NOT_FOUND;
}

/* The same, but a volume that somebody has put into the new configuration is the guest's. */
static bool remove_unnamed(const struct replaced *old, const struct guest_config *now, const char *volid)
{
	if (!guest_config_names_volume(now, volid))
		return remove_volume(old, volid);
	log_info(log_of(old),
		 "volume '%s' of the guest that was replaced stays, as it is in the configuration", volid);
	return true;
}

struct remains {
	const struct replaced *old;
	char **volids;
};

static int add_remains(void *opaque, const struct guest_config *now, struct buf *out, struct error **err)
{
	const struct remains *m = opaque;
	_cleanup_buf_ struct buf lines = BUF_INIT;
	unsigned n = 0;

	(void)err;
	for (size_t i = 0; m->volids[i]; i++) {
		if (guest_config_names_volume(now, m->volids[i]))
			continue;
		n = guest_config_free_unused(now, n);
		log_info(log_of(m->old), "volume '%s' of the guest that was replaced stays, as unused%u",
			 m->volids[i], n);
		buf_addf(&lines, "unused%u: %s\n", n++, m->volids[i]);
	}
	guest_config_add_lines(now->text, buf_str(&lines), out);
	return 0;
}

/* Adds volumes to the configuration; without a line there, nothing would show that they are left. */
static void keep_remains(const struct replaced *old, char **volids)
{
	struct remains m = { .old = old, .volids = volids };
	_cleanup_error_ struct error *err = NULL, *not_synced = NULL;
	_cleanup_free_ char *list = strv_join(volids, ", ");

	if (guest_config_change(old->context->host->paths, old->context->params->vmid, add_remains, &m,
				&not_synced, &err) < 0)
		log_warn(log_of(old),
			 "volumes of the guest that was replaced are left, but in no configuration "
			 "(%s): %s",
			 list, error_message(err));
	else if (not_synced)
		log_warn(log_of(old),
			 "a power cut may undo the lines of the volumes left of the guest that was replaced "
			 "(%s): %s",
			 list, error_message(not_synced));
}

/* Removes the snapshots that the old configuration named; others do not belong to the guest. */
static void remove_snapshots(const struct replaced *old, const char *volid)
{
	_cleanup_volume_ struct volume v = { 0 };
	_cleanup_strv_ char **names = NULL;
	_cleanup_error_ struct error *err = NULL;

	if (!open_own(old, volid, &v, NULL))
		return;
	if (volume_snapshots(&v, &names, &err) < 0)
		log_warn(log_of(old), "%s", error_message(err));
	for (size_t i = 0; names && names[i]; i++) {
		_cleanup_error_ struct error *one = NULL;

		if (!strv_contains(old->snapshots, names[i]))
			continue;
		log_info(log_of(old), "removing snapshot '%s' of '%s'", names[i], volid);
		if (volume_snapshot_delete(&v, names[i], &one) < 0)
			log_warn(log_of(old), "%s", error_message(one));
	}
}

void replaced_remove_volumes(const struct replaced *old)
{
	_cleanup_strv_ char **remains = NULL;
	_cleanup_guest_config_ struct guest_config now = { 0 };
	_cleanup_error_ struct error *err = NULL;

	if (guest_config_load(old->context->host->paths, old->context->params->vmid, NULL, &now, &err) < 0)
		log_warn(log_of(old), "no volume of the guest that was replaced is removed: %s",
			 error_message(err));
	for (size_t i = 0; old->doomed && old->doomed[i]; i++)
		if (err || !remove_unnamed(old, &now, old->doomed[i]))
			strv_add(&remains, old->doomed[i]);
	if (remains)
		keep_remains(old, remains);
	for (size_t i = 0; old->snapshots && old->kept && old->kept[i]; i++)
		remove_snapshots(old, old->kept[i]);
}
