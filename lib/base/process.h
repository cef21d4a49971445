/*
 * Child processes.  They are started from argument vectors, never by a shell, in the C locale, and inherit
 * only the descriptors that the caller names.  They are killed when the thread that started them ends
 * (PR_SET_PDEATHSIG), so start them from a thread that lives as long.
 */
#ifndef VZDUMP_BASE_PROCESS_H
#define VZDUMP_BASE_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/cancel.h"
#include "base/error.h"
#include "base/log.h"

struct process_options {
	int timeout_ms;         /* process_run: 0 = no limit */
	const char *const *env; /* more "NAME=value" for the child, NULL-terminated; NULL = none.
				 * LC_ALL=C is always set. */
	bool clean_env;         /* only PATH and what env names */
	int stdin_fd;           /* < 0 or 0: /dev/null */
	int stdout_fd;          /* process_spawn: < 0 or 0: /dev/null */
	int stderr_fd;          /* process_spawn: < 0 or 0: inherited */
	/* process_spawn: descriptors that the child inherits too, under the same numbers */
	const int *keep_fds;
	size_t n_keep_fds;
	bool detach; /* process_spawn: a session of its own; it outlives this process */
	/*
	 * process_run: a process group of its own.  A time limit or a request to stop ends all of it,
	 * first by SIGTERM; a Ctrl-C at the terminal does not reach it by itself.
	 */
	bool group;
	/* process_run: logs each line of output at once, instead of collecting the output */
	const struct log *log_output;
	const struct cancel *cancel; /* process_run: end the child and return ERR_CANCELED */
	/*
	 * process_run: the number of earlier requests of cancel that do not count.  A caller that cleans up
	 * after a signal sets the cancel_count() of the time at which it began.
	 */
	unsigned cancel_ignored;
};

struct process_result {
	int status; /* exit code, or 128 + signal */
	int signal; /* the signal that ended it; 0: it exited */
	char *out;  /* what it wrote to stdout, NUL-terminated */
	size_t out_len;
	char *errout; /* the same for stderr */
};

void process_result_clear(struct process_result *r);

/*
 * Runs argv to its end.  Returns 0 if it ran, whatever its exit status (see ret->status); a negative code if
 * it could not be started, was killed after the time limit (ERR_TIMEOUT) or was canceled.  If it does not
 * even end on SIGKILL because it hangs in a dead file system, it is abandoned.  o and ret may be NULL.
 */
int process_run(const char *const argv[], const struct process_options *o, struct process_result *ret,
		struct error **err);

/* As process_run() but an exit status other than 0 is an error that shows command and stderr. */
int process_run_ok(const char *const argv[], const struct process_options *o, struct process_result *ret,
		   struct error **err);

/* Starts argv and returns its pid.  *ret must be reaped by process_wait() or process_stop(). */
int process_spawn(const char *const argv[], const struct process_options *o, pid_t *ret, struct error **err);
/* Waits up to timeout_ms (< 0: for ever).  *ret_status as in process_result.  ERR_TIMEOUT if alive. */
int process_wait(pid_t pid, int timeout_ms, int *ret_status, struct error **err);
/* Sends SIGTERM, after two seconds SIGKILL, and reaps it; abandons a process that hangs in the kernel. */
void process_stop(pid_t pid);

/* The path of a program, as PATH has it; NULL: it is not there.  Caller frees. */
char *process_find(const char *program);

/* "lvs -o name" for messages.  Caller frees. */
char *process_describe(const char *const argv[]);

#endif
