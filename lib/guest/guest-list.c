#include "guest/guest-list.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/strv.h"
#include "guest/guest.h"
#include "guest/mirror.h"
#include "config/schema.h"

static const char *const kind_folders[] = {
	[GUEST_VM] = "qemu-server",
	[GUEST_CONTAINER] = "lxc",
};

void guest_entry_clear(struct guest_entry *e)
{
	free(e->node);
	free(e->path);
	*e = (struct guest_entry){ 0 };
}

void guest_list_clear(struct guest_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		guest_entry_clear(&l->entries[i]);
	free(l->entries);
	*l = (struct guest_list){ 0 };
}

/* <root>/etc/pve/lxc, or .../nodes/<node>/lxc; node may be NULL. */
static char *folder_path(const struct paths *p, const char *node, enum guest_kind kind)
{
	_cleanup_free_ char *folder = paths_get(p, node ? "/etc/pve/nodes" : "/etc/pve");

	return node ? xasprintf("%s/%s/%s", folder, node, kind_folders[kind])
		    : xasprintf("%s/%s", folder, kind_folders[kind]);
}

/* Calls each() for every name in the folder until it fails.  A missing folder counts as empty. */
static int for_each_name(const char *path, int (*each)(void *opaque, const char *name, struct error **err),
			 void *opaque, struct error **err)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int r = 0;

	if (!dir && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (!dir)
		return error_errno(err, errno, "cannot read directory '%s'", path);
	errno = 0;
	while (r == 0 && (entry = readdir(dir)) != NULL) {
		r = each(opaque, entry->d_name, err);
		errno = 0;
	}
	if (r == 0 && errno)
		r = error_errno(err, errno, "cannot read directory '%s'", path);
	closedir(dir);
	return r;
}

/* ---- the nodes ---- */

struct other_nodes {
	char *own; /* this node, which is left out */
	char **names;
};

static void other_nodes_clear(struct other_nodes *o)
{
	free(o->own);
	strv_free(o->names);
}

static int add_node(void *opaque, const char *name, struct error **err)
{
	struct other_nodes *o = opaque;

	(void)err;
	if (node_name_valid(name) && strcmp(name, o->own) != 0)
		strv_add(&o->names, name);
	return 0;
}

static int load_nodes(const struct paths *p, struct other_nodes *ret, struct error **err)
{
	_cleanup_free_ char *path = paths_get(p, "/etc/pve/nodes");

	*ret = (struct other_nodes){ .own = paths_nodename(p) };
	return for_each_name(path, add_node, ret, err);
}

/* ---- the list ---- */

struct folder {
	struct guest_list *list;
	const char *path, *node;
	enum guest_kind kind;
};

/* 0 if name is not "<vmid>.conf". */
static uint32_t vmid_of_file(const char *name)
{
	_cleanup_free_ char *stem = NULL;

	if (!str_suffix(name, ".conf"))
		return 0;
	stem = xstrndup(name, strlen(name) - strlen(".conf"));
	return vmid_parse(stem);
}

static int add_guest(void *opaque, const char *name, struct error **err)
{
	const struct folder *f = opaque;
	struct guest_list *l = f->list;
	const uint32_t vmid = vmid_of_file(name);

	(void)err;
	if (!vmid)
		return 0;
	l->entries = xreallocarray(l->entries, l->n + 1, sizeof(*l->entries));
	l->entries[l->n++] = (struct guest_entry){
		.vmid = vmid,
		.kind = f->kind,
		.node = xstrdup_null(f->node),
		.path = xasprintf("%s/%s", f->path, name),
	};
	return 0;
}

static int add_folder(const struct paths *p, const char *node, enum guest_kind kind, struct guest_list *l,
		      struct error **err)
{
	_cleanup_free_ char *path = kind == GUEST_LIBVIRT ? mirror_folder(p) : folder_path(p, node, kind);
	struct folder f = { .list = l, .path = path, .node = node, .kind = kind };

	return for_each_name(path, add_guest, &f, err);
}

/* Only root may see them. */
static int add_libvirt(const struct paths *p, struct guest_list *l, struct error **err)
{
	_cleanup_free_ char *folder = mirror_folder(p);

	return access(folder, R_OK | X_OK) == 0 ? add_folder(p, NULL, GUEST_LIBVIRT, l, err) : 0;
}

/* Orders by id; of several entries with one id, the one that counts comes first. */
static int compare_entries(const void *a, const void *b)
{
	const struct guest_entry *x = a, *y = b;

	if (x->vmid != y->vmid)
		return x->vmid < y->vmid ? -1 : 1;
	if (!x->node != !y->node)
		return !x->node ? -1 : 1;
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return x->node ? strcmp(x->node, y->node) : 0;
}

