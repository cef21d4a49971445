#include "backup/power.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/process.h"
#include "base/strv.h"
#include "base/units.h"

enum {
	QUIT_TIMEOUT_MS = 30000,
	QUIT_POLL_MS = 50,
	DYING_MS = 2000,
};

static char *qmp_path(const struct paths *p, uint32_t vmid)
{
	return paths_get(p, "/run/qemu-server/%u.qmp", vmid);
}

/* 1: somebody listens there, 0: nobody, negative: cannot tell. */
static int probe_socket(const char *path, struct power_state *ret, struct error **err)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct ucred cred = { 0 };
	socklen_t len = sizeof(cred);
	_cleanup_close_ int fd = -1;

	if (strlen(path) >= sizeof(a.sun_path))
		return error_set(err, ERR_INVALID,
				 "socket path '%s' is longer than %zu bytes: use a shorter root",
				 path, sizeof(a.sun_path) - 1);
	memcpy(a.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_errno(err, errno, "creating a socket");
	if (connect(fd, (const struct sockaddr *)&a, sizeof(a)) < 0) {
		if (errno == ENOENT || errno == ECONNREFUSED)
			return 0;
		if (errno != EAGAIN) /* others are waiting for it: it runs */
			return error_errno(err, errno, "cannot connect to '%s'", path);
		return 1;
	}
	/* of a socket that was connected to: who listens */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0) {
		ret->uid = cred.uid;
		ret->gid = cred.gid;
	}
	return 1;
}

/* The living process of /run/qemu-server/<vmid>.pid, or 0. */
static pid_t living_pid(const struct paths *p, uint32_t vmid)
{
	_cleanup_free_ char *path = paths_get(p, "/run/qemu-server/%u.pid", vmid);
	_cleanup_buf_ struct buf text = BUF_INIT;
	uint64_t pid;

	if (io_read_file(path, 64, &text, NULL) < 0 || !text.len)
		return 0;
	if (units_parse_u64(str_strip(text.data), 1, INT32_MAX, "pid", &pid, NULL) < 0)
		return 0;
	return proc_alive((pid_t)pid) ? (pid_t)pid : 0;
}

int power_get(const struct paths *p, uint32_t vmid, struct power_state *ret, struct error **err)
{
	_cleanup_free_ char *path = qmp_path(p, vmid);
	pid_t pid;
	int r;

	*ret = (struct power_state){ 0 };
	r = probe_socket(path, ret, err);
	if (r < 0)
		return r;
	ret->running = r > 0;
	if (ret->running)
		return 0;
	pid = living_pid(p, vmid);
	/* one that was killed closes its sockets first and gives its memory back then */
	for (int ms = 0; pid && ms < DYING_MS; ms += QUIT_POLL_MS) {
		usleep(QUIT_POLL_MS * 1000);
		pid = living_pid(p, vmid);
	}
	if (pid)
		return error_set(err, ERR_INVALID,
				 "VM %u runs (pid %d) but nothing answers at its QMP socket '%s': give "
				 "QEMU '-qmp unix:%s,server=on,wait=off'",
				 vmid, (int)pid, path, path);
	return 0;
}

int power_open_qmp(const struct paths *p, uint32_t vmid, const struct cancel *cancel,
		   struct qmp **ret, struct error **err)
{
	_cleanup_free_ char *path = qmp_path(p, vmid);

	return qmp_open(path, QMP_CONNECT_TIMEOUT_MS, cancel, ret, err);
}

int power_vcpus_run(struct qmp *q, bool *ret, struct error **err)
{
	struct json_object *status = NULL, *running = NULL;
	int r = qmp_execute(q, "query-status", NULL, &status, err);

	if (r < 0)
		return r;
	*ret = json_object_object_get_ex(status, "running", &running) &&
	       json_object_get_boolean(running);
	json_object_put(status);
	return 0;
}

static int ask_to_shut_down(const struct backup_env *env, const struct guest_config *conf,
			    const struct log *log, struct error **err)
{
	struct guest_agent agent;
	_cleanup_qmp_ struct qmp *q = NULL;
	int r;

	guest_config_agent(conf, log, &agent);
	if (agent.enabled) {
		_cleanup_free_ char *path =
			paths_get(env->paths, "/run/qemu-server/%u.qga", conf->vmid);
		_cleanup_qga_ struct qga *a = NULL;

		if (qga_open(path, env->cancel, &a, NULL) == 0 && qga_ping(a, NULL) == 0)
			return qga_shutdown(a, err);
	}
	r = power_open_qmp(env->paths, conf->vmid, env->cancel, &q, err);
	if (r == 0)
		r = qmp_execute(q, "system_powerdown", NULL, NULL, err);
	return r;
}

