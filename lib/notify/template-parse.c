/* Text, tags, and how they nest. */
#include <string.h>

#include "base/mem.h"
#include "notify/template-internal.h"

enum tag_kind {
	TAG_END, /* of the template */
	TAG_VALUE,
	TAG_COMMENT,
	TAG_RAW, /* {{{{raw}}}} */
	TAG_OPEN,
	TAG_ELSE, /* with an expression: {{else if x}} */
	TAG_CLOSE,
};

struct tag {
	enum tag_kind kind;
	const char *start; /* of its braces */
	bool trims_before; /* {{~ */
	bool trims_after;  /* ~}} */
	bool unescaped;
	bool chained; /* of an else */
	struct tpl_expr expr;
	char *params[2];
	const char *name; /* of a close, as part of the template */
	size_t name_len;
};

/* What the text behind a tag loses. */
enum trim {
	TRIM_NOTHING,
	TRIM_LINE, /* blanks and the end of the line */
	TRIM_ALL,
};

struct parser {
	struct tpl_reader in;
	enum trim trim;
	bool no_dashes; /* no comment ends with dashes any more */
};

static void tag_clear(struct tag *t)
{
	tpl_expr_clear(&t->expr);
	free(t->params[0]);
	free(t->params[1]);
	*t = (struct tag){ 0 };
}

/* ---- text ---- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_newline(char c)
{
	return c == '\n' || c == '\r';
}

static bool is_space(char c)
{
	return is_blank(c) || is_newline(c) || c == '\v' || c == '\f';
}

static const char *trimmed_start(enum trim trim, const char *s, const char *end)
{
	while (s < end && (trim == TRIM_ALL ? is_space(*s) : trim == TRIM_LINE && is_blank(*s)))
		s++;
	if (trim == TRIM_LINE && end - s > 1 && s[0] == '\r' && s[1] == '\n')
		return s + 2;
	return trim == TRIM_LINE && s < end && *s == '\n' ? s + 1 : s;
}

static void add_text(struct parser *p, struct tpl_nodes *nodes, const char *start, const char *end)
{
	struct tpl_node *node;

	if (start == end)
		return;
	start = trimmed_start(p->trim, start, end);
	node = tpl_nodes_add(nodes, TPL_TEXT);
	node->expr.line = tpl_line(&p->in);
	node->text = start;
	node->len = (size_t)(end - start);
}

/* Cuts blanks or any white space off the text at the end of nodes. */
static void trim_end(struct tpl_nodes *nodes, bool (*unwanted)(char c))
{
	struct tpl_node *last = nodes->n ? &nodes->v[nodes->n - 1] : NULL;

	while (last && last->kind == TPL_TEXT && last->len && unwanted(last->text[last->len - 1]))
		last->len--;
}

/*
 * Text up to the next tag.  \{{ is text; of two or more backslashes in front of a tag one is dropped.
 */
static void take_text(struct parser *p, struct tpl_nodes *nodes)
{
	struct tpl_reader *in = &p->in;
	const char *start = in->at, *brace;

	while ((brace = strstr(in->at, "{{")) != NULL) {
		const char *slash = brace;

		while (slash > in->at && slash[-1] == '\\')
			slash--;
		add_text(p, nodes, start, slash < brace ? brace - 1 : brace);
		in->at = start = brace;
		if (brace - slash != 1)
			return;
		/* \{{{{raw}}}} too */
		in->at += !strncmp(brace, "{{{{", 4) ? 4 : 2;
	}
	in->at = start + strlen(start);
	add_text(p, nodes, start, in->at);
}

/* ---- tags ---- */

/* The braces of "--}}" or "--~}}". */
static const char *dashed_end(const char *s)
{
	while ((s = strstr(s, "--")) != NULL) {
		const char *end = s + 2 + (s[2] == '~');

		if (!strncmp(end, "}}", 2))
			return end;
		s++;
	}
	return NULL;
}

/* A comment may contain braces if it has dashes. */
static int take_comment(struct parser *p, struct tag *t, struct error **err)
{
	struct tpl_reader *in = &p->in;
	const char *end = NULL;

	t->kind = TAG_COMMENT;
	if (!strncmp(in->at, "!--", 3) && !p->no_dashes) {
		end = dashed_end(in->at + 3);
		p->no_dashes = !end;
		t->trims_after = end && end[-1] == '~';
	}
	if (!end) {
		end = strstr(in->at, "}}");
		t->trims_after = end && end[-1] == '~';
	}
	if (!end)
		return tpl_syntax(in, err, "a comment is not closed");
	in->at = end + 2;
	return 0;
}

/* "}}" with its tilde; behind "}" if the tag is {{{x}}} or {{~{x}~}}. */
static int take_tag_end(struct parser *p, struct tag *t, size_t inner, struct error **err)
{
	struct tpl_reader *in = &p->in;

	tpl_skip_blanks(in);
	if (inner == 1 && *in->at == '}') {
		in->at++;
		inner = 0;
	}
	if (*in->at == '~') {
		t->trims_after = true;
		in->at++;
	}
	if (inner == 1 || strncmp(in->at, "}}}", 2 + inner / 2) != 0) {
		if (!*in->at)
			return tpl_syntax(in, err, "the template ends within {{...}}");
		return tpl_syntax(in, err, "'%c' is where {{...}} should end", *in->at);
	}
	in->at += 2 + inner / 2;
	return 0;
}

