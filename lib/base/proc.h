/*
 * Other processes of this host, as /proc shows them (proc(5)).  A pid names a process only with its
 * start time.
 */
#ifndef VZDUMP_BASE_PROC_H
#define VZDUMP_BASE_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* False for a process that has ended, also for a zombie. */
bool proc_alive(pid_t pid);
/*
 * When it was started: clock ticks since the host's boot, field 22 of /proc/PID/stat, which is what
 * PVE's UPIDs hold as "pstart".  False if there is no such process, or it has ended.
 */
bool proc_start_ticks(pid_t pid, uint64_t *ret);
/* The same in seconds since 1970. */
bool proc_start_time(pid_t pid, int64_t *ret);
/* Its short name (/proc/PID/comm), NULL if it has ended.  Caller frees. */
char *proc_name(pid_t pid);
/* The words of its command line, NULL if it has ended or has none (a kernel thread).  strv_free() frees. */
char **proc_arguments(pid_t pid);
/* Its command line, with blanks between the words; NULL if it has none.  Caller frees. */
char *proc_command(pid_t pid);
/* Its parent; 0 if it has ended. */
pid_t proc_parent(pid_t pid);
/* The user and group that its files are opened as.  False if it has ended. */
bool proc_user(pid_t pid, uid_t *ret_uid, gid_t *ret_gid);
/* The folder that this program was started from; NULL if /proc does not tell.  Caller frees. */
char *proc_own_folder(void);

#endif
