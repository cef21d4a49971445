/*
 * Access to a guest: whether it runs and in which process, its monitor and its agent, and shutting it down,
 * starting and ending it.  Each kind of guest management has a struct guest_ops (pve.c: the sockets and files
 * of PVE, and the commands of vzdump.conf; libvirt.c: libvirt); all other code uses the functions below.
 *
 * guest.h is about the guest's configuration.
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

/* A QEMU's process.  The pid alone is not enough, because another process may get it later. */
struct guest_process {
	pid_t pid;      /* 0: not known */
	uint64_t start; /* proc_start_ticks() */
};

struct guest_status {
	bool running;
	/* the user that runs QEMU; only if running */
	uid_t uid;
	gid_t gid;
	struct guest_process process; /* only if running and known for certain */
	bool transient;               /* nobody can start it again when it has ended; only if running */
	bool busy;                    /* another program saves, migrates or backs it up; only if running */
};

enum guest_start {
	GUEST_START,
	GUEST_START_PAUSED, /* QEMU runs, the vCPUs do not: see guest_starts_paused() */
};

struct guest_ops;

/* One guest, and the means to reach it.  All members are borrowed; it may be copied. */
struct guest {
	const struct guest_ops *ops;
	const struct paths *paths;
	const struct settings_commands *commands; /* of vzdump.conf; they start it */
	uint32_t vmid;
};

/*
 * The operations of one kind of guest management.  cancel may always be NULL: then requests to stop have no
 * effect.
 */
struct guest_ops {
	/*
	 * Whether the guest runs.  An error if that is unknown, for instance if its process lives but does
	 * not answer.
	 */
	int (*status)(const struct guest *g, struct guest_status *ret, struct error **err);
	/* Connects to QEMU's monitor, see guest_monitor().  NULL: there is none (a container). */
	int (*monitor)(const struct guest *g, const struct cancel *cancel, struct qmp **ret,
		       struct error **err);
	/*
	 * Connects to the agent's channel, but does not check whether an agent answers.  NULL: there is none.
	 */
	int (*agent)(const struct guest *g, const struct cancel *cancel, struct qga **ret,
		     struct error **err);
	/* Asks the guest to shut down and waits up to `minutes` until it has; then ERR_TIMEOUT. */
	int (*shutdown)(const struct guest *g, const struct guest_config *conf, uint64_t minutes,
			const struct cancel *cancel, const struct log *log, struct error **err);
	/*
	 * Starts it; the output of that goes to log.  ERR_UNSUPPORTED or ERR_INVALID if it cannot do that.
	 */
	int (*start)(const struct guest *g, enum guest_start how, const struct cancel *cancel,
		     const struct log *log, struct error **err);
	/*
	 * Ends it at once, without shutting it down, and waits until it is gone.  0 also if it does not run.
	 */
	int (*quit)(const struct guest *g, struct error **err);
	/*
	 * Gives a file, socket or device to the user that runs the guest.  NULL: that user is ours already.
	 */
	int (*own_file)(const struct guest *g, const struct guest_status *status, const char *path,
			struct error **err);
	/* See guest_starts_paused().  NULL: never. */
	bool (*starts_paused)(const struct guest *g);
	/* See guest_monitor_name(). */
	char *(*monitor_name)(const struct guest *g);
	/*
	 * What to add to the message if QEMU cannot open a block device that we have made; NULL: nothing.
	 */
	const char *device_hint;
	/* See guest_definition().  NULL: there is none. */
	int (*definition)(const struct guest *g, const struct cancel *cancel, char **ret, struct error **err);
};

extern const struct guest_ops guest_ops_pve;
extern const struct guest_ops guest_ops_libvirt;

/*
 * A guest with the host's commands, which must outlive it, and guest_ops: libvirt's if it has a mirror
 * (mirror.h).
 */
struct guest guest_of(const struct host *host, uint32_t vmid);

/* *ret is all zero if the guest does not run.  Negative: unknown. */
int guest_status(const struct guest *g, struct guest_status *ret, struct error **err);
/*
 * Connects to the guest's QEMU for a burst of commands.  Other programs need the monitor too: do not wait for
 * the guest, its agent, a storage or a user while it is open.  Caller closes *ret.
 */
int guest_monitor(const struct guest *g, const struct cancel *cancel, struct qmp **ret, struct error **err);
/*
 * Connects to the agent's channel; qga_ping() finds out whether an agent answers.  Caller closes *ret.
 */
int guest_agent(const struct guest *g, const struct cancel *cancel, struct qga **ret, struct error **err);
/*
 * Shuts the guest down through its agent if one answers, else by ACPI; waits up to `minutes`: "VM
 * quit/powerdown failed - got timeout" (ERR_TIMEOUT), as PVE says.
 */
int guest_shutdown(const struct guest *g, const struct guest_config *conf, uint64_t minutes,
		   const struct cancel *cancel, const struct log *log, struct error **err);
/*
 * Starts the guest.  The command may take five minutes.  A request to stop ends it, with its whole process
 * group, so cancel must be NULL if the guest has to run again in any case.
 */
int guest_start(const struct guest *g, enum guest_start how, const struct cancel *cancel,
		const struct log *log, struct error **err);
/* Ends the guest at once, without shutting it down; waits until it is gone.  0 also if it does not run. */
int guest_quit(const struct guest *g, struct error **err);
/*
 * Gives a file, socket or block device that we have made to the user that runs QEMU, so that QEMU can open
 * it. path may be NULL.
 */
int guest_own_file(const struct guest *g, const struct guest_status *status, const char *path,
		   struct error **err);

/* Whether GUEST_START_PAUSED works. */
bool guest_starts_paused(const struct guest *g);
/* What stands for its monitor in messages: "its QMP socket /run/qemu-server/123.qmp".  Caller frees. */
char *guest_monitor_name(const struct guest *g);
/*
 * What defines the guest besides its configuration: libvirt's XML, as it is when the guest does not run, with
 * its secrets.  *ret is NULL if there is no such thing.  Caller frees *ret.
 */
int guest_definition(const struct guest *g, const struct cancel *cancel, char **ret, struct error **err);

/* Whether the process still runs; false if it is not known. */
bool guest_process_lives(const struct guest_process *process);
/* Waits up to 2 s for the end of a process that has closed its sockets.  Returns whether it has ended. */
bool guest_process_ends(const struct guest_process *process);

/*
 * True for error codes which mean that the QMP connection has ended, or that no process listens now.  That
 * does not mean that QEMU has ended: a proxy in front of the monitor, or QEMU itself, may have closed only
 * the connection.
 */
bool guest_is_lost(int code);

#endif
