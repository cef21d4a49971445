/*
 * Running the tools of storages (lvs, zfs, rbd, ...): argument vectors, C locale, always a time limit.
 * Errors name the storage and the command, and end with the tool's own last lines.  The error for a missing
 * tool (ERR_UNSUPPORTED) names its Debian package; a tool that hangs is killed (ERR_TIMEOUT).
 */
#ifndef VZDUMP_STORAGE_TOOL_H
#define VZDUMP_STORAGE_TOOL_H

#include "base/cancel.h"
#include "base/error.h"
#include "base/json.h"
#include "storage/storage.h"

/* Seconds.  PVE allows 10 for a question; allocating and removing may wait for a transaction group. */
#define TOOL_ASK    10
#define TOOL_CHANGE 120
#define TOOL_REMOVE 3600 /* rbd rm deletes object by object */

/* What a failure means, recognized by a part of stderr: { "dataset already exists", -EEXIST }. */
struct tool_meaning {
	const char *text; /* NULL ends the list */
	int code;
};

struct tool {
	const struct storage *storage;
	const char *const *argv; /* NULL-terminated */
	int timeout_s;
	/* NULL: the storage's own ends a question (timeout_s up to TOOL_ASK), and nothing ends a change. */
	const struct cancel *cancel;
	const struct tool_meaning *meanings; /* NULL: every failure is ERR_PEER */
	unsigned busy_tries;                 /* how often to retry, once a second, after -EBUSY */
};

/* The Debian package that has a program; NULL: it is not one that is used here. */
const char *tool_package(const char *program);

/* Runs the tool.  *ret_out (ret_out may be NULL) is its stdout; caller frees. */
int tool_run(const struct tool *t, char **ret_out, struct error **err);
/* The same for tools that print JSON.  The caller puts *ret. */
int tool_run_json(const struct tool *t, struct json_object **ret, struct error **err);

/* As json_get_u64(); also reads a number in a string, as LVM prints them.  False if there is none. */
bool tool_json_u64(struct json_object *o, const char *key, uint64_t *ret);

#endif
