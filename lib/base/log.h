/*
 * Log lines travel through a callback; the library never prints.  The caller of the library decides
 * where they go (cli/ prints PVE's "INFO: ", "WARN: ", "ERROR: " shape and writes the task log).
 * The callback may be called from any thread; the receiver serializes.
 */
#ifndef VZDUMP_BASE_LOG_H
#define VZDUMP_BASE_LOG_H

#include <stdint.h>

enum log_level {
	LOG_LEVEL_INFO,
	LOG_LEVEL_WARN,
	LOG_LEVEL_ERROR,
};

struct log {
	/*
	 * line: one line without newline or level prefix, harmless to a terminal (text.h), valid during
	 * the call.
	 */
	void (*line)(void *opaque, enum log_level level, const char *line);
	void *opaque;
	/* Whose backup the lines are about from now on; 0: nobody's.  May be NULL. */
	void (*guest)(void *opaque, uint32_t vmid);
};

/* log may be NULL: the line is dropped.  Text with several lines is handed on line by line. */
void log_info(const struct log *log, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_warn(const struct log *log, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_error(const struct log *log, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/*
 * Says which guest the lines to come are about, 0 for none, so that who prints only a few of them can
 * name it.
 */
void log_guest(const struct log *log, uint32_t vmid);

#endif
