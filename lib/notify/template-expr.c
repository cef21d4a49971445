/* What stands between the braces. */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/strv.h"
#include "notify/template-internal.h"

unsigned tpl_line(struct tpl_reader *in)
{
	for (; in->line_at < in->at; in->line_at++)
		in->line += *in->line_at == '\n';
	return in->line + 1;
}

int tpl_syntax(struct tpl_reader *in, struct error **err, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	return error_set(err, ERR_INVALID, "line %u: %s", tpl_line(in), text);
}

void tpl_skip_blanks(struct tpl_reader *in)
{
	in->at += strspn(in->at, " \t\r\n");
}

int tpl_enter(struct tpl_reader *in, struct error **err)
{
	if (in->depth == TEMPLATE_MAX_NESTING)
		return tpl_syntax(in, err, "more than %d blocks or parentheses within each other",
				  TEMPLATE_MAX_NESTING);
	in->depth++;
	return 0;
}

/* What a name is made of. */
static bool is_symbol(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c && strchr("-_$:", c)) || (unsigned char)c >= 0x80;
}

static size_t symbol_len(const char *s)
{
	size_t n = 0;

	while (is_symbol(s[n]))
		n++;
	return n;
}

bool tpl_take_word(struct tpl_reader *in, const char *word)
{
	const size_t len = strlen(word);

	if (symbol_len(in->at) != len || strncmp(in->at, word, len) != 0 ||
	    (in->at[len] && strchr("./=", in->at[len])))
		return false;
	in->at += len;
	return true;
}

static int unexpected(struct tpl_reader *in, struct error **err)
{
	if (!*in->at)
		return tpl_syntax(in, err, "the template ends within {{...}}");
	return tpl_syntax(in, err, "'%c' is unexpected within {{...}}", *in->at);
}

/* ---- paths ---- */

/* The data are not nearly as deep. */
#define MAX_SEGMENTS 64

/* The next segment of a path; false if there is none. */
static bool take_segment(struct tpl_reader *in, struct tpl_path *p)
{
	_cleanup_free_ char *name = NULL;
	size_t len;

	if (*in->at == '[') {
		const char *end = strchr(in->at, ']');

		if (!end)
			return false;
		name = xstrndup(in->at + 1, (size_t)(end - in->at) - 1);
		in->at = end + 1;
		strv_add(&p->segments, name);
		return true;
	}
	len = symbol_len(in->at);
	if (!len)
		return false;
	name = xstrndup(in->at, len);
	in->at += len;
	if (!strcmp(name, "this") && !p->segments && p->base == TPL_CONTEXT)
		p->plain = false;
	else
		strv_add(&p->segments, name);
	return true;
}

static bool take_up(struct tpl_reader *in)
{
	if (strncmp(in->at, "..", 2) != 0)
		return false;
	in->at += 2;
	return true;
}

static bool take_separator(struct tpl_reader *in)
{
	if (*in->at != '.' && *in->at != '/')
		return false;
	in->at++;
	return true;
}

/* "@root" begins at the top; the other names with @ are values of a block. */
static int finish_local(struct tpl_reader *in, struct tpl_path *p, struct error **err)
{
	char *root = p->segments[0];

	if (strcmp(root, "root") != 0)
		return 0;
	if (p->up)
		return tpl_syntax(in, err, "there is nothing above @root");
	p->base = TPL_ROOT;
	memmove(p->segments, p->segments + 1, strv_len(p->segments) * sizeof(*p->segments));
	free(root);
	return 0;
}

/* @../index and ../@index are the same. */
static int parse_path(struct tpl_reader *in, struct tpl_path *p, struct error **err)
{
	bool more = true;

	p->plain = true;
	if (*in->at == '@') {
		p->base = TPL_LOCAL;
		in->at++;
	}
	while (more && take_up(in)) {
		p->up++;
		p->plain = false;
		more = take_separator(in);
	}
	if (more && *in->at == '@' && p->base == TPL_CONTEXT) {
		p->base = TPL_LOCAL;
		in->at++;
	}
	if (more && p->base == TPL_CONTEXT && *in->at == '.') {
		in->at++;
		p->plain = false;
		more = take_separator(in);
	}
	while (more) {
		if (strv_len(p->segments) == MAX_SEGMENTS)
			return tpl_syntax(in, err, "a path has more than %d parts", MAX_SEGMENTS);
		if (!take_segment(in, p))
			return unexpected(in, err);
		more = take_separator(in);
	}
	if (p->base == TPL_LOCAL && !p->segments)
		return unexpected(in, err);
	return p->base == TPL_LOCAL ? finish_local(in, p, err) : 0;
}

