#include "backup/hook.h"
#include "backup/task-internal.h"

static struct hook_guest describe_guest(const struct task *t)
{
	return (struct hook_guest){ .mode = t->guest.mode,
				    .vmid = t->vmid,
				    .known = t->guest.known,
				    .hostname = guest_config_get(&t->guest.conf, "name"),
				    .target = t->target,
				    .logfile = t->logfile };
}

int task_hook(const struct task *t, const char *phase, struct error **err)
{
	const struct hook_guest g = describe_guest(t);

	return hook_run(t->host, t->o->settings, phase, &g, t->o->dumpdir, t->log, err);
}

int task_hook_after(const struct task *t, const char *phase)
{
	const struct hook_guest g = describe_guest(t);
	_cleanup_error_ struct error *err = NULL;
	int r = hook_run_after(t->host, t->o->settings, phase, &g, t->o->dumpdir, t->log, &err);

	if (r < 0)
		log_warn(t->log, "%s", error_message(err));
	return r;
}
