#include "inside/guestfs.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/strv.h"
#include "inside/guestfs-library.h"

struct inside_guestfs {
	struct guestfs_library lib;
	guestfs_h *h;
};

static int failed(struct inside_guestfs *g, struct error **err)
{
	const char *words = g->lib.last_error(g->h);
	const int code = g->lib.last_errno(g->h);

	return error_set(err,
			 code == ENOENT ? ERR_NOT_FOUND
			 : code > 0     ? -code
					: ERR_PEER,
			 "libguestfs: %s", words ? words : "unknown error");
}

/* ---- the machine ---- */

static int add_disks(struct inside_guestfs *g, char *const *files, struct error **err)
{
	for (char *const *f = files; *f; f++)
		if (g->lib.add_drive_opts(g->h, *f, GUESTFS_READONLY, 1, GUESTFS_FORMAT, "raw", GUESTFS_END) <
		    0)
			return failed(g, err);
	return 0;
}

/* A handle whose launch failed is of no further use. */
static int try_to_launch(struct inside_guestfs *g, char *const *files, bool tcg, struct error **err)
{
	int r;

	if (g->h)
		g->lib.close(g->h);
	g->h = xcheck(g->lib.create());
	/* errors are returned, not printed */
	g->lib.set_error_handler(g->h, NULL, NULL);
	/* the machine as a child of ours, without a libvirtd */
	if (!getenv("LIBGUESTFS_BACKEND") && g->lib.set_backend(g->h, "direct") < 0)
		return failed(g, err);
	if (tcg && g->lib.set_backend_setting(g->h, "force_tcg", "1") < 0)
		return failed(g, err);
	r = add_disks(g, files, err);
	return r == 0 && g->lib.launch(g->h) < 0 ? failed(g, err) : r;
}

static int launch(struct inside_guestfs *g, char *const *files, const struct log *log, struct error **err)
{
	_cleanup_error_ struct error *first = NULL;
	const char *settings = getenv("LIBGUESTFS_BACKEND_SETTINGS");
	const bool tcg = access("/dev/kvm", R_OK | W_OK) < 0 || (settings && strstr(settings, "force_tcg"));
	int r = try_to_launch(g, files, tcg, &first);

	if (r == 0)
		return 0;
	/* /dev/kvm may be there and not work: in a virtual machine that only pretends */
	if (!tcg && try_to_launch(g, files, true, NULL) == 0) {
		log_warn(
			log,
			"KVM does not work on this host, so files are read more slowly, by an emulated machine");
		return 0;
	}
	return error_set(
		err, ERR_PEER,
		"libguestfs cannot start its machine (%s): it needs QEMU and a Linux kernel in /boot that you can "
		"read (packages " INSIDE_GUESTFS_PACKAGES "); libguestfs-test-tool shows more",
		error_message(first));
}

int inside_guestfs_launch(char *const *files, const struct log *log, struct inside_guestfs **ret,
			  struct error **err)
{
	struct inside_guestfs *g = xcalloc(1, sizeof(*g));
	int r = guestfs_library_load(&g->lib, err);

	*ret = NULL;
	if (r == 0)
		r = launch(g, files, log, err);
	if (r < 0)
		inside_guestfs_free(g);
	else
		*ret = g;
	return r;
}

void inside_guestfs_free(struct inside_guestfs *g)
{
	if (g->h)
		g->lib.close(g->h);
	guestfs_library_unload(&g->lib);
	free(g);
}

/* ---- logical volumes ---- */

/* "" and failure are NULL. */
static char *taken_text(char *s)
{
	if (s && *s)
		return s;
	free(s);
	return NULL;
}

