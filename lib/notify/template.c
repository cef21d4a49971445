#include "notify/template.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "notify/template-internal.h"

/*
 * Loops within loops end here: a node costs NODE_COST, and each byte that is made or given to a helper costs
 * one.
 */
#define MAX_COST  ((size_t)64 * 1024 * 1024)
#define NODE_COST 16

/* What names mean within a block. */
struct scope {
	const struct scope *parent;
	struct json_object *value; /* this */
	bool in_loop;
	size_t index, n;
	const char *key;            /* of an object's member */
	char *const *params;        /* as |value key| */
	struct json_object *second; /* what the second of them is */
};

struct run {
	enum template_output output;
	struct json_object *root;
	struct buf out;
	size_t cost;
};

static int spend(struct run *run, unsigned line, size_t cost, struct error **err)
{
	if (cost > MAX_COST - run->cost)
		return error_set(err, ERR_INVALID, "line %u: the template takes too long", line);
	run->cost += cost;
	return 0;
}

static int add(struct run *run, unsigned line, const char *text, size_t len, struct error **err)
{
	if (len > TEMPLATE_MAX_OUTPUT - run->out.len)
		return error_set(err, ERR_INVALID, "line %u: the output is longer than %zu MiB", line,
				 TEMPLATE_MAX_OUTPUT >> 20);
	buf_add(&run->out, text, len);
	return spend(run, line, len, err);
}

/* ---- names ---- */

/* @index and its like, a new value. */
static struct json_object *local_value(const struct scope *s, const char *name)
{
	if (!s || !s->in_loop)
		return NULL;
	if (!strcmp(name, "index"))
		return xcheck(json_object_new_uint64(s->index));
	if (!strcmp(name, "first"))
		return xcheck(json_object_new_boolean(s->index == 0));
	if (!strcmp(name, "last"))
		return xcheck(json_object_new_boolean(s->index + 1 == s->n));
	if (!strcmp(name, "key") && s->key)
		return xcheck(json_object_new_string(s->key));
	return NULL;
}

/* True if a block around names one of its values so. */
static bool find_param(const struct scope *s, const char *name, struct json_object **ret)
{
	for (; s; s = s->parent)
		for (size_t i = 0; s->params && i < 2; i++)
			if (s->params[i] && !strcmp(s->params[i], name)) {
				*ret = i ? s->second : s->value;
				return true;
			}
	return false;
}

static struct json_object *path_value(const struct run *run, const struct scope *s, const struct tpl_path *p)
{
	char *const *segment = p->segments;
	struct json_object *o;

	for (unsigned i = 0; i < p->up && s; i++)
		s = s->parent;
	if (p->base == TPL_LOCAL)
		return segment[1] ? NULL : local_value(s, segment[0]);
	o = p->base == TPL_ROOT ? run->root : s ? s->value : NULL;
	if (p->plain && p->base == TPL_CONTEXT && segment && find_param(s, segment[0], &o))
		segment++;
	for (; segment && *segment && o; segment++)
		o = tpl_member(o, *segment);
	return json_object_get(o);
}

/* ---- expressions ---- */

static int eval(struct run *run, const struct scope *s, const struct tpl_expr *e, struct json_object **ret,
		struct error **err);

struct args {
	struct json_object **v;
	size_t n;
};

static void args_clear(struct args *a)
{
	for (size_t i = 0; i < a->n; i++)
		json_object_put(a->v[i]);
	free(a->v);
}

static int eval_args(struct run *run, const struct scope *s, const struct tpl_expr *e, struct args *ret,
		     struct error **err)
{
	int r = 0;

	ret->v = xcalloc(e->n_args + 1, sizeof(struct json_object *));
	for (ret->n = 0; ret->n < e->n_args && r >= 0; ret->n++)
		r = eval(run, s, &e->args[ret->n], &ret->v[ret->n], err);
	return r;
}

/* A string costs its bytes, since a helper may look at each of them. */
static int spend_value(struct run *run, unsigned line, struct json_object *value, struct error **err)
{
	return json_object_is_type(value, json_type_string)
		       ? spend(run, line, (size_t)json_object_get_string_len(value), err)
		       : 0;
}

