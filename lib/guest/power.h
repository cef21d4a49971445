/* Whether a guest runs, and making it stop, go on, start; freezing its file systems. */
#ifndef VZDUMP_GUEST_POWER_H
#define VZDUMP_GUEST_POWER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "config/settings.h"
#include "storage/host.h"
#include "guest/guest.h"
#include "qemu/qga.h"
#include "qemu/qmp.h"

/* A QEMU's process.  Its pid alone may be another's later on. */
struct power_process {
	pid_t pid;      /* 0: not known */
	uint64_t start; /* proc_start_ticks() */
};

struct power_state {
	bool running;
	uid_t uid; /* who runs QEMU; only if running */
	gid_t gid;
	/*
	 * Only if running: the process of the pid file, or the one that listens at the socket, if its
	 * command line has the socket or pid file in it.  Else it may be a proxy, or who made the
	 * socket for QEMU.
	 */
	struct power_process process;
};

/* False also for one that is not known. */
bool power_process_lives(const struct power_process *process);
/* Waits up to 2 s for the end of one that has closed its sockets already.  Whether it has ended. */
bool power_process_ends(const struct power_process *process);

/*
 * By the QMP socket /run/qemu-server/<vmid>.qmp: a QEMU that answers there runs.  A pid file of a
 * living process without such a socket is an error, since nobody can tell then.
 */
int power_get(const struct paths *p, uint32_t vmid, struct power_state *ret, struct error **err);

/*
 * Connects to the guest's QEMU for a burst of commands.  cancel may be NULL.  Others need the
 * monitor too: do not wait for the guest, its agent, a storage or a user while it is open.
 */
int power_open_qmp(const struct paths *p, uint32_t vmid, const struct cancel *cancel, struct qmp **ret,
		   struct error **err);
/*
 * True for the code of an error that means: the QMP connection ended, or nobody is there now.  QEMU
 * has ended only if its process has: a proxy in front of the monitor, or QEMU itself, may have
 * closed the connection alone.
 */
bool power_is_lost(int code);
/* True in *ret if the vCPUs run. */
int power_vcpus_run(struct qmp *q, bool *ret, struct error **err);

/* Lets vCPUs go on that are "paused", not those that stand still for another reason. */
int power_resume(struct qmp *q, struct error **err);

/*
 * Shuts the guest down through its agent if one answers, else ACPI; waits up to `minutes`.
 * "VM quit/powerdown failed - got timeout" as PVE says.
 */
int power_shutdown(const struct host *host, const struct guest_config *conf, uint64_t minutes,
		   const struct log *log, struct error **err);

/*
 * Starts the guest by the administrator's command, which gets five minutes; cancel ends it too, with all of
 * its process group.  cancel is NULL where a guest must come back.  What it prints goes to log.
 */
int power_start(const struct settings_commands *c, uint32_t vmid, const struct cancel *cancel,
		const struct log *log, struct error **err);
/* The same with its vCPUs paused; c->start_paused is not NULL. */
int power_start_paused(const struct settings_commands *c, uint32_t vmid, const struct cancel *cancel,
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
void power_open_agent(const struct host *host, const struct guest_config *conf, const struct log *log,
		      struct qga **ret);

/*
 * Thaws.  A request to stop ends the wait for the answer; one that was there before leaves 1 s for
 * it.  *ret_over: it need not be tried again, since the file systems are thawed, or the agent, that
 * refuses, does not say that they are frozen.
 */
int power_thaw(struct qga *a, const struct cancel *cancel, int timeout_ms, bool *ret_over,
	       struct error **err);

#endif
