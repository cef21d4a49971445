/* Guests that libvirt runs.  Who they are is in their mirrors. */
#include <unistd.h>

#include "base/mem.h"
#include "base/units.h"
#include "guest/guest-common.h"
#include "guest/libvirt-internal.h"
#include "libvirt/connection.h"
#include "libvirt/monitor.h"

enum {
	/* libvirt gives up after 30 s if another of its clients holds the domain */
	OPEN_TIMEOUT_MS = 35000,
	/* libvirt may just be restarted */
	OPEN_TRIES = 10,
	OPEN_AGAIN_MS = 500,
	QUIT_TIMEOUT_MS = 30000,
	QUIT_POLL_MS = 100,
};

/* "libvirt domain 'web'".  Caller frees. */
static char *describe(const struct mirror *m)
{
	return xasprintf("libvirt domain '%s'", m->domain);
}

static int libvirt_status(const struct guest *g, struct guest_status *ret, struct error **err)
{
	_cleanup_mirror_ struct mirror m = { 0 };
	_cleanup_error_ struct error *mine = NULL;
	struct libvirt_state state;
	int r = mirror_load(g->paths, g->vmid, &m, err);

	if (r < 0)
		return r;
	r = libvirt_get_state(m.uri, m.uuid, NULL, &state, &mine);
	/* a transient one that has ended, or one that was undefined, is not there any more */
	if (r == ERR_NOT_FOUND)
		return 0;
	if (r < 0) {
		error_keep_first(err, &mine);
		return error_wrap(err, r, "cannot find out whether libvirt domain '%s' runs", m.domain);
	}
	ret->running = state.running;
	ret->transient = state.running && !state.persistent;
	ret->busy = state.busy;
	if (state.running)
		libvirt_find_process(&m, ret);
	return 0;
}

/* ---- monitor and agent ---- */

static int open_once(const struct mirror *m, const struct cancel *cancel, struct qmp **ret,
		     struct error **err)
{
	_cleanup_free_ char *name = describe(m);
	struct libvirt_session session;
	int r = libvirt_attach(m->uri, m->uuid, cancel, &session, err);

	if (r == 0)
		r = libvirt_monitor_socket(&session, err);
	if (r < 0)
		return r == ERR_NOT_FOUND ? error_wrap(err, ERR_GONE, "%s", name) : r;
	return qmp_open_socket(r, name, OPEN_TIMEOUT_MS, cancel, ret, err);
}

static bool has_ended(const struct mirror *m)
{
	struct libvirt_state state;
	const int r = libvirt_get_state(m->uri, m->uuid, NULL, &state, NULL);

	return r == ERR_NOT_FOUND || (r == 0 && !state.running);
}

static int libvirt_monitor(const struct guest *g, const struct cancel *cancel, struct qmp **ret,
			   struct error **err)
{
	_cleanup_mirror_ struct mirror m = { 0 };
	int r = mirror_load(g->paths, g->vmid, &m, err);

	if (r < 0)
		return r;
	for (int left = OPEN_TRIES;; left--) {
		_cleanup_error_ struct error *mine = NULL;

		r = open_once(&m, cancel, ret, &mine);
		if (r != ERR_GONE || left <= 1 || has_ended(&m) ||
		    cancel_sleep(cancel, OPEN_AGAIN_MS, NULL) < 0) {
			error_keep_first(err, &mine);
			return r;
		}
	}
}

static int libvirt_agent(const struct guest *g, const struct cancel *cancel, struct qga **ret,
			 struct error **err)
{
	_cleanup_mirror_ struct mirror m = { 0 };
	_cleanup_free_ char *name = NULL;
	struct libvirt_session session;
	int r = mirror_load(g->paths, g->vmid, &m, err);

	if (r == 0)
		r = libvirt_attach(m.uri, m.uuid, cancel, &session, err);
	if (r == 0)
		r = libvirt_agent_socket(&session, err);
	if (r < 0)
		return r;
	name = xasprintf("agent of libvirt domain '%s'", m.domain);
	*ret = qga_open_socket(r, name, cancel);
	return 0;
}

/* ---- starting and ending ---- */

static int libvirt_start_guest(const struct guest *g, enum guest_start how, const struct cancel *cancel,
			       const struct log *log, struct error **err)
{
	_cleanup_mirror_ struct mirror m = { 0 };
	int r = mirror_load(g->paths, g->vmid, &m, err);

	(void)log;
	if (r == 0)
		r = libvirt_start(m.uri, m.uuid, how == GUEST_START_PAUSED, cancel, err);
	return r < 0 ? error_wrap(err, r, "starting libvirt domain '%s'", m.domain ? m.domain : "") : 0;
}

static int libvirt_quit(const struct guest *g, struct error **err)
{
	_cleanup_mirror_ struct mirror m = { 0 };
	struct guest_status status = { 0 };
	struct guest_process process;
	int r = mirror_load(g->paths, g->vmid, &m, err);

	if (r == 0)
		r = libvirt_status(g, &status, err);
	process = status.process;
	if (r == 0 && status.running)
		r = libvirt_destroy(m.uri, m.uuid, err);
	for (int waited = 0; r == 0 && guest_process_lives(&process); waited += QUIT_POLL_MS) {
		if (waited > QUIT_TIMEOUT_MS)
			return error_set(err, ERR_TIMEOUT, "the QEMU of libvirt domain '%s' does not quit",
					 m.domain);
		usleep(QUIT_POLL_MS * 1000);
	}
	return r;
}

static bool libvirt_starts_paused(const struct guest *g)
{
	(void)g;
	return true;
}

static char *libvirt_monitor_name(const struct guest *g)
{
	_cleanup_mirror_ struct mirror m = { 0 };

	if (mirror_load(g->paths, g->vmid, &m, NULL) < 0)
		return xstrdup("libvirt");
	return xasprintf("libvirt (domain '%s', %s)", m.domain, m.uri);
}

static int libvirt_definition(const struct guest *g, const struct cancel *cancel, char **ret,
			      struct error **err)
{
	_cleanup_mirror_ struct mirror m = { 0 };
	int r = mirror_load(g->paths, g->vmid, &m, err);

	return r == 0 ? libvirt_get_xml(m.uri, m.uuid, VIR_XML_SECURE | VIR_XML_INACTIVE, cancel, ret, err)
		      : r;
}

const struct guest_ops guest_ops_libvirt = {
	.status = libvirt_status,
	.monitor = libvirt_monitor,
	.agent = libvirt_agent,
	.shutdown = guest_common_shutdown,
	.start = libvirt_start_guest,
	.quit = libvirt_quit,
	.own_file = guest_common_own_file,
	.starts_paused = libvirt_starts_paused,
	.monitor_name = libvirt_monitor_name,
	.device_hint =
		"libvirt shows a guest no block devices but those of its XML: let fleecing images be files, "
		"by --fleecing with a storage of type dir",
	.definition = libvirt_definition,
};
