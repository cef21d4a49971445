/* What becomes of the volumes of a guest that is replaced. */
#include <inttypes.h>
#include <string.h>

#include "backup/disk-user.h"
#include "base/mem.h"
#include "base/strv.h"
#include "restore/restore-internal.h"

/*
 * Opens what is the guest's own; others' disks and paths are not for us to keep or to remove.  err is
 * set if nobody can tell (its storage is gone).
 */
static bool open_own(const struct restore *r, const char *volid, struct volume *ret, struct error **err)
{
	if (volume_open(r->host->storages, volid, NULL, ret, err) < 0)
		return false;
	if (ret->storage && ret->vmid == r->p->vmid)
		return true;
	volume_clear(ret);
	return false;
}

bool restore_may_own(const struct restore *r, const char *volid)
{
	_cleanup_volume_ struct volume v = { 0 };
	_cleanup_error_ struct error *err = NULL;

	return open_own(r, volid, &v, &err) || err;
}

/* ---- before the new configuration is written ---- */

int restore_check_old_unused(const struct restore *r, struct error **err)
{
	_cleanup_guest_disks_ struct guest_disks disks = { 0 };
	int res = 0;

	/* what cannot be read is not removed either, see sort_disks() */
	if (guest_config_volumes(&r->old, &disks, NULL) < 0)
		return 0;
	for (size_t i = 0; res == 0 && i < disks.n; i++) {
		_cleanup_volume_ struct volume v = { 0 };

		if (!open_own(r, disks.disks[i].volid, &v, NULL))
			continue;
		res = disk_check_unused(r->host, r->p->vmid, &v, NULL, err);
		if (res < 0)
			error_prefix(err, "unable to restore VM %" PRIu32 " - disk '%s'", r->p->vmid,
				     disks.disks[i].key);
	}
	return res;
}

static void sort_volume(struct restore *r, const struct guest_config *new, const char *volid, bool doomed)
{
	_cleanup_volume_ struct volume v = { 0 };
	_cleanup_error_ struct error *err = NULL;

	if (strv_contains(r->doomed, volid) || strv_contains(r->kept, volid) ||
	    guest_config_names_volume(new, volid))
		return;
	if (open_own(r, volid, &v, &err))
		strv_add(doomed ? &r->doomed : &r->kept, volid);
	if (!err)
		return;
	log_warn(r->host->log, "%s", error_message(err));
	strv_add(&r->kept, volid);
}

/*
 * Disks that the archive has none for are no copies of anything, and neither are those that backups
 * leave out.  A cloud-init image is one of them, as the archive's is made anew; of other CD drives
 * nothing is the guest's.
 */
static void sort_disks(struct restore *r, const struct guest_config *new, const struct guest_config *c,
		       bool is_main)
{
	_cleanup_guest_disks_ struct guest_disks disks = { 0 };
	_cleanup_error_ struct error *err = NULL;

	if (guest_config_volumes(c, &disks, &err) < 0) {
		log_warn(r->host->log, "disks of the guest that is replaced stay where they are: %s",
			 error_message(err));
		return;
	}
	for (size_t i = 0; i < disks.n; i++) {
		const struct guest_disk *d = &disks.disks[i];

		sort_volume(r, new, d->volid, is_main && d->included && plan_find(&r->plan, d->key));
	}
}

static void sort_unused(struct restore *r, const struct guest_config *new)
{
	for (size_t i = 0; i < r->old.n; i++)
		if (str_prefix(r->old.pairs[i].key, "unused", NULL))
			sort_volume(r, new, r->old.pairs[i].value, false);
}

static void sort_sections(struct restore *r, const struct guest_config *new)
{
	_cleanup_guest_sections_ struct guest_sections s = { 0 };

	guest_config_sections(&r->old, &s);
	for (size_t i = 0; i < s.n; i++) {
		const char *state = guest_config_get(&s.sections[i].config, "vmstate");

		if (s.sections[i].name)
			strv_add(&r->snapshots, s.sections[i].name);
		if (state)
			sort_volume(r, new, state, true);
		sort_disks(r, new, &s.sections[i].config, false);
	}
}

