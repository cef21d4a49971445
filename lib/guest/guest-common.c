#include "guest/guest-common.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/units.h"

enum {
	DOWN_POLL_MS = 250,
	ASK_TRIES = 10,
	ASK_AGAIN_MS = 500,
};

static int ask_to_shut_down(const struct guest *g, const struct guest_config *conf,
			    const struct cancel *cancel, const struct log *log, struct error **err)
{
	struct guest_agent agent;
	_cleanup_qmp_ struct qmp *q = NULL;
	int r;

	guest_config_agent(conf, log, &agent);
	if (agent.enabled) {
		_cleanup_qga_ struct qga *a = NULL;

		if (guest_agent(g, cancel, &a, NULL) == 0 && qga_ping(a, NULL) == 0) {
			log_debug(log, "asking the agent of VM %u to shut down", g->vmid);
			return qga_shutdown(a, err);
		}
	}
	log_debug(log, "asking VM %u to shut down by ACPI", g->vmid);
	r = guest_monitor(g, cancel, &q, err);
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

int guest_common_shutdown(const struct guest *g, const struct guest_config *conf, uint64_t minutes,
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

int guest_common_own_file(const struct guest *g, const struct guest_status *status, const char *path,
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
