#include "backup/task-internal.h"

static int reach_phase(const struct task *t, const char *name, enum phase_rule rule, struct error **err)
{
	const struct phase_guest g = { .mode = backup_mode_name(t->guest.mode),
				       .vmid = t->vmid,
				       .known = t->guest.known,
				       .hostname = guest_config_get(&t->guest.conf, "name"),
				       .archive = t->archive.path,
				       .logfile = t->logfile };
	const struct phase p = {
		.name = name, .rule = rule, .guest = &g, .dumpdir = t->o->dumpdir, .log = t->log
	};

	return observers_phase(t->o->observers, &p, err);
}

int task_hook(const struct task *t, const char *phase, struct error **err)
{
	return reach_phase(t, phase, PHASE_MAY_FAIL, err);
}

int task_hook_after(const struct task *t, const char *phase)
{
	_cleanup_error_ struct error *err = NULL;
	int r = reach_phase(t, phase, PHASE_ALWAYS, &err);

	if (r < 0)
		log_warn(t->log, "%s", error_message(err));
	return r;
}
