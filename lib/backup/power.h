/* Whether a guest runs, and making it stop, go on, start; freezing its file systems. */
#ifndef VZDUMP_BACKUP_POWER_H
#define VZDUMP_BACKUP_POWER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "backup/env.h"
#include "config/guest.h"
#include "qemu/qga.h"
#include "qemu/qmp.h"

struct power_state {
	bool running;
	uid_t uid;	/* who runs QEMU; only if running */
	gid_t gid;
};

/*
 * By the QMP socket /run/qemu-server/<vmid>.qmp: a QEMU that answers there runs.  A pid file of a
 * living process without such a socket is an error, since nobody can tell then.
 */
int power_get(const struct paths *p, uint32_t vmid, struct power_state *ret, struct error **err);

/* Connects to the guest's QEMU for a burst of commands.  cancel may be NULL. */
int power_open_qmp(const struct paths *p, uint32_t vmid, const struct cancel *cancel,
		   struct qmp **ret, struct error **err);
/* True in *ret if the vCPUs run. */
int power_vcpus_run(struct qmp *q, bool *ret, struct error **err);

/*
 * Shuts the guest down through its agent if one answers, else ACPI; waits up to `minutes`.
 * "VM quit/powerdown failed - got timeout" as PVE says.
 */
int power_shutdown(const struct backup_env *env, const struct guest_config *conf,
		   uint64_t minutes, const struct log *log, struct error **err);

/* Runs the command of vzdump.conf's `option` (start-command, ...), {vmid} filled in. */
int power_run_command(const struct backup_env *env, const char *option, uint32_t vmid,
		      const struct log *log, struct error **err);

/*
 * QEMU may run as somebody else and must be able to open what we make: a file, socket or block
 * device becomes that user's.  path may be NULL.
 */
int power_give(const struct power_state *state, const char *path, struct error **err);

/* Ends the guest's QEMU at once, without asking the guest; waits until it is gone.  Not there is fine. */
int power_quit(const struct paths *p, uint32_t vmid, struct error **err);

/*
 * Connects to the agent if file systems should be frozen: agent enabled in the configuration,
 * freezing not turned off, agent answering, nothing frozen yet.  *ret is NULL if not; that is
 * logged in PVE's words.
 */
void power_open_agent(const struct backup_env *env, const struct guest_config *conf,
		      const struct log *log, struct qga **ret);

#endif
