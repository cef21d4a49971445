#include "qemu/base-bitmap.h"

#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "qemu/nodes.h"
#include "qemu/pause.h"

#define END "-end" /* of a sentinel's name */

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
	b->end = whole && str_suffix(rest, END);
	b->key = xstrndup(rest, whole ? strlen(rest) - (b->end ? strlen(END) : 0) : 0);
}

/* ---- adding one ---- */

static int add_bitmap(struct qmp *q, const char *node, const char *name, bool enabled, struct error **err)
{
	struct json_object *args = json_new_str("node", node);

	json_put_str(args, "name", name);
	json_put_u64(args, "granularity", BASE_BITMAP_GRANULARITY);
	json_put_bool(args, "persistent", false);
	json_put_bool(args, "disabled", !enabled);
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

static int mark_last(struct qmp *q, const char *node, const char *name, const struct graph_names *n,
		     struct error **err)
{
	struct json_object *from = json_put_str(json_new_str("node", n->sentinel), "name", n->sentinel);
	struct json_object *args = json_put_str(json_new_str("node", node), "target", name);

	json_put_obj(args, "bitmaps", json_append(json_new_array(), from));
	return qmp_execute(q, "block-dirty-bitmap-merge", args, NULL, err);
}

/* With a node that has only its last cluster dirty. */
static int mark_both(struct qmp *q, const struct graph_disk *d, const struct graph_names *n, const char *name,
		     const char *end, struct error **err)
{
	int r = add_sentinel_node(q, n, d->size, err);

	if (r < 0)
		return r;
	r = add_bitmap(q, n->sentinel, n->sentinel, true, err);
	if (r == 0)
		r = write_last(q, n, d->size, err);
	if (r == 0)
		r = mark_last(q, d->node, name, n, err);
	if (r == 0)
		r = mark_last(q, d->node, end, n, err);
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

/* b may be NULL. */
static bool is_marked(const struct base_bitmap *b)
{
	uint64_t count = 0;

	return b && json_get_u64(b->info, "count", &count) && count;
}

static int check_marked(struct qmp *q, const char *node, const char *end, struct error **err)
{
	_cleanup_base_bitmaps_ struct base_bitmaps l = { 0 };
	int r = base_bitmaps_load(q, &l, err);

	if (r == 0 && !is_marked(find_bitmap(&l, node, end)))
		r = error_set(err, ERR_PEER, "QEMU did not mark the last cluster as dirty");
	return r;
}

static int add_both(struct qmp *q, const struct graph_disk *d, const struct graph_names *n, const char *name,
		    struct error **err)
{
	_cleanup_free_ char *end = xasprintf("%s" END, name);
	int r = add_bitmap(q, d->node, name, true, err);

	if (r < 0)
		return r;
	r = add_bitmap(q, d->node, end, false, err);
	if (r == 0)
		r = mark_both(q, d, n, name, end, err);
	if (r == 0)
		r = check_marked(q, d->node, end, err);
	if (r < 0) {
		(void)remove_bitmap(q, d->node, end, NULL);
		(void)remove_bitmap(q, d->node, name, NULL);
	}
	return r;
}

int base_bitmap_add(struct qmp *q, const struct graph_disk *d, const struct graph_names *n, const char *name,
		    struct error **err)
{
	struct graph_pause pause;
	int r = graph_pause_if_needed(q, &pause, err);

	if (r == 0)
		r = add_both(q, d, n, name, err);
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
	for (size_t i = 0; i < l->n; i++)
		free(l->list[i].key);
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

		if (strcmp(b->chain, chain) != 0 || b->end)
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

/* What somebody else may have done with a bitmap, or with one of that name. */
static char *reject_state(const struct base_bitmap *b, bool enabled)
{
	uint64_t granularity = 0;

	json_get_u64(b->info, "granularity", &granularity);
	if (json_get_bool(b->info, "inconsistent", false))
		return xstrdup("its dirty bitmap is inconsistent");
	if (json_get_bool(b->info, "busy", true))
		return xstrdup("its dirty bitmap is in use");
	if (json_get_bool(b->info, "recording", !enabled) != enabled)
		return xasprintf("its dirty bitmap was %s", enabled ? "disabled" : "enabled");
	if (json_get_bool(b->info, "persistent", true))
		return xstrdup("its dirty bitmap is a persistent one, which is none of ours");
	if (granularity != BASE_BITMAP_GRANULARITY)
		return xasprintf("its dirty bitmap has a granularity of %" PRIu64 " bytes, not %u",
				 granularity, BASE_BITMAP_GRANULARITY);
	return NULL;
}

char *base_bitmaps_reject(const struct base_bitmaps *l, const struct graph_disk *d, const char *chain,
			  const char *gen, const char *key)
{
	_cleanup_free_ char *name = base_bitmap_name(chain, gen, key), *end = xasprintf("%s" END, name);
	const struct base_bitmap *b = find_bitmap(l, d->node, name), *e = find_bitmap(l, d->node, end);
	char *why;

	if (!b)
		return explain_missing(l, d, chain, gen, key);
	why = reject_state(b, true);
	if (why)
		return why;
	if (!e)
		return xstrdup("its dirty bitmap does not show whether the disk was smaller in between");
	why = reject_state(e, false);
	if (why)
		return why;
	return is_marked(e) ? NULL : xstrdup("the disk was smaller in between (its dirty bitmap was cut)");
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
		removed += r == 0 && !l->list[i].end;
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
		n += !strcmp(l->list[k].node, l->list[i].node) && strcmp(l->list[k].chain, chain) != 0 &&
		     !l->list[k].end;
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
