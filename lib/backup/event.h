/*
 * What a job says that the system log gets too, as PVE sends it there: where a job and a guest's backup
 * begin and how they end, and waiting for the lock.
 */
#ifndef VZDUMP_BACKUP_EVENT_H
#define VZDUMP_BACKUP_EVENT_H

#include "storage/host.h"

/* Each into log and host->syslog. */
void event_info(const struct host *host, const struct log *log, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void event_error(const struct host *host, const struct log *log, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
