/*
 * Undoing a restore, or finishing it.
 *
 * A restore records what it makes, as a backup does, but it does not end in one step: it puts the new
 * configuration in place, and when that is on disk it removes the volumes that the configuration does not
 * name.  Between the two, and after a crash, the configuration itself shows what to do:
 *
 *	with our lock		the restore did not get that far: everything that it has made is removed
 *	without			it did, or the administrator has repaired things since, perhaps with a new
 *				guest: all volumes that the configuration names are the guest's and stay
 */
#include "restore/undo.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "guest/guest-ops.h"
#include "journal/image.h"
#include "journal/recover.h"
#include "base/io.h"
#include "base/strv.h"
#include "guest/guest.h"
#include "guest/guest-list.h"

#define CONFIG_MAX (4u << 20)

enum config_state {
	CONFIG_UNKNOWN, /* it cannot be read now, for example if /etc/pve is not mounted */
	CONFIG_NONE,    /* there is no such guest, on no node */
	CONFIG_OURS,    /* it has the lock of the restore */
	CONFIG_GUESTS,  /* it does not have the lock: it is the guest's own */
};

/*
 * The guest may have moved to another node, or a container may have its id.  Then it may have the volumes,
 * which are on a shared storage or have got new owners, but not our lock.  1 if there is such a guest.
 */
static int load_from_elsewhere(const struct host *host, uint32_t vmid, struct guest_config *ret,
			       struct error **err)
{
	_cleanup_guest_entry_ struct guest_entry e = { 0 };
	_cleanup_buf_ struct buf text = BUF_INIT;
	int r = guest_entry_find(host->paths, vmid, &e, err);

	if (r <= 0)
		return r;
	r = io_read_file(e.path, CONFIG_MAX, &text, err);
	if (r == 0)
		guest_config_parse(vmid, buf_str(&text), NULL, ret);
	return r < 0 ? r : 1;
}

/*
 * A configuration that a restore has put in place counts only when it is on disk.  Otherwise a power cut
 * might bring back the old one after its volumes were removed.
 */
static enum config_state get_config_state(const struct host *host, const struct journal *j,
					  struct guest_config *ret, struct error **err)
{
	_cleanup_free_ char *dir = paths_get(host->paths, "/etc/pve/qemu-server");
	_cleanup_error_ struct error *mine = NULL;
	int r = guest_config_load(host->paths, j->vmid, NULL, ret, &mine);

	if (r == 0 && str_equal_null(guest_config_lock(ret), RESTORE_LOCK))
		return CONFIG_OURS;
	if (r == 0 &&
	    (!journal_has(j, JOURNAL_COMMIT) || guest_config_sync(host->paths, j->vmid, &mine) == 0))
		return CONFIG_GUESTS;
	if (r == ERR_NOT_FOUND && access(dir, F_OK) == 0) {
		error_free(TAKE_PTR(mine));
		r = load_from_elsewhere(host, j->vmid, ret, &mine);
		if (r >= 0)
			return r ? CONFIG_GUESTS : CONFIG_NONE;
	}
	error_keep_first(err, &mine);
	return CONFIG_UNKNOWN;
}

/*
 * Also removes the fleecing images of backups.  It is in this file because only the configuration, which
 * restores replace, shows whether an image belongs to the guest now.
 */
static int undo_image(const struct host *host, struct journal *j, const char *volid, const struct log *log,
		      struct error **err)
{
	_cleanup_guest_config_ struct guest_config c = { 0 };
	enum config_state state;

	/* QEMU still writes to it: the next run tries again */
	if (journal_has(j, JOURNAL_GRAPH) || journal_has(j, JOURNAL_STARTED))
		return error_set(err, -EBUSY,
				 "image '%s' is still used by the guest's QEMU: run 'vzdump --cleanup %u' "
				 "later",
				 volid, j->vmid);
	if (journal_has(j, JOURNAL_CONFIG))
		return error_set(
			err, -EBUSY,
			"image '%s' is kept until the old configuration is back: run 'vzdump --cleanup "
			"%u' later",
			volid, j->vmid);
	state = get_config_state(host, j, &c, err);
	if (state == CONFIG_UNKNOWN)
		return error_wrap(err, ERR_PEER, "cannot find out whether image '%s' belongs to the guest",
				  volid);
	/* during a live restore, the configuration of a new guest names its images already */
	if ((state == CONFIG_OURS && journal_has(j, JOURNAL_GUEST)) || state == CONFIG_NONE ||
	    !guest_config_names_volume(&c, volid))
		return journal_free_image(host, j, volid, log, err);
	log_info(log, "image '%s' belongs to VM %u now: it stays", volid, j->vmid);
	return 0;
}

/* Removes a replaced volume only if the restore was certainly completed. */
static int remove_replaced(const struct host *host, struct journal *j, const char *volid,
			   const struct log *log, struct error **err)
{
	_cleanup_guest_config_ struct guest_config c = { 0 };

	switch (get_config_state(host, j, &c, err)) {
	case CONFIG_UNKNOWN:
		return error_wrap(err, ERR_PEER, "cannot find out whether image '%s' belongs to the guest",
				  volid);
	case CONFIG_NONE:
		log_warn(log, "image '%s' belonged to VM %u, which is gone: it stays", volid, j->vmid);
		return 0;
	case CONFIG_OURS:
		return 0;
	case CONFIG_GUESTS:
		break;
	}
	if (!journal_has(j, JOURNAL_COMMIT) || guest_config_names_volume(&c, volid))
		return 0;
	log_info(log, "removing volume '%s' of the guest that was replaced", volid);
	return journal_free_image(host, j, volid, log, err);
}

