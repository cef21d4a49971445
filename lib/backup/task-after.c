/* After the copy: notes, protection, retention. */
#include <string.h>

#include "backup/task-internal.h"
#include "base/mem.h"
#include "config/notes-template.h"
#include "config/section.h"
#include "place/retention.h"

static char *make_notes(struct task *t, const char *template)
{
	const char *name = guest_config_get(&t->guest.conf, "name");
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

static void add_notes(struct task *t)
{
	const char *template = t->o->settings->notes_template;
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *notes = NULL;

	if (!template)
		return;
	log_info(t->log, "adding notes to backup");
	/* a template from vzdump.conf has not been checked yet */
	if (notes_template_check(template, &err) < 0) {
		log_warn(t->log, "unable to add notes - %s", error_message(err));
		return;
	}
	notes = make_notes(t, template);
	if (place_set_notes(t->o->place, t->archive.name, notes, t->guest.journal, t->log, &err) < 0)
		log_warn(t->log, "unable to add notes - %s", error_message(err));
}

void task_say_retention(const struct task *t)
{
	_cleanup_free_ char *keep = prune_keep_describe(&t->o->keep);

	log_info(t->log, "prune older backups with retention: %s", keep);
}

void task_mark_backups(const struct task *t, struct backups *b)
{
	for (size_t i = 0; i < b->n; i++)
		b->list[i].is_new = !strcmp(b->list[i].name.filename, t->archive.name);
	backups_mark(b, &t->o->keep, time(NULL));
	backups_warn_future(b, t->log);
}

static int prune_backups(struct task *t, struct error **err)
{
	_cleanup_backups_ struct backups b = { 0 };
	unsigned removed = 0;
	int r;

	if (!t->prunes)
		return 0;
	task_say_retention(t);
	r = place_list(t->o->place, "qemu", t->vmid, &b, err);
	if (r < 0)
		return r;
	task_mark_backups(t, &b);
	r = backups_prune(t->o->place, &b, t->log, &removed, err);
	if (r == 0)
		log_info(t->log, "pruned %u backup(s)%s", removed,
			 removed ? " not covered by keep-retention policy" : "");
	return r;
}

int task_after(struct task *t, struct error **err)
{
	int r = 0;

	if (!place_keeps(t->o->place))
		return 0;
	if (t->archive.file->not_synced)
		log_warn(
			t->log,
			"the archive is complete, but a power cut may still take it away: %s; no older backup is "
			"removed for it",
			error_message(t->archive.file->not_synced));
	/* mark it as protected before pruning, which must not remove it */
	if (t->o->storage) {
		add_notes(t);
		if (t->o->settings->protect) {
			log_info(t->log, "marking backup as protected");
			r = place_protect(t->o->place, t->archive.name, t->log, err);
			if (r < 0)
				error_prefix(err, "unable to set protected flag");
		}
	}
	t->prunes = t->o->remove && !t->archive.file->not_synced;
	return r == 0 && !task_verifies(t) ? prune_backups(t, err) : r;
}

/* ---- --verify-boot ---- */

bool task_verifies(const struct task *t)
{
	return t->o->settings->verify_boot.enabled && t->o->boot && place_keeps(t->o->place);
}

static void report_untried(struct task *t, enum boot_state state, const struct error *why)
{
	boot_report_clear(&t->row->boot);
	t->row->boot.state = state;
	t->row->boot.words = xstrdup(error_message(why));
}

static void report_not_tried(struct task *t, const struct error *why)
{
	report_untried(t, BOOT_NOT_TRIED, why);
	log_warn(t->log, "verify-boot: the guest could not be tried - %s", error_message(why));
}

static int judge(struct task *t, struct error **err)
{
	const struct boot_report *b = &t->row->boot;

	if (b->screenshot || b->console)
		log_info(t->log, "verify-boot: screenshot '%s', console '%s'",
			 b->screenshot ? b->screenshot : "none", b->console ? b->console : "none");
	if (b->state == BOOT_FAILED)
		return error_set(
			err, ERR_CORRUPT,
			"verify-boot: the guest does not start from its archive, which is kept, as are "
			"all older ones - %s",
			b->words);
	if (b->state == BOOT_UNPROVEN)
		log_info(t->log, "verify-boot: not proven - %s", b->words);
	else
		log_info(t->log, "verify-boot: started - %s", b->words);
	return 0;
}

static int try_boot(struct task *t, struct error **err)
{
	_cleanup_error_ struct error *why = NULL;
	struct host host = *t->host;
	int r;

	host.log = t->log;
	log_info(t->log, "verify-boot: trying whether the guest starts from '%s'", t->archive.name);
	r = t->o->boot(&host, &t->o->settings->verify_boot, t->vmid, t->archive.path, &t->row->boot, &why);
	/* an archive that was just made and cannot be read is as bad as one that does not start */
	if (r == ERR_CORRUPT)
		report_untried(t, BOOT_FAILED, why);
	if (r == 0 || r == ERR_CORRUPT)
		return judge(t, err);
	if (r != ERR_CANCELED) {
		report_not_tried(t, why);
		return 0;
	}
	boot_report_clear(&t->row->boot);
	error_keep_first(err, &why);
	return r;
}

int task_verify(struct task *t, struct error **err)
{
	int r = try_boot(t, err);

	return r == 0 ? prune_backups(t, err) : r;
}