static void sort_and_keep_first(struct guest_list *l)
{
	size_t kept = 0;

	if (l->n)
		qsort(l->entries, l->n, sizeof(*l->entries), compare_entries);
	for (size_t i = 0; i < l->n; i++) {
		if (kept && l->entries[kept - 1].vmid == l->entries[i].vmid)
			guest_entry_clear(&l->entries[i]);
		else
			l->entries[kept++] = l->entries[i];
	}
	l->n = kept;
}

int guest_list_load(const struct paths *p, struct guest_list *ret, struct error **err)
{
	_cleanup_(other_nodes_clear) struct other_nodes nodes = { 0 };
	int r;

	*ret = (struct guest_list){ 0 };
	r = load_nodes(p, &nodes, err);
	for (size_t k = 0; k < ARRAY_SIZE(kind_folders) && r == 0; k++)
		r = add_folder(p, NULL, (enum guest_kind)k, ret, err);
	for (size_t i = 0; nodes.names && nodes.names[i] && r == 0; i++)
		for (size_t k = 0; k < ARRAY_SIZE(kind_folders) && r == 0; k++)
			r = add_folder(p, nodes.names[i], (enum guest_kind)k, ret, err);
	if (r == 0)
		r = add_libvirt(p, ret, err);
	sort_and_keep_first(ret);
	return r;
}

static int compare_id(const void *key, const void *entry)
{
	const uint32_t vmid = *(const uint32_t *)key;
	const struct guest_entry *e = entry;

	return vmid < e->vmid ? -1 : vmid > e->vmid;
}

const struct guest_entry *guest_list_find(const struct guest_list *l, uint32_t vmid)
{
	return l->n ? bsearch(&vmid, l->entries, l->n, sizeof(*l->entries), compare_id) : NULL;
}

int guest_config_list(const struct paths *p, uint32_t **ret, size_t *ret_n, struct error **err)
{
	_cleanup_guest_list_ struct guest_list l = { 0 };
	int r = add_folder(p, NULL, GUEST_VM, &l, err);

	*ret = NULL;
	*ret_n = 0;
	if (r < 0 || !l.n)
		return r;
	sort_and_keep_first(&l);
	*ret = xcalloc(l.n, sizeof(**ret));
	*ret_n = l.n;
	for (size_t i = 0; i < l.n; i++)
		(*ret)[i] = l.entries[i].vmid;
	return 0;
}

/* ---- one id ---- */

/* 1 if the node has the guest, 0 if not. */
static int find_in(const struct paths *p, const char *node, uint32_t vmid, struct guest_entry *ret,
		   struct error **err)
{
	for (size_t k = 0; k < ARRAY_SIZE(kind_folders); k++) {
		_cleanup_free_ char *folder = folder_path(p, node, (enum guest_kind)k);
		_cleanup_free_ char *path = xasprintf("%s/%" PRIu32 ".conf", folder, vmid);
		struct stat st;

		if (lstat(path, &st) == 0) {
			*ret = (struct guest_entry){ .vmid = vmid,
						     .kind = (enum guest_kind)k,
						     .node = xstrdup_null(node),
						     .path = TAKE_PTR(path) };
			return 1;
		}
		if (errno != ENOENT && errno != ENOTDIR)
			return error_errno(err, errno, "cannot look at '%s'", path);
	}
	return 0;
}

int guest_entry_find(const struct paths *p, uint32_t vmid, struct guest_entry *ret, struct error **err)
{
	_cleanup_(other_nodes_clear) struct other_nodes nodes = { 0 };
	int r;

	*ret = (struct guest_entry){ 0 };
	r = find_in(p, NULL, vmid, ret, err);
	if (r == 0)
		r = load_nodes(p, &nodes, err);
	for (size_t i = 0; nodes.names && nodes.names[i] && r == 0; i++)
		r = find_in(p, nodes.names[i], vmid, ret, err);
	if (r == 0 && mirror_has(p, vmid)) {
		*ret = (struct guest_entry){ .vmid = vmid,
					     .kind = GUEST_LIBVIRT,
					     .path = mirror_path(p, vmid) };
		r = 1;
	}
	return r;
}

/* "libvirt domain 'web' (id 201)" */
static char *describe_libvirt(const struct paths *p, uint32_t vmid)
{
	_cleanup_mirror_ struct mirror m = { 0 };

	if (mirror_load(p, vmid, &m, NULL) < 0)
		return xasprintf("a libvirt domain (id %" PRIu32 ")", vmid);
	return xasprintf("libvirt domain '%s' (id %" PRIu32 ")", m.domain, vmid);
}

char *guest_entry_describe(const struct paths *p, const struct guest_entry *e)
{
	const char *kind = e->kind == GUEST_VM ? "VM" : "container";

	if (e->kind == GUEST_LIBVIRT)
		return describe_libvirt(p, e->vmid);
	return e->node ? xasprintf("%s %" PRIu32 " on node '%s'", kind, e->vmid, e->node)
		       : xasprintf("%s %" PRIu32 " on this node", kind, e->vmid);
}
