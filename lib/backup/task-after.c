/* Before and after the copy: limits of a storage, notes, protection, retention. */
#include <string.h>
#include <sys/stat.h>

#include "backup/task-internal.h"
#include "base/buf.h"
#include "base/mem.h"
#include "config/notes-template.h"
#include "config/section.h"
#include "place/backups.h"

/* How many backups retention keeps at most; 0: no limit. */
static uint64_t backup_limit(const struct prune_keep *k)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < PRUNE_PERIODS && !k->all; i++)
		sum += k->count[i];
	return sum;
}

/* The archive's format has 16 bits for a file's length, and a backup without the rules would look whole. */
static int check_firewall(const struct task *t, struct error **err)
{
	_cleanup_free_ char *path = paths_get(t->host->paths, "/etc/pve/firewall/%u.fw", t->vmid);
	struct stat st;

	if (stat(path, &st) < 0 || st.st_size <= VMA_MAX_BLOB)
		return 0;
	return error_set(
		err, ERR_INVALID,
		"firewall rules '%s' have %lld bytes, an archive holds %u at most: shorten them (comments, "
		"IP sets and aliases that the datacenter's cluster.fw can hold)",
		path, (long long)st.st_size, (unsigned)VMA_MAX_BLOB);
}

static int check_count(struct task *t, struct error **err)
{
	/* without a storage vzdump.conf's "protected" does not count */
	const bool protect = t->o->storage && t->o->settings->protect;
	const uint64_t limit = backup_limit(&t->o->keep);
	_cleanup_backups_ struct backups b = { 0 };
	uint64_t count = 0, protected_count = 0;
	int r;

	if (!t->o->dumpdir || !((limit && !t->o->remove) || protect))
		return 0;
	r = backups_list(t->o->dumpdir, "qemu", t->vmid, &b, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < b.n; i++) {
		if (b.list[i].is_protected)
			protected_count++;
		else
			count++;
	}
	if (protect) {
		const int max = t->o->storage->max_protected_backups;

		if (max > -1 && protected_count >= (uint64_t)max)
			return error_set(err, ERR_INVALID,
					 "The number of protected backups per guest is limited to %d on "
					 "storage '%s'",
					 max, t->o->storage->id);
	} else if (count >= limit) {
		return error_set(err, ERR_INVALID,
				 "There is a max backup limit of %lu enforced by the target storage or "
				 "the vzdump parameters. Either increase the limit or delete old "
				 "backups.",
				 (unsigned long)limit);
	}
	return 0;
}

int task_check_limits(struct task *t, struct error **err)
{
	int r = check_firewall(t, err);

	return r == 0 ? check_count(t, err) : r;
}

static char *make_notes(struct task *t, const char *template)
{
	const char *name = guest_config_get(&t->conf, "name");
	_cleanup_free_ char *vmid = xasprintf("%u", t->vmid);
	_cleanup_free_ char *guest = name ? xstrdup(name) : xasprintf("VM %u", t->vmid);
	_cleanup_free_ char *node = paths_nodename(t->host->paths);
	_cleanup_free_ char *corosync = paths_get(t->host->paths, "/etc/pve/corosync.conf");
	_cleanup_free_ char *cluster = config_file_value(corosync, "cluster_name");

	return notes_template_expand(template,
				     &(struct notes_values){ .cluster = cluster ? cluster : "standalone node",
							     .guestname = guest,
							     .node = node,
							     .vmid = vmid });
}

/* A kill on the way leaves a file that the journal knows. */
static int write_notes(struct task *t, const char *notes, struct error **err)
{
	_cleanup_free_ char *tmp = backup_notes_unfinished(t->archive.target);
	int r = journal_add(t->journal, JOURNAL_FILE, tmp, err);

	if (r < 0)
		return r;
	r = backup_set_notes(t->archive.target, notes, t->log, err);
	journal_strike(t->journal, JOURNAL_FILE, tmp);
	return r;
}

static void add_notes(struct task *t)
{
	const char *template = t->o->settings->notes_template;
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *notes = NULL;

	if (!template)
		return;
	log_info(t->log, "adding notes to backup");
	/* one of vzdump.conf is only looked at here */
	if (notes_template_check(template, &err) < 0) {
		log_warn(t->log, "unable to add notes - %s", error_message(err));
		return;
	}
	notes = make_notes(t, template);
	if (write_notes(t, notes, &err) < 0)
		log_warn(t->log, "unable to add notes - %s", error_message(err));
}

static int prune(struct task *t, struct error **err)
{
	_cleanup_free_ char *keep = prune_keep_describe(&t->o->keep);
	_cleanup_backups_ struct backups b = { 0 };
	unsigned removed = 0;
	int r;

	log_info(t->log, "prune older backups with retention: %s", keep);
	r = backups_list(t->o->dumpdir, "qemu", t->vmid, &b, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < b.n; i++)
		b.list[i].is_new = !strcmp(b.list[i].path, t->archive.target);
	backups_mark(&b, &t->o->keep, time(NULL));
	backups_warn_future(&b, t->log);
	r = backups_prune(&b, t->o->storage ? t->o->storage->id : NULL, t->log, &removed, err);
	if (r == 0)
		log_info(t->log, "pruned %u backup(s)%s", removed,
			 removed ? " not covered by keep-retention policy" : "");
	return r;
}

int task_after(struct task *t, struct error **err)
{
	int r = 0;

	if (!t->o->dumpdir)
		return 0;
	if (t->archive.not_synced)
		log_warn(
			t->log,
			"the archive is complete, but a power cut may still take it away: %s; no older backup is "
			"removed for it",
			error_message(t->archive.not_synced));
	/* marked as protected before pruning */
	if (t->o->storage) {
		add_notes(t);
		if (t->o->settings->protect) {
			log_info(t->log, "marking backup as protected");
			r = backup_set_protected(t->archive.target, true, t->log, err);
			if (r < 0)
				error_prefix(err, "unable to set protected flag");
		}
	}
	if (r == 0 && t->o->remove && !t->archive.not_synced)
		r = prune(t, err);
	return r;
}
