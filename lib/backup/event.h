/*
 * Events: lines that go to the log and also to the observers, because PVE's vzdump sends them to the system
 * log too: begin and end of the job and of each guest's backup, and waiting for the lock.
 */
#ifndef VZDUMP_BACKUP_EVENT_H
#define VZDUMP_BACKUP_EVENT_H

#include "backup/observer.h"

/* Writes the line to log (may be NULL), then calls the observers.  The guest is log's. */
void event_info(const struct observers *observers, const struct log *log, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void event_error(const struct observers *observers, const struct log *log, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same with the archive that the guest's backup has made; NULL: none. */
void event_archive(const struct observers *observers, const struct log *log, const char *archive,
		   const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#endif
