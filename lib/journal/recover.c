#include "journal/recover.h"

#include <errno.h>
#include <unistd.h>

#include "guest/power.h"
#include "journal/recover-internal.h"
#include "base/bounded.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "guest/guest-list.h"

/* How long a file system may take to answer, while the rest waits for it to be put right. */
#define ANSWER_MS 5000

void recover_note(const struct log *log, const char *what, struct error **first, struct error **mine)
{
	if (!*mine)
		return;
	error_prefix(mine, "%s", what);
	log_warn(log, "%s", error_message(*mine));
	error_keep_first(first, mine);
}

static int free_image(const struct host *host, const char *volid, const struct log *log, struct error **err)
{
	_cleanup_volume_ struct volume v = { 0 };
	struct storage_status st;
	int r = volume_open(host->storages, volid, NULL, &v, err);

	if (r == 0 && v.storage && v.storage->path)
		r = bounded_reach(v.storage->path, ANSWER_MS, NULL, err);
	/* not local directories: what is not mounted would be made, empty, and the image seem gone */
	if (r == 0 && v.storage && (!v.storage->path || v.storage->ops->shared))
		r = storage_activate(v.storage, log, err);
	/* Ceph knows its images also when it counts nothing (no manager), and says so when it is away */
	if (r == 0 && v.storage && v.storage->path)
		r = storage_status(v.storage, &st, err);
	if (r < 0) {
		error_prefix(err, "image '%s'", volid);
		return r == ERR_CANCELED ? r : ERR_PEER;
	}
	return volume_free(&v, err);
}

/*
 * What is not there is what was wanted, but only where the storage says so: one that is away (or was
 * taken out of storage.cfg) may come back, and the image with it.
 */
int recover_free_image(const struct host *host, const char *volid, const struct log *log, struct error **err)
{
	_cleanup_error_ struct error *mine = NULL;
	int r = free_image(host, volid, log, &mine);

	/* a signal ends what a storage is asked just then; once more it is asked all the same */
	if (r == ERR_CANCELED) {
		error_free(TAKE_PTR(mine));
		r = free_image(host, volid, log, &mine);
	}
	if (r == ERR_NOT_FOUND || r == -ENOENT)
		return 0;
	error_keep_first(err, &mine);
	return r;
}

/* An archive's file system may be away: then it stays in the journal, and the rest is put right. */
int recover_remove_file(const char *path, struct error **err)
{
	return bounded_unlink(path, ANSWER_MS, err);
}

/* Killed while it wrote one of these files: the half-written copy has its pid in its name. */
static void remove_unfinished(const struct host *host, const struct journal *j)
{
	_cleanup_free_ char *conf = guest_config_path(host->paths, j->vmid);
	_cleanup_free_ char *target = realpath(conf, NULL);
	_cleanup_free_ char *firewall = paths_get(host->paths, "/etc/pve/firewall/%u.fw", j->vmid);
	_cleanup_free_ char *old_firewall = paths_get(host->paths, "/var/lib/vzdump/%u.fw", j->vmid);
	_cleanup_free_ char *old_conf = paths_get(host->paths, "/var/lib/vzdump/%u.conf", j->vmid);
	_cleanup_free_ char *script = paths_get(host->paths, "/var/lib/vzdump/%u.finish", j->vmid);
	const char *const files[] = { target ? target : conf, firewall, old_firewall, old_conf, script };
	uint64_t pid;

	for (size_t i = 0; i < j->n; i++) {
		if (j->entries[i].kind != JOURNAL_PID ||
		    units_parse_u64(j->entries[i].value, 1, INT32_MAX, "pid", &pid, NULL) < 0)
			continue;
		for (size_t k = 0; k < ARRAY_SIZE(files); k++)
			io_remove_unfinished(files[k], (int)pid);
	}
}

static int unlock(const struct host *host, const struct journal *j, const char *lock, struct error **err)
{
	int r = guest_config_remove_lock(host->paths, j->vmid, *lock ? lock : "backup", err);

	/* somebody took it out already, or put his own in, or the guest is gone: that is what was wanted */
	if (r == ERR_NOT_FOUND || r == -ENOENT || r == -EBUSY) {
		error_free(*err);
		*err = NULL;
		r = 0;
	}
	return r;
}

/*
 * 1: the guest is this node's, 0: it is not any more (migrated, or removed), which is said; negative:
 * cannot tell.  A guest that runs on two nodes ruins its disks.
 */
static int is_here(const struct host *host, uint32_t vmid, const struct log *log, struct error **err)
{
	_cleanup_free_ char *dir = paths_get(host->paths, "/etc/pve/qemu-server");
	_cleanup_guest_entry_ struct guest_entry e = { 0 };
	int r;

	if (access(dir, F_OK) < 0)
		return error_errno(err, errno, "whether VM %u is this node's cannot be told: '%s'", vmid,
				   dir);
	r = guest_entry_find(host->paths, vmid, &e, err);
	if (r < 0 || (r > 0 && e.kind == GUEST_VM && !e.node))
		return r;
	if (r > 0 && e.node)
		log_info(log, "VM %u is not started again: it belongs to node '%s' now ('%s')", vmid, e.node,
			 e.path);
	else
		log_info(log, "VM %u is not started again: it has no configuration any more", vmid);
	return 0;
}

static int start_again(const struct host *host, const struct settings_commands *c, uint32_t vmid,
		       const struct log *log, struct error **err)
{
	struct power_state state;
	int r = is_here(host, vmid, log, err);

	if (r <= 0)
		return r;
	r = power_get(host->paths, vmid, &state, err);
	if (r < 0 || state.running)
		return r;
	log_info(log, "restarting vm");
	return power_start(c, vmid, NULL, log, err);
}

