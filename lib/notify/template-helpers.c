/* What a template may call: the helpers of the handlebars crate, and PVE's. */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "notify/template-internal.h"

static struct json_object *new_text(const struct buf *b)
{
	return xcheck(json_object_new_string_len(buf_str(b), (int)b->len));
}

static struct json_object *new_bool(bool value)
{
	return xcheck(json_object_new_boolean(value));
}

/* ---- conditions ---- */

static int call_eq(const struct tpl_call *c, struct json_object **ret, struct error **err)
{
	const bool equal = json_object_equal(c->args[0], c->args[1]);

	(void)err;
	*ret = new_bool(equal == (strcmp(c->name, "eq") == 0));
	return 0;
}

/* gt, gte, lt, lte: false if the two cannot be compared. */
static int call_compare(const struct tpl_call *c, struct json_object **ret, struct error **err)
{
	int order = 0;
	const bool known = tpl_compare(c->args[0], c->args[1], &order);
	const bool wanted = c->name[0] == 'g' ? order > 0 : order < 0;

	(void)err;
	*ret = new_bool(known && (wanted || (!order && c->name[2] == 'e')));
	return 0;
}

static int call_not(const struct tpl_call *c, struct json_object **ret, struct error **err)
{
	(void)err;
	*ret = new_bool(!tpl_is_true(c->args[0]));
	return 0;
}

static int call_and(const struct tpl_call *c, struct json_object **ret, struct error **err)
{
	bool all = true;

	(void)err;
	for (size_t i = 0; i < c->n_args; i++)
		all = all && tpl_is_true(c->args[i]);
	*ret = new_bool(all);
	return 0;
}

static int call_or(const struct tpl_call *c, struct json_object **ret, struct error **err)
{
	bool any = false;

	(void)err;
	for (size_t i = 0; i < c->n_args; i++)
		any = any || tpl_is_true(c->args[i]);
	*ret = new_bool(any);
	return 0;
}

/* ---- values ---- */

static int call_len(const struct tpl_call *c, struct json_object **ret, struct error **err)
{
	struct json_object *o = c->args[0];
	size_t len = 0;

	(void)err;
	if (json_object_is_type(o, json_type_string))
		len = (size_t)json_object_get_string_len(o);
	else if (json_object_is_type(o, json_type_array))
		len = json_object_array_length(o);
	else if (json_object_is_type(o, json_type_object))
		len = (size_t)json_object_object_length(o);
	*ret = xcheck(json_object_new_uint64(len));
	return 0;
}

static int call_lookup(const struct tpl_call *c, struct json_object **ret, struct error **err)
{
	_cleanup_buf_ struct buf key = BUF_INIT;

	(void)err;
	tpl_add_value(&key, c->args[1]);
	*ret = json_object_get(tpl_member(c->args[0], buf_str(&key)));
	return 0;
}

static int call_log(const struct tpl_call *c, struct json_object **ret, struct error **err)
{
	(void)c;
	(void)ret;
	(void)err;
	return 0;
}

/* ---- PVE's, for people ---- */

/* What is no number prints as it is. */
static int call_format(const struct tpl_call *c, struct json_object **ret, struct error **err)
{
	_cleanup_free_ char *text = tpl_format(c->name, c->args[0]);

	(void)err;
	*ret = text ? xcheck(json_object_new_string(text)) : json_object_get(c->args[0]);
	return 0;
}

static int call_percentage(const struct tpl_call *c, struct json_object **ret, struct error **err)
{
	_cleanup_free_ char *text = NULL;
	double part, whole;

	(void)err;
	if (tpl_number(c->args[0], &part) && tpl_number(c->args[1], &whole) && whole != 0)
		text = xasprintf("%.2f%%", part / whole * 100);
	*ret = xcheck(json_object_new_string(text ? text : "-"));
	return 0;
}

static int call_table(const struct tpl_call *c, struct json_object **ret, struct error **err)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	int r = c->args[0] ? tpl_table(c->args[0], c->output, &text, err) : 0;

	if (r < 0)
		return r;
	*ret = new_text(&text);
	return 0;
}

