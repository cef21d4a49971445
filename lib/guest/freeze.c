#include "guest/freeze.h"

enum {
	CANCELED_THAW_MS = 1000,
};

void freeze_open_agent(const struct guest *g, const struct guest_config *conf, const struct cancel *cancel,
		       const struct log *log, struct qga **ret)
{
	_cleanup_qga_ struct qga *a = NULL;
	_cleanup_error_ struct error *err = NULL;
	enum qga_fsfreeze_status status;
	struct guest_agent agent;
	int r;

	*ret = NULL;
	guest_config_agent(conf, log, &agent);
	if (!agent.enabled)
		return;
	if (!agent.freeze) {
		log_info(log, "skipping guest filesystem freeze - disabled in VM options");
		return;
	}
	r = guest_agent(g, cancel, &a, NULL);
	if (r == 0)
		r = qga_ping(a, &err);
	if (r == ERR_CORRUPT || r == ERR_PEER)
		log_warn(log, "%s", error_message(err));
	if (r < 0) {
		log_info(log, "skipping guest filesystem freeze - agent configured but not running?");
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

/* True only if the agent reports it. */
static bool is_frozen(struct qga *a)
{
	enum qga_fsfreeze_status status;

	return qga_status(a, &status, NULL) == 0 && status == QGA_FS_FROZEN;
}

int freeze_thaw(struct qga *a, const struct cancel *cancel, int timeout_ms, bool *ret_over,
		struct error **err)
{
	int r;

	/* the request that ended the backup must not keep the guest frozen */
	if (cancel_requested(cancel)) {
		cancel = NULL;
		if (timeout_ms > CANCELED_THAW_MS)
			timeout_ms = CANCELED_THAW_MS;
	}
	qga_set_cancel(a, cancel);
	r = qga_thaw(a, timeout_ms, NULL, err);
	*ret_over = r == 0 || ((r == ERR_PEER || r == ERR_CORRUPT) && !is_frozen(a));
	return r;
}
