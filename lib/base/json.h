/*
 * json-c as we need it: objects built key by key, getters that assume nothing, and a parser with limits.
 * A value from a peer may be missing or of the wrong type; then a getter returns NULL, false or 0.  If
 * json-c cannot allocate memory, the process ends, as in base/mem.h.
 */
#ifndef VZDUMP_BASE_JSON_H
#define VZDUMP_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include "base/cleanup.h"
#include "base/error.h"

static inline void json_freep_(struct json_object **o)
{
	if (*o)
		json_object_put(*o);
}
#define _cleanup_json_ _cleanup_(json_freep_)

/*
 * Parses a text that others wrote.  json-c needs up to 300 bytes for each byte of the text ("{},{},..."), so
 * the text is scanned first: ERR_CORRUPT, with only the reason as message, if it would need more than about
 * max_memory bytes, nests deeper than JSON_MAX_NESTING, or is not JSON.  Text after the first value is
 * ignored.  *ret is NULL for "null".  The caller puts *ret.
 */
int json_parse(const char *text, size_t len, size_t max_memory, struct json_object **ret, struct error **err);
#define JSON_MAX_NESTING 64
/* max_memory for the output of tools of this host, which may list tens of thousands of volumes. */
#define JSON_TOOL_MEMORY ((size_t)256 * 1024 * 1024)

/* New and empty, never NULL. */
struct json_object *json_new_obj(void);
struct json_object *json_new_array(void);

/* Each returns o, so that calls nest.  A NULL string or object is left out. */
struct json_object *json_put_str(struct json_object *o, const char *key, const char *value);
struct json_object *json_put_bool(struct json_object *o, const char *key, bool value);
/* The value null. */
struct json_object *json_put_null(struct json_object *o, const char *key);
struct json_object *json_put_int(struct json_object *o, const char *key, int64_t value);
struct json_object *json_put_double(struct json_object *o, const char *key, double value);
/* Text of any bytes: those that are not UTF-8 are converted one by one, since JSON must be UTF-8. */
struct json_object *json_new_text(const char *text);
/* An array of such texts; NULL becomes an empty one. */
struct json_object *json_new_texts(char *const *texts);
/* A member that is such a text; NULL becomes null. */
struct json_object *json_put_text(struct json_object *o, const char *key, const char *text);
struct json_object *json_put_u64(struct json_object *o, const char *key, uint64_t value);
/* Takes value over. */
struct json_object *json_put_obj(struct json_object *o, const char *key, struct json_object *value);
/* Appends; takes value over. */
struct json_object *json_append(struct json_object *array, struct json_object *value);
struct json_object *json_append_str(struct json_object *array, const char *value);
/* A new object with one string in it: json_new_str("node-name", n). */
struct json_object *json_new_str(const char *key, const char *value);
/* A copy that shares nothing; NULL stays NULL. */
struct json_object *json_copy(struct json_object *o);
/* As text without blanks and without "\/" for "/".  Valid as long as o, and until the next call for o. */
const char *json_text(struct json_object *o);

/* All borrowed from o; o may be NULL or no object. */
const char *json_get_str(struct json_object *o, const char *key);
struct json_object *json_get_obj(struct json_object *o, const char *key);
struct json_object *json_get_array(struct json_object *o, const char *key);
bool json_get_bool(struct json_object *o, const char *key, bool otherwise);
bool json_get_u64(struct json_object *o, const char *key, uint64_t *ret);
/* Like json_get_obj() along a path: json_walk(o, "inserted", "image", NULL). */
struct json_object *json_walk(struct json_object *o, ...) __attribute__((sentinel));

/* Length and element of an array; 0 and NULL if it is not an array. */
size_t json_array_len(struct json_object *a);
struct json_object *json_array_at(struct json_object *a, size_t i);

#endif
