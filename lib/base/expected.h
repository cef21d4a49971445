/* A text that somebody waits for, or a regular expression for it. */
#ifndef VZDUMP_BASE_EXPECTED_H
#define VZDUMP_BASE_EXPECTED_H

#include <regex.h>
#include <stdbool.h>

#include "base/error.h"

/* A text, or, if it stands between two slashes, a POSIX extended regular expression. */
struct expected {
	const char *text; /* borrowed; NULL: nothing is expected */
	bool is_regex;
	regex_t regex;
};

/*
 * text may be NULL.  ERR_INVALID: it is empty, or no regular expression.  The caller clears *ret on success.
 */
int expected_init(struct expected *ret, const char *text, struct error **err);
void expected_clear(struct expected *e);
/* Whether the text has it. */
bool expected_matches(const struct expected *e, const char *text);

#endif
