#include "restore/restore.h"

#include <inttypes.h>

#include "journal/recover.h"
#include "base/mem.h"
#include "restore/commit.h"
#include "restore/fill.h"
#include "restore/live.h"
#include "restore/stuck.h"
#include "restore/undo.h"

struct restore {
	struct restore_context context;
	struct vma_reader *reader;
	struct plan plan;
	struct volumes volumes;
	struct targets targets;
	struct replaced replaced;
	struct live_restore *live; /* NULL if it is not a live restore */
};

/* ---- before anything is made ---- */

static int read_archive(struct restore *x, struct error **err)
{
	const struct restore_params *p = x->context.params;
	const enum plan_scope scope = p->disks ? PLAN_SINGLE_DISKS : PLAN_WHOLE_GUEST;
	const struct host *host = x->context.host;
	int r = vma_reader_new(p->fd, vma_reader_threads(), host->cancel, &x->reader, err);

	if (r < 0)
		return error_wrap(err, r, "cannot read archive '%s'", p->archive);
	r = plan_read(vma_reader_header(x->reader), scope, host->log, &x->plan, err);
	if (r == 0)
		r = plan_choose(&x->plan, p->disks, err);
	if (r < 0)
		return r;
	volumes_init(&x->volumes, &x->context, &x->plan);
	if (p->begin)
		p->begin(p->opaque, vma_reader_header(x->reader));
	return 0;
}

static int prepare_live(struct restore *x, struct error **err)
{
	const struct live_parts parts = { .context = &x->context,
					  .plan = &x->plan,
					  .volumes = &x->volumes,
					  .targets = &x->targets,
					  .replaced = &x->replaced };

	return live_restore_new(&parts, &x->live, err);
}

static int set_restore_lock(const struct restore_context *c, const struct replaced *old,
			    struct error **not_synced, struct error **err)
{
	const struct paths *paths = c->host->paths;
	const struct cancel *cancel = c->host->cancel;
	const uint32_t vmid = c->params->vmid;

	return old->exists ? guest_config_set_lock(paths, vmid, RESTORE_LOCK, cancel, not_synced, err)
			   : guest_config_create(paths, vmid, RESTORE_LOCK, cancel, not_synced, err);
}

static int lock_guest(const struct restore_context *c, const struct replaced *old, struct error **err)
{
	const char *kind = old->exists ? JOURNAL_LOCK : JOURNAL_GUEST;
	_cleanup_error_ struct error *not_synced = NULL;
	int r = journal_add(c->journal, kind, RESTORE_LOCK, err);

	if (r < 0)
		return r;
	r = set_restore_lock(c, old, &not_synced, err);
	/* our lock was not set, so a lock that is there is not ours and must stay */
	if (r < 0)
		journal_strike(c->journal, kind, RESTORE_LOCK);
	/* this is no error: the lock is needed only as long as this process lives */
	if (not_synced)
		log_warn(c->host->log, "VM %" PRIu32 " is locked, but its storage has trouble: %s",
			 c->params->vmid, error_message(not_synced));
	/* the guest may have been changed or started before the lock was set */
	if (r == 0)
		r = replaced_check_unchanged(old, err);
	return r < 0 ? r : replaced_check_stopped(old, err);
}

static int prepare_restore(struct restore *x, struct error **err)
{
	struct restore_context *c = &x->context;
	const uint32_t vmid = c->params->vmid;
	int r = read_archive(x, err);

	if (r == 0 && c->params->live)
		r = prepare_live(x, err);
	/* before the guest is looked at, whose configuration this may put back or remove */
	if (r == 0)
		r = recover_all(c->host, vmid, NULL, err);
	if (r == 0)
		r = replaced_find(&x->replaced, c, err);
	if (r == 0)
		r = firewall_check(&x->replaced, &x->plan, err);
	if (r == 0)
		r = journal_create(c->host->paths, c->host->kinds, vmid, &c->journal, err);
	return r == 0 ? lock_guest(c, &x->replaced, err) : r;
}

/* ---- the whole restore ---- */

static int fill_volumes(struct restore *x, struct error **err)
{
	const struct restore_params *p = x->context.params;
	struct stuck stuck;
	int r;

	stuck_watch(&stuck, x->context.host->cancel, p->stuck, p->opaque);
	r = fill_targets(&x->context, x->reader, &x->targets, volumes_bwlimit(&x->volumes), err);
	if (r == 0 && p->end)
		p->end(p->opaque, vma_reader_stats(x->reader));
	if (r == 0)
		r = targets_finish(&x->targets, &x->volumes, err);
	stuck_unwatch(&stuck);
	return r;
}

static int do_restore(struct restore *x, struct error **err)
{
	int r = prepare_restore(x, err);

	if (r == 0)
		r = volumes_make(&x->volumes, x->replaced.exists ? &x->replaced.config : NULL, err);
	if (r == 0 && x->live)
		return live_restore_run(x->live, volumes_bwlimit(&x->volumes), err);
	if (r == 0)
		r = targets_open(&x->targets, &x->context, &x->volumes, err);
	if (r == 0)
		r = fill_volumes(x, err);
	return r == 0 ? commit_run(&x->context, &x->plan, &x->volumes, &x->replaced, err) : r;
}

/* Undoes what is still in the journal.  A request to stop does not end this. */
static void undo_rest(const struct restore_context *c)
{
	struct host host = *c->host;

	if (!c->journal)
		return;
	host.cancel = NULL;
	recover_rest(&host, c->journal, c->host->log, NULL);
	if (!journal_finish(c->journal))
		log_warn(c->host->log, "something is left; 'vzdump --cleanup %" PRIu32 "' tries again",
			 c->params->vmid);
}

int restore_run(const struct host *host, const struct restore_params *p, struct error **err)
{
	struct restore *x = xcalloc(1, sizeof(*x));
	int r;

	x->context = (struct restore_context){ .host = host, .params = p, .guest = guest_of(host, p->vmid) };
	targets_init(&x->targets, host->cancel);
	r = do_restore(x, err);
	/* first, so that this process has no volume open when it is removed */
	targets_clear(&x->targets);
	undo_rest(&x->context);
	live_restore_free(x->live);
	volumes_clear(&x->volumes);
	replaced_clear(&x->replaced);
	plan_clear(&x->plan);
	vma_reader_free(x->reader);
	journal_free(x->context.journal);
	free(x->context.dir);
	free(x);
	return r;
}
