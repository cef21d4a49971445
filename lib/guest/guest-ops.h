/*
 * How a guest is reached: whether it runs and in which process, its monitor and its agent, and how it is shut
 * down, started and ended.  Whatever manages guests on a host fills a struct guest_ops (pve.c: the sockets
 * and files of PVE, and the commands of vzdump.conf); everything else goes through the functions below.
 *
 * What a guest consists of, its configuration, is guest.h's subject.
 */
#ifndef VZDUMP_GUEST_GUEST_OPS_H
#define VZDUMP_GUEST_GUEST_OPS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "config/settings.h"
#include "guest/guest.h"
#include "qemu/qga.h"
#include "qemu/qmp.h"
#include "storage/host.h"

/* A QEMU's process.  Its pid alone may be another's later on. */
struct guest_process {
	pid_t pid;      /* 0: not known */
	uint64_t start; /* proc_start_ticks() */
};

struct guest_status {
	bool running;
	/* who runs QEMU; only if running */
	uid_t uid;
	gid_t gid;
	struct guest_process process; /* only if running and known for certain */
};

enum guest_start {
	GUEST_START,
	GUEST_START_PAUSED, /* QEMU runs, the vCPUs do not: only with commands.start_paused */
};

struct guest_ops;

/* One guest, and how it is reached.  All borrowed; may be copied. */
struct guest {
	const struct guest_ops *ops;
	const struct paths *paths;
	const struct settings_commands *commands; /* of vzdump.conf, by which it is started */
	uint32_t vmid;
};

/*
 * What a kind of management does for its guests.  cancel may be NULL everywhere: then a request to stop ends
 * nothing.
 */
struct guest_ops {
	/*
	 * Whether the guest runs.  An error if nobody can tell, as of one whose process lives but does not
	 * answer.
	 */
	int (*status)(const struct guest *g, struct guest_status *ret, struct error **err);
	/* Connects to QEMU's monitor, see guest_monitor().  NULL: there is none (a container). */
	int (*monitor)(const struct guest *g, const struct cancel *cancel, struct qmp **ret,
		       struct error **err);
	/* Connects to the agent's channel; whether an agent answers is not asked.  NULL: there is none. */
	int (*agent)(const struct guest *g, const struct cancel *cancel, struct qga **ret,
		     struct error **err);
	/* Asks the guest to shut down and waits until it has, up to so many minutes: ERR_TIMEOUT. */
	int (*shutdown)(const struct guest *g, const struct guest_config *conf, uint64_t minutes,
			const struct cancel *cancel, const struct log *log, struct error **err);
	/*
	 * Starts it; what that prints goes to log.  ERR_UNSUPPORTED or ERR_INVALID if it does not know how.
	 */
	int (*start)(const struct guest *g, enum guest_start how, const struct cancel *cancel,
		     const struct log *log, struct error **err);
	/* Ends it at once, without asking it, and waits until it is gone.  0 also if it does not run. */
	int (*quit)(const struct guest *g, struct error **err);
	/*
	 * Hands a file, socket or device to the user that runs the guest.  NULL: it is ours, nothing is done.
	 */
	int (*own_file)(const struct guest *g, const struct guest_status *status, const char *path,
			struct error **err);
};

extern const struct guest_ops guest_ops_pve;

/* By the host's guest_ops and commands, which must outlive it. */
struct guest guest_of(const struct host *host, uint32_t vmid);

/* *ret is all zero if it does not run.  Negative: nobody can tell. */
int guest_status(const struct guest *g, struct guest_status *ret, struct error **err);
/*
 * Connects to the guest's QEMU for a burst of commands.  Others need the monitor too: do not wait for the
 * guest, its agent, a storage or a user while it is open.  Caller closes *ret.
 */
int guest_monitor(const struct guest *g, const struct cancel *cancel, struct qmp **ret, struct error **err);
/*
 * Connects to the agent; ask it something (qga_ping()) to find out whether there is one.  Caller closes *ret.
 */
int guest_agent(const struct guest *g, const struct cancel *cancel, struct qga **ret, struct error **err);
/*
 * Shuts the guest down through its agent if one answers, else by ACPI; waits up to `minutes`: "VM
 * quit/powerdown failed - got timeout" (ERR_TIMEOUT), as PVE says.
 */
int guest_shutdown(const struct guest *g, const struct guest_config *conf, uint64_t minutes,
		   const struct cancel *cancel, const struct log *log, struct error **err);
/*
 * Starts the guest.  Its command gets five minutes; a request to stop ends it too, with its whole process
 * group: no cancel where a guest must come back.
 */
int guest_start(const struct guest *g, enum guest_start how, const struct cancel *cancel,
		const struct log *log, struct error **err);
/* Ends the guest at once, without asking it; waits until it is gone.  0 also if it does not run. */
int guest_quit(const struct guest *g, struct error **err);
/*
 * QEMU may run as another user and must be able to open what we make: a file, socket or block device becomes
 * that user's.  path may be NULL.
 */
int guest_own_file(const struct guest *g, const struct guest_status *status, const char *path,
		   struct error **err);

/* False also for a process that is not known. */
bool guest_process_lives(const struct guest_process *process);
/* Waits up to 2 s for the end of one that has closed its sockets already.  Whether it has ended. */
bool guest_process_ends(const struct guest_process *process);

/*
 * True for the code of an error that means: the QMP connection ended, or nobody is there now.  QEMU has ended
 * only if its process has: a proxy in front of the monitor, or QEMU itself, may have closed the connection
 * alone.
 */
bool guest_is_lost(int code);

#endif
