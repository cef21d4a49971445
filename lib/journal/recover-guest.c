/* Undoes the changes to a running guest: the graph of its QEMU, paused vCPUs, frozen file systems. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "guest/freeze.h"
#include "qemu/vcpus.h"
#include "journal/recover-internal.h"
#include "journal/recover.h"
#include "base/mem.h"
#include "base/units.h"
#include "qemu/leftovers.h"

enum {
	RETRY_MS = 250,
	/* how long to try again after a connection has ended */
	LOST_S = 15,
	PAUSED_S = 30, /* the vCPUs are paused meanwhile */
	CANCELED_S = 2,
};

const struct journal_kind journal_kind_qemu = { .name = JOURNAL_QEMU };
const struct journal_kind journal_kind_graph = { .name = JOURNAL_GRAPH };
const struct journal_kind journal_kind_server = { .name = JOURNAL_SERVER };
const struct journal_kind journal_kind_stopped = { .name = JOURNAL_STOPPED };
const struct journal_kind journal_kind_frozen = { .name = JOURNAL_FROZEN };

/* ---- the process ---- */

int recover_note_process(struct journal *j, const struct guest_process *p, struct error **err)
{
	_cleanup_free_ char *value = xasprintf("%d %" PRIu64, (int)p->pid, p->start);

	return p->pid ? journal_add(j, JOURNAL_QEMU, value, err) : 0;
}

/* The process that the journal names last; pid 0 if it names none. */
static struct guest_process noted_process(const struct journal *j)
{
	struct guest_process p = { 0 };
	uint64_t start;
	int pid;

	for (size_t i = 0; i < j->n; i++) {
		if (journal_entry_is(&j->entries[i], JOURNAL_QEMU) &&
		    sscanf(j->entries[i].value, "%d %" SCNu64, &pid, &start) == 2)
			p = (struct guest_process){ .pid = pid, .start = start };
	}
	return p;
}

static bool has_any(const struct journal *j)
{
	return journal_has(j, JOURNAL_GRAPH) || journal_has(j, JOURNAL_SERVER) ||
	       journal_has(j, JOURNAL_STOPPED);
}

static void strike_graph(struct journal *j)
{
	journal_strike_all(j, JOURNAL_STOPPED);
	journal_strike_all(j, JOURNAL_SERVER);
	journal_strike_all(j, JOURNAL_GRAPH);
}

/* 1: QEMU has ended, 0: it answers, negative: it lives, or may live, but does not answer. */
static int has_ended(const struct host *host, const struct journal *j, struct error **err)
{
	const struct guest_process noted = noted_process(j);
	_cleanup_error_ struct error *mine = NULL;
	const struct guest guest = guest_of(host, j->vmid);
	struct guest_status status;
	int r = guest_status(&guest, &status, &mine);

	if (r == 0 && status.running)
		return 0;
	if (guest_process_lives(&noted)) {
		_cleanup_free_ char *monitor = guest_monitor_name(&guest);

		return error_set(err, ERR_GONE, "its QEMU (pid %d) runs, but nothing answers at %s",
				 (int)noted.pid, monitor);
	}
	error_keep_first(err, &mine);
	return r < 0 ? r : 1;
}

/* ---- the graph ---- */

/*
 * If the answer to nbd-server-start was lost, the server in QEMU may be ours or not.  If it is ours, its
 * socket is in our folder.
 */
static bool is_server_ours(const struct journal *j)
{
	bool any_folder = false;

	for (size_t i = 0; i < j->n; i++) {
		_cleanup_free_ char *path = NULL;

		if (!journal_entry_is(&j->entries[i], JOURNAL_DIR))
			continue;
		path = xasprintf("%s/" RECOVER_NBD_SOCKET, j->entries[i].value);
		if (access(path, F_OK) == 0)
			return true;
		any_folder = true;
	}
	return !any_folder;
}

static unsigned what_is_ours(const struct journal *j)
{
	unsigned ours = 0;

	if (journal_has(j, JOURNAL_SERVER) && is_server_ours(j))
		ours |= GRAPH_OURS_SERVER;
	if (journal_has(j, JOURNAL_STOPPED))
		ours |= GRAPH_OURS_PAUSED;
	return ours;
}

/* again: an earlier attempt may have failed at any step, so resume the vCPUs before anything else. */
static int clean_once(const struct host *host, struct journal *j, bool again, const struct log *log,
		      struct error **err)
{
	const struct guest guest = guest_of(host, j->vmid);
	const unsigned ours = what_is_ours(j);
	_cleanup_qmp_ struct qmp *q = NULL;
	bool run = false;
	int r;