static int eval_call(struct run *run, const struct scope *s, const struct tpl_expr *e,
		     struct json_object **ret, struct error **err)
{
	_cleanup_(args_clear) struct args args = { 0 };
	struct tpl_call call = { .name = e->helper->name, .output = run->output };
	int r = eval_args(run, s, e, &args, err);

	for (size_t i = 0; i < args.n && r >= 0; i++)
		r = spend_value(run, e->line, args.v[i], err);
	if (r < 0)
		return r;
	call.args = args.v;
	call.n_args = args.n;
	r = e->helper->call(&call, ret, err);
	if (r < 0)
		return error_wrap(err, r, "line %u: %s", e->line, call.name);
	return spend_value(run, e->line, *ret, err);
}

/* *ret is the caller's; NULL is null, or missing. */
static int eval(struct run *run, const struct scope *s, const struct tpl_expr *e, struct json_object **ret,
		struct error **err)
{
	*ret = NULL;
	switch (e->kind) {
	case TPL_LITERAL:
		*ret = json_object_get(e->literal);
		break;
	case TPL_PATH:
		*ret = path_value(run, s, &e->path);
		/* {{duration}}: the name of a helper without what it needs */
		if (!*ret && e->head && e->path.plain && e->path.base == TPL_CONTEXT &&
		    !e->path.segments[1] && tpl_helper(e->path.segments[0]))
			return error_set(err, ERR_INVALID, "line %u: the helper '%s' needs a value", e->line,
					 e->path.segments[0]);
		break;
	case TPL_CALL:
		return eval_call(run, s, e, ret, err);
	}
	return 0;
}

/* ---- nodes ---- */

static int render(struct run *run, const struct scope *s, const struct tpl_nodes *nodes, struct error **err);

static int render_value(struct run *run, const struct scope *s, const struct tpl_node *node,
			struct error **err)
{
	const struct tpl_expr *e = &node->expr;
	const bool is_markup = e->kind == TPL_CALL && e->helper->kind == TPL_HELPER_MARKUP;
	_cleanup_json_ struct json_object *value = NULL;
	_cleanup_buf_ struct buf text = BUF_INIT, escaped = BUF_INIT;
	int r = eval(run, s, e, &value, err);

	if (r < 0)
		return r;
	tpl_add_value(&text, value);
	if (run->output == TEMPLATE_TEXT || node->unescaped || is_markup)
		return add(run, e->line, buf_str(&text), text.len, err);
	tpl_add_html(&escaped, buf_str(&text), text.len);
	return add(run, e->line, buf_str(&escaped), escaped.len, err);
}

/* One round of a loop, for the value and what is behind the second name. */
static int render_round(struct run *run, struct scope *inner, const struct tpl_node *node,
			struct json_object *value, struct json_object *second, struct error **err)
{
	_cleanup_json_ struct json_object *owned = second;
	int r = spend(run, node->expr.line, NODE_COST, err);

	inner->value = value;
	inner->second = owned;
	r = r < 0 ? r : render(run, inner, &node->body, err);
	inner->index++;
	return r;
}

static int render_array(struct run *run, struct scope *inner, const struct tpl_node *node,
			struct json_object *array, struct error **err)
{
	int r = 0;

	inner->n = json_array_len(array);
	for (size_t i = 0; i < inner->n && r >= 0; i++)
		r = render_round(run, inner, node, json_array_at(array, i), xcheck(json_object_new_uint64(i)),
				 err);
	return r;
}

static int render_members(struct run *run, struct scope *inner, const struct tpl_node *node,
			  struct json_object *object, struct error **err)
{
	struct json_object_iterator at = json_object_iter_begin(object), end = json_object_iter_end(object);
	int r = 0;

	inner->n = (size_t)json_object_object_length(object);
	for (; !json_object_iter_equal(&at, &end) && r >= 0; json_object_iter_next(&at)) {
		inner->key = json_object_iter_peek_name(&at);
		r = render_round(run, inner, node, json_object_iter_peek_value(&at),
				 xcheck(json_object_new_string(inner->key)), err);
	}
	return r;
}

