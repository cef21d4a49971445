#include "guest/power.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/process.h"
#include "base/strv.h"
#include "base/units.h"

enum {
	QUIT_TIMEOUT_MS = 30000,
	QUIT_POLL_MS = 50,
	OPEN_TRIES = 5,
	OPEN_AGAIN_MS = 200,
	ASK_TRIES = 10,
	ASK_AGAIN_MS = 500,
};

int power_open_qmp(const struct paths *p, uint32_t vmid, const struct cancel *cancel, struct qmp **ret,
		   struct error **err)
{
	_cleanup_free_ char *path = paths_get(p, "/run/qemu-server/%u.qmp", vmid);

	/* one that ends before anything was said is worth another; a QEMU that has ended refuses it */
	for (int left = OPEN_TRIES;; left--) {
		_cleanup_error_ struct error *mine = NULL;
		int r = qmp_open(path, QMP_CONNECT_TIMEOUT_MS, cancel, ret, &mine);

		if (r != ERR_GONE || left <= 1 || cancel_sleep(cancel, OPEN_AGAIN_MS, NULL) < 0) {
			error_keep_first(err, &mine);
			return r;
		}
	}
}

bool power_is_lost(int code)
{
	return code == ERR_GONE || code == -ECONNREFUSED || code == -ENOENT || code == -ECONNRESET ||
	       code == -EPIPE;
}

int power_resume(struct qmp *q, struct error **err)
{
	_cleanup_json_ struct json_object *status = NULL;
	const char *state;
	int r = qmp_execute(q, "query-status", NULL, &status, err);

	if (r < 0)
		return r;
	state = json_get_str(status, "status");
	return state && !strcmp(state, "paused") ? qmp_execute(q, "cont", NULL, NULL, err) : 0;
}

int power_vcpus_run(struct qmp *q, bool *ret, struct error **err)
{
	struct json_object *status = NULL, *running = NULL;
	int r = qmp_execute(q, "query-status", NULL, &status, err);

	if (r < 0)
		return r;
	*ret = json_object_object_get_ex(status, "running", &running) && json_object_get_boolean(running);
	json_object_put(status);
	return 0;
}

static int ask_to_shut_down(const struct host *host, const struct guest_config *conf, const struct log *log,
			    struct error **err)
{
	struct guest_agent agent;
	_cleanup_qmp_ struct qmp *q = NULL;
	int r;

	guest_config_agent(conf, log, &agent);
	if (agent.enabled) {
		_cleanup_free_ char *path = paths_get(host->paths, "/run/qemu-server/%u.qga", conf->vmid);
		_cleanup_qga_ struct qga *a = NULL;

		if (qga_open(path, host->cancel, &a, NULL) == 0 && qga_ping(a, NULL) == 0)
			return qga_shutdown(a, err);
	}
	r = power_open_qmp(host->paths, conf->vmid, host->cancel, &q, err);
	if (r == 0)
		r = qmp_execute(q, "system_powerdown", NULL, NULL, err);
	return r;
}

/* Its process has ended, and nobody else answers in its place. */
static bool is_down(const struct paths *p, uint32_t vmid, const struct power_process *process)
{
	struct power_state state;

	return !power_process_lives(process) && power_get(p, vmid, &state, NULL) == 0 && !state.running;
}

/* A connection that ends may have taken the question along: asking twice does no harm. */
static int ask_until_heard(const struct host *host, const struct guest_config *conf,
			   const struct power_process *process, const struct log *log, struct error **err)
{
	for (int left = ASK_TRIES;; left--) {
		_cleanup_error_ struct error *mine = NULL;
		int r = ask_to_shut_down(host, conf, log, &mine);

		if (power_is_lost(r) && is_down(host->paths, conf->vmid, process))
			return 0;
		if (!power_is_lost(r) || left <= 1 || cancel_sleep(host->cancel, ASK_AGAIN_MS, NULL) < 0) {
			error_keep_first(err, &mine);
			return r;
		}
	}
}