static int take_open(struct parser *p, struct tag *t, struct error **err)
{
	int r;

	t->kind = TAG_OPEN;
	r = tpl_parse_expr(&p->in, TPL_BLOCK_START, &t->expr, err);
	if (r < 0)
		return r;
	if (t->expr.kind != TPL_CALL)
		return tpl_syntax(&p->in, err, "a block begins with the name of a helper");
	return tpl_parse_params(&p->in, t->params, err);
}

static int take_else(struct parser *p, struct tag *t, struct error **err)
{
	tpl_skip_blanks(&p->in);
	if (*p->in.at && !strchr("}~", *p->in.at)) {
		int r = take_open(p, t, err);

		if (r < 0)
			return r;
		t->chained = true;
	}
	t->kind = TAG_ELSE;
	return 0;
}

static int take_close(struct parser *p, struct tag *t)
{
	tpl_skip_blanks(&p->in);
	t->kind = TAG_CLOSE;
	t->name = p->in.at;
	t->name_len = strcspn(t->name, " \t\r\n}~");
	p->in.at += t->name_len;
	return 0;
}

/* What is behind the braces and perhaps a sign. */
static int take_inside(struct parser *p, struct tag *t, struct error **err)
{
	struct tpl_reader *in = &p->in;
	const char sign = *in->at;

	if (sign && strchr("#/^&", sign))
		in->at++;
	switch (sign) {
	case '#':
		if (*in->at == '>' || *in->at == '*')
			return tpl_syntax(in, err, "partials and decorators ({{#%c}}) are not supported",
					  *in->at);
		return take_open(p, t, err);
	case '/':
		return take_close(p, t);
	case '^':
		return take_else(p, t, err);
	case '>':
	case '*':
		return tpl_syntax(in, err, "partials and decorators ({{%c}}) are not supported", sign);
	default:
		if (sign != '&' && tpl_take_word(in, "else"))
			return take_else(p, t, err);
		t->kind = TAG_VALUE;
		t->unescaped |= sign == '&';
		return tpl_parse_expr(in, TPL_INLINE, &t->expr, err);
	}
}

/* in is at "{{". */
static int take_tag(struct parser *p, struct tag *t, struct error **err)
{
	struct tpl_reader *in = &p->in;
	size_t inner = 0;
	int r;

	t->start = in->at;
	in->at += 2;
	if (*in->at == '{') {
		inner = 2;
		in->at++;
	}
	if (*in->at == '~') {
		t->trims_before = true;
		in->at++;
	}
	if (*in->at == '!' && !inner)
		return take_comment(p, t, err);
	tpl_skip_blanks(in);
	if (*in->at == '{' && !inner) {
		inner = 1;
		in->at++;
	}
	t->unescaped = inner > 0;
	if (inner) {
		t->kind = TAG_VALUE;
		r = tpl_parse_expr(in, TPL_INLINE, &t->expr, err);
	} else {
		r = take_inside(p, t, err);
	}
	return r < 0 ? r : take_tag_end(p, t, inner, err);
}

/* ---- white space around tags ---- */

/* True if nothing else is in the line of what lies from start to end. */
static bool is_alone(const struct tpl_reader *in, const char *start, const char *end)
{
	while (start > in->text && is_blank(start[-1]))
		start--;
	while (is_blank(*end))
		end++;
	return (start == in->text || is_newline(start[-1])) && (!*end || is_newline(*end));
}

/* A tag that prints nothing takes its line with it if it is alone there. */
static void trim_around(struct parser *p, const struct tag *t, struct tpl_nodes *nodes)
{
	const bool alone = t->kind != TAG_VALUE && is_alone(&p->in, t->start, p->in.at);

	if (t->trims_before)
		trim_end(nodes, is_space);
	else if (alone)
		trim_end(nodes, is_blank);
	p->trim = t->trims_after ? TRIM_ALL : alone ? TRIM_LINE : TRIM_NOTHING;
}

/* The tilde of a tag behind does not reach the text so far: what is in between is an element of its own. */
static void end_text(struct tpl_nodes *nodes)
{
	tpl_nodes_add(nodes, TPL_TEXT);
}

/* {{{{raw}}}} text {{{{/raw}}}} */
static int take_raw_block(struct parser *p, struct tpl_nodes *nodes, struct error **err)
{
	static const char open[] = "{{{{raw}}}}", close[] = "{{{{/raw}}}}";
	struct tag t = { .kind = TAG_RAW, .start = p->in.at };
	const char *end;

	if (strncmp(p->in.at, open, strlen(open)) != 0)
		return tpl_syntax(&p->in, err, "of blocks in four braces there is only %s", open);
	end = strstr(p->in.at, close);
	if (!end)
		return tpl_syntax(&p->in, err, "%s has no %s", open, close);
	p->in.at += strlen(open);
	trim_around(p, &t, nodes);
	add_text(p, nodes, p->in.at, end);
	t.start = end;
	p->in.at = end + strlen(close);
	trim_around(p, &t, nodes);
	end_text(nodes);
	return 0;
}

