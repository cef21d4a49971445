/*
 * The log of one guest's backup: each line goes to the job's log and, with a time stamp in PVE's
 * shape, to /var/log/vzdump/qemu-<vmid>.log, which is copied beside the archive at the end.
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
	struct log log;  /* what the parts of the backup write to */
	struct log file; /* the same, but into the file alone */
	const struct log *outer;
	pthread_mutex_t lock;
	char *path;
	int fd;
};

/* A log file that cannot be created is an error.  Clear in every case. */
int task_log_open(struct task_log *t, const struct paths *p, uint32_t vmid, const struct log *outer,
		  struct error **err);
/* Without a file: only outer gets the lines. */
void task_log_none(struct task_log *t, const struct log *outer);
/* What was written so far. */
int task_log_read(const struct task_log *t, struct buf *ret, struct error **err);
void task_log_clear(struct task_log *t);

/* "2026-11-22 20:15:00", local time, now.  Caller frees. */
char *task_log_time(void);

#endif
