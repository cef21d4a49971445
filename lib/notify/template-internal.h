/*
 * Inside template*.c: the tree that a template is parsed into, and the helpers that it may call.
 *
 * The language is that of Rust's handlebars crate, which PVE uses, without partials and decorators.  Where
 * the crate and handlebars.js differ, this follows the crate.
 */
#ifndef VZDUMP_NOTIFY_TEMPLATE_INTERNAL_H
#define VZDUMP_NOTIFY_TEMPLATE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include <json-c/json.h>

#include "base/buf.h"
#include "base/error.h"
#include "notify/template.h"

/* Blocks and subexpressions within each other; rendering needs as much of the stack. */
#define TEMPLATE_MAX_NESTING 64
#define TEMPLATE_MAX_OUTPUT  ((size_t)16 * 1024 * 1024)

/* ---- the tree ---- */

enum tpl_base {
	TPL_CONTEXT, /* a.b, this.a, ../a */
	TPL_LOCAL,   /* @index */
	TPL_ROOT,    /* @root.a */
};

struct tpl_path {
	enum tpl_base base;
	unsigned up;     /* how many ../ */
	bool plain;      /* begins with a name, which may be a block's parameter or a helper */
	char **segments; /* NULL: the value itself */
};

enum tpl_expr_kind {
	TPL_LITERAL,
	TPL_PATH,
	TPL_CALL,
};

struct tpl_expr {
	enum tpl_expr_kind kind;
	unsigned line;
	struct json_object *literal;
	struct tpl_path path;
	bool head; /* of a path: what {{...}} or (...) consists of, so not an argument */
	const struct tpl_helper *helper; /* of a call */
	struct tpl_expr *args;
	size_t n_args;
	struct tpl_hash *hash;
	size_t n_hash;
};

/* name=value */
struct tpl_hash {
	char *name;
	struct tpl_expr value;
};

struct tpl_nodes {
	struct tpl_node *v;
	size_t n;
};

enum tpl_node_kind {
	TPL_TEXT,
	TPL_VALUE,
	TPL_BLOCK,
};

struct tpl_node {
	enum tpl_node_kind kind;
	const char *text; /* part of the template */
	size_t len;
	struct tpl_expr expr;
	bool unescaped;  /* {{{x}}} */
	char *params[2]; /* as |value key| */
	struct tpl_nodes body;
	struct tpl_nodes inverse; /* after {{else}} */
};

/* v with room for one more than its n elements. */
void *tpl_grow(void *v, size_t n, size_t size);
void tpl_expr_clear(struct tpl_expr *e);
void tpl_nodes_clear(struct tpl_nodes *n);
/* Returns a new node at the end, zeroed; valid until the next one. */
struct tpl_node *tpl_nodes_add(struct tpl_nodes *n, enum tpl_node_kind kind);

/* ---- parsing ---- */

/* Where in a template the parser is. */
struct tpl_reader {
	const char *text;
	const char *at;
	unsigned depth;      /* of blocks and subexpressions */
	const char *line_at; /* up to where lines are counted, and how many */
	unsigned line;
};

/* The line that in is in, from 1. */
unsigned tpl_line(struct tpl_reader *in);
/* ERR_INVALID, with the line in front. */
int tpl_syntax(struct tpl_reader *in, struct error **err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void tpl_skip_blanks(struct tpl_reader *in);
/* True, and in is behind it, if this word is next and ends there. */
bool tpl_take_word(struct tpl_reader *in, const char *word);
/* One level deeper; fails at the limit.  The caller decrements in->depth. */
int tpl_enter(struct tpl_reader *in, struct error **err);

enum tpl_role {
	TPL_INLINE,      /* {{a}}, {{helper a}} */
	TPL_BLOCK_START, /* {{#helper a}}: a call in any case */
};

/* "name", "helper arguments", "(subexpression)".  in is at what follows then, after blanks. */
int tpl_parse_expr(struct tpl_reader *in, enum tpl_role role, struct tpl_expr *ret, struct error **err);
/* " as |a b|", if it is there. */
int tpl_parse_params(struct tpl_reader *in, char *params[2], struct error **err);
/* The whole template.  ret is empty after a failure. */
int tpl_parse(const char *text, struct tpl_nodes *ret, struct error **err);

/* ---- values ---- */

/* As if sees it: 0, "", null and what is empty are false; with include_zero a 0 is true. */
bool tpl_is_true(struct json_object *o);
bool tpl_is_true_or_zero(struct json_object *o);
/* As {{x}} prints it, unescaped. */
void tpl_add_value(struct buf *out, struct json_object *o);
/* A member of an object by name, or of an array by index; borrowed.  NULL if there is none. */
struct json_object *tpl_member(struct json_object *o, const char *name);
/* < 0, 0, > 0; false if the two cannot be compared. */
bool tpl_compare(struct json_object *a, struct json_object *b, int *ret);
/* A number, or a string that is one. */
bool tpl_number(struct json_object *o, double *ret);
/* Escapes & < > " ' ` =. */
void tpl_add_html(struct buf *out, const char *s, size_t len);
/*
 * As the renderer of a table's column, which is the helper of that name, shows it: human-bytes, duration,
 * timestamp.  NULL if there is none of this name, or it cannot show this value.  Caller frees.
 */
char *tpl_format(const char *renderer, struct json_object *o);

/* ---- helpers ---- */

enum tpl_helper_kind {
	TPL_HELPER_VALUE,
	TPL_HELPER_BOOL,   /* a condition: may begin a block */
	TPL_HELPER_MARKUP, /* its text is not escaped */
	/* those that begin a block */
	TPL_HELPER_IF,
	TPL_HELPER_UNLESS,
	TPL_HELPER_EACH,
	TPL_HELPER_WITH,
};

struct tpl_call {
	const char *name;
	struct json_object *const *args;
	size_t n_args;
	enum template_output output;
};

struct tpl_helper {
	const char *name;
	enum tpl_helper_kind kind;
	unsigned min_args;
	/* *ret is the caller's, and NULL on entry.  NULL for those that begin a block. */
	int (*call)(const struct tpl_call *c, struct json_object **ret, struct error **err);
};

const struct tpl_helper *tpl_helper(const char *name);
/* The helper table: rows and columns of guest-table and its like. */
int tpl_table(struct json_object *table, enum template_output output, struct buf *out, struct error **err);

#endif