/* ---- nesting ---- */

static int parse_list(struct parser *p, struct tpl_nodes *nodes, struct tag *end, struct error **err);

/* Of a name in an error. */
static int shown(size_t len)
{
	return len < 40 ? (int)len : 40;
}

static int check_close(struct parser *p, const struct tpl_node *block, const struct tag *t,
		       struct error **err)
{
	const char *name = block->expr.helper->name;

	if (t->kind == TAG_END)
		return error_set(err, ERR_INVALID, "line %u: {{#%s}} is never closed", block->expr.line,
				 name);
	if (t->kind == TAG_ELSE)
		return tpl_syntax(&p->in, err, "a second {{else}}");
	if (t->name_len != strlen(name) || strncmp(t->name, name, t->name_len) != 0)
		return tpl_syntax(&p->in, err, "{{/%.*s}} closes {{#%s}} of line %u", shown(t->name_len),
				  t->name, name, block->expr.line);
	return 0;
}

static struct tpl_node *add_block(struct tpl_nodes *nodes, struct tag *t)
{
	struct tpl_node *block = tpl_nodes_add(nodes, TPL_BLOCK);

	block->expr = t->expr;
	block->params[0] = TAKE_PTR(t->params[0]);
	block->params[1] = TAKE_PTR(t->params[1]);
	t->expr = (struct tpl_expr){ 0 };
	return block;
}

/* {{else if x}} is a block within the else, and has no close of its own. */
static int parse_block(struct parser *p, struct tpl_nodes *nodes, struct tag *open, struct error **err)
{
	_cleanup_(tag_clear) struct tag t = { 0 };
	struct tpl_node *first = add_block(nodes, open), *block = first;
	unsigned depth = p->in.depth;
	int r = tpl_enter(&p->in, err);

	if (r >= 0)
		r = parse_list(p, &block->body, &t, err);
	while (r >= 0 && t.kind == TAG_ELSE && t.chained) {
		block = add_block(&block->inverse, &t);
		tag_clear(&t);
		r = tpl_enter(&p->in, err);
		if (r >= 0)
			r = parse_list(p, &block->body, &t, err);
	}
	if (r >= 0 && t.kind == TAG_ELSE) {
		tag_clear(&t);
		r = parse_list(p, &block->inverse, &t, err);
	}
	p->in.depth = depth;
	return r < 0 ? r : check_close(p, first, &t, err);
}

static void add_value(struct tpl_nodes *nodes, struct tag *t)
{
	struct tpl_node *node = tpl_nodes_add(nodes, TPL_VALUE);

	node->unescaped = t->unescaped;
	node->expr = t->expr;
	t->expr = (struct tpl_expr){ 0 };
}

/* One tag; *end is it if it ends the list. */
static int parse_tag(struct parser *p, struct tpl_nodes *nodes, struct tag *end, struct error **err)
{
	_cleanup_(tag_clear) struct tag t = { 0 };
	int r = take_tag(p, &t, err);

	if (r < 0)
		return r;
	trim_around(p, &t, nodes);
	switch (t.kind) {
	case TAG_VALUE:
		add_value(nodes, &t);
		return 0;
	case TAG_OPEN:
		return parse_block(p, nodes, &t, err);
	case TAG_ELSE:
	case TAG_CLOSE:
		*end = t;
		t = (struct tag){ 0 };
		return 0;
	default:
		end_text(nodes);
		return 0;
	}
}

/* Up to an else, a close or the end, which *end is then. */
static int parse_list(struct parser *p, struct tpl_nodes *nodes, struct tag *end, struct error **err)
{
	int r = 0;

	while (r >= 0 && end->kind == TAG_END) {
		take_text(p, nodes);
		if (!*p->in.at)
			return 0;
		if (!strncmp(p->in.at, "{{{{", 4))
			r = take_raw_block(p, nodes, err);
		else
			r = parse_tag(p, nodes, end, err);
	}
	return r;
}

int tpl_parse(const char *text, struct tpl_nodes *ret, struct error **err)
{
	struct parser p = { .in = { .text = text, .at = text, .line_at = text } };
	_cleanup_(tag_clear) struct tag end = { 0 };
	int r = parse_list(&p, ret, &end, err);

	if (r >= 0 && end.kind == TAG_ELSE)
		r = tpl_syntax(&p.in, err, "{{else}} is in no block");
	else if (r >= 0 && end.kind == TAG_CLOSE)
		r = tpl_syntax(&p.in, err, "{{/%.*s}} closes nothing", shown(end.name_len), end.name);
	if (r < 0)
		tpl_nodes_clear(ret);
	return r;
}
