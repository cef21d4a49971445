/* Freezes all disks at one instant: file systems, filters, guards. */
#include "base/mem.h"
#include "base/units.h"
#include "guest/freeze.h"
#include "journal/recover.h"
#include "qemu/instant.h"
#include "source/live.h"

static int insert_filters(struct sources *s, struct source *const *disks, size_t n, struct qmp *q,
			  struct error **err)
{
	_cleanup_free_ struct graph_insertion *items = xcalloc(n, sizeof(*items));
	struct graph_instant instant;
	int r;

	for (size_t i = 0; i < n; i++)
		items[i] = (struct graph_insertion){ &disks[i]->live->graph, &disks[i]->live->names };
	r = graph_insert(q, items, n, &instant, err);
	if (r == 0 && instant.paused) {
		s->times.stopped_ns = instant.paused_ns;
		log_info(s->p.log, "vCPUs stopped for %.1f ms for the snapshot of %zu disk(s)",
			 (double)instant.paused_ns / 1e6, n);
	}
	return r;
}

/* Inserts filters, and guards right after them, as a filter does not keep others from the disk. */
static int insert_in_a_burst(struct sources *s, struct source *const *disks, size_t n, struct error **err)
{
	_cleanup_qmp_ struct qmp *q = NULL;
	int r = cancel_check(s->p.host->cancel, err);

	if (r == 0)
		r = live_monitor(s, &q, err);
	if (r == 0)
		r = insert_filters(s, disks, n, q, err);
	if (r == 0)
		r = guard_add(s, disks, n, q, err);
	return r;
}

/* False: the agent has refused.  Without an answer they may be frozen. */
static bool freeze_guest(const struct sources *s, struct qga *agent)
{
	_cleanup_error_ struct error *err = NULL;
	int r;

	log_info(s->p.log, "issuing guest-agent 'fs-freeze' command");
	r = qga_freeze(agent, s->p.log, NULL, &err);
	if (r < 0)
		log_error(s->p.log, "%s", error_message(err));
	return r != ERR_PEER;
}

/* Called after errors, too: file systems that may be frozen must be thawed. */
static void thaw_guest(const struct sources *s, struct qga *agent)
{
	_cleanup_error_ struct error *err = NULL;
	bool over;

	log_info(s->p.log, "issuing guest-agent 'fs-thaw' command");
	if (freeze_thaw(agent, s->p.host->cancel, QGA_THAW_TIMEOUT_MS, &over, &err) < 0)
		log_error(s->p.log, "%s", error_message(err));
	if (over)
		journal_strike(s->p.journal, JOURNAL_FROZEN, NULL);
}

/* The agent may take its time, so no monitor is open while it is asked. */
int instant_take(struct sources *s, struct source *const *disks, size_t n, struct error **err)
{
	_cleanup_qga_ struct qga *agent = NULL;
	uint64_t frozen_since_ns = 0;
	bool frozen = false;
	int r = 0;

	/* a guest whose vCPUs do not run cannot freeze anything, and need not */
	if (s->live->vcpus_ran && s->freeze == SOURCES_FREEZE)
		freeze_open_agent(&s->p.guest, s->p.conf, s->p.host->cancel, s->p.log, &agent);
	if (agent && !journal_has(s->p.journal, JOURNAL_FROZEN))
		r = journal_add(s->p.journal, JOURNAL_FROZEN, NULL, err);
	if (r < 0)
		return r;
	if (agent) {
		live_write_out(s);
		frozen_since_ns = units_now_ns();
		frozen = freeze_guest(s, agent);
	}
	r = insert_in_a_burst(s, disks, n, err);
	if (agent) {
		thaw_guest(s, agent);
		s->times.frozen_ns = frozen ? units_now_ns() - frozen_since_ns : 0;
	}
	return r;
}