static int remove_guest(const struct host *host, struct journal *j, const char *lock, const struct log *log,
			struct error **err)
{
	_cleanup_free_ char *path = guest_config_path(host->paths, j->vmid);
	_cleanup_guest_config_ struct guest_config c = { 0 };
	const enum config_state state = get_config_state(host, j, &c, err);

	(void)lock, (void)log;
	if (state == CONFIG_UNKNOWN)
		return ERR_PEER;
	return state == CONFIG_OURS ? recover_remove_file(path, err) : 0;
}

/* A QEMU that was started by someone else since must not be ended. */
static int end_started(const struct host *host, struct journal *j, const char *value, const struct log *log,
		       struct error **err)
{
	_cleanup_guest_config_ struct guest_config c = { 0 };
	const enum config_state state = get_config_state(host, j, &c, err);
	const struct guest guest = guest_of(host, j->vmid);

	(void)value;
	if (state == CONFIG_UNKNOWN)
		return ERR_PEER;
	if (state == CONFIG_OURS && guest_config_get(&c, "freeze"))
		return guest_quit(&guest, err);
	log_info(log, "VM %u was put right by somebody else: its QEMU keeps running", j->vmid);
	return 0;
}

static int put_file_back(const char *copy, const char *path, struct error **err)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	int r;

	/* nothing was replaced before the copy was complete */
	if (access(copy, F_OK) < 0 && errno == ENOENT)
		return 0;
	r = io_read_file(copy, CONFIG_MAX, &text, err);
	if (r == 0)
		r = io_write_file_atomic(path, buf_str(&text), text.len, 0640, NULL, err);
	return r == 0 ? recover_remove_file(copy, err) : r;
}

static int undo_firewall(const struct host *host, struct journal *j, const char *copy, const struct log *log,
			 struct error **err)
{
	_cleanup_free_ char *path = paths_get(host->paths, "/etc/pve/firewall/%u.fw", j->vmid);
	_cleanup_guest_config_ struct guest_config c = { 0 };
	const enum config_state state = get_config_state(host, j, &c, err);

	(void)log;
	if (state == CONFIG_UNKNOWN)
		return ERR_PEER;
	if (state == CONFIG_GUESTS && journal_has(j, JOURNAL_COMMIT))
		return *copy ? recover_remove_file(copy, err) : 0;
	return *copy ? put_file_back(copy, path, err) : recover_remove_file(path, err);
}

/* A restore that was killed before the copy was complete has not replaced anything yet. */
static int put_config_back(const struct host *host, struct journal *j, const char *copy,
			   const struct log *log, struct error **err)
{
	_cleanup_guest_config_ struct guest_config c = { 0 };
	_cleanup_buf_ struct buf text = BUF_INIT;
	const enum config_state state = get_config_state(host, j, &c, err);
	int r;

	if (state == CONFIG_UNKNOWN)
		return ERR_PEER;
	if (access(copy, F_OK) < 0 && errno == ENOENT)
		return 0;
	r = io_read_file(copy, CONFIG_MAX, &text, err);
	if (r < 0)
		return r;
	if (state == CONFIG_OURS) {
		r = guest_config_replace(host->paths, j->vmid, buf_str(&text), NULL, err);
	} else if (state == CONFIG_GUESTS && !strcmp(c.text, buf_str(&text))) {
		/* it is back already, but may not be on disk */
		r = guest_config_sync(host->paths, j->vmid, err);
	} else {
		log_warn(log,
			 "the configuration of VM %u is not the restore's any more: it stays; the one that "
			 "was to be replaced is in '%s'",
			 j->vmid, copy);
		return 0;
	}
	return r == 0 ? recover_remove_file(copy, err) : r;
}

/* The next run must know that the restore got this far, as long as any of these is left. */
static bool is_commit_needed(const struct journal *j)
{
	return journal_has(j, JOURNAL_REPLACED) || journal_has(j, JOURNAL_FIREWALL) ||
	       journal_has(j, JOURNAL_IMAGE);
}

static int forget_commit(const struct host *host, struct journal *j, const char *value, const struct log *log,
			 struct error **err)
{
	(void)host, (void)j, (void)value, (void)log, (void)err;
	return 0;
}

/* QEMU ends before what it uses is removed; guest and commit come after the kinds that look for them. */
const struct journal_kind journal_kind_started = { .name = JOURNAL_STARTED, .rank = 10, .undo = end_started };
const struct journal_kind journal_kind_config = { .name = JOURNAL_CONFIG,
						  .rank = 20,
						  .undo = put_config_back };
const struct journal_kind journal_kind_image = { .name = JOURNAL_IMAGE, .rank = 30, .undo = undo_image };
const struct journal_kind journal_kind_replaced = { .name = JOURNAL_REPLACED,
						    .rank = 40,
						    .undo = remove_replaced };
const struct journal_kind journal_kind_firewall = { .name = JOURNAL_FIREWALL,
						    .rank = 50,
						    .undo = undo_firewall };
const struct journal_kind journal_kind_guest = { .name = JOURNAL_GUEST, .rank = 60, .undo = remove_guest };
const struct journal_kind journal_kind_commit = {
	.name = JOURNAL_COMMIT, .rank = 70, .undo = forget_commit, .is_needed = is_commit_needed
};
