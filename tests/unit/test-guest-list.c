/* Who has a guest id: this node or another, a VM or a container. */
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/strv.h"
#include "guest/guest-list.h"
#include "guest/guest.h"
#include "test-config-util.h"
#include "test-root.h"

static char *describe_all(const struct paths *p, const struct guest_list *l)
{
	_cleanup_buf_ struct buf out = BUF_INIT;

	for (size_t i = 0; i < l->n; i++) {
		_cleanup_free_ char *text = guest_entry_describe(p, &l->entries[i]);

		buf_addf(&out, "%s%s", i ? "; " : "", text);
	}
	return buf_steal(&out);
}

static void is_found(const struct paths *p, uint32_t vmid, const char *want, const char *path,
		     const char *name)
{
	_cleanup_guest_entry_ struct guest_entry e = { 0 };
	_cleanup_error_ struct error *err = NULL;
	const int r = guest_entry_find(p, vmid, &e, &err);
	_cleanup_free_ char *text = r == 1 ? guest_entry_describe(p, &e) : NULL;

	same(text, want, name);
	ok(!err && (!path || (e.path && str_suffix(e.path, path))), "with its file (%s)",
	   e.path ? e.path : "none");
}

static void test_nothing(const struct paths *p)
{
	_cleanup_guest_list_ struct guest_list l = { 0 };
	struct error *err = NULL;

	works(guest_list_load(p, &l, &err), &err, "no folder at all");
	ok(l.n == 0 && !guest_list_find(&l, 100), "has no guests");
	is_found(p, 100, NULL, NULL, "nobody has an id there");
}

static void test_all(const struct paths *p)
{
	static const char *const files[] = {
		"qemu-server/200.conf",
		"qemu-server/99.conf",
		"qemu-server/300.conf.tmp",
		"qemu-server/1000.conf",
		"lxc/105.conf",
		"lxc/0123.conf",
		"nodes/here/qemu-server/200.conf",
		"nodes/here/lxc/777.conf",
		"nodes/pve2/qemu-server/201.conf",
		"nodes/pve2/lxc/202.conf",
		"nodes/pve3/qemu-server/200.conf",
		"nodes/pve3/lxc/105.conf",
		"nodes/.bad/qemu-server/999.conf",
	};
	_cleanup_guest_list_ struct guest_list l = { 0 };
	_cleanup_free_ char *all = NULL;
	struct error *err = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_free_ char *file = xasprintf("/etc/pve/%s", files[i]);

		put(file, "");
	}
	works(guest_list_load(p, &l, &err), &err, "the guests of a cluster");
	all = describe_all(p, &l);
	same(all,
	     "container 105 on this node; VM 200 on this node; VM 201 on node 'pve2'; "
	     "container 202 on node 'pve2'; VM 1000 on this node",
	     "each id once and in order, this node's before another's");
	ok(guest_list_find(&l, 201) == &l.entries[2] && !guest_list_find(&l, 203), "are found by id");
}

static void test_one(const struct paths *p)
{
	is_found(p, 200, "VM 200 on this node", "/etc/pve/qemu-server/200.conf", "a VM here");
	is_found(p, 105, "container 105 on this node", "/etc/pve/lxc/105.conf", "a container here");
	is_found(p, 201, "VM 201 on node 'pve2'", "/etc/pve/nodes/pve2/qemu-server/201.conf",
		 "a VM of another node");
	is_found(p, 202, "container 202 on node 'pve2'", "/etc/pve/nodes/pve2/lxc/202.conf",
		 "a container of another node");
	is_found(p, 203, NULL, NULL, "an id that nobody has");
}

static void test_unreadable(const struct paths *p)
{
	_cleanup_free_ char *nodes = paths_get(p, "/etc/pve/nodes"), *loop = paths_get(p, "/etc/pve/lxc");
	_cleanup_guest_list_ struct guest_list l = { 0 };
	struct guest_entry e;
	struct error *err = NULL;

	io_remove_tree(nodes, NULL);
	io_remove_tree(loop, NULL);
	ok(symlink("lxc", loop) == 0, "a folder that cannot be read, a link to itself");
	fails(guest_list_load(p, &l, &err), &err, "/etc/pve/lxc", "is an error of the list");
	fails(guest_entry_find(p, 203, &e, &err), &err, "/etc/pve/lxc", "and of looking for an id");
}

int main(void)
{
	root_make();
	test_nothing(&paths);
	put("/etc/hostname", "here\n");
	test_all(&paths);
	test_one(&paths);
	test_unreadable(&paths);
	root_remove();
	return done_testing();
}
