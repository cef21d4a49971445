/*
 * The log of one guest's backup: each line goes to the job's log and, with a time stamp in PVE's
 * format, to /var/log/vzdump/qemu-<vmid>.log, which is copied next to the archive at the end.
 */
#ifndef VZDUMP_BACKUP_TASK_LOG_H
#define VZDUMP_BACKUP_TASK_LOG_H

#include <pthread.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/error.h"
#include "base/paths.h"

struct task_log {
	struct log log;  /* for the parts of the backup */
	struct log file; /* for lines that go to the file only */
	const struct log *outer;
	pthread_mutex_t lock;
	char *path;
	int fd;
};

/* It is an error if the log file cannot be created.  The caller clears *t, also after an error. */
int task_log_open(struct task_log *t, const struct paths *p, uint32_t vmid, const struct log *outer,
		  struct error **err);
/* Without a file: only outer gets the lines. */
void task_log_none(struct task_log *t, const struct log *outer);
/* Reads the log so far.  The caller clears *ret. */
int task_log_read(const struct task_log *t, struct buf *ret, struct error **err);
void task_log_clear(struct task_log *t);

/* "2026-11-22 20:15:00", local time, now.  Caller frees. */
char *task_log_time(void);

#endif
