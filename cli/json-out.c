#include "json-out.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"

/* When memory runs out, json-c silently leaves out parts of a text.  A text that is printed must be whole. */
static bool is_whole(const char *text, struct json_object *value)
{
	_cleanup_json_ struct json_object *again = NULL;

	/* including the NUL: without it, "null" or a number alone is incomplete */
	return json_parse(text, strlen(text) + 1, SIZE_MAX, &again, NULL) == 0 &&
	       json_object_equal(again, value);
}

char *json_out_text(struct json_object *value, int flags)
{
	const char *json = json_object_to_json_string_ext(value, flags);
	char *text;

	if (!json)
		out_of_memory();
	text = text_escape_json(json);
	if (!is_whole(text, value))
		out_of_memory();
	json_object_put(value);
	return text;
}

void json_out_print(struct json_object *value, int flags)
{
	_cleanup_free_ char *text = json_out_text(value, flags);

	puts(text);
}
