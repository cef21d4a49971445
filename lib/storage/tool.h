/*
 * Running the tools of storages (lvs, zfs, rbd, ...): argument vectors, C locale, always a time limit.
 * Errors begin with the storage and name the command, and end with the tool's own last lines; a
 * missing tool is named with its Debian package, a hanging one is killed (ERR_TIMEOUT).
 */
#ifndef VZDUMP_STORAGE_TOOL_H
#define VZDUMP_STORAGE_TOOL_H

#include "base/cancel.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "storage/storage.h"

/* Seconds.  PVE gives 10 to a question; making and removing may wait for a transaction group. */
#define TOOL_ASK    10
#define TOOL_CHANGE 120
#define TOOL_REMOVE 3600 /* rbd rm deletes object by object */

/* What a failure means, known by a part of stderr: { "dataset already exists", -EEXIST }. */
struct tool_meaning {
	const char *text; /* NULL ends the list */
	int code;
};

struct tool {
	const struct storage *storage;
	const char *const *argv; /* NULL-terminated */
	int timeout_s;
	const struct cancel *cancel;         /* NULL: a question is ended by the storage's, a change not */
	const struct tool_meaning *meanings; /* NULL: every failure is ERR_PEER */
	unsigned busy_tries; /* a failure that means -EBUSY is tried so often more, once a second */
};

/* *ret_out (may be NULL): stdout, owned by the caller. */
int tool_run(const struct tool *t, char **ret_out, struct error **err);
/* The same for tools that print JSON.  The caller puts *ret. */
int tool_run_json(const struct tool *t, struct json_object **ret, struct error **err);

/* ---- reading JSON, which may lack anything; borrowed from o, which may be NULL ---- */

struct json_object *tool_json_get(struct json_object *o, const char *key);
/* NULL if there is none. */
const char *tool_json_str(struct json_object *o, const char *key);
/* A number, or one in a string as LVM writes it; false if there is none. */
bool tool_json_u64(struct json_object *o, const char *key, uint64_t *ret);
size_t tool_json_len(struct json_object *a);

#define _cleanup_tool_json_ _cleanup_json_

#endif