/* ---- literals ---- */

/* The literal ends at end, and is this JSON, which ends with a NUL.  Returns 1. */
static int take_json(struct tpl_reader *in, const char *json, const char *end, struct tpl_expr *ret,
		     struct error **err)
{
	ret->kind = TPL_LITERAL;
	/* with the NUL, so that json-c does not wait for more digits */
	if (json_parse(json, strlen(json) + 1, TEMPLATE_MAX_OUTPUT, &ret->literal, NULL) < 0)
		return tpl_syntax(in, err, "the value %.40s is not valid", json);
	in->at = end;
	return 1;
}

/* Both kinds of quotes have JSON's escapes. */
static int parse_string(struct tpl_reader *in, struct tpl_expr *ret, struct error **err)
{
	_cleanup_buf_ struct buf json = BUF_INIT;
	const char quote = *in->at;
	const char *s = in->at + 1;

	buf_addc(&json, '"');
	for (; *s && *s != quote; s++) {
		if (*s == '\\' && s[1] == quote && quote == '\'') {
			s++;
		} else if (*s == '\\' && s[1]) {
			buf_addc(&json, *s++);
		} else if (*s == '"') {
			buf_addc(&json, '\\');
		}
		buf_addc(&json, *s);
	}
	buf_addc(&json, '"');
	if (!*s)
		return tpl_syntax(in, err, "a quote is not closed");
	return take_json(in, buf_str(&json), s + 1, ret, err);
}

/* The length of the number at s; 0 if it is none, as 1a or 1.b are not. */
static size_t number_len(const char *s)
{
	static const char digits[] = "0123456789";
	size_t n = *s == '-';

	if (!strspn(s + n, digits))
		return 0;
	n += strspn(s + n, digits);
	if (s[n] == '.') {
		n++;
		n += strspn(s + n, digits);
	}
	if (s[n] == 'e' || s[n] == 'E') {
		n++;
		n += s[n] == '-' || s[n] == '+';
		n += strspn(s + n, digits);
	}
	return is_symbol(s[n]) || s[n] == '.' || s[n] == '/' || s[n - 1] == '.' ? 0 : n;
}

/* 1 if a literal was next, which *ret is then; 0 if not. */
static int parse_literal(struct tpl_reader *in, struct tpl_expr *ret, struct error **err)
{
	const size_t len = number_len(in->at);
	_cleanup_free_ char *number = xstrndup(in->at, len);
	int r = 1;

	ret->kind = TPL_LITERAL;
	if (*in->at == '"' || *in->at == '\'')
		r = parse_string(in, ret, err);
	else if (len)
		r = take_json(in, number, in->at + len, ret, err);
	else if (tpl_take_word(in, "true"))
		ret->literal = xcheck(json_object_new_boolean(1));
	else if (tpl_take_word(in, "false"))
		ret->literal = xcheck(json_object_new_boolean(0));
	else if (!tpl_take_word(in, "null") && !tpl_take_word(in, "undefined"))
		r = 0;
	return r;
}

/* ---- calls ---- */

static int parse_parentheses(struct tpl_reader *in, struct tpl_expr *ret, struct error **err)
{
	int r = tpl_enter(in, err);

	if (r < 0)
		return r;
	in->at++;
	r = tpl_parse_expr(in, TPL_INLINE, ret, err);
	if (r < 0)
		return r;
	if (*in->at != ')')
		return unexpected(in, err);
	in->at++;
	in->depth--;
	return 0;
}

/* A literal, a path or (...). */
static int parse_value(struct tpl_reader *in, struct tpl_expr *ret, struct error **err)
{
	int r;

	ret->line = tpl_line(in);
	if (*in->at == '(')
		return parse_parentheses(in, ret, err);
	r = parse_literal(in, ret, err);
	if (r)
		return r;
	ret->kind = TPL_PATH;
	return parse_path(in, &ret->path, err);
}

