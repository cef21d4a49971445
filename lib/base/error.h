/*
 * Errors are values.  A function that can fail returns 0 or more for success, a negative code
 * otherwise, and takes `struct error **err` last.  It fills *err when err is not NULL; each layer
 * adds its context in front ("allocating fleecing image for scsi0: ...").  Only cli/ prints.
 *
 * err may be NULL (the caller does not care); *err must be NULL on entry.
 */
#ifndef VZDUMP_BASE_ERROR_H
#define VZDUMP_BASE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>

#include "base/cleanup.h"

/* Codes other than -errno.  `code` holds either kind; these lie below every -errno. */
enum {
	ERR_INVALID = -10001,     /* a value from the user, a file or a peer is wrong */
	ERR_CANCELED = -10002,    /* the caller asked to stop (signal) */
	ERR_TIMEOUT = -10003,     /* a peer did not answer in time */
	ERR_PEER = -10004,        /* a peer (QMP, agent, tool) answered with an error */
	ERR_UNSUPPORTED = -10005, /* the peer or this build cannot do it */
	ERR_CORRUPT = -10006,     /* the content of an archive is damaged or missing */
	ERR_NOT_FOUND = -10007,   /* a named thing does not exist */
	ERR_GONE = -10008,        /* the peer closed the connection or died */
};

struct error {
	int code;      /* negative: -errno or ERR_* */
	char *message; /* one line that a terminal may show (text.h), no trailing newline */
};

/* Sets *err (if err) to a new error and returns code, so that `return error_set(...)` reads well. */
int error_set(struct error **err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* As error_set() with code -errnum and ": strerror" appended.  errnum is positive, as errno. */
int error_errno(struct error **err, int errnum, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/*
 * Puts "text: " in front of *err's message and gives *err the code.  Returns code in any case, so that
 * `return error_wrap(err, r, ...)` is a failure also if the caller passed NULL.
 */
int error_wrap(struct error **err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The same without changing the code. */
void error_prefix(struct error **err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Moves *src into *dst if *dst is empty, else frees it.  Keeps the first of several errors. */
void error_keep_first(struct error **dst, struct error **src);

/* The message, or "unknown error" for NULL.  Owned by the error. */
const char *error_message(const struct error *err);

void error_free(struct error *err);
DEFINE_CLEANUP(struct error *, error_free)
#define _cleanup_error_ _cleanup_(error_freep)

#endif
