/*
 * Matchers of notifications.cfg: whether a notification goes to a matcher's targets.
 *
 * Facts: proxmox-notify: all statements of a matcher, of whichever kind, combine by its mode.
 */
#ifndef VZDUMP_NOTIFY_MATCHER_H
#define VZDUMP_NOTIFY_MATCHER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "notify/notify.h"
#include "schedule/daily.h"

struct pcre2_real_code_8;

/* The field is there, and its value is one of `exact`, or `regex` is found in it. */
struct match_field {
	char *name;
	char **exact;                    /* NULL: regex */
	struct pcre2_real_code_8 *regex; /* NULL: exact */
};

enum match_mode {
	MATCH_ALL, /* every statement is true */
	MATCH_ANY, /* one is */
};

/* Owned.  Begin with zeroes: a matcher without statements, which always matches. */
struct matcher {
	char *name;
	bool disabled; /* its targets get nothing by it; the caller looks */
	enum match_mode mode;
	bool invert;
	struct match_field *fields;
	size_t n_fields;
	unsigned *severities; /* of each statement a set: bit 1 << severity */
	size_t n_severities;
	struct daily *calendars;
	size_t n_calendars;
	char **targets; /* names; NULL: none */
};

void matcher_clear(struct matcher *m);

/*
 * Each adds a statement: the value of match-field ("exact:job-id=a,b", "regex:hostname=^pve"), match-severity
 * ("warning,error") or match-calendar ("mon..fri 8-17").  ERR_INVALID says only what is wrong with it.
 */
int matcher_add_field(struct matcher *m, const char *text, struct error **err);
int matcher_add_severity(struct matcher *m, const char *text, struct error **err);
int matcher_add_calendar(struct matcher *m, const char *text, struct error **err);

/*
 * 1 if m matches n, 0 if it does not; m->disabled does not count.  ERR_UNSUPPORTED if a regular expression
 * takes too long on a value.
 */
int matcher_matches(const struct matcher *m, const struct notification *n, struct error **err);

#endif
