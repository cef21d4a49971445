/*
 * The state of a check, and adding findings to it.  Each group of checks is one file with one function, and
 * has a row in check.c.
 */
#ifndef VZDUMP_CHECK_ROWS_H
#define VZDUMP_CHECK_ROWS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "check/check.h"
#include "config/settings.h"
#include "guest/guest-list.h"
#include "schedule/jobs.h"
#include "status/planned.h"

/* A guest of this host that is looked at. */
struct checked_guest {
	const struct guest_entry *entry;
	const struct planned_job *job; /* the one that saves it first; NULL: none does */
	/* QEMU does not answer, or another program has its monitor: nothing more is asked there. */
	bool is_mute;
};

struct check {
	const struct host *host; /* with the storages below */
	const struct check_request *q;
	const char *group; /* of the checks that are made now */
	struct findings *findings;

	/* what was read by check_config() */
	struct storage_config storages;
	struct settings settings; /* of a call of vzdump by hand: vzdump.conf's, and the storage asked for */
	bool has_settings;
	struct jobs jobs;
	struct planned planned;
	struct guest_list list;
	struct checked_guest *guests;
	size_t n_guests;

	pid_t running; /* process of the backup that runs now; 0: none, or it cannot be seen */
};

/* The groups of checks.  Only check_config() must come first; it fails for a wrong request. */
int check_config(struct check *c, struct error **err);
int check_host(struct check *c, struct error **err);
int check_tools(struct check *c, struct error **err);
int check_storages(struct check *c, struct error **err);
int check_jobs(struct check *c, struct error **err);
int check_leftovers(struct check *c, struct error **err);
int check_libvirt(struct check *c, struct error **err);
int check_guests(struct check *c, struct error **err);
int check_plan(struct check *c, struct error **err);

/*
 * Adds a finding of the present group.  subject, text and way_out (NULL: none) are freed.  One that says of
 * the same guest what another one has said already is dropped.
 */
void row_add(struct check *c, enum finding_level level, uint32_t vmid, char *subject, char *text,
	     char *way_out);

/* A log whose warnings and errors become findings; other lines are dropped. */
struct row_log {
	struct log log;
	struct check *c;
	const char *subject;        /* of lines that are about no guest */
	enum finding_level warning; /* the level of a warning; an error is a fault */
	bool skip_errors;           /* they are told in another way */
	size_t n;                   /* how many warnings and errors there were */
};
/* l must not be moved then. */
void row_log_init(struct row_log *l, struct check *c, const char *subject, enum finding_level warning);

/* The guest with this id among those that are looked at; NULL: it is not. */
struct checked_guest *check_find_guest(const struct check *c, uint32_t vmid);

#endif
