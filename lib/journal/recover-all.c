/* Cleaning up after processes that have died. */
#include <errno.h>
#include <unistd.h>

#include "journal/recover.h"

/* 1 if there was nothing to do. */
static int recover_one(const struct host *host, uint32_t vmid, struct error **err)
{
	_cleanup_(journal_freep) struct journal *j = NULL;
	_cleanup_error_ struct error *mine = NULL;
	int rest, r = journal_load(host->paths, host->kinds, vmid, &j, &mine);

	if (r == -EBUSY) {
		log_info(host->log, "%s: nothing is cleaned up there", error_message(mine));
		return 1;
	}
	/* its process has just ended, and has removed it */
	if (r == -ENOENT)
		return 1;
	error_keep_first(err, &mine);
	if (r < 0)
		return r;
	log_info(host->log, "cleaning up after an interrupted backup or restore of VM %u", vmid);
	for (size_t i = 0; i < j->n; i++) {
		if (!journal_entry_is(&j->entries[i], JOURNAL_PID))
			log_info(host->log, "left over: %s%s%s", j->entries[i].kind->name,
				 *j->entries[i].value ? " " : "", j->entries[i].value);
	}
	journal_add_pid(j, NULL); /* this process may be killed too */
	r = recover_guest(host, j, host->log, NULL);
	rest = recover_rest(host, j, host->log, NULL);
	r = r < 0 ? r : rest;
	journal_finish(j);
	return r < 0 ? error_set(err, r,
				 "something of an interrupted backup or restore is left, for the reason that "
				 "was logged: 'vzdump --cleanup %u' tries again",
				 vmid)
		     : 0;
}

/* Only the administrator can finish a live restore, because the guest may run. */
static void say_unfinished(const struct host *host, uint32_t vmid)
{
	_cleanup_free_ char *script = paths_get(host->paths, "/var/lib/vzdump/%u.finish", vmid);

	if (vmid && access(script, F_OK) == 0)
		log_warn(host->log,
			 "a live restore of VM %u is under way or was not finished: if qmrestore has ended, "
			 "shut the guest down and run: sh '%s'",
			 vmid, script);
}

int recover_all(const struct host *host, uint32_t vmid, unsigned *ret_n, struct error **err)
{
	_cleanup_error_ struct error *first = NULL;
	_cleanup_free_ uint32_t *vmids = NULL;
	size_t n;
	int r = journal_list(host->paths, &vmids, &n, err);

	if (ret_n)
		*ret_n = 0;
	say_unfinished(host, vmid);
	for (size_t i = 0; i < n; i++) {
		const struct log log = log_for_guest(host->log, vmids[i]);
		_cleanup_error_ struct error *mine = NULL;
		struct host its = *host;
		int one;

		if (vmid && vmids[i] != vmid)
			continue;
		its.log = &log;
		one = recover_one(&its, vmids[i], &mine);
		if (ret_n && one <= 0)
			(*ret_n)++;
		if (one < 0) {
			error_prefix(&mine, "VM %u", vmids[i]);
			r = r ? r : mine->code;
			error_keep_first(&first, &mine);
		}
	}
	error_keep_first(err, &first);
	return r;
}
