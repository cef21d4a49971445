#include "restore/restore.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "guest/power.h"
#include "backup/recover.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/strv.h"
#include "base/units.h"
#include "guest/guest-list.h"
#include "restore/restore-internal.h"
#include "restore/stuck.h"

/* ---- may it be? ---- */

int restore_check_stopped(const struct restore *r, struct error **err)
{
	struct power_state state;
	int res = power_get(r->host->paths, r->p->vmid, &state, err);

	if (res == 0 && state.running)
		return error_set(err, -EBUSY,
				 "unable to restore VM %" PRIu32 " - VM is running; stop it first",
				 r->p->vmid);
	if (res == 0 && r->has_old)
		res = restore_check_old_unused(r, err);
	return res;
}

static int check_old(struct restore *r, struct error **err)
{
	const char *protection = guest_config_get(&r->old, "protection");
	const uint32_t vmid = r->p->vmid;
	bool on = false;
	int res = 0;

	if (!r->p->disks && !r->p->force)
		return error_set(err, -EEXIST,
				 "unable to restore VM %" PRIu32 " - VM %" PRIu32
				 " already exists (--force replaces it, --disk restores single disks)",
				 vmid, vmid);
	if (protection && units_parse_bool(protection, &on) && on)
		return error_set(err, -EPERM,
				 "unable to restore VM %" PRIu32
				 " - protection is set in its configuration; remove it first",
				 vmid);
	if (guest_config_is_template(&r->old))
		res = restore_check_template(r, err);
	return res == 0 ? restore_check_stopped(r, err) : res;
}

/* It is the VM's that it names, or nobody's. */
static int check_id(const struct restore *r, struct error **err)
{
	_cleanup_guest_entry_ struct guest_entry e = { 0 };
	_cleanup_free_ char *who = NULL;
	int res = guest_entry_find(r->host->paths, r->p->vmid, &e, err);

	if (res <= 0 || (e.kind == GUEST_VM && !e.node))
		return res < 0 ? res : 0;
	who = guest_entry_describe(&e);
	return error_set(err, -EEXIST,
			 "unable to restore VM %" PRIu32 " - %s has that id ('%s'): choose another",
			 r->p->vmid, who, e.path);
}

static int look_for_guest(struct restore *r, struct error **err)
{
	_cleanup_error_ struct error *mine = NULL;
	int res = check_id(r, err);

	if (res < 0)
		return res;
	res = guest_config_load(r->host->paths, r->p->vmid, r->host->log, &r->old, &mine);

	if (res == ERR_NOT_FOUND && r->p->disks)
		return error_set(err, ERR_NOT_FOUND,
				 "VM %" PRIu32 " does not exist; without --disk all of it is restored",
				 r->p->vmid);
	if (res == ERR_NOT_FOUND)
		return restore_check_stopped(r, err);
	error_keep_first(err, &mine);
	if (res < 0)
		return res;
	r->has_old = true;
	return check_old(r, err);
}

/* ---- what ---- */

static void want(struct restore *r, struct plan_disk *d)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->volumes[i].disk == d)
			return;
	r->volumes = xreallocarray(r->volumes, r->n + 1, sizeof(*r->volumes));
	r->volumes[r->n++] = (struct restore_volume){ .disk = d };
}

static int unknown_disk(const struct restore *r, const char *name, struct error **err)
{
	struct nearest n = nearest_begin(name);
	_cleanup_free_ char *hint = NULL;

	for (size_t i = 0; i < r->plan.n; i++)
		if (r->plan.disks[i].dev)
			nearest_offer(&n, r->plan.disks[i].key);
	hint = nearest_hint(&n);
	return error_set(err, ERR_NOT_FOUND, "disk '%s' is not in the archive%s%s", name, hint,
			 *hint ? "" : " (vma list shows what there is)");
}

static int choose_disks(struct restore *r, struct error **err)
{
	for (size_t i = 0; !r->p->disks && i < r->plan.n; i++)
		want(r, &r->plan.disks[i]);
	for (size_t i = 0; r->p->disks && r->p->disks[i]; i++) {
		struct plan_disk *d = plan_find(&r->plan, r->p->disks[i]);

		if (!d || !d->dev)
			return unknown_disk(r, r->p->disks[i], err);
		want(r, d);
	}
	return 0;
}

/* One rate for all, so the slowest storage's. */
static void choose_limit(struct restore *r)
{
	r->bwlimit = r->p->bwlimit;
	if (r->bwlimit != RESTORE_BWLIMIT_OF_STORAGES)
		return;
	for (size_t i = 0; i < r->n; i++) {
		const struct storage *s = r->volumes[i].volume.storage;
		const uint64_t limit = s ? storage_restore_bwlimit(s) * KIB : 0;

		if (limit && limit < r->bwlimit)
			r->bwlimit = limit;
	}
	if (r->bwlimit == RESTORE_BWLIMIT_OF_STORAGES)
		r->bwlimit = 0;
}