int power_shutdown(const struct host *host, const struct guest_config *conf, uint64_t minutes,
		   const struct log *log, struct error **err)
{
	uint64_t end = units_now_ns() + minutes * 60 * UINT64_C(1000000000);
	struct power_state before;
	int r = power_get(host->paths, conf->vmid, &before, err);

	if (r == 0)
		r = ask_until_heard(host, conf, &before.process, log, err);
	while (r == 0) {
		if (is_down(host->paths, conf->vmid, &before.process))
			return 0;
		if (units_now_ns() >= end)
			return error_set(err, ERR_TIMEOUT, "VM quit/powerdown failed - got timeout");
		r = cancel_sleep(host->cancel, 250, err);
	}
	return r;
}

int power_give(const struct power_state *state, const char *path, struct error **err)
{
	struct stat st;

	if (!path || state->uid == geteuid() || stat(path, &st) < 0 || S_ISCHR(st.st_mode))
		return 0;
	if (chown(path, state->uid, state->gid) < 0)
		return error_errno(err, errno, "cannot give '%s' to the user that runs QEMU (%u)", path,
				   (unsigned)state->uid);
	return 0;
}

int power_quit(const struct paths *p, uint32_t vmid, struct error **err)
{
	struct power_process process;
	struct power_state state;
	int r = power_get(p, vmid, &state, err);

	process = state.process;
	if (r == 0 && state.running) {
		_cleanup_qmp_ struct qmp *q = NULL;

		r = power_open_qmp(p, vmid, NULL, &q, err);
		/* it may be gone before it has answered */
		if (r == 0)
			qmp_execute(q, "quit", NULL, NULL, NULL);
	}
	for (int waited = 0; r == 0 && (state.running || power_process_lives(&process));
	     waited += QUIT_POLL_MS) {
		if (waited > QUIT_TIMEOUT_MS)
			return error_set(err, ERR_TIMEOUT, "the QEMU of VM %u does not quit", vmid);
		usleep(QUIT_POLL_MS * 1000);
		r = power_get(p, vmid, &state, err);
	}
	return r;
}

/* name: of the key in vzdump.conf, for messages */
static int run_command(const char *name, const char *command, uint32_t vmid, const struct cancel *cancel,
		       const struct log *log, struct error **err)
{
	_cleanup_strv_ char **argv = command ? strv_split_args(command) : NULL;
	struct process_result result = { 0 };
	char id[16];
	int r;

	if (!argv || !argv[0])
		return error_set(err, ERR_INVALID, "%s: '%s' is no command: correct it in vzdump.conf", name,
				 command ? command : "");
	snprintf(id, sizeof(id), "%u", vmid);
	for (char **arg = argv; *arg; arg++) {
		char *at = strstr(*arg, "{vmid}");

		if (at) {
			char *filled =
				xasprintf("%.*s%s%s", (int)(at - *arg), *arg, id, at + strlen("{vmid}"));
			free(*arg);
			*arg = filled;
		}
	}
	r = process_run((const char *const *)(const void *)argv,
			&(struct process_options){
				.log_output = log, .timeout_ms = 300000, .group = true, .cancel = cancel },
			&result, err);
	if (r == 0 && result.status != 0)
		r = error_set(err, ERR_PEER, "%s '%s' failed with exit status %d", name, command,
			      result.status);
	process_result_clear(&result);
	return r;
}

int power_start(const struct settings_commands *c, uint32_t vmid, const struct cancel *cancel,
		const struct log *log, struct error **err)
{
	return run_command("start-command", c->start, vmid, cancel, log, err);
}

int power_start_paused(const struct settings_commands *c, uint32_t vmid, const struct cancel *cancel,
		       const struct log *log, struct error **err)
{
	return run_command("start-paused-command", c->start_paused, vmid, cancel, log, err);
}