static int render_each(struct run *run, const struct scope *s, const struct tpl_node *node,
		       struct json_object *value, struct error **err)
{
	struct scope inner = { .parent = s, .in_loop = true, .params = node->params };

	if (json_object_is_type(value, json_type_array) && json_array_len(value))
		return render_array(run, &inner, node, value, err);
	if (json_object_is_type(value, json_type_object) && json_object_object_length(value))
		return render_members(run, &inner, node, value, err);
	return render(run, s, &node->inverse, err);
}

/* The names of the loop around go on in it. */
static int render_with(struct run *run, const struct scope *s, const struct tpl_node *node,
		       struct json_object *value, struct error **err)
{
	struct scope inner = *s;

	if (!tpl_is_true(value))
		return render(run, s, &node->inverse, err);
	inner.parent = s;
	inner.value = value;
	inner.params = node->params;
	inner.second = NULL;
	return render(run, &inner, &node->body, err);
}

/* if ... includeZero=true */
static int includes_zero(struct run *run, const struct scope *s, const struct tpl_expr *e, bool *ret,
			 struct error **err)
{
	*ret = false;
	for (size_t i = 0; i < e->n_hash; i++) {
		_cleanup_json_ struct json_object *value = NULL;
		int r = eval(run, s, &e->hash[i].value, &value, err);

		if (r < 0)
			return r;
		if (!strcmp(e->hash[i].name, "includeZero"))
			*ret = json_object_is_type(value, json_type_boolean) &&
			       json_object_get_boolean(value);
	}
	return 0;
}

static int render_if(struct run *run, const struct scope *s, const struct tpl_node *node,
		     struct json_object *value, struct error **err)
{
	bool with_zero, is_true;
	int r = includes_zero(run, s, &node->expr, &with_zero, err);

	if (r < 0)
		return r;
	is_true = with_zero ? tpl_is_true_or_zero(value) : tpl_is_true(value);
	if (node->expr.helper->kind == TPL_HELPER_UNLESS)
		is_true = !is_true;
	return render(run, s, is_true ? &node->body : &node->inverse, err);
}

static int render_block(struct run *run, const struct scope *s, const struct tpl_node *node,
			struct error **err)
{
	const struct tpl_helper *helper = node->expr.helper;
	_cleanup_json_ struct json_object *value = NULL;
	int r = helper->call ? eval_call(run, s, &node->expr, &value, err)
			     : eval(run, s, &node->expr.args[0], &value, err);

	if (r < 0)
		return r;
	switch (helper->kind) {
	case TPL_HELPER_EACH:
		return render_each(run, s, node, value, err);
	case TPL_HELPER_WITH:
		return render_with(run, s, node, value, err);
	default:
		return render_if(run, s, node, value, err);
	}
}

static int render(struct run *run, const struct scope *s, const struct tpl_nodes *nodes, struct error **err)
{
	int r = 0;

	for (size_t i = 0; i < nodes->n && r >= 0; i++) {
		const struct tpl_node *node = &nodes->v[i];

		r = spend(run, node->expr.line, NODE_COST, err);
		if (r < 0)
			return r;
		switch (node->kind) {
		case TPL_TEXT:
			r = add(run, node->expr.line, node->text, node->len, err);
			break;
		case TPL_VALUE:
			r = render_value(run, s, node, err);
			break;
		case TPL_BLOCK:
			r = render_block(run, s, node, err);
			break;
		}
	}
	return r;
}

int template_render(const char *text, struct json_object *data, enum template_output output, struct buf *out,
		    struct error **err)
{
	_cleanup_(tpl_nodes_clear) struct tpl_nodes nodes = { 0 };
	const struct scope top = { .value = data };
	struct run run = { .output = output, .root = data };
	int r = tpl_parse(text, &nodes, err);

	if (r >= 0)
		r = render(&run, &top, &nodes, err);
	if (r >= 0)
		buf_add(out, buf_str(&run.out), run.out.len);
	buf_clear(&run.out);
	return r;
}
