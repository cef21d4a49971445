/*
 * Log lines are passed to a callback; the library never prints.  The caller of the library decides where
 * they go (cli/ prints them as PVE does, with "INFO: ", "WARN: " or "ERROR: ", and writes the task log).
 * The callback may be called from any thread; it must serialize the calls.
 */
#ifndef VZDUMP_BASE_LOG_H
#define VZDUMP_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level {
	LOG_LEVEL_DEBUG, /* only a log with `debug` gets these */
	LOG_LEVEL_INFO,
	LOG_LEVEL_WARN,
	LOG_LEVEL_ERROR,
};

struct log {
	/*
	 * line: one line without newline or level prefix, harmless to a terminal (text.h), valid during
	 * the call.  log: this one.
	 */
	void (*line)(const struct log *log, enum log_level level, const char *line);
	void *opaque;
	/* log_debug() is on.  Its lines are no interface: nothing may depend on their words. */
	bool debug;
	/* The guest that the lines are about, for a receiver that has to name it; 0: none. */
	uint32_t guest;
};

/*
 * log may be NULL: the line is dropped.  Text of several lines is passed on line by line.
 * log_debug() is for developers: why something was decided, what was measured.
 */
void log_debug(const struct log *log, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_info(const struct log *log, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_warn(const struct log *log, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_error(const struct log *log, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same log for lines about this guest.  log may be NULL: the result drops its lines. */
struct log log_for_guest(const struct log *log, uint32_t vmid);

#endif
