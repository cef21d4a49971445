#include "qemu/base-bitmap.h"

#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "qemu/nodes.h"
#include "qemu/pause.h"

/* ---- names ---- */

char *base_bitmap_name(const char *chain, const char *gen, const char *key)
{
	return xasprintf(BASE_BITMAP_PREFIX "%s-%s-%s", chain, gen, key);
}

/* Takes `size` - 1 characters and the '-' behind them. */
static bool take_part(const char **at, char *ret, size_t size)
{
	if (strnlen(*at, size) < size || (*at)[size - 1] != '-')
		return false;
	memcpy(ret, *at, size - 1);
	ret[size - 1] = '\0';
	*at += size;
	return true;
}

static void parse_name(const char *rest, struct base_bitmap *b)
{
	const bool whole = take_part(&rest, b->chain, sizeof(b->chain)) &&
			   take_part(&rest, b->gen, sizeof(b->gen)) && *rest;

	if (!whole)
		*b->chain = *b->gen = '\0';
	b->key = whole ? rest : "";
}

/* ---- adding one ---- */

static int add_bitmap(struct qmp *q, const char *node, const char *name, struct error **err)
{
	struct json_object *args = json_new_str("node", node);

	json_put_str(args, "name", name);
	json_put_u64(args, "granularity", BASE_BITMAP_GRANULARITY);
	json_put_bool(args, "persistent", false);
	return qmp_execute(q, "block-dirty-bitmap-add", args, NULL, err);
}

static int remove_bitmap(struct qmp *q, const char *node, const char *name, struct error **err)
{
	struct json_object *args = json_put_str(json_new_str("node", node), "name", name);

	return qmp_execute(q, "block-dirty-bitmap-remove", args, NULL, err);
}

/* A node of the disk's size on which nothing is kept, but which can have a bitmap. */
static int add_sentinel_node(struct qmp *q, const struct graph_names *n, uint64_t size, struct error **err)
{
	struct json_object *o = json_new_str("driver", "null-co");

	json_put_str(o, "node-name", n->sentinel);
	json_put_u64(o, "size", size);
	return qmp_execute(q, "blockdev-add", json_put_bool(o, "read-zeroes", false), NULL, err);
}

/*
 * Only a write sets a bit.  The answer is text for people, and newer versions print it elsewhere: whether it
 * worked is seen by the bitmap.
 */
static int write_last(struct qmp *q, const struct graph_names *n, uint64_t size, struct error **err)
{
	const uint64_t last = (size - 1) / BASE_BITMAP_GRANULARITY * BASE_BITMAP_GRANULARITY;
	_cleanup_free_ char *line =
		xasprintf("qemu-io %s \"write -q %" PRIu64 " %" PRIu64 "\"", n->sentinel, last, size - last);

	return qmp_execute(q, "human-monitor-command", json_new_str("command-line", line), NULL, err);
}

static int merge(struct qmp *q, const char *node, const char *name, const struct graph_names *n,
		 struct error **err)
{
	struct json_object *from = json_put_str(json_new_str("node", n->sentinel), "name", n->sentinel);
	struct json_object *args = json_put_str(json_new_str("node", node), "target", name);

	json_put_obj(args, "bitmaps", json_append(json_new_array(), from));
	return qmp_execute(q, "block-dirty-bitmap-merge", args, NULL, err);
}

static int add_sentinel(struct qmp *q, const struct graph_disk *d, const struct graph_names *n,
			const char *name, struct error **err)
{
	int r = add_sentinel_node(q, n, d->size, err);

	if (r < 0)
		return r;
	r = add_bitmap(q, n->sentinel, n->sentinel, err);
	if (r == 0)
		r = write_last(q, n, d->size, err);
	if (r == 0)
		r = merge(q, d->node, name, n, err);
	if (r == 0)
		return graph_del_node(q, n->sentinel, err);
	(void)graph_del_node(q, n->sentinel, NULL);
	return r;
}

static const struct base_bitmap *find_bitmap(const struct base_bitmaps *l, const char *node, const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->list[i].node, node) && !strcmp(l->list[i].name, name))
			return &l->list[i];
	return NULL;
}

static int check_sentinel(struct qmp *q, const char *node, const char *name, struct error **err)
{
	_cleanup_base_bitmaps_ struct base_bitmaps l = { 0 };
	int r = base_bitmaps_load(q, &l, err);
	const struct base_bitmap *b = find_bitmap(&l, node, name);
	uint64_t count = 0;

	if (r == 0 && !(b && json_get_u64(b->info, "count", &count) && count))
		r = error_set(err, ERR_PEER, "QEMU did not mark the last cluster as dirty");
	return r;
}

static int add_with_sentinel(struct qmp *q, const struct graph_disk *d, const struct graph_names *n,
			     const char *name, struct error **err)
{
	int r = add_bitmap(q, d->node, name, err);

	if (r < 0)
		return r;
	r = add_sentinel(q, d, n, name, err);
	if (r == 0)
		r = check_sentinel(q, d->node, name, err);
	if (r < 0)
		(void)remove_bitmap(q, d->node, name, NULL);
	return r;
}

int base_bitmap_add(struct qmp *q, const struct graph_disk *d, const struct graph_names *n, const char *name,
		    struct error **err)
{
	struct graph_pause pause;
	int r = graph_pause_if_needed(q, &pause, err);

	if (r == 0)
		r = add_with_sentinel(q, d, n, name, err);
	return graph_pause_end_after(q, &pause, r, err);
}

/* ---- all of them ---- */

