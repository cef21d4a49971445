#include "vma-inside.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/strv.h"
#include "mount/files.h"
#include "vma-mount-child.h"

static const struct vma_header *header_of(const struct vma_inside *x)
{
	return vma_random_header(x->random);
}

/* "scsi0" is short for "drive-scsi0". */
static int find_disk(struct vma_inside *x, struct error **err)
{
	_cleanup_free_ char *longer = xasprintf("drive-%s", x->place.disk);
	_cleanup_strv_ char **have = NULL;
	_cleanup_free_ char *list = NULL;

	for (unsigned i = 1; i <= VMA_MAX_DEVICES; i++) {
		const char *name = header_of(x)->devices[i].name;

		if (name && (!strcmp(name, x->place.disk) || (!x->dev && !strcmp(name, longer))))
			x->dev = i;
		if (name)
			strv_add(&have, name);
	}
	list = strv_join(have, ", ");
	return x->dev ? 0
		      : error_set(err, ERR_NOT_FOUND, "disk '%s' is not in the archive; it has: %s",
				  x->place.disk, list);
}

int vma_inside_open(struct vma_inside *x, const char *text, struct error **err)
{
	int r;

	*x = (struct vma_inside){ .disk_fd = -1 };
	r = vma_place_parse(text, &x->place, err);
	if (r == 0)
		r = vma_random_open(x->place.archive, 1, &x->random, err);
	if (r == 0 && x->place.disk && !x->place.lvm)
		r = find_disk(x, err);
	return r;
}

/* ---- the mounted archive ---- */

static int mount_archive(struct vma_inside *x, struct error **err)
{
	char folder[] = "/tmp/vma-inside.XXXXXX";
	struct vmafs_options o = { .archive = x->place.archive, .opaque = x->place.archive };
	int r;

	if (x->dir)
		return 0;
	if (!mkdtemp(folder))
		return error_errno(err, errno, "cannot make a folder in /tmp");
	x->dir = xstrdup(folder);
	o.dir = x->dir;
	r = vma_mount_start(&o, VMA_MOUNT_DIES_WITH_US, &x->server, err);
	if (r < 0)
		rmdir(x->dir);
	return r;
}

static char *disk_path(const struct vma_inside *x, unsigned dev)
{
	_cleanup_free_ char *name = vmafs_disk_name(header_of(x), dev);

	return xasprintf("%s/%s", x->dir, name);
}

static int open_disk(struct vma_inside *x, struct error **err)
{
	_cleanup_free_ char *path = NULL;
	int r = mount_archive(x, err);

	if (r < 0)
		return r;
	path = disk_path(x, x->dev);
	x->disk_fd = open(path, O_RDONLY | O_CLOEXEC);
	return x->disk_fd < 0 ? error_errno(err, errno, "cannot open '%s'", path) : 0;
}

int vma_inside_read_table(struct vma_inside *x, struct error **err)
{
	int r = open_disk(x, err);

	if (r == 0)
		r = inside_table_read(x->disk_fd, header_of(x)->devices[x->dev].size, &x->table, err);
	return r < 0 ? error_wrap(err, r, "disk '%s'", header_of(x)->devices[x->dev].name) : 0;
}

/* ---- libguestfs ---- */

static void print_log(const struct log *log, enum log_level level, const char *line)
{
	(void)log;
	fprintf(stderr, "%s%s\n", level >= LOG_LEVEL_WARN ? "warning: " : "", line);
}

/* all: each disk of the archive, else the one that is named. */
static int launch(struct vma_inside *x, bool all, struct error **err)
{
	static const struct log log = { .line = print_log };
	_cleanup_strv_ char **files = NULL;
	int r = mount_archive(x, err);

	for (unsigned i = 1; i <= VMA_MAX_DEVICES && r == 0; i++) {
		const char *name = header_of(x)->devices[i].name;
		_cleanup_free_ char *path = name ? disk_path(x, i) : NULL;

		if (name && strcmp(name, VMA_VMSTATE) != 0 && (all || i == x->dev))
			strv_add(&files, path);
	}
	return r == 0 ? inside_guestfs_launch(files, &log, &x->guestfs, err) : r;
}

int vma_inside_volumes(struct vma_inside *x, struct inside_volumes *ret, struct error **err)
{
	int r = launch(x, true, err);

	return r == 0 ? inside_guestfs_volumes(x->guestfs, ret, err) : r;
}

/* ---- which file system, and what reads it ---- */

