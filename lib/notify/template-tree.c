#include "base/mem.h"
#include "base/strv.h"
#include "notify/template-internal.h"

void *tpl_grow(void *v, size_t n, size_t size)
{
	const bool full = (n & (n - 1)) == 0;

	return full ? xreallocarray(v, n ? 2 * n : 1, size) : v;
}

void tpl_expr_clear(struct tpl_expr *e)
{
	json_object_put(e->literal);
	strv_free(e->path.segments);
	for (size_t i = 0; i < e->n_args; i++)
		tpl_expr_clear(&e->args[i]);
	free(e->args);
	for (size_t i = 0; i < e->n_hash; i++) {
		free(e->hash[i].name);
		tpl_expr_clear(&e->hash[i].value);
	}
	free(e->hash);
	*e = (struct tpl_expr){ 0 };
}

struct tpl_node *tpl_nodes_add(struct tpl_nodes *n, enum tpl_node_kind kind)
{
	n->v = tpl_grow(n->v, n->n, sizeof(*n->v));
	n->v[n->n] = (struct tpl_node){ .kind = kind };
	return &n->v[n->n++];
}

void tpl_nodes_clear(struct tpl_nodes *n)
{
	for (size_t i = 0; i < n->n; i++) {
		struct tpl_node *node = &n->v[i];

		tpl_expr_clear(&node->expr);
		free(node->params[0]);
		free(node->params[1]);
		tpl_nodes_clear(&node->body);
		tpl_nodes_clear(&node->inverse);
	}
	free(n->v);
	*n = (struct tpl_nodes){ 0 };
}
