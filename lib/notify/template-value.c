/* Values of the data: what is true, how they are printed and compared. */
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/units.h"
#include "notify/template-internal.h"

static bool is_number(struct json_object *o)
{
	return json_object_is_type(o, json_type_int) || json_object_is_type(o, json_type_double);
}

bool tpl_is_true(struct json_object *o)
{
	switch (json_object_get_type(o)) {
	case json_type_boolean:
		return json_object_get_boolean(o);
	case json_type_int:
	case json_type_double:
		return isnormal(json_object_get_double(o));
	case json_type_string:
		return json_object_get_string_len(o) > 0;
	case json_type_array:
		return json_object_array_length(o) > 0;
	case json_type_object:
		return json_object_object_length(o) > 0;
	case json_type_null:
		break;
	}
	return false;
}

bool tpl_is_true_or_zero(struct json_object *o)
{
	return is_number(o) ? !isnan(json_object_get_double(o)) : tpl_is_true(o);
}

/* The fewest digits that are the same number; 1 is "1.0". */
static void add_double(struct buf *out, double value)
{
	char text[40] = "";

	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	buf_adds(out, text);
	if (!text[strcspn(text, ".en")])
		buf_adds(out, ".0");
}

static void add_array(struct buf *out, struct json_object *o)
{
	buf_addc(out, '[');
	for (size_t i = 0; i < json_array_len(o); i++) {
		if (i)
			buf_adds(out, ", ");
		tpl_add_value(out, json_array_at(o, i));
	}
	buf_addc(out, ']');
}

void tpl_add_value(struct buf *out, struct json_object *o)
{
	switch (json_object_get_type(o)) {
	case json_type_string:
		buf_add(out, json_object_get_string(o), (size_t)json_object_get_string_len(o));
		break;
	case json_type_double:
		add_double(out, json_object_get_double(o));
		break;
	case json_type_array:
		add_array(out, o);
		break;
	case json_type_object:
		buf_adds(out, "[object]");
		break;
	case json_type_null:
		break;
	default:
		buf_adds(out, json_text(o));
	}
}

bool tpl_number(struct json_object *o, double *ret)
{
	const char *s;
	char *end;

	*ret = 0;
	if (is_number(o)) {
		*ret = json_object_get_double(o);
		return isfinite(*ret);
	}
	if (!json_object_is_type(o, json_type_string))
		return false;
	s = json_object_get_string(o);
	if (!*s || strspn(s, "0123456789.-+eE") != strlen(s))
		return false;
	*ret = strtod(s, &end);
	return !*end && isfinite(*ret);
}

struct json_object *tpl_member(struct json_object *o, const char *name)
{
	uint64_t index;

	if (json_object_is_type(o, json_type_object))
		return json_get_obj(o, name);
	if (units_parse_u64(name, 0, SIZE_MAX, "index", &index, NULL) < 0)
		return NULL;
	return json_array_at(o, index);
}

/* Exactly, where a double would not be. */
static int compare_ints(struct json_object *a, struct json_object *b)
{
	const bool a_negative = json_object_get_int64(a) < 0, b_negative = json_object_get_int64(b) < 0;

	if (a_negative || b_negative) {
		const int64_t x = json_object_get_int64(a), y = json_object_get_int64(b);

		return (x > y) - (x < y);
	}
	return (json_object_get_uint64(a) > json_object_get_uint64(b)) -
	       (json_object_get_uint64(a) < json_object_get_uint64(b));
}

bool tpl_compare(struct json_object *a, struct json_object *b, int *ret)
{
	const enum json_type type = json_object_get_type(a);
	double x, y;

	if (type == json_object_get_type(b)) {
		switch (type) {
		case json_type_int:
			*ret = compare_ints(a, b);
			return true;
		case json_type_string:
			*ret = strcmp(json_object_get_string(a), json_object_get_string(b));
			return true;
		case json_type_boolean:
			*ret = json_object_get_boolean(a) - json_object_get_boolean(b);
			return true;
		default:
			break;
		}
	}
	if (!tpl_number(a, &x) || !tpl_number(b, &y))
		return false;
	*ret = (x > y) - (x < y);
	return true;
}

static const char *entity(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#x27;";
	case '`':
		return "&#x60;";
	case '=':
		return "&#x3D;";
	default:
		return NULL;
	}
}

void tpl_add_html(struct buf *out, const char *s, size_t len)
{
	size_t done = 0;

	for (size_t i = 0; i < len; i++) {
		const char *text = entity(s[i]);

		if (!text)
			continue;
		buf_add(out, s + done, i - done);
		buf_adds(out, text);
		done = i + 1;
	}
	buf_add(out, s + done, len - done);
}

/* ---- as people read them ---- */

static char *format_bytes(struct json_object *o)
{
	double value;

	/* beyond 2^63 there is no size */
	if (!tpl_number(o, &value) || value < 0 || value > 9e18)
		return NULL;
	return units_human_bytes(json_object_is_type(o, json_type_int) ? json_object_get_uint64(o)
								       : (uint64_t)value);
}

static char *format_duration(struct json_object *o)
{
	double value;

	return tpl_number(o, &value) && value >= 0 && value < 9e18 ? units_timespan((uint64_t)value) : NULL;
}

static char *format_timestamp(struct json_object *o)
{
	char text[64];
	struct tm tm;
	double value;
	time_t t;

	if (!tpl_number(o, &value) || fabs(value) > 9e15)
		return NULL;
	t = (time_t)floor(value);
	if (!localtime_r(&t, &tm) || !strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm))
		return NULL;
	return xstrdup(text);
}

char *tpl_format(const char *renderer, struct json_object *o)
{
	if (!strcmp(renderer, "human-bytes"))
		return format_bytes(o);
	if (!strcmp(renderer, "duration"))
		return format_duration(o);
	if (!strcmp(renderer, "timestamp"))
		return format_timestamp(o);
	return NULL;
}
