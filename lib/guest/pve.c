/* Guests as PVE runs them: sockets in /run/qemu-server, started by the commands of vzdump.conf. */

#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/process.h"
#include "base/strv.h"
#include "guest/guest-common.h"
#include "guest/pve-internal.h"

enum {
	COMMAND_TIMEOUT_MS = 5 * 60 * 1000,
	QUIT_TIMEOUT_MS = 30000,
	QUIT_POLL_MS = 50,
	OPEN_TRIES = 5,
	OPEN_AGAIN_MS = 200,
};

static int pve_monitor(const struct guest *g, const struct cancel *cancel, struct qmp **ret,
		       struct error **err)
{
	_cleanup_free_ char *path = paths_get(g->paths, "/run/qemu-server/%u.qmp", g->vmid);

	/* try again if a connection ends at once; if QEMU has ended, the next one is refused */
	for (int left = OPEN_TRIES;; left--) {
		_cleanup_error_ struct error *mine = NULL;
		int r = qmp_open(path, QMP_CONNECT_TIMEOUT_MS, cancel, ret, &mine);

		if (r != ERR_GONE || left <= 1 || cancel_sleep(cancel, OPEN_AGAIN_MS, NULL) < 0) {
			error_keep_first(err, &mine);
			return r;
		}
	}
}

static int pve_agent(const struct guest *g, const struct cancel *cancel, struct qga **ret, struct error **err)
{
	_cleanup_free_ char *path = paths_get(g->paths, "/run/qemu-server/%u.qga", g->vmid);

	return qga_open(path, cancel, ret, err);
}

static int pve_quit(const struct guest *g, struct error **err)
{
	struct guest_process process;
	struct guest_status status;
	int r = guest_status(g, &status, err);

	process = status.process;
	if (r == 0 && status.running) {
		_cleanup_qmp_ struct qmp *q = NULL;

		r = pve_monitor(g, NULL, &q, err);
		/* QEMU may end before it has answered */
		if (r == 0)
			qmp_execute(q, "quit", NULL, NULL, NULL);
	}
	for (int waited = 0; r == 0 && (status.running || guest_process_lives(&process));
	     waited += QUIT_POLL_MS) {
		if (waited > QUIT_TIMEOUT_MS)
			return error_set(err, ERR_TIMEOUT, "the QEMU of VM %u does not quit", g->vmid);
		usleep(QUIT_POLL_MS * 1000);
		r = guest_status(g, &status, err);
	}
	return r;
}

/* ---- starting ---- */

/* Replaces the first {vmid} of each word by the number. */
static void fill_in_vmid(char **argv, uint32_t vmid)
{
	for (char **arg = argv; *arg; arg++) {
		char *at = strstr(*arg, "{vmid}"), *filled;

		if (!at)
			continue;
		filled = xasprintf("%.*s%u%s", (int)(at - *arg), *arg, vmid, at + strlen("{vmid}"));
		free(*arg);
		*arg = filled;
	}
}

/* option: the command's key in vzdump.conf, for messages. */
static int run_command(const char *option, const char *command, uint32_t vmid, const struct cancel *cancel,
		       const struct log *log, struct error **err)
{
	const struct process_options o = {
		.log_output = log, .timeout_ms = COMMAND_TIMEOUT_MS, .group = true, .cancel = cancel
	};
	_cleanup_strv_ char **argv = command ? strv_split_args(command) : NULL;
	struct process_result result = { 0 };
	int r;

	if (!argv || !argv[0])
		return error_set(err, ERR_INVALID, "%s: '%s' is no command: correct it in vzdump.conf",
				 option, command ? command : "");
	fill_in_vmid(argv, vmid);
	r = process_run((const char *const *)(const void *)argv, &o, &result, err);
	if (r == 0 && result.status != 0)
		r = error_set(err, ERR_PEER, "%s '%s' failed with exit status %d", option, command,
			      result.status);
	process_result_clear(&result);
	return r;
}

static int pve_start(const struct guest *g, enum guest_start how, const struct cancel *cancel,
		     const struct log *log, struct error **err)
{
	return how == GUEST_START
		       ? run_command("start-command", g->commands->start, g->vmid, cancel, log, err)
		       : run_command("start-paused-command", g->commands->start_paused, g->vmid, cancel, log,
				     err);
}

static bool pve_starts_paused(const struct guest *g)
{
	return g->commands->start_paused != NULL;
}

static char *pve_monitor_name(const struct guest *g)
{
	return xasprintf("its QMP socket /run/qemu-server/%u.qmp", g->vmid);
}

const struct guest_ops guest_ops_pve = {
	.status = pve_status,
	.monitor = pve_monitor,
	.agent = pve_agent,
	.shutdown = guest_common_shutdown,
	.start = pve_start,
	.quit = pve_quit,
	.own_file = guest_common_own_file,
	.starts_paused = pve_starts_paused,
	.monitor_name = pve_monitor_name,
};
