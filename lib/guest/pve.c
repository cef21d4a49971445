/* Guests as PVE runs them: sockets in /run/qemu-server, started by the commands of vzdump.conf. */

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/process.h"
#include "base/strv.h"
#include "base/units.h"
#include "guest/pve-internal.h"

enum {
	COMMAND_TIMEOUT_MS = 5 * 60 * 1000,
	DOWN_POLL_MS = 250,
	QUIT_TIMEOUT_MS = 30000,
	QUIT_POLL_MS = 50,
	OPEN_TRIES = 5,
	OPEN_AGAIN_MS = 200,
	ASK_TRIES = 10,
	ASK_AGAIN_MS = 500,
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

/* ---- shutting down ---- */

static int ask_to_shut_down(const struct guest *g, const struct guest_config *conf,
			    const struct cancel *cancel, const struct log *log, struct error **err)
{
	struct guest_agent agent;
	_cleanup_qmp_ struct qmp *q = NULL;
	int r;

	guest_config_agent(conf, log, &agent);
	if (agent.enabled) {
		_cleanup_qga_ struct qga *a = NULL;

		if (pve_agent(g, cancel, &a, NULL) == 0 && qga_ping(a, NULL) == 0) {
			log_debug(log, "asking the agent of VM %u to shut down", g->vmid);
			return qga_shutdown(a, err);
		}
	}
	log_debug(log, "asking VM %u to shut down by ACPI", g->vmid);
	r = pve_monitor(g, cancel, &q, err);
	if (r == 0)
		r = qmp_execute(q, "system_powerdown", NULL, NULL, err);
	return r;
}

/* True if its process has ended, and no new one has taken its place. */
static bool is_down(const struct guest *g, const struct guest_process *process)
{
	struct guest_status status;

	return !guest_process_lives(process) && guest_status(g, &status, NULL) == 0 && !status.running;
}

/* The request may be lost with its connection.  Asking twice does no harm. */
static int ask_until_heard(const struct guest *g, const struct guest_config *conf,
			   const struct guest_process *process, const struct cancel *cancel,
			   const struct log *log, struct error **err)
{
	for (int left = ASK_TRIES;; left--) {
		_cleanup_error_ struct error *mine = NULL;
		int r = ask_to_shut_down(g, conf, cancel, log, &mine);

		if (guest_is_lost(r) && is_down(g, process))
			return 0;
		if (!guest_is_lost(r) || left <= 1 || cancel_sleep(cancel, ASK_AGAIN_MS, NULL) < 0) {
			error_keep_first(err, &mine);
			return r;
		}
	}
}

static int pve_shutdown(const struct guest *g, const struct guest_config *conf, uint64_t minutes,
			const struct cancel *cancel, const struct log *log, struct error **err)
{
	uint64_t end = units_now_ns() + minutes * 60 * UINT64_C(1000000000);
	struct guest_status before;
	int r = guest_status(g, &before, err);

	if (r == 0)
		r = ask_until_heard(g, conf, &before.process, cancel, log, err);
	while (r == 0) {
		if (is_down(g, &before.process))
			return 0;
		if (units_now_ns() >= end)
			return error_set(err, ERR_TIMEOUT, "VM quit/powerdown failed - got timeout");
		r = cancel_sleep(cancel, DOWN_POLL_MS, err);
	}
	return r;
}

static int pve_own_file(const struct guest *g, const struct guest_status *status, const char *path,
			struct error **err)
{
	struct stat st;

	(void)g;
	if (status->uid == geteuid() || stat(path, &st) < 0 || S_ISCHR(st.st_mode))
		return 0;
	if (chown(path, status->uid, status->gid) < 0)
		return error_errno(err, errno, "cannot give '%s' to the user that runs QEMU (%u)", path,
				   (unsigned)status->uid);
	return 0;
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

const struct guest_ops guest_ops_pve = {
	.status = pve_status,
	.monitor = pve_monitor,
	.agent = pve_agent,
	.shutdown = pve_shutdown,
	.start = pve_start,
	.quit = pve_quit,
	.own_file = pve_own_file,
};