/* The length of "name" if "name=" is next, else 0. */
static size_t hash_name_len(const char *s)
{
	const size_t len = symbol_len(s);

	return s[len + strspn(s + len, " \t\r\n")] == '=' ? len : 0;
}

static int parse_argument(struct tpl_reader *in, struct tpl_expr *call, struct error **err)
{
	const size_t name_len = hash_name_len(in->at);
	struct tpl_hash *hash;

	if (!name_len) {
		call->args = tpl_grow(call->args, call->n_args, sizeof(*call->args));
		call->args[call->n_args] = (struct tpl_expr){ 0 };
		return parse_value(in, &call->args[call->n_args++], err);
	}
	call->hash = tpl_grow(call->hash, call->n_hash, sizeof(*call->hash));
	hash = &call->hash[call->n_hash++];
	*hash = (struct tpl_hash){ .name = xstrndup(in->at, name_len) };
	in->at += name_len;
	tpl_skip_blanks(in);
	in->at++;
	tpl_skip_blanks(in);
	return parse_value(in, &hash->value, err);
}

static bool is_params(const struct tpl_reader *in)
{
	return !strncmp(in->at, "as", 2) && in->at[2 + strspn(in->at + 2, " \t\r\n")] == '|';
}

static int parse_arguments(struct tpl_reader *in, struct tpl_expr *call, struct error **err)
{
	for (;;) {
		int r;

		tpl_skip_blanks(in);
		if (!*in->at || strchr("}~)", *in->at) || is_params(in))
			return 0;
		r = parse_argument(in, call, err);
		if (r < 0)
			return r;
	}
}

/* The path at the head is the name of a helper. */
static int make_call(struct tpl_reader *in, enum tpl_role role, const char *name, struct tpl_expr *e,
		     struct error **err)
{
	e->helper = tpl_helper(name);
	if (!e->helper)
		return tpl_syntax(in, err, "there is no helper '%.40s'", name);
	if (e->n_args < e->helper->min_args)
		return tpl_syntax(in, err, "the helper '%s' needs %u value%s, not %zu", name,
				  e->helper->min_args, e->helper->min_args == 1 ? "" : "s", e->n_args);
	if (role == TPL_INLINE && !e->helper->call)
		return tpl_syntax(in, err, "'%s' begins a block: write {{#%s ...}}", name, name);
	if (role == TPL_BLOCK_START && e->helper->call && e->helper->kind != TPL_HELPER_BOOL)
		return tpl_syntax(in, err, "'%s' cannot begin a block: write {{%s ...}}", name, name);
	e->kind = TPL_CALL;
	return 0;
}

int tpl_parse_expr(struct tpl_reader *in, enum tpl_role role, struct tpl_expr *ret, struct error **err)
{
	_cleanup_free_ char *name = NULL;
	const char *start;
	int r;

	tpl_skip_blanks(in);
	start = in->at;
	ret->line = tpl_line(in);
	if (*start == '(') {
		r = parse_parentheses(in, ret, err);
		tpl_skip_blanks(in);
		return r;
	}
	ret->kind = TPL_PATH;
	r = parse_path(in, &ret->path, err);
	if (r < 0)
		return r;
	name = xstrndup(start, (size_t)(in->at - start));
	r = parse_arguments(in, ret, err);
	if (r < 0)
		return r;
	if (ret->n_args || ret->n_hash || role == TPL_BLOCK_START)
		return make_call(in, role, name, ret, err);
	ret->head = true;
	return 0;
}

int tpl_parse_params(struct tpl_reader *in, char *params[2], struct error **err)
{
	size_t n = 0;

	if (!is_params(in))
		return 0;
	in->at = strchr(in->at, '|') + 1;
	for (;;) {
		size_t len;

		tpl_skip_blanks(in);
		if (n && *in->at == '|')
			break;
		len = symbol_len(in->at);
		if (!len || n == 2)
			return unexpected(in, err);
		params[n++] = xstrndup(in->at, len);
		in->at += len;
	}
	in->at++;
	tpl_skip_blanks(in);
	return 0;
}