	r = guest_monitor(&guest, NULL, &q, err);
	if (r == 0 && again && (ours & GRAPH_OURS_PAUSED))
		r = vcpus_resume(q, NULL, err);
	if (r == 0)
		r = vcpus_run(q, &run, err);
	if (r < 0)
		return r;
	/* some disks and QEMUs need paused vCPUs; go on even if the journal cannot be written */
	if (run && !journal_has(j, JOURNAL_STOPPED))
		journal_add(j, JOURNAL_STOPPED, NULL, NULL);
	r = graph_cleanup(q, ours, log, err);
	if (run && vcpus_run(q, &run, NULL) == 0 && run)
		journal_strike_all(j, JOURNAL_STOPPED);
	return r;
}

/* Resumes the vCPUs, even if something could not be removed from QEMU. */
static void resume_vcpus(const struct host *host, struct journal *j)
{
	const struct guest guest = guest_of(host, j->vmid);
	_cleanup_qmp_ struct qmp *q = NULL;

	if (journal_has(j, JOURNAL_STOPPED) && guest_monitor(&guest, NULL, &q, NULL) == 0 &&
	    vcpus_resume(q, NULL, NULL) == 0)
		journal_strike_all(j, JOURNAL_STOPPED);
}

static uint64_t patience_ns(const struct host *host, const struct journal *j)
{
	const unsigned s = cancel_requested(host->cancel)    ? CANCELED_S
			   : journal_has(j, JOURNAL_STOPPED) ? PAUSED_S
							     : LOST_S;

	return s * UINT64_C(1000000000);
}

/* Tries again if a connection ends, because our changes stay in QEMU as long as its process lives. */
static int clean_graph(const struct host *host, struct journal *j, const struct log *log, struct error **err)
{
	const uint64_t since = units_now_ns();

	for (bool again = false;; again = true) {
		_cleanup_error_ struct error *mine = NULL;
		int r = has_ended(host, j, &mine);
		bool lost = r < 0;

		if (r > 0) {
			journal_strike_all(j, JOURNAL_FROZEN);
			return 0;
		}
		if (r == 0) {
			r = clean_once(host, j, again, log, &mine);
			lost = guest_is_lost(r);
		}
		if (r == 0)
			return 0;
		if (!lost)
			resume_vcpus(host, j);
		if (!lost || units_now_ns() - since >= patience_ns(host, j)) {
			error_keep_first(err, &mine);
			return r;
		}
		if (!again)
			log_warn(log, "VM %u: %s: trying again", j->vmid, error_message(mine));
		usleep(RETRY_MS * 1000);
	}
}

static void say_paused(const struct journal *j, const struct log *log)
{
	if (journal_has(j, JOURNAL_STOPPED))
		log_warn(log,
			 "VM %u may be paused: 'vzdump --cleanup %u' lets it go on as soon as "
			 "its monitor answers",
			 j->vmid, j->vmid);
}

/* ---- the file systems ---- */

static int thaw(const struct host *host, struct journal *j, const struct log *log, struct error **err)
{
	const struct guest guest = guest_of(host, j->vmid);
	const struct cancel *cancel = cancel_requested(host->cancel) ? NULL : host->cancel;
	_cleanup_qga_ struct qga *a = NULL;
	bool over = false;
	int r = guest_agent(&guest, cancel, &a, err);

	if (r == 0)
		r = freeze_thaw(a, host->cancel, QGA_THAW_AGAIN_TIMEOUT_MS, &over, err);
	if (over)
		journal_strike_all(j, JOURNAL_FROZEN);
	if (!over || r == 0)
		return r;
	/* trying again later would change nothing */
	log_warn(log, "thawing the guest's file systems: %s", err && *err ? error_message(*err) : "");
	if (err)
		error_free(TAKE_PTR(*err));
	return 0;
}

/* ---- all of it ---- */

int recover_guest(const struct host *host, struct journal *j, const struct log *log, struct error **err)
{
	_cleanup_error_ struct error *first = NULL, *mine = NULL;
	int r = 0;

	if (has_any(j))
		r = clean_graph(host, j, log, &mine);
	else if (journal_has(j, JOURNAL_FROZEN) && has_ended(host, j, NULL) > 0)
		journal_strike_all(j, JOURNAL_FROZEN);
	if (r == 0)
		strike_graph(j);
	recover_note(log, "removing the backup's block nodes from QEMU", &first, &mine);
	if (r < 0)
		say_paused(j, log);
	if (journal_has(j, JOURNAL_FROZEN)) {
		thaw(host, j, log, &mine);
		recover_note(log, "thawing the guest's file systems", &first, &mine);
	}
	if (!has_any(j) && !journal_has(j, JOURNAL_FROZEN))
		journal_strike_all(j, JOURNAL_QEMU);
	r = first ? first->code : 0;
	error_keep_first(err, &first);
	return r;
}