void restore_sort_old(struct restore *r)
{
	_cleanup_guest_config_ struct guest_config new = { 0 };

	guest_config_parse(r->p->vmid, buf_str(&r->config), NULL, &new);
	sort_disks(r, &new, &r->old, true);
	sort_unused(r, &new);
	sort_sections(r, &new);
	for (size_t i = 0; r->kept && r->kept[i]; i++) {
		log_info(r->host->log, "volume '%s' of the guest that is replaced stays, as unused%zu",
			 r->kept[i], i);
		buf_addf(&r->config, "unused%zu: %s\n", i, r->kept[i]);
	}
}

/* ---- when it is ---- */

/* False if it is still there, as far as one can tell. */
static bool remove_volume(const struct restore *r, const char *volid)
{
	_cleanup_volume_ struct volume v = { 0 };
	_cleanup_strv_ char **snapshots = NULL;
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *list = NULL;
	int res;

	if (!open_own(r, volid, &v, &err)) {
		if (err)
			log_warn(r->host->log, "volume '%s' is not removed: %s", volid, error_message(err));
		return !err;
	}
	/* only for the line */
	volume_snapshots(&v, &snapshots, NULL);
	list = snapshots ? strv_join(snapshots, ", ") : NULL;
	log_info(r->host->log, "removing volume '%s' of the guest that was replaced%s%s", volid,
		 list ? ", with its snapshots: " : "", list ? list : "");
	res = volume_free(&v, &err);
	if (res < 0)
		log_warn(r->host->log, "%s", error_message(err));
	return res == 0 || res == ERR_NOT_FOUND;
}

struct remains {
	const struct restore *r;
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
		log_info(m->r->host->log, "volume '%s' of the guest that was replaced stays, as unused%u",
			 m->volids[i], n);
		buf_addf(&lines, "unused%u: %s\n", n++, m->volids[i]);
	}
	guest_config_add_lines(now->text, buf_str(&lines), out);
	return 0;
}

/* What no configuration names, nobody finds again. */
static void keep_remains(const struct restore *r, char **volids)
{
	struct remains m = { .r = r, .volids = volids };
	_cleanup_error_ struct error *err = NULL, *not_synced = NULL;
	_cleanup_free_ char *list = strv_join(volids, ", ");

	if (guest_config_change(r->host->paths, r->p->vmid, add_remains, &m, &not_synced, &err) < 0)
		log_warn(r->host->log,
			 "what is left of the guest that was replaced is in no configuration "
			 "(%s): %s",
			 list, error_message(err));
	else if (not_synced)
		log_warn(r->host->log,
			 "a power cut may take the lines of what is left of the guest that was replaced "
			 "(%s) out again: %s",
			 list, error_message(not_synced));
}

/* Only those that the configuration knew; others are not the guest's. */
static void remove_snapshots(const struct restore *r, const char *volid)
{
	_cleanup_volume_ struct volume v = { 0 };
	_cleanup_strv_ char **names = NULL;
	_cleanup_error_ struct error *err = NULL;

	if (!open_own(r, volid, &v, NULL))
		return;
	if (volume_snapshots(&v, &names, &err) < 0)
		log_warn(r->host->log, "%s", error_message(err));
	for (size_t i = 0; names && names[i]; i++) {
		_cleanup_error_ struct error *one = NULL;

		if (!strv_contains(r->snapshots, names[i]))
			continue;
		log_info(r->host->log, "removing snapshot '%s' of '%s'", names[i], volid);
		if (volume_snapshot_delete(&v, names[i], &one) < 0)
			log_warn(r->host->log, "%s", error_message(one));
	}
}

void restore_remove_old(struct restore *r)
{
	_cleanup_strv_ char **remains = NULL;

	for (size_t i = 0; r->doomed && r->doomed[i]; i++)
		if (!remove_volume(r, r->doomed[i]))
			strv_add(&remains, r->doomed[i]);
	if (remains)
		keep_remains(r, remains);
	for (size_t i = 0; r->snapshots && r->kept && r->kept[i]; i++)
		remove_snapshots(r, r->kept[i]);
}