int inside_guestfs_volumes(struct inside_guestfs *g, struct inside_volumes *ret, struct error **err)
{
	_cleanup_strv_ char **devices = g->lib.lvs(g->h);

	*ret = (struct inside_volumes){ 0 };
	if (!devices)
		return failed(g, err);
	ret->items = xcalloc(strv_len(devices) + 1, sizeof(*ret->items));
	for (char **d = devices; *d; d++) {
		const char *name = *d;
		const int64_t size = g->lib.blockdev_getsize64(g->h, *d);

		str_prefix(*d, "/dev/", &name);
		ret->items[ret->n++] = (struct inside_volume){
			.name = xstrdup(name),
			.device = xstrdup(*d),
			.size = size > 0 ? (uint64_t)size : 0,
			.fs = taken_text(g->lib.vfs_type(g->h, *d)),
			.label = taken_text(g->lib.vfs_label(g->h, *d)),
		};
	}
	return 0;
}

void inside_volumes_clear(struct inside_volumes *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->items[i].name);
		free(l->items[i].device);
		free(l->items[i].fs);
		free(l->items[i].label);
	}
	free(l->items);
	*l = (struct inside_volumes){ 0 };
}

/* ---- files ---- */

static void fill_entry(struct inside_entry *e, const struct guestfs_statns *st)
{
	e->mode = (mode_t)st->st_mode;
	e->size = (uint64_t)st->st_size;
	e->mtime = st->st_mtime_sec;
	e->uid = (uint32_t)st->st_uid;
	e->gid = (uint32_t)st->st_gid;
}

static int op_look(void *reader, const char *path, struct inside_entry *ret, struct error **err)
{
	struct inside_guestfs *g = reader;
	struct guestfs_statns *st = g->lib.lstatns(g->h, path);

	if (!st && g->lib.last_errno(g->h) == ENOENT)
		return error_set(err, ERR_NOT_FOUND, "there is no '%s' in the file system", path);
	if (!st)
		return failed(g, err);
	*ret = (struct inside_entry){ .name = xstrdup(path) };
	fill_entry(ret, st);
	g->lib.free_statns(st);
	if (S_ISLNK(ret->mode))
		ret->link = g->lib.readlink(g->h, path);
	if (S_ISLNK(ret->mode) && !ret->link) {
		free(ret->name);
		return failed(g, err);
	}
	return 0;
}

/* The machine gives as many answers as there are names. */
static int add_entries(struct inside_guestfs *g, const char *path, char **names, struct inside_entries *ret,
		       struct error **err)
{
	struct guestfs_statns_list *stats = g->lib.lstatnslist(g->h, path, names);
	_cleanup_strv_ char **links = stats ? g->lib.readlinklist(g->h, path, names) : NULL;
	const size_t n = strv_len(names);
	int r = 0;

	if (!links)
		r = failed(g, err);
	else if (stats->len != n || strv_len(links) != n)
		r = error_set(err, ERR_PEER, "libguestfs: the list of '%s' is not complete", path);
	for (size_t i = 0; i < n && r == 0; i++) {
		struct inside_entry e = { .name = xstrdup(names[i]) };

		fill_entry(&e, &stats->val[i]);
		e.link = S_ISLNK(e.mode) ? xstrdup(links[i]) : NULL;
		inside_entries_add(ret, &e);
	}
	if (stats)
		g->lib.free_statns_list(stats);
	return r;
}

static int op_list(void *reader, const char *path, struct inside_entries *ret, struct error **err)
{
	struct inside_guestfs *g = reader;
	_cleanup_strv_ char **names = NULL;

	*ret = (struct inside_entries){ 0 };
	names = g->lib.ls(g->h, path);
	if (!names && g->lib.last_errno(g->h) == ENOTDIR)
		return error_set(err, -ENOTDIR, "'%s': not a directory", path);
	if (!names)
		return failed(g, err);
	return *names ? add_entries(g, path, names, ret, err) : 0;
}

/*
 * Before what may run in another thread than the launch: errors are returned, not printed, and each thread
 * has a handler of its own.  Returns what libguestfs opens by its name.
 */
static char *begin_output(struct inside_guestfs *g, int fd)
{
	g->lib.set_error_handler(g->h, NULL, NULL);
	return xasprintf("/dev/fd/%d", fd);
}

