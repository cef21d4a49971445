#include "restore/commit.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/io.h"
#include "restore/config.h"
#include "restore/undo.h"

/*
 * Once the journal is gone, a kill does not lead to the removal of the new volumes.  If a power cut brings
 * the journal back, the configuration shows which volumes belong to the guest.
 */
int commit_keep(struct restore_context *c, const struct replaced *old, struct error **err)
{
	_cleanup_free_ char *dir = paths_get(c->host->paths, "/var/lib/vzdump");
	_cleanup_error_ struct error *not_synced = NULL;
	const char *copy = old->firewall_copy;
	int r = journal_check(c->journal, err);

	if (r == 0 && copy && *copy && unlink(copy) < 0)
		r = error_errno(err, errno, "cannot remove '%s'", copy);
	if (r == 0)
		r = journal_remove(c->journal, err);
	if (r < 0)
		return r;
	journal_free(TAKE_PTR(c->journal));
	if (io_fsync_dir(dir, &not_synced) < 0)
		log_warn(c->host->log, "a power cut may bring the journal of this restore back: %s",
			 error_message(not_synced));
	return 0;
}

/* Records in the journal what must be removed, in case of a crash. */
static int record_replacement(const struct restore_context *c, const struct plan *p, struct replaced *old,
			      struct error **err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && old->doomed && old->doomed[i]; i++)
		r = journal_add(c->journal, JOURNAL_REPLACED, old->doomed[i], err);
	if (r == 0)
		r = firewall_write(old, p, err);
	return r < 0 ? r : journal_add(c->journal, JOURNAL_COMMIT, NULL, err);
}

/* Everything before the step that replaces the configuration. */
static int prepare_commit(const struct restore_context *c, const struct plan *p, const struct volumes *vs,
			  struct replaced *old, struct error **err)
{
	int r = journal_check(c->journal, err);

	/* a cleanup that took this process for dead would have removed volumes that get named here */
	if (r == 0)
		r = volumes_check_there(vs, err);
	if (r == 0 && !c->params->starts)
		volumes_deactivate(vs);
	if (r == 0)
		r = record_replacement(c, p, old, err);
	/* hours may have passed, and not every program respects the lock */
	return r == 0 ? replaced_check_stopped(old, err) : r;
}

/* The restore itself is done, so failures are only warned about. */
static void tidy_up_replaced(struct restore_context *c, const struct replaced *old)
{
	_cleanup_error_ struct error *err = NULL;

	replaced_remove_volumes(old);
	/* it is no longer needed, and without the journal nothing else removes it */
	if (c->dir)
		io_remove_tree(c->dir, NULL);
	if (commit_keep(c, old, &err) < 0)
		log_warn(c->host->log, "VM %" PRIu32 " is restored, but its journal stays: %s",
			 c->params->vmid, error_message(err));
}

/*
 * As long as a power cut may still undo the new configuration, nothing of the old guest is removed.  Then the
 * journal stays, and undoing it (at the end of this process first) removes the old volumes once the new
 * configuration is certain to stay.
 */
int commit_run(struct restore_context *c, const struct plan *p, const struct volumes *vs,
	       struct replaced *old, struct error **err)
{
	_cleanup_error_ struct error *not_synced = NULL;
	_cleanup_buf_ struct buf config = BUF_INIT;
	const bool whole = !c->params->disks;
	int r = whole ? config_make(old, p, &config, err) : 0;

	if (r == 0)
		r = prepare_commit(c, p, vs, old, err);
	if (r == 0)
		r = whole ? config_put(c, buf_str(&config), &not_synced, err)
			  : config_put_disks(old, p, vs, &not_synced, err);
	if (r < 0) {
		/* the configuration that is there is not ours */
		journal_strike(c->journal, JOURNAL_COMMIT, NULL);
		return r;
	}
	if (!not_synced) {
		tidy_up_replaced(c, old);
		return 0;
	}
	log_warn(c->host->log,
		 "VM %" PRIu32
		 " is restored, but a power cut may still bring back what was there: %s; nothing old is "
		 "removed until that is certain",
		 c->params->vmid, error_message(not_synced));
	return 0;
}