/* ---- journal and lock ---- */

static int open_journal(struct restore *r, struct error **err)
{
	int res = recover_all(r->host, r->p->vmid, NULL, err);

	return res < 0 ? res : journal_create(r->host->paths, r->p->vmid, &r->journal, err);
}

static int lock_guest(struct restore *r, struct error **err)
{
	const enum journal_kind kind = r->has_old ? JOURNAL_LOCK : JOURNAL_GUEST;
	_cleanup_error_ struct error *not_synced = NULL;
	int res = journal_add(r->journal, kind, RESTORE_LOCK, err);

	if (res < 0)
		return res;
	res = r->has_old ? guest_config_set_lock(r->host->paths, r->p->vmid, RESTORE_LOCK, r->host->cancel,
						 &not_synced, err)
			 : guest_config_create(r->host->paths, r->p->vmid, RESTORE_LOCK, r->host->cancel,
					       &not_synced, err);
	/* ours is not in: one that is there is somebody else's and must stay */
	if (res < 0)
		journal_strike(r->journal, kind, RESTORE_LOCK);
	/* the lock is for the time that we live */
	if (not_synced)
		log_warn(r->host->log, "VM %" PRIu32 " is locked, but its storage has trouble: %s",
			 r->p->vmid, error_message(not_synced));
	/* it may have been started before the lock was there */
	return res < 0 ? res : restore_check_stopped(r, err);
}

/* ---- all of it ---- */

static int read_archive(struct restore *r, struct error **err)
{
	const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	int res = vma_reader_new(r->p->fd, cpus > 0 ? (unsigned)cpus : 1, r->host->cancel, &r->reader, err);

	if (res < 0)
		return error_prefix(err, "cannot read archive '%s'", r->p->archive), res;
	res = plan_read(vma_reader_header(r->reader), !r->p->disks, r->host->log, &r->plan, err);
	if (res == 0)
		res = choose_disks(r, err);
	if (res == 0 && r->p->begin)
		r->p->begin(r->p->opaque, vma_reader_header(r->reader));
	return res;
}

static int fill_targets(struct restore *r, struct error **err)
{
	struct stuck stuck;
	int res;

	stuck_watch(&stuck, r->host->cancel, r->p->stuck, r->p->opaque);
	res = restore_copy(r, err);
	if (res == 0 && r->p->end)
		r->p->end(r->p->opaque, vma_reader_stats(r->reader));
	if (res == 0)
		res = restore_close_targets(r, err);
	stuck_unwatch(&stuck);
	return res;
}

static int work(struct restore *r, struct error **err)
{
	int res = read_archive(r, err);

	if (res == 0 && r->p->live)
		res = restore_live_check(r, err);
	if (res == 0)
		res = look_for_guest(r, err);
	if (res == 0)
		res = restore_check_firewall(r, err);
	if (res == 0)
		res = open_journal(r, err);
	if (res == 0)
		res = lock_guest(r, err);
	if (res == 0)
		res = restore_make_volumes(r, err);
	choose_limit(r);
	if (res == 0 && r->p->live)
		return restore_live(r, err);
	if (res == 0)
		res = restore_open_targets(r, err);
	if (res == 0)
		res = fill_targets(r, err);
	return res == 0 ? restore_commit(r, err) : res;
}

/* Nothing of ours holds a volume any more when it is removed. */
static void undo(struct restore *r)
{
	const struct host host = { .paths = r->host->paths,
				   .storages = r->host->storages,
				   .options = r->host->options,
				   .log = r->host->log };

	if (!r->journal)
		return;
	recover_rest(&host, r->journal, r->host->log, NULL);
	if (!journal_finish(r->journal))
		log_warn(r->host->log, "something is left; 'vzdump --cleanup %" PRIu32 "' tries again",
			 r->p->vmid);
}

int restore_run(const struct host *host, const struct restore_params *p, struct error **err)
{
	struct restore *r = xcalloc(1, sizeof(*r));
	int res;

	r->host = host;
	r->p = p;
	r->alive[0] = r->alive[1] = -1;
	for (unsigned i = 0; i <= VMA_MAX_DEVICES; i++) {
		target_init(&r->targets[i]);
		r->targets[i].cancel = host->cancel;
	}
	res = work(r, err);
	for (unsigned i = 0; i <= VMA_MAX_DEVICES; i++)
		target_clear(&r->targets[i]);
	storage_daemon_stop(&r->daemon);
	undo(r);
	restore_live_clear(r);
	for (size_t i = 0; i < r->n; i++)
		volume_clear(&r->volumes[i].volume);
	journal_free(r->journal);
	if (r->has_old)
		guest_config_clear(&r->old);
	strv_free(r->doomed);
	strv_free(r->kept);
	strv_free(r->snapshots);
	buf_clear(&r->config);
	free(r->old_firewall);
	plan_clear(&r->plan);
	vma_reader_free(r->reader);
	free(r->volumes);
	free(r->dir);
	free(r);
	return res;
}