int power_shutdown(const struct backup_env *env, const struct guest_config *conf,
		   uint64_t minutes, const struct log *log, struct error **err)
{
	uint64_t end = units_now_ns() + minutes * 60 * UINT64_C(1000000000);
	int r = ask_to_shut_down(env, conf, log, err);

	while (r == 0) {
		struct power_state state;

		if (power_get(env->paths, conf->vmid, &state, NULL) == 0 && !state.running)
			return 0;
		if (units_now_ns() >= end)
			return error_set(err, ERR_TIMEOUT, "VM quit/powerdown failed - got timeout");
		r = cancel_sleep(env->cancel, 250, err);
	}
	return r;
}

int power_give(const struct power_state *state, const char *path, struct error **err)
{
	struct stat st;

	if (!path || state->uid == geteuid() || stat(path, &st) < 0 || S_ISCHR(st.st_mode))
		return 0;
	if (chown(path, state->uid, state->gid) < 0)
		return error_errno(err, errno, "cannot give '%s' to the user that runs QEMU (%u)",
				   path, (unsigned)state->uid);
	return 0;
}

int power_quit(const struct paths *p, uint32_t vmid, struct error **err)
{
	struct power_state state;
	int r = power_get(p, vmid, &state, err);

	if (r == 0 && state.running) {
		_cleanup_qmp_ struct qmp *q = NULL;

		r = power_open_qmp(p, vmid, NULL, &q, err);
		/* it may be gone before it has answered */
		if (r == 0)
			qmp_execute(q, "quit", NULL, NULL, NULL);
	}
	for (int waited = 0; r == 0 && state.running; waited += QUIT_POLL_MS) {
		if (waited > QUIT_TIMEOUT_MS)
			return error_set(err, ERR_TIMEOUT, "the QEMU of VM %u does not quit", vmid);
		usleep(QUIT_POLL_MS * 1000);
		r = power_get(p, vmid, &state, err);
	}
	return r;
}

int power_run_command(const struct backup_env *env, const char *option, uint32_t vmid,
		      const struct log *log, struct error **err)
{
	const char *command = options_get(env->options, option);
	_cleanup_strv_ char **argv = command ? strv_split_args(command) : NULL;
	struct process_result result = { 0 };
	char id[16];
	int r;

	if (!argv || !argv[0])
		return error_set(err, ERR_INVALID, "%s: '%s' is no command: correct it in vzdump.conf",
				 option, command ? command : "");
	snprintf(id, sizeof(id), "%u", vmid);
	for (char **arg = argv; *arg; arg++) {
		char *at = strstr(*arg, "{vmid}");

		if (at) {
			char *filled = xasprintf("%.*s%s%s", (int)(at - *arg), *arg, id,
						 at + strlen("{vmid}"));
			free(*arg);
			*arg = filled;
		}
	}
	r = process_run((const char *const *)(const void *)argv,
			&(struct process_options){ .log_output = log, .timeout_ms = 300000 },
			&result, err);
	if (r == 0 && result.status != 0)
		r = error_set(err, ERR_PEER, "%s '%s' failed with exit status %d", option, command,
			      result.status);
	process_result_clear(&result);
	return r;
}

void power_open_agent(const struct backup_env *env, const struct guest_config *conf,
		      const struct log *log, struct qga **ret)
{
	_cleanup_free_ char *path = paths_get(env->paths, "/run/qemu-server/%u.qga", conf->vmid);
	_cleanup_qga_ struct qga *a = NULL;
	_cleanup_error_ struct error *err = NULL;
	enum qga_fsfreeze_status status;
	struct guest_agent agent;

	*ret = NULL;
	guest_config_agent(conf, log, &agent);
	if (!agent.enabled)
		return;
	if (!agent.freeze) {
		log_info(log, "skipping guest filesystem freeze - disabled in VM options");
		return;
	}
	if (qga_open(path, env->cancel, &a, NULL) < 0 || qga_ping(a, NULL) < 0) {
		log_info(log,
			 "skipping guest filesystem freeze - agent configured but not running?");
		return;
	}
	if (qga_status(a, &status, &err) < 0) {
		log_warn(log, "unable to check guest fs freeze status - %s", error_message(err));
	} else if (status == QGA_FS_FROZEN) {
		log_info(log, "skipping guest filesystem freeze - already frozen");
		return;
	}
	*ret = TAKE_PTR(a);
}
