#include "guest/guest-ops.h"

#include <errno.h>
#include <unistd.h>

#include "base/proc.h"

enum {
	POLL_MS = 50,
	DYING_MS = 2000,
};

int guest_status(const struct guest *g, struct guest_status *ret, struct error **err)
{
	*ret = (struct guest_status){ 0 };
	return g->ops->status(g, ret, err);
}

int guest_monitor(const struct guest *g, const struct cancel *cancel, struct qmp **ret, struct error **err)
{
	if (!g->ops->monitor)
		return error_set(err, ERR_UNSUPPORTED, "guest %u has no QEMU", g->vmid);
	return g->ops->monitor(g, cancel, ret, err);
}

int guest_agent(const struct guest *g, const struct cancel *cancel, struct qga **ret, struct error **err)
{
	if (!g->ops->agent)
		return error_set(err, ERR_UNSUPPORTED, "guest %u has no agent", g->vmid);
	return g->ops->agent(g, cancel, ret, err);
}

int guest_shutdown(const struct guest *g, const struct guest_config *conf, uint64_t minutes,
		   const struct cancel *cancel, const struct log *log, struct error **err)
{
	return g->ops->shutdown(g, conf, minutes, cancel, log, err);
}

int guest_start(const struct guest *g, enum guest_start how, const struct cancel *cancel,
		const struct log *log, struct error **err)
{
	return g->ops->start(g, how, cancel, log, err);
}

int guest_quit(const struct guest *g, struct error **err)
{
	return g->ops->quit(g, err);
}

int guest_own_file(const struct guest *g, const struct guest_status *status, const char *path,
		   struct error **err)
{
	return g->ops->own_file && path ? g->ops->own_file(g, status, path, err) : 0;
}

bool guest_starts_paused(const struct guest *g)
{
	return g->ops->starts_paused && g->ops->starts_paused(g);
}

char *guest_monitor_name(const struct guest *g)
{
	return g->ops->monitor_name(g);
}

int guest_definition(const struct guest *g, const struct cancel *cancel, char **ret, struct error **err)
{
	*ret = NULL;
	return g->ops->definition ? g->ops->definition(g, cancel, ret, err) : 0;
}

bool guest_process_lives(const struct guest_process *process)
{
	uint64_t start;

	return process->pid && proc_start_ticks(process->pid, &start) && start == process->start;
}

bool guest_process_ends(const struct guest_process *process)
{
	for (int ms = 0; guest_process_lives(process); ms += POLL_MS) {
		if (ms >= DYING_MS)
			return false;
		usleep(POLL_MS * 1000);
	}
	return true;
}

bool guest_is_lost(int code)
{
	return code == ERR_GONE || code == -ECONNREFUSED || code == -ENOENT || code == -ECONNRESET ||
	       code == -EPIPE;
}
