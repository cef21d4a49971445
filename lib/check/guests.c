/*
 * Each guest, as far as the plan of its backup does not look at it: who answers at its monitor, its QEMU, its
 * agent, what was left there.  The monitor is open for a moment, and each wait has a limit.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/proc.h"
#include "base/unix-client.h"
#include "base/units.h"
#include "check/rows.h"
#include "guest/guest-ops.h"
#include "guest/guest.h"
#include "journal/journal.h"
#include "qemu/base-bitmap.h"
#include "qemu/leftovers.h"
#include "qemu/probe.h"
#include "qemu/vcpus.h"

struct look {
	struct check *c;
	struct guest guest;
	struct guest_status status;
	bool is_busy; /* it is being backed up, so what is in its QEMU belongs there */
	bool vcpus_run;
};

static void say(const struct look *l, enum finding_level level, char *text, char *way_out)
{
	row_add(l->c, level, l->guest.vmid, xasprintf("VM %" PRIu32, l->guest.vmid), text, way_out);
}

/* ---- its monitor ---- */

/* Without an answer: another program may be connected, which gets all answers as long as it is. */
static void say_mute(const struct look *l, const struct error *err)
{
	_cleanup_free_ char *path = paths_get(l->c->host->paths, "/run/qemu-server/%u.qmp", l->guest.vmid);
	const pid_t client = unix_client(path);
	_cleanup_free_ char *name = client ? proc_name(client) : NULL;

	if (client)
		say(l, FINDING_FAULT,
		    xasprintf(
			    "its monitor does not answer, since another program is connected to it: %s (pid %d)",
			    name ? name : "?", (int)client),
		    xasprintf("end that, or give it a monitor of its own: QEMU takes several '-qmp'"));
	else
		say(l, FINDING_FAULT, xasprintf("its QEMU does not answer: %s", error_message(err)),
		    l->status.process.pid
			    ? xasprintf(
				      "see what process %d does: it may hang in a storage that does not answer, "
				      "or be stopped",
				      (int)l->status.process.pid)
			    : NULL);
}

static void say_process(const struct look *l, enum guest_kind kind)
{
	const pid_t pid = l->status.process.pid;
	_cleanup_free_ char *name = pid ? proc_name(pid) : NULL;

	if (pid)
		say(l, FINDING_OK,
		    xasprintf("it runs: %s (pid %d) answers at its monitor", name ? name : "QEMU", (int)pid),
		    NULL);
	else if (kind == GUEST_VM)
		say(l, FINDING_REMARK,
		    xstrdup("it runs, but it is not known in which process: if its QEMU dies amid a backup, that is "
			    "seen late"),
		    xasprintf("give QEMU '-pidfile /run/qemu-server/%" PRIu32 ".pid'", l->guest.vmid));
}

/* ---- in QEMU ---- */

/* What a QEMU of that age does worse; what it cannot do at all, the plan says. */
static void say_version(const struct look *l, const struct qmp *q)
{
	struct json_object *v = json_walk(qmp_greeting_version(q), "qemu", NULL);
	uint64_t major = 0, minor = 0, micro = 0;
	struct qemu_features f = { 0 };

	json_get_u64(v, "major", &major);
	json_get_u64(v, "minor", &minor);
	json_get_u64(v, "micro", &micro);
	f.major = (int)major;
	f.minor = (int)minor;
	f.micro = (int)micro;
	if (qemu_reads_mixed_ranges(&f))
		say(l, FINDING_OK, xasprintf("QEMU %d.%d.%d", f.major, f.minor, f.micro), NULL);
	else
		say(l, FINDING_REMARK,
		    xasprintf(
			    "QEMU %d.%d.%d: before 10.0 what the guest rewrites is read in small pieces; before 9.1 "
			    "a fleecing storage that hangs may be given up after seconds; before 9.0 SCSI disks "
			    "with an iothread cannot be saved while the guest runs",
			    f.major, f.minor, f.micro),
		    NULL);
}

/* Of a run whose journal is gone. */
static void look_for_leftovers(const struct look *l, struct qmp *q)
{
	bool leftovers = false;

	if (l->is_busy || graph_has_leftovers(q, &leftovers, NULL) < 0 || !leftovers)
		return;
	say(l, FINDING_WARNING,
	    xstrdup("nodes, exports or bitmaps of a backup that has ended are left in its QEMU"),
	    xasprintf("its next backup removes them, or 'vzdump --cleanup %" PRIu32 "' now", l->guest.vmid));
}

