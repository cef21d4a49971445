/* Shared by guest*.c: the kinds of lines in a guest's configuration file. */
#ifndef VZDUMP_GUEST_GUEST_INTERNAL_H
#define VZDUMP_GUEST_GUEST_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/error.h"
#include "base/paths.h"

enum guest_line {
	GUEST_LINE_EMPTY,
	GUEST_LINE_COMMENT,
	GUEST_LINE_PAIR, /* or something unknown */
	/* headers of sections; the main section ends at the first of them */
	GUEST_LINE_SNAPSHOT,
	GUEST_LINE_PENDING,
	GUEST_LINE_SPECIAL,
};

enum guest_line guest_line_kind(const char *line, size_t len);

/*
 * Takes the flock under which a configuration is changed, as PVE's tools do.  Waits up to 10 s.  Returns the
 * descriptor that holds the lock; closing it releases the lock.  The file stays, as with PVE.
 */
int guest_config_flock(const struct paths *p, uint32_t vmid, const struct cancel *cancel, struct error **err);

/* The values of format= of a drive, also used as endings of image names; NULL-terminated. */
extern const char *const guest_formats[];

#endif
