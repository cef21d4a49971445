#include "json-out.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"

void json_out_null(struct json_object *o, const char *key)
{
	if (json_object_object_add(o, key, NULL) < 0)
		out_of_memory();
}

void json_out_int(struct json_object *o, const char *key, int64_t value)
{
	json_put_obj(o, key, xcheck(json_object_new_int64(value)));
}

void json_out_double(struct json_object *o, const char *key, double value)
{
	json_put_obj(o, key, xcheck(json_object_new_double(value)));
}

struct json_object *json_out_string(const char *text)
{
	_cleanup_free_ char *utf8 = text_as_utf8(text);

	return xcheck(json_object_new_string(utf8));
}

void json_out_text(struct json_object *o, const char *key, const char *text)
{
	json_put_obj(o, key, json_out_string(text));
}

/* When memory runs out, json-c silently leaves out parts of a text.  A text that is printed must be whole. */
static bool is_whole(const char *text, struct json_object *value)
{
	_cleanup_json_ struct json_object *again = NULL;

	/* including the NUL: without it, "null" or a number alone is incomplete */
	return json_parse(text, strlen(text) + 1, SIZE_MAX, &again, NULL) == 0 &&
	       json_object_equal(again, value);
}

void json_out_print(struct json_object *value, int flags)
{
	_cleanup_free_ char *text = NULL;
	const char *json = json_object_to_json_string_ext(value, flags);

	if (!json)
		out_of_memory();
	text = text_escape_json(json);
	if (!is_whole(text, value))
		out_of_memory();
	puts(text);
	json_object_put(value);
}