static int undo_one(const struct host *host, const struct settings_commands *c, struct journal *j,
		    const struct journal_entry *e, const struct log *log, struct error **err)
{
	switch (e->kind) {
	case JOURNAL_STARTED:
	case JOURNAL_CONFIG:
	case JOURNAL_GUEST:
	case JOURNAL_FIREWALL:
	case JOURNAL_REPLACED:
		return recover_restore(host, j, e, log, err);
	case JOURNAL_IMAGE:
		/* QEMU still writes to it: the next run tries again */
		if (journal_has(j, JOURNAL_GRAPH) || journal_has(j, JOURNAL_STARTED))
			return error_set(err, -EBUSY,
					 "image '%s' is still used by the "
					 "guest's QEMU: run 'vzdump --cleanup %u' later",
					 e->value, j->vmid);
		return recover_restore(host, j, e, log, err);
	case JOURNAL_FILE:
		return recover_remove_file(e->value, err);
	case JOURNAL_DIR:
		return io_remove_tree(e->value, err);
	case JOURNAL_LOCK:
		return unlock(host, j, e->value, err);
	case JOURNAL_DOWN:
		return start_again(host, c, j->vmid, log, err);
	default:
		return 0;
	}
}

/* Whether what was replaced may go: as long as some of it stays, the next run has to know too. */
static bool is_needed(const struct journal *j, enum journal_kind kind)
{
	return kind == JOURNAL_COMMIT && (journal_has(j, JOURNAL_REPLACED) ||
					  journal_has(j, JOURNAL_FIREWALL) || journal_has(j, JOURNAL_IMAGE));
}

int recover_rest(const struct host *host, const struct settings_commands *c, struct journal *j,
		 const struct log *log, struct error **err)
{
	/* what a restore looks up in others (guest, commit) goes after them */
	static const enum journal_kind order[] = { JOURNAL_STARTED,  JOURNAL_CONFIG,   JOURNAL_IMAGE,
						   JOURNAL_REPLACED, JOURNAL_FIREWALL, JOURNAL_GUEST,
						   JOURNAL_COMMIT,   JOURNAL_FILE,     JOURNAL_DIR,
						   JOURNAL_LOCK,     JOURNAL_DOWN };
	_cleanup_error_ struct error *first = NULL;
	int r;

	for (size_t k = 0; k < ARRAY_SIZE(order); k++) {
		for (size_t i = 0; i < j->n;) {
			_cleanup_error_ struct error *mine = NULL;
			_cleanup_free_ char *value = NULL;

			if (j->entries[i].kind != order[k] || is_needed(j, order[k]) ||
			    undo_one(host, c, j, &j->entries[i], log, &mine) < 0) {
				recover_note(log, "cleaning up", &first, &mine);
				i++;
				continue;
			}
			value = xstrdup(j->entries[i].value);
			journal_strike(j, order[k], value);
		}
	}
	remove_unfinished(host, j);
	r = first ? first->code : 0;
	error_keep_first(err, &first);
	return r;
}

/* Positive: there is nothing to do. */
static int recover_one(const struct host *host, const struct settings_commands *c, uint32_t vmid,
		       struct error **err)
{
	_cleanup_(journal_freep) struct journal *j = NULL;
	_cleanup_error_ struct error *mine = NULL;
	int r = journal_load(host->paths, vmid, &j, &mine);

	if (r == -EBUSY) {
		log_info(host->log, "%s: nothing is cleaned up there", error_message(mine));
		return 1;
	}
	/* its process has just ended */
	if (r == -ENOENT)
		return 1;
	error_keep_first(err, &mine);
	if (r < 0)
		return r;
	log_info(host->log, "cleaning up after an interrupted backup or restore of VM %u", vmid);
	for (size_t i = 0; i < j->n; i++) {
		if (j->entries[i].kind != JOURNAL_PID)
			log_info(host->log, "left over: %s%s%s", journal_kind_name(j->entries[i].kind),
				 *j->entries[i].value ? " " : "", j->entries[i].value);
	}
	journal_add_pid(j, NULL); /* this may be killed too */
	r = recover_guest(host, j, host->log, err);
	if (r == 0)
		r = recover_rest(host, c, j, host->log, err);
	else
		recover_rest(host, c, j, host->log, NULL);
	journal_finish(j);
	return r;
}

/* It cannot be finished from here: the guest may run. */
static void say_unfinished(const struct host *host, uint32_t vmid)
{
	_cleanup_free_ char *script = paths_get(host->paths, "/var/lib/vzdump/%u.finish", vmid);

	if (vmid && access(script, F_OK) == 0)
		log_warn(
			host->log,
			"a live restore of VM %u is under way or was not finished: if qmrestore has ended, shut the "
			"guest down and run: sh '%s'",
			vmid, script);
}

int recover_all(const struct host *host, const struct settings_commands *c, uint32_t vmid, unsigned *ret_n,
		struct error **err)
{
	_cleanup_error_ struct error *first = NULL;
	_cleanup_free_ uint32_t *vmids = NULL;
	size_t n;
	int r = journal_list(host->paths, &vmids, &n, err);

	if (ret_n)
		*ret_n = 0;
	say_unfinished(host, vmid);
	for (size_t i = 0; i < n; i++) {
		_cleanup_error_ struct error *mine = NULL;
		int one;

		if (vmid && vmids[i] != vmid)
			continue;
		log_guest(host->log, vmids[i]);
		one = recover_one(host, c, vmids[i], &mine);
		if (ret_n && one <= 0)
			(*ret_n)++;
		if (one < 0) {
			error_prefix(&mine, "VM %u", vmids[i]);
			r = r ? r : mine->code;
			error_keep_first(&first, &mine);
		}
		log_guest(host->log, 0);
	}
	error_keep_first(err, &first);
	return r;
}