/* A bit for each cluster of 64 KiB. */
static void look_for_bitmaps(const struct look *l, struct qmp *q)
{
	_cleanup_base_bitmaps_ struct base_bitmaps bitmaps = { 0 };
	_cleanup_free_ char *dirty = NULL;
	uint64_t bytes = 0;
	size_t n = 0;

	if (base_bitmaps_load(q, &bitmaps, NULL) < 0)
		return;
	for (size_t i = 0; i < bitmaps.n; i++) {
		uint64_t count = 0;

		if (bitmaps.list[i].end)
			continue;
		n++;
		json_get_u64(bitmaps.list[i].info, "count", &count);
		bytes += count;
	}
	if (!n)
		return;
	dirty = units_bytes(bytes, 1);
	say(l, FINDING_OK,
	    xasprintf("%zu bitmap%s of incremental backups %s in its QEMU; %s have changed since", n,
		      n == 1 ? "" : "s", n == 1 ? "is" : "are", dirty),
	    NULL);
}

/* False: nothing more can be asked. */
static bool look_at_qemu(struct look *l, enum guest_kind kind)
{
	_cleanup_error_ struct error *err = NULL;
	_cleanup_qmp_ struct qmp *q = NULL;

	if (guest_monitor(&l->guest, l->c->host->cancel, &q, &err) < 0) {
		say_mute(l, err);
		return false;
	}
	say_process(l, kind);
	say_version(l, q);
	look_for_leftovers(l, q);
	look_for_bitmaps(l, q);
	l->vcpus_run = vcpus_run(q, &l->vcpus_run, NULL) == 0 && l->vcpus_run;
	return true;
}

/* ---- its agent ---- */

/* Caller frees. */
static char *agent_advice(enum guest_kind kind)
{
	if (kind == GUEST_LIBVIRT)
		return xstrdup(
			"install qemu-guest-agent in the guest, and give it a channel with 'virsh edit', within "
			"<devices>: <channel type='unix'><target type='virtio' "
			"name='org.qemu.guest_agent.0'/></channel>");
	return xstrdup("install qemu-guest-agent in the guest, and write 'agent: 1' into its configuration");
}

static void look_at_agent(const struct look *l, enum guest_kind kind, const struct guest_config *conf)
{
	_cleanup_error_ struct error *err = NULL;
	_cleanup_qga_ struct qga *a = NULL;
	struct guest_agent agent;
	int r;

	guest_config_agent(conf, NULL, &agent);
	if (!agent.enabled) {
		say(l, FINDING_REMARK,
		    xstrdup("its configuration has no agent: its file systems are saved as after a power cut"),
		    agent_advice(kind));
		return;
	}
	if (!l->vcpus_run)
		return;
	r = guest_agent(&l->guest, l->c->host->cancel, &a, &err);
	if (r == 0)
		r = qga_ping(a, &err);
	if (r < 0)
		say(l, FINDING_WARNING,
		    xasprintf(
			    "its agent does not answer, so its file systems are saved as after a power cut: %s",
			    error_message(err)),
		    xstrdup("install and start qemu-guest-agent in the guest; its channel must be in QEMU, "
			    "org.qemu.guest_agent.0"));
	else
		say(l, FINDING_OK,
		    xasprintf("its agent answers%s",
			      agent.freeze ? "" : "; it is told not to freeze the file systems"),
		    NULL);
}

/* ---- a guest ---- */

static bool is_busy(const struct check *c, uint32_t vmid)
{
	_cleanup_(journal_freep) struct journal *j = NULL;

	return journal_peek(c->host->paths, c->host->kinds, vmid, &j, NULL) == -EBUSY;
}

static void look_at_running(struct look *l, struct checked_guest *g)
{
	_cleanup_guest_config_ struct guest_config conf = { 0 };

	g->is_mute = !look_at_qemu(l, g->entry->kind);
	/* its errors are told by the plan */
	if (!g->is_mute && guest_config_load(l->c->host->paths, l->guest.vmid, NULL, &conf, NULL) == 0)
		look_at_agent(l, g->entry->kind, &conf);
}

static void look_at_guest(struct check *c, struct checked_guest *g)
{
	const uint32_t vmid = g->entry->vmid;
	struct look l = { .c = c, .guest = guest_of(c->host, vmid), .is_busy = is_busy(c, vmid) };
	_cleanup_error_ struct error *err = NULL;

	if (g->entry->kind == GUEST_CONTAINER) {
		row_add(c, FINDING_REMARK, vmid, xasprintf("container %" PRIu32, vmid),
			xstrdup("containers are not saved"), NULL);
	} else if (guest_status(&l.guest, &l.status, &err) < 0) {
		say(&l, FINDING_FAULT, xstrdup(error_message(err)), NULL);
		g->is_mute = true;
	} else if (l.status.running) {
		look_at_running(&l, g);
	} else {
		say(&l, FINDING_OK, xstrdup("it does not run"), NULL);
	}
}

int check_guests(struct check *c, struct error **err)
{
	int r = 0;

	for (size_t i = 0; i < c->n_guests && r == 0; i++) {
		look_at_guest(c, &c->guests[i]);
		r = cancel_check(c->host->cancel, err);
	}
	return r;
}
