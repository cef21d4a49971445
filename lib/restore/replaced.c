#include "restore/replaced.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/strv.h"
#include "base/units.h"
#include "guest/guest-list.h"
#include "restore/undo.h"

void replaced_clear(struct replaced *old)
{
	if (old->exists)
		guest_config_clear(&old->config);
	strv_free(old->doomed);
	strv_free(old->kept);
	strv_free(old->snapshots);
	free(old->firewall_copy);
	*old = (struct replaced){ 0 };
}

int replaced_check_stopped(const struct replaced *old, struct error **err)
{
	const uint32_t vmid = old->context->params->vmid;
	struct guest_status status;
	int r = guest_status(&old->context->guest, &status, err);

	if (r == 0 && status.running)
		return error_set(err, -EBUSY,
				 "unable to restore VM %" PRIu32 " - VM is running; stop it first", vmid);
	if (r == 0 && old->exists)
		r = replaced_check_volumes_unused(old, err);
	return r;
}

static bool is_our_lock(const void *opaque, const char *line)
{
	(void)opaque;
	return !strcmp(line, "lock: " RESTORE_LOCK);
}

/* Appends it without our lock; which, when it was set, may have completed the last line. */
static void add_unlocked(const char *text, struct buf *out)
{
	guest_config_drop_lines(text, is_our_lock, NULL, out);
	if (out->len && out->data[out->len - 1] != '\n')
		buf_addc(out, '\n');
}

int replaced_check_unchanged(const struct replaced *old, struct error **err)
{
	const uint32_t vmid = old->context->params->vmid;
	_cleanup_guest_config_ struct guest_config now = { 0 };
	_cleanup_buf_ struct buf then_text = BUF_INIT, now_text = BUF_INIT;
	int r;

	if (!old->exists)
		return 0;
	r = guest_config_load(old->context->host->paths, vmid, NULL, &now, err);
	if (r < 0)
		return r;
	add_unlocked(old->config.text, &then_text);
	add_unlocked(now.text, &now_text);
	if (!strcmp(buf_str(&then_text), buf_str(&now_text)))
		return 0;
	return error_set(err, -EBUSY,
			 "unable to restore VM %" PRIu32
			 " - its configuration was changed at this moment: look at it, then try again",
			 vmid);
}

/* The id must be free, or that of a VM on this node. */
static int check_id(const struct restore_context *c, struct error **err)
{
	_cleanup_guest_entry_ struct guest_entry e = { 0 };
	_cleanup_free_ char *who = NULL;
	int r = guest_entry_find(c->host->paths, c->params->vmid, &e, err);

	if (r <= 0 || (e.kind == GUEST_VM && !e.node))
		return r < 0 ? r : 0;
	who = guest_entry_describe(c->host->paths, &e);
	return error_set(err, -EEXIST,
			 "unable to restore VM %" PRIu32 " - %s has that id ('%s'): choose another",
			 c->params->vmid, who, e.path);
}

static int check_replaceable(const struct replaced *old, struct error **err)
{
	const char *protection = guest_config_get(&old->config, "protection");
	const struct restore_params *p = old->context->params;
	bool on = false;
	int r = 0;

	if (!p->disks && !p->force)
		return error_set(err, -EEXIST,
				 "unable to restore VM %" PRIu32 " - VM %" PRIu32
				 " already exists (--force replaces it, --disk restores single disks)",
				 p->vmid, p->vmid);
	if (protection && units_parse_bool(protection, &on) && on)
		return error_set(err, -EPERM,
				 "unable to restore VM %" PRIu32
				 " - protection is set in its configuration; remove it first",
				 p->vmid);
	if (guest_config_is_template(&old->config))
		r = template_check(old, err);
	return r == 0 ? replaced_check_stopped(old, err) : r;
}

int replaced_find(struct replaced *old, const struct restore_context *c, struct error **err)
{
	_cleanup_error_ struct error *mine = NULL;
	int r = check_id(c, err);

	*old = (struct replaced){ .context = c };
	if (r < 0)
		return r;
	r = guest_config_load(c->host->paths, c->params->vmid, c->host->log, &old->config, &mine);
	if (r == ERR_NOT_FOUND && c->params->disks)
		return error_set(err, ERR_NOT_FOUND,
				 "VM %" PRIu32 " does not exist; without --disk all of it is restored",
				 c->params->vmid);
	/* a QEMU may run without a configuration */
	if (r == ERR_NOT_FOUND)
		return replaced_check_stopped(old, err);
	error_keep_first(err, &mine);
	if (r < 0)
		return r;
	old->exists = true;
	if (!c->params->disks)
		guest_config_warn_beyond(&old->config, "replaced", c->host->log);
	return check_replaceable(old, err);
}