static int call_object(const struct tpl_call *c, struct json_object **ret, struct error **err)
{
	const char *json =
		json_object_to_json_string_ext(c->args[0], JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
								   JSON_C_TO_STRING_NOSLASHESCAPE);
	_cleanup_buf_ struct buf text = BUF_INIT;

	(void)err;
	if (!json)
		out_of_memory();
	if (c->output == TEMPLATE_TEXT) {
		buf_adds(&text, json);
	} else {
		buf_adds(&text, "<pre style=\"white-space:pre-wrap;overflow-wrap:anywhere\">");
		tpl_add_html(&text, json, strlen(json));
		buf_adds(&text, "</pre>");
	}
	*ret = new_text(&text);
	return 0;
}

/* ---- PVE's, for webhooks ---- */

static bool is_encoded_in_url(char c)
{
	return (unsigned char)c <= ' ' || (unsigned char)c >= 0x7f || strchr(":/?#[]@!$&'()*+,;=%", c);
}

static int call_url_encode(const struct tpl_call *c, struct json_object **ret, struct error **err)
{
	_cleanup_buf_ struct buf value = BUF_INIT, text = BUF_INIT;

	(void)err;
	tpl_add_value(&value, c->args[0]);
	for (size_t i = 0; i < value.len; i++) {
		if (is_encoded_in_url(value.data[i]))
			buf_addf(&text, "%%%02X", (unsigned char)value.data[i]);
		else
			buf_addc(&text, value.data[i]);
	}
	*ret = new_text(&text);
	return 0;
}

static int call_json(const struct tpl_call *c, struct json_object **ret, struct error **err)
{
	(void)err;
	*ret = xcheck(json_object_new_string(c->args[0] ? json_text(c->args[0]) : "null"));
	return 0;
}

/* As within the quotes of a JSON string. */
static int call_escape(const struct tpl_call *c, struct json_object **ret, struct error **err)
{
	_cleanup_buf_ struct buf value = BUF_INIT;
	_cleanup_json_ struct json_object *text = NULL;
	const char *quoted;

	(void)err;
	tpl_add_value(&value, c->args[0]);
	text = new_text(&value);
	quoted = json_text(text);
	*ret = xcheck(json_object_new_string_len(quoted + 1, (int)strlen(quoted) - 2));
	return 0;
}

const struct tpl_helper *tpl_helper(const char *name)
{
	/* clang-format off */
	static const struct tpl_helper helpers[] = {
		{ "if",                  TPL_HELPER_IF,     1, NULL            },
		{ "unless",              TPL_HELPER_UNLESS, 1, NULL            },
		{ "each",                TPL_HELPER_EACH,   1, NULL            },
		{ "with",                TPL_HELPER_WITH,   1, NULL            },
		{ "eq",                  TPL_HELPER_BOOL,   2, call_eq         },
		{ "ne",                  TPL_HELPER_BOOL,   2, call_eq         },
		{ "gt",                  TPL_HELPER_BOOL,   2, call_compare    },
		{ "gte",                 TPL_HELPER_BOOL,   2, call_compare    },
		{ "lt",                  TPL_HELPER_BOOL,   2, call_compare    },
		{ "lte",                 TPL_HELPER_BOOL,   2, call_compare    },
		{ "and",                 TPL_HELPER_BOOL,   1, call_and        },
		{ "or",                  TPL_HELPER_BOOL,   1, call_or         },
		{ "not",                 TPL_HELPER_BOOL,   1, call_not        },
		{ "len",                 TPL_HELPER_VALUE,  1, call_len        },
		{ "lookup",              TPL_HELPER_VALUE,  2, call_lookup     },
		{ "log",                 TPL_HELPER_VALUE,  1, call_log        },
		{ "table",               TPL_HELPER_MARKUP, 1, call_table      },
		{ "object",              TPL_HELPER_MARKUP, 1, call_object     },
		{ "human-bytes",         TPL_HELPER_VALUE,  1, call_format     },
		{ "duration",            TPL_HELPER_VALUE,  1, call_format     },
		{ "timestamp",           TPL_HELPER_VALUE,  1, call_format     },
		{ "relative-percentage", TPL_HELPER_VALUE,  2, call_percentage },
		{ "url-encode",          TPL_HELPER_VALUE,  1, call_url_encode },
		{ "escape",              TPL_HELPER_VALUE,  1, call_escape     },
		{ "json",                TPL_HELPER_VALUE,  1, call_json       },
	};
	/* clang-format on */

	for (size_t i = 0; i < ARRAY_SIZE(helpers); i++)
		if (!strcmp(helpers[i].name, name))
			return &helpers[i];
	return NULL;
}
