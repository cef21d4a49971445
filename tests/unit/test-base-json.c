/* JSON from outside: what it may cost, how deep it may go. */
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "tap.h"

#define MIB ((size_t)1024 * 1024)

/* "[" part part ... last "]" of about that many bytes */
static char *repeat(const char *part, const char *last, size_t bytes)
{
	_cleanup_buf_ struct buf text = BUF_INIT;

	buf_addc(&text, '[');
	while (text.len < bytes)
		buf_adds(&text, part);
	buf_adds(&text, last);
	buf_addc(&text, ']');
	return buf_steal(&text);
}

static int parse(const char *text, size_t max_memory)
{
	_cleanup_json_ struct json_object *o = NULL;
	_cleanup_error_ struct error *err = NULL;
	int r = json_parse(text, strlen(text), max_memory, &o, &err);

	if (r < 0)
		diag("%s", error_message(err));
	return r;
}

static void test_cost(void)
{
	const char *const parts[][2] = { { "{},", "{}" },        { "[],", "[]" },
					 { "0,", "0" },          { "\"\",", "\"\"" },
					 { "{\"a\":0},", "{}" }, { "{\"\\\"\":{}},", "0" } };

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		_cleanup_free_ char *text = repeat(parts[i][0], parts[i][1], 16 * MIB);

		ok(parse(text, 256 * MIB) == ERR_CORRUPT, "16 MiB of %s are refused", parts[i][0]);
	}
}

static void test_strings(void)
{
	_cleanup_free_ char *text = repeat("{[{[{[\\\"{[{[", "", MIB);
	_cleanup_buf_ struct buf string = BUF_INIT;
	_cleanup_json_ struct json_object *o = NULL;

	buf_addf(&string, "\"%s\"", text);
	ok(json_parse(string.data, string.len, 4 * MIB, &o, NULL) == 0 &&
		   json_object_is_type(o, json_type_string),
	   "braces within a string cost nothing");
}

static void test_nesting(void)
{
	char deep[2 * 80 + 1] = { 0 };

	memset(deep, '[', 80);
	memset(deep + 80, ']', 80);
	ok(parse(deep, MIB) == ERR_CORRUPT, "80 levels are too many");
	ok(parse(deep + 20, MIB) == 0, "60 are not");
}

static void test_text(void)
{
	_cleanup_json_ struct json_object *o = json_new_obj();

	json_put_obj(o, "a", json_append_str(json_new_array(), "x/y"));
	ok(!strcmp(json_text(o), "{\"a\":[\"x/y\"]}"), "text without blanks and without \"\\/\"");
	ok(parse("{\"a\":", MIB) == ERR_CORRUPT, "half a text");
	ok(parse("", MIB) == ERR_CORRUPT, "no text");
	ok(parse("}", MIB) == ERR_CORRUPT, "no JSON");
}

int main(void)
{
	test_cost();
	test_strings();
	test_nesting();
	test_text();
	return done_testing();
}