/* A pipe or a device would never end.  Links are followed, as the machine does it. */
static int check_file(struct inside_guestfs *g, const char *path, struct error **err)
{
	struct guestfs_statns *st = g->lib.statns(g->h, path);
	struct inside_entry e = { 0 };

	if (!st && g->lib.last_errno(g->h) == ENOENT)
		return error_set(err, ERR_NOT_FOUND, "there is no '%s' in the file system", path);
	if (!st)
		return failed(g, err);
	fill_entry(&e, st);
	g->lib.free_statns(st);
	if (S_ISDIR(e.mode))
		return error_set(err, -EISDIR, "'%s' is a directory", path);
	return S_ISREG(e.mode) ? 0 : error_set(err, ERR_INVALID, "'%s' is not a file", path);
}

static int op_cat(void *reader, const char *path, int out, struct error **err)
{
	struct inside_guestfs *g = reader;
	_cleanup_free_ char *file = begin_output(g, out);
	int r = check_file(g, path, err);

	if (r < 0)
		return r;
	return g->lib.download(g->h, path, file) < 0 ? failed(g, err) : 0;
}

static int op_stream(void *reader, const char *path, int out, struct error **err)
{
	struct inside_guestfs *g = reader;
	_cleanup_free_ char *file = begin_output(g, out);

	return g->lib.tar_out_opts(g->h, path, file, GUESTFS_NUMERICOWNER, 1, GUESTFS_END) < 0
		       ? failed(g, err)
		       : 0;
}

static void op_free(void *reader)
{
	/* the machine is its owner's */
	(void)reader;
}

static const struct inside_ops ops = {
	.look = op_look,
	.list = op_list,
	.cat = op_cat,
	.stream = op_stream,
	.free = op_free,
};

static int mount_device(struct inside_guestfs *g, const char *device, struct inside_reader *ret,
			struct error **err)
{
	if (g->lib.mount_options(g->h, "ro,nosuid,nodev,noexec", device, "/") < 0)
		return failed(g, err);
	*ret = (struct inside_reader){ .ops = &ops, .x = g };
	return 0;
}

/* The name that the machine's kernel has for a partition.  Caller frees. */
static char *find_partition(struct inside_guestfs *g, const char *disk, unsigned partition)
{
	_cleanup_strv_ char **names = g->lib.list_partitions(g->h);

	for (char **n = names; n && *n; n++) {
		_cleanup_free_ char *of = g->lib.part_to_dev(g->h, *n);

		if (of && !strcmp(of, disk) && g->lib.part_to_partnum(g->h, *n) == (int)partition)
			return xstrdup(*n);
	}
	return NULL;
}

int inside_guestfs_open(struct inside_guestfs *g, size_t disk, unsigned partition, struct inside_reader *ret,
			struct error **err)
{
	_cleanup_strv_ char **disks = g->lib.list_devices(g->h);
	_cleanup_free_ char *device = NULL;

	if (!disks || disk >= strv_len(disks))
		return failed(g, err);
	device = partition ? find_partition(g, disks[disk], partition) : xstrdup(disks[disk]);
	if (!device)
		return error_set(err, ERR_NOT_FOUND, "libguestfs finds no partition %u", partition);
	return mount_device(g, device, ret, err);
}

int inside_guestfs_open_volume(struct inside_guestfs *g, const char *name, struct inside_reader *ret,
			       struct error **err)
{
	_cleanup_inside_volumes_ struct inside_volumes l = { 0 };
	_cleanup_strv_ char **have = NULL;
	_cleanup_free_ char *list = NULL;
	int r = inside_guestfs_volumes(g, &l, err);

	for (size_t i = 0; i < l.n && r == 0; i++) {
		if (!strcmp(l.items[i].name, name))
			return mount_device(g, l.items[i].device, ret, err);
		strv_add(&have, l.items[i].name);
	}
	list = strv_join(have, ", ");
	return r < 0 ? r
		     : error_set(err, ERR_NOT_FOUND, "there is no logical volume '%s'; the disks have: %s",
				 name, *list ? list : "none");
}