static int name_a_partition(const struct vma_inside *x, struct error **err)
{
	_cleanup_strv_ char **have = NULL;
	_cleanup_free_ char *list = NULL;

	for (size_t i = 0; i < x->table.n; i++) {
		const struct inside_part *p = &x->table.parts[i];

		strv_addf(&have, "%u (%s)", p->number, p->fs ? p->fs : "unknown");
	}
	list = strv_join(have, ", ");
	if (x->place.partition < 0)
		return error_set(err, ERR_INVALID, "disk '%s' has partitions; name one, as in %s:%s:1: %s",
				 x->place.disk, x->place.archive, x->place.disk, list);
	return error_set(err, ERR_NOT_FOUND, "disk '%s' has no partition %d%s%s", x->place.disk,
			 x->place.partition,
			 x->table.kind ? "; it has: " : ": it is not partitioned, so leave the number out",
			 x->table.kind ? list : "");
}

static bool is_ext(const char *fs)
{
	return !strcmp(fs, "ext2") || !strcmp(fs, "ext3") || !strcmp(fs, "ext4");
}

/* What cannot be read by anything that we have. */
static int check_readable(const struct vma_inside *x, const struct inside_part *p, struct error **err)
{
	if (!p->fs)
		return error_set(err, ERR_UNSUPPORTED, "there is no file system that is known");
	if (!strcmp(p->fs, "LVM2_member"))
		return error_set(err, ERR_UNSUPPORTED,
				 "it belongs to LVM; vma ls %s:LVM lists the logical volumes",
				 x->place.archive);
	if (!strcmp(p->fs, "crypto_LUKS") || !strcmp(p->fs, "BitLocker"))
		return error_set(err, ERR_UNSUPPORTED, "it is encrypted (%s): only the guest can read it",
				 p->fs);
	if (!strcmp(p->fs, "swap"))
		return error_set(err, ERR_UNSUPPORTED, "it is swap space and has no files");
	return 0;
}

static int open_by_guestfs(struct vma_inside *x, const struct inside_part *p, struct error **err)
{
	int r = launch(x, false, err);

	if (r == ERR_NOT_FOUND)
		return error_wrap(err, r, "%s needs libguestfs", p->fs);
	return r == 0 ? inside_guestfs_open(x->guestfs, 0, p->number, &x->reader, err) : r;
}

static int open_partition(struct vma_inside *x, bool by_guestfs, struct error **err)
{
	const bool whole = x->place.partition < 0 && !x->table.kind;
	const struct inside_part *p = inside_table_find(&x->table, whole ? 0 : (unsigned)x->place.partition);
	int r = p ? check_readable(x, p, err) : name_a_partition(x, err);

	if (!p)
		return r;
	if (r == 0)
		r = is_ext(p->fs) && !by_guestfs ? inside_ext_open(x->disk_fd, p->offset, &x->reader, err)
						 : open_by_guestfs(x, p, err);
	if (r < 0 && p->number)
		return error_wrap(err, r, "disk '%s', partition %u", x->place.disk, p->number);
	return r < 0 ? error_wrap(err, r, "disk '%s'", x->place.disk) : 0;
}

int vma_inside_open_reader(struct vma_inside *x, bool by_guestfs, struct error **err)
{
	int r;

	if (x->place.lvm) {
		r = launch(x, true, err);
		return r == 0 ? inside_guestfs_open_volume(x->guestfs, x->place.volume, &x->reader, err) : r;
	}
	r = vma_inside_read_table(x, err);
	if (r == 0)
		r = open_partition(x, by_guestfs, err);
	if (r == 0 && x->reader.journal)
		fprintf(stderr,
			"warning: the file system was in use at the backup, and the last changes are in its "
			"journal only; --guestfs reads it with them\n");
	return r;
}

void vma_inside_close(struct vma_inside *x)
{
	if (x->reader.ops)
		x->reader.ops->free(x->reader.x);
	if (x->guestfs)
		inside_guestfs_free(x->guestfs);
	inside_table_clear(&x->table);
	if (x->disk_fd >= 0)
		close(x->disk_fd);
	if (x->server > 0) {
		/* it unmounts, and removes the folder */
		kill(x->server, SIGTERM);
		waitpid(x->server, NULL, 0);
	}
	free(x->dir);
	if (x->random)
		vma_random_free(x->random);
	vma_place_clear(&x->place);
	*x = (struct vma_inside){ .disk_fd = -1 };
}
