#include "backup/select.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "guest/guest-list.h"
#include "guest/libvirt-guests.h"
#include "guest/pool.h"

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

static void ids_add_all(struct ids *ids, const uint32_t *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ids_add(ids, v[i]);
}

static bool is_excluded(const struct settings_request *q, uint32_t vmid)
{
	for (size_t i = 0; i < q->n_excluded; i++)
		if (q->excluded[i] == vmid)
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

static void add_guest(struct selection *s, uint32_t vmid, const struct guest_entry *e)
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

static int load_pool(const struct host *host, const char *pool, struct ids *ret, struct error **err)
{
	const int r = pool_guests(host->paths, pool, &ret->v, &ret->n, err);

	ids_sort(ret);
	return r;
}

/* Members that no longer exist are dropped: a guest may be removed without its pool being updated. */
static int add_pool(const struct host *host, const char *pool, const struct guest_list *all,
		    struct selection *s, struct error **err)
{
	_cleanup_ids_ struct ids members = { 0 };
	const int r = load_pool(host, pool, &members, err);

	for (size_t i = 0; i < members.n; i++) {
		const struct guest_entry *e = guest_list_find(all, members.v[i]);

		if (e && !(i && members.v[i - 1] == members.v[i]))
			add_guest(s, members.v[i], e);
	}
	return r;
}

static void add_all(const struct settings_request *q, const struct guest_list *all, struct selection *s)
{
	for (size_t i = 0; i < all->n; i++)
		if (!is_excluded(q, all->entries[i].vmid) && all->entries[i].kind != GUEST_LIBVIRT)
			add_guest(s, all->entries[i].vmid, &all->entries[i]);
}

/* Those of libvirt that libvirt was not asked for are those that it was asked for before. */
static void add_ids(const struct host *host, const struct settings_request *q, struct ids *ids)
{
	ids_add_all(ids, q->vmids, q->n_vmids);
	libvirt_guests_known(host->paths, q->connect, q->libvirt, q->excluded, q->n_excluded, &ids->v,
			     &ids->n);
}

static void add_named(const struct host *host, const struct settings_request *q, const struct guest_list *all,
		      struct selection *s)
{
	_cleanup_ids_ struct ids ids = { 0 };

	add_ids(host, q, &ids);
	ids_sort(&ids);
	for (size_t i = 0; i < ids.n; i++)
		add_guest(s, ids.v[i], guest_list_find(all, ids.v[i]));
	s->by_id = true;
}

/* If the folder is missing, there may be guests all the same: on a PVE host /etc/pve is not mounted then. */
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

int selection_make(const struct host *host, const struct settings_request *q, struct selection *ret,
		   struct error **err)
{
	_cleanup_guest_list_ struct guest_list all = { 0 };
	int r;

	*ret = (struct selection){ 0 };
	if (!q->pool && !q->by_id && !q->all)
		return 0;
	r = guest_list_load(host->paths, &all, err);
	if (r < 0)
		return r;
	if (q->pool)
		r = add_pool(host, q->pool, &all, ret, err);
	else if (q->by_id)
		add_named(host, q, &all, ret);
	else if (q->all)
		add_all(q, &all, ret);
	if (q->all && !q->pool)
		r = check_folder(host, err);
	if (q->node)
		ret->n_external = 0;
	return r;
}

static int load_not_excluded(const struct host *host, const struct settings_request *q, struct ids *ret,
			     struct error **err)
{
	_cleanup_guest_list_ struct guest_list all = { 0 };
	_cleanup_selection_ struct selection s = { 0 };
	const int r = guest_list_load(host->paths, &all, err);

	add_all(q, &all, &s);
	for (size_t i = 0; i < s.n; i++)
		ids_add(ret, s.guests[i].vmid);
	return r;
}

int selection_for_cleanup(const struct host *host, const struct settings_request *q, uint32_t **ret,
			  size_t *ret_n, bool *ret_all, struct error **err)
{
	_cleanup_ids_ struct ids ids = { 0 };
	int r = 0;

	*ret_all = false;
	if (q->pool)
		r = load_pool(host, q->pool, &ids, err);
	else if (q->by_id)
		add_ids(host, q, &ids);
	else if (q->excludes)
		r = load_not_excluded(host, q, &ids, err);
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
