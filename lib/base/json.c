#include "base/json.h"

#include <limits.h>
#include <stdarg.h>

#include "base/mem.h"
#include "base/text.h"

/* json-c returns NULL only if it is out of memory. */
static struct json_object *must(struct json_object *o)
{
	return xcheck(o);
}

/* ---- parsing ---- */

/*
 * The most that json-c (0.15 to 0.18) allocates for the value that begins at this character or that this
 * separator announces: a new object has a table of 16 entries, a new array has 32 pointers.
 */
static size_t cost_of(char c)
{
	switch (c) {
	case '{':
		return 1024;
	case '[':
		return 512;
	case ':':
		return 160;
	case ',':
		return 96;
	default:
		return 2;
	}
}

/* True if parsing needs at most max_memory bytes. */
static bool is_affordable(const char *text, size_t len, size_t max_memory)
{
	bool in_string = false;
	size_t cost = 0;

	for (size_t i = 0; i < len && cost <= max_memory; i++) {
		if (in_string && text[i] == '\\')
			i++;
		else if (text[i] == '"')
			in_string = !in_string;
		cost += in_string ? 2 : cost_of(text[i]);
	}
	return cost <= max_memory;
}

int json_parse(const char *text, size_t len, size_t max_memory, struct json_object **ret, struct error **err)
{
	struct json_tokener *tok;
	struct json_object *o;
	enum json_tokener_error why;

	if (len > INT_MAX || !is_affordable(text, len, max_memory))
		return error_set(err, ERR_CORRUPT, "too long or too many values");
	tok = json_tokener_new_ex(JSON_MAX_NESTING);
	if (!tok)
		out_of_memory();
	o = json_tokener_parse_ex(tok, text, (int)len);
	why = json_tokener_get_error(tok);
	json_tokener_free(tok);
	if (why != json_tokener_success) {
		json_object_put(o);
		return error_set(err, ERR_CORRUPT, "%s", json_tokener_error_desc(why));
	}
	*ret = o;
	return 0;
}

/* ---- building ---- */

struct json_object *json_new_obj(void)
{
	return must(json_object_new_object());
}

struct json_object *json_new_array(void)
{
	return must(json_object_new_array());
}

struct json_object *json_append(struct json_object *array, struct json_object *value)
{
	if (json_object_array_add(array, value))
		out_of_memory();
	return array;
}

struct json_object *json_append_str(struct json_object *array, const char *value)
{
	return json_append(array, must(json_object_new_string(value)));
}

struct json_object *json_put_obj(struct json_object *o, const char *key, struct json_object *value)
{
	if (value && json_object_object_add(o, key, value))
		out_of_memory();
	return o;
}

struct json_object *json_put_str(struct json_object *o, const char *key, const char *value)
{
	return value ? json_put_obj(o, key, must(json_object_new_string(value))) : o;
}

struct json_object *json_put_bool(struct json_object *o, const char *key, bool value)
{
	return json_put_obj(o, key, must(json_object_new_boolean(value)));
}

struct json_object *json_put_null(struct json_object *o, const char *key)
{
	if (json_object_object_add(o, key, NULL) < 0)
		out_of_memory();
	return o;
}

struct json_object *json_put_int(struct json_object *o, const char *key, int64_t value)
{
	return json_put_obj(o, key, xcheck(json_object_new_int64(value)));
}

struct json_object *json_put_double(struct json_object *o, const char *key, double value)
{
	return json_put_obj(o, key, xcheck(json_object_new_double(value)));
}

struct json_object *json_new_text(const char *text)
{
	_cleanup_free_ char *utf8 = text_as_utf8(text);

	return xcheck(json_object_new_string(utf8));
}

struct json_object *json_new_texts(char *const *texts)
{
	struct json_object *a = json_new_array();

	for (size_t i = 0; texts && texts[i]; i++)
		json_append(a, json_new_text(texts[i]));
	return a;
}

struct json_object *json_put_text(struct json_object *o, const char *key, const char *text)
{
	return text ? json_put_obj(o, key, json_new_text(text)) : json_put_null(o, key);
}

struct json_object *json_put_u64(struct json_object *o, const char *key, uint64_t value)
{
	return json_put_obj(o, key, must(json_object_new_uint64(value)));
}

struct json_object *json_new_str(const char *key, const char *value)
{
	return json_put_str(json_new_obj(), key, value);
}

struct json_object *json_copy(struct json_object *o)
{
	struct json_object *copy = NULL;

	if (o && json_object_deep_copy(o, &copy, NULL))
		out_of_memory();
	return copy;
}

const char *json_text(struct json_object *o)
{
	const char *text =
		json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

	if (!text)
		out_of_memory();
	return text;
}

/* ---- reading ---- */

struct json_object *json_get_obj(struct json_object *o, const char *key)
{
	struct json_object *value;

	if (!json_object_is_type(o, json_type_object) || !json_object_object_get_ex(o, key, &value))
		return NULL;
	return value;
}

static struct json_object *get_typed(struct json_object *o, const char *key, json_type type)
{
	struct json_object *value = json_get_obj(o, key);

	return value && json_object_is_type(value, type) ? value : NULL;
}

const char *json_get_str(struct json_object *o, const char *key)
{
	struct json_object *value = get_typed(o, key, json_type_string);

	return value ? json_object_get_string(value) : NULL;
}

struct json_object *json_get_array(struct json_object *o, const char *key)
{
	return get_typed(o, key, json_type_array);
}

bool json_get_bool(struct json_object *o, const char *key, bool otherwise)
{
	struct json_object *value = get_typed(o, key, json_type_boolean);

	return value ? json_object_get_boolean(value) : otherwise;
}

bool json_get_u64(struct json_object *o, const char *key, uint64_t *ret)
{
	struct json_object *value = get_typed(o, key, json_type_int);

	/* json-c returns 0 for a negative number read as unsigned, so check the sign first */
	if (!value || json_object_get_int64(value) < 0)
		return false;
	*ret = json_object_get_uint64(value);
	return true;
}

struct json_object *json_walk(struct json_object *o, ...)
{
	const char *key;
	va_list ap;

	va_start(ap, o);
	while ((key = va_arg(ap, const char *)))
		o = json_get_obj(o, key);
	va_end(ap);
	return o;
}

size_t json_array_len(struct json_object *a)
{
	return json_object_is_type(a, json_type_array) ? json_object_array_length(a) : 0;
}

struct json_object *json_array_at(struct json_object *a, size_t i)
{
	return i < json_array_len(a) ? json_object_array_get_idx(a, i) : NULL;
}
