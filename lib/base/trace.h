/*
 * Tracing for developers.  cli/ chooses the topics once, from the environment variable VZDUMP_TRACE
 * (doc/hacking.md).  Each line goes to standard error with the wall clock time at which it was written:
 *
 *	2026-11-26 10:43:25.123456 qmp: 100.qmp > {"execute":"stop","id":7}
 *
 * A topic that is off costs one comparison.  Any thread may trace.
 */
#ifndef VZDUMP_BASE_TRACE_H
#define VZDUMP_BASE_TRACE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum trace_topic {
	TRACE_QMP,     /* "qmp": each line to and from a monitor or guest agent */
	TRACE_COPY,    /* "copy": requests, answers and pushes of the copy of a disk */
	TRACE_JOURNAL, /* "journal": each line that is added to a journal, each undo */
	TRACE_DEBUG,   /* "debug": lines of log_debug(); they go where the log goes */
	TRACE_TOPICS,
};

#define TRACE_LINE_MAX 2000 /* bytes of text; a longer line is cut, and its length is added */

/*
 * Turns on the topics of a comma-separated list; NULL and "" turn on none.  Call it before threads are
 * started.  ERR_INVALID if there is no such topic.
 */
int trace_enable(const char *topics, struct error **err);

extern unsigned trace_enabled_; /* a bit for each topic; written by trace_enable() only */

static inline bool trace_is_on(enum trace_topic topic)
{
	return (trace_enabled_ >> topic) & 1u;
}

/* trace(TRACE_COPY, "%s: cluster %zu", ...): arguments are evaluated only if the topic is on. */
#define trace(topic, ...)                                \
	do {                                             \
		if (trace_is_on(topic))                  \
			trace_write(topic, __VA_ARGS__); \
	} while (0)

/* Writes a line whether the topic is on or not.  The text is cleaned for a terminal (text.h). */
void trace_write(enum trace_topic topic, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same for len bytes, which need not end with a NUL, with a name and a sign ('<' received, '>' sent). */
void trace_write_bytes(enum trace_topic topic, const char *name, char sign, const char *data, size_t len);

#endif
