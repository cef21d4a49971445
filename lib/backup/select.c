#include "backup/select.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/strv.h"
#include "guest/guest-list.h"
#include "guest/pool.h"
#include "config/schema.h"

struct ids {
	uint32_t *v;
	size_t n;
};

static void ids_clear(struct ids *ids)
{
	free(ids->v);
	*ids = (struct ids){ 0 };
}
#define _cleanup_ids_ _cleanup_(ids_clear)

static void ids_add(struct ids *ids, uint32_t vmid)
{
	ids->v = xreallocarray(ids->v, ids->n + 1, sizeof(*ids->v));
	ids->v[ids->n++] = vmid;
}

/* Checked when the options were read. */
static void ids_parse(const char *list, struct ids *ret)
{
	_cleanup_strv_ char **texts = strv_split_list(list ? list : "");

	for (char **text = texts; *text; text++)
		ids_add(ret, vmid_parse(*text));
}

static bool ids_have(const struct ids *ids, uint32_t vmid)
{
	for (size_t i = 0; i < ids->n; i++)
		if (ids->v[i] == vmid)
			return true;
	return false;
}

static int compare_ids(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void ids_sort(struct ids *ids)
{
	if (ids->n)
		qsort(ids->v, ids->n, sizeof(*ids->v), compare_ids);
}

void selection_clear(struct selection *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->guests[i].path);
	free(s->guests);
	free(s->external);
	*s = (struct selection){ 0 };
}

static void add(struct selection *s, uint32_t vmid, const struct guest_entry *e)
{
	if (e && e->node) {
		s->external = xreallocarray(s->external, s->n_external + 1, sizeof(*s->external));
		s->external[s->n_external++] = vmid;
		return;
	}
	s->guests = xreallocarray(s->guests, s->n + 1, sizeof(*s->guests));
	s->guests[s->n++] = (struct selected_guest){
		.vmid = vmid,
		.container = e && e->kind == GUEST_CONTAINER,
		.path = e ? xstrdup(e->path) : NULL,
	};
}

static const char *pool_of(const struct options *o)
{
	const char *pool = options_get(o, "pool");

	return pool && *pool ? pool : NULL;
}

static int load_pool(const struct host *host, const char *pool, struct ids *ret, struct error **err)
{
	const int r = pool_guests(host->paths, pool, &ret->v, &ret->n, err);

	ids_sort(ret);
	return r;
}

/* Members that are gone are dropped, as the pool is not told of every guest's end. */
static int add_pool(const struct host *host, const char *pool, const struct guest_list *all,
		    struct selection *s, struct error **err)
{
	_cleanup_ids_ struct ids members = { 0 };
	const int r = load_pool(host, pool, &members, err);

	for (size_t i = 0; i < members.n; i++) {
		const struct guest_entry *e = guest_list_find(all, members.v[i]);

		if (e && !(i && members.v[i - 1] == members.v[i]))
			add(s, members.v[i], e);
	}
	return r;
}

static void add_all(const struct options *o, const struct guest_list *all, struct selection *s)
{
	_cleanup_ids_ struct ids excluded = { 0 };

	ids_parse(options_get(o, "exclude"), &excluded);
	for (size_t i = 0; i < all->n; i++)
		if (!ids_have(&excluded, all->entries[i].vmid))
			add(s, all->entries[i].vmid, &all->entries[i]);
}

static void add_named(const struct options *o, const struct guest_list *all, struct selection *s)
{
	_cleanup_ids_ struct ids ids = { 0 };

	ids_parse(options_get(o, "vmid"), &ids);
	ids_sort(&ids);
	for (size_t i = 0; i < ids.n; i++)
		add(s, ids.v[i], guest_list_find(all, ids.v[i]));
	s->by_id = true;
}

/* No folder is not the same as no guests: on a PVE host it means that /etc/pve is not mounted. */
static int check_folder(const struct host *host, struct error **err)
{
	_cleanup_free_ char *path = paths_get(host->paths, "/etc/pve/qemu-server");

	if (access(path, F_OK) == 0)
		return 0;
	return error_errno(
		err, errno,
		"cannot tell which guests there are from '%s' (on a Proxmox VE host pve-cluster.service "
		"makes it)",
		path);
}

int selection_make(const struct host *host, struct selection *ret, struct error **err)
{
	_cleanup_guest_list_ struct guest_list all = { 0 };
	const struct options *o = host->options;
	int r;

	*ret = (struct selection){ 0 };
	if (!pool_of(o) && !options_given(o, "vmid") && !options_bool(o, "all"))
		return 0;
	r = guest_list_load(host->paths, &all, err);
	if (r < 0)
		return r;
	if (pool_of(o))
		r = add_pool(host, pool_of(o), &all, ret, err);
	else if (options_given(o, "vmid"))
		add_named(o, &all, ret);
	else if (options_bool(o, "all"))
		add_all(o, &all, ret);
	if (options_bool(o, "all") && !pool_of(o))
		r = check_folder(host, err);
	if (options_given(o, "node"))
		ret->n_external = 0;
	return r;
}

static int load_not_excluded(const struct host *host, struct ids *ret, struct error **err)
{
	_cleanup_guest_list_ struct guest_list all = { 0 };
	_cleanup_selection_ struct selection s = { 0 };
	const int r = guest_list_load(host->paths, &all, err);

	add_all(host->options, &all, &s);
	for (size_t i = 0; i < s.n; i++)
		ids_add(ret, s.guests[i].vmid);
	return r;
}

int selection_for_cleanup(const struct host *host, uint32_t **ret, size_t *ret_n, bool *ret_all,
			  struct error **err)
{
	_cleanup_ids_ struct ids ids = { 0 };
	const struct options *o = host->options;
	int r = 0;

	*ret_all = false;
	if (pool_of(o))
		r = load_pool(host, pool_of(o), &ids, err);
	else if (options_given(o, "vmid"))
		ids_parse(options_get(o, "vmid"), &ids);
	else if (options_given(o, "exclude"))
		r = load_not_excluded(host, &ids, err);
	else
		*ret_all = true;
	ids_sort(&ids);
	*ret = TAKE_PTR(ids.v);
	*ret_n = ids.n;
	return r;
}

char *selection_external_text(const struct selection *s)
{
	_cleanup_buf_ struct buf text = BUF_INIT;

	for (size_t i = 0; i < s->n_external; i++)
		buf_addf(&text, "%s%" PRIu32, i ? ", " : "", s->external[i]);
	return buf_steal(&text);
}
