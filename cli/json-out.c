#include "json-out.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"

struct json_object *json_out_object(void)
{
	return xcheck(json_object_new_object());
}

struct json_object *json_out_array(void)
{
	return xcheck(json_object_new_array());
}

void json_out_append(struct json_object *array, struct json_object *value)
{
	if (json_object_array_add(array, value) < 0)
		out_of_memory();
}

static void put(struct json_object *o, const char *key, struct json_object *value)
{
	if (json_object_object_add(o, key, value) < 0)
		out_of_memory();
}

void json_out_add(struct json_object *o, const char *key, struct json_object *value)
{
	put(o, key, xcheck(value));
}

void json_out_null(struct json_object *o, const char *key)
{
	put(o, key, NULL);
}

void json_out_text(struct json_object *o, const char *key, const char *text)
{
	_cleanup_free_ char *utf8 = text_as_utf8(text);

	put(o, key, xcheck(json_object_new_string(utf8)));
}

void json_out_bool(struct json_object *o, const char *key, bool value)
{
	put(o, key, xcheck(json_object_new_boolean(value)));
}

void json_out_int(struct json_object *o, const char *key, int64_t value)
{
	put(o, key, xcheck(json_object_new_int64(value)));
}

void json_out_uint(struct json_object *o, const char *key, uint64_t value)
{
	put(o, key, xcheck(json_object_new_uint64(value)));
}

void json_out_double(struct json_object *o, const char *key, double value)
{
	put(o, key, xcheck(json_object_new_double(value)));
}

void json_out_print(struct json_object *value, int flags)
{
	_cleanup_free_ char *text = NULL;
	const char *json = json_object_to_json_string_ext(value, flags);

	if (!json)
		out_of_memory();
	text = text_escape_json(json);
	puts(text);
	json_object_put(value);
}