static void add_to_list(struct base_bitmaps *l, const char *node, struct json_object *info)
{
	const char *name = json_get_str(info, "name"), *rest;
	struct base_bitmap *b;

	if (!node || !name || !str_prefix(name, BASE_BITMAP_PREFIX, &rest))
		return;
	l->list = xreallocarray(l->list, l->n + 1, sizeof(*l->list));
	b = &l->list[l->n++];
	*b = (struct base_bitmap){ .node = node, .name = name, .info = info };
	parse_name(rest, b);
}

int base_bitmaps_load(struct qmp *q, struct base_bitmaps *l, struct error **err)
{
	int r;

	*l = (struct base_bitmaps){ 0 };
	r = blockgraph_load(q, &l->graph, err);
	for (size_t i = 0; i < json_array_len(l->graph.nodes); i++) {
		struct json_object *node = json_array_at(l->graph.nodes, i);
		struct json_object *bitmaps = json_get_array(node, "dirty-bitmaps");

		for (size_t k = 0; k < json_array_len(bitmaps); k++)
			add_to_list(l, json_get_str(node, "node-name"), json_array_at(bitmaps, k));
	}
	return r;
}

void base_bitmaps_clear(struct base_bitmaps *l)
{
	free(l->list);
	blockgraph_clear(&l->graph);
	*l = (struct base_bitmaps){ 0 };
}

/* ---- whether one can be trusted ---- */

/* What else there is in this QEMU says why the disk does not have the bitmap. */
static char *explain_missing(const struct base_bitmaps *l, const struct graph_disk *d, const char *chain,
			     const char *gen, const char *key)
{
	bool running = false;

	for (size_t i = 0; i < l->n; i++) {
		const struct base_bitmap *b = &l->list[i];
		const bool here = !strcmp(b->node, d->node), same_gen = !strcmp(b->gen, gen);

		if (strcmp(b->chain, chain) != 0)
			continue;
		if (same_gen && !strcmp(b->key, key))
			return xasprintf("the guest uses another node now than at that time, as after an "
					 "external snapshot (its dirty bitmap is on '%s')",
					 b->node);
		if (same_gen && here)
			return xasprintf("the disk was %s at that time", b->key);
		if (here)
			return xstrdup("its dirty bitmap is that of another backup");
		running = running || same_gen;
	}
	return xstrdup(running ? "the disk was added or exchanged since (no dirty bitmap)"
			       : "the guest was restarted since (no dirty bitmap)");
}

char *base_bitmaps_reject(const struct base_bitmaps *l, const struct graph_disk *d, const char *chain,
			  const char *gen, const char *key)
{
	_cleanup_free_ char *name = base_bitmap_name(chain, gen, key);
	const struct base_bitmap *b = find_bitmap(l, d->node, name);
	uint64_t granularity = 0;

	if (!b)
		return explain_missing(l, d, chain, gen, key);
	if (json_get_bool(b->info, "inconsistent", false))
		return xstrdup("its dirty bitmap is inconsistent");
	if (json_get_bool(b->info, "busy", true))
		return xstrdup("its dirty bitmap is in use");
	if (!json_get_bool(b->info, "recording", false))
		return xstrdup("its dirty bitmap was disabled");
	if (json_get_bool(b->info, "persistent", true))
		return xstrdup("its dirty bitmap is a persistent one, which is none of ours");
	json_get_u64(b->info, "granularity", &granularity);
	if (granularity != BASE_BITMAP_GRANULARITY)
		return xasprintf("its dirty bitmap has a granularity of %" PRIu64 " bytes, not %u",
				 granularity, BASE_BITMAP_GRANULARITY);
	return NULL;
}

/* ---- removing them ---- */

/* Keeps the first error.  Whether QEMU still answers. */
static bool goes_on(int r, int *result, struct error **err, struct error **mine)
{
	if (r == 0)
		return true;
	*result = *result ? *result : r;
	error_keep_first(err, mine);
	return r == ERR_PEER;
}

static bool is_chosen(const struct base_bitmap *b, const struct base_bitmap_choice *c)
{
	return (!c->chain || !strcmp(b->chain, c->chain)) && (!c->gen || !strcmp(b->gen, c->gen)) &&
	       !str_equal_null(b->gen, c->but) && !str_equal_null(b->gen, c->but_too);
}

int base_bitmaps_remove(struct qmp *q, const struct base_bitmaps *l, const struct base_bitmap_choice *c,
			size_t *ret_n, struct error **err)
{
	size_t removed = 0;
	int result = 0;

	for (size_t i = 0; i < l->n; i++) {
		_cleanup_error_ struct error *mine = NULL;
		int r;

		if (!is_chosen(&l->list[i], c))
			continue;
		r = remove_bitmap(q, l->list[i].node, l->list[i].name, &mine);
		removed += r == 0;
		if (!goes_on(r, &result, err, &mine))
			break;
	}
	if (ret_n)
		*ret_n = removed;
	return result;
}

/* How many bitmaps of other chains its node got after this one. */
static size_t count_newer(const struct base_bitmaps *l, size_t i, const char *chain)
{
	size_t n = 0;

	for (size_t k = 0; k < i; k++)
		n += !strcmp(l->list[k].node, l->list[i].node) && strcmp(l->list[k].chain, chain) != 0;
	return n;
}

int base_bitmaps_remove_old(struct qmp *q, const struct base_bitmaps *l, const char *chain,
			    struct error **err)
{
	int result = 0;

	for (size_t i = 0; i < l->n; i++) {
		_cleanup_error_ struct error *mine = NULL;

		if (!strcmp(l->list[i].chain, chain) || count_newer(l, i, chain) < BASE_BITMAP_OTHERS)
			continue;
		if (!goes_on(remove_bitmap(q, l->list[i].node, l->list[i].name, &mine), &result, err, &mine))
			break;
	}
	return result;
}
