/* Before and after the copy: limits of a storage, notes, protection, retention. */
#include <string.h>

#include "backup/task-internal.h"
#include "base/buf.h"
#include "base/mem.h"
#include "config/notes-template.h"
#include "config/section.h"
#include "storage/backups.h"

/* How many backups retention keeps at most; 0: no limit. */
static uint64_t backup_limit(const struct prune_keep *k)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < PRUNE_PERIODS && !k->all; i++)
		sum += k->count[i];
	return sum;
}

int task_check_limits(struct task *t, struct error **err)
{
	/* without a storage vzdump.conf's "protected" does not count */
	const bool protect = t->o->storage && options_bool(t->env->options, "protected");
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

static char *make_notes(struct task *t, const char *template)
{
	const char *name = guest_config_get(&t->conf, "name");
	_cleanup_free_ char *vmid = xasprintf("%u", t->vmid);
	_cleanup_free_ char *guest = name ? xstrdup(name) : xasprintf("VM %u", t->vmid);
	_cleanup_free_ char *node = paths_nodename(t->env->paths);
	_cleanup_free_ char *corosync = paths_get(t->env->paths, "/etc/pve/corosync.conf");
	_cleanup_free_ char *cluster = config_file_value(corosync, "cluster_name");

	return notes_template_expand(template,
				     &(struct notes_values){ .cluster = cluster ? cluster : "standalone node",
							     .guestname = guest,
							     .node = node,
							     .vmid = vmid });
}

static void add_notes(struct task *t)
{
	const char *template = options_get(t->env->options, "notes-template");
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *notes = NULL;

	if (!template || !*template)
		return;
	log_info(t->log, "adding notes to backup");
	/* one of vzdump.conf is only looked at here */
	if (notes_template_check(template, &err) < 0) {
		log_warn(t->log, "unable to add notes - %s", error_message(err));
		return;
	}
	notes = make_notes(t, template);
	if (backup_set_notes(t->archive.target, notes, &err) < 0)
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
	backups_mark(&b, &t->o->keep);
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
	/* marked as protected before pruning */
	if (t->o->storage) {
		add_notes(t);
		if (options_bool(t->env->options, "protected")) {
			log_info(t->log, "marking backup as protected");
			r = backup_set_protected(t->archive.target, true, err);
			if (r < 0)
				error_prefix(err, "unable to set protected flag");
		}
	}
	if (r == 0 && t->o->remove)
		r = prune(t, err);
	return r;
}
