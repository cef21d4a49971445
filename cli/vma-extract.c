/* vma extract: the configs and disks of an archive become files, or go where they are sent. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "show.h"
#include "signals.h"
#include "vma-extract.h"

static const char *const args[] = { "archive", "targetdir", NULL };

static const struct option rows[] = {
	{ .name = "archive",
	  .flags = OPTION_REQUIRED,
	  .complete = COMPLETE_ARCHIVE,
	  .description = "The archive, packed or not; - for standard input." },
	{ .name = "targetdir",
	  .complete = COMPLETE_DIRECTORY,
	  .description = "A folder that does not exist yet. It may be left out if --to says where "
			 "disks go; disks that it does not name are passed over then." },
	{ .name = "drives",
	  .complete = COMPLETE_ARCHIVE_DISKS,
	  .description = "Only these disks, by the names that vma list shows, with commas between "
			 "them." },
	{ .name = "readmap",
	  .complete = COMPLETE_FILE,
	  .description = "A file or fifo with a line for each disk, "
			 "format=<format>:0:<disk>=<image> (1: for images that must be zeroed) or "
			 "skip=<disk>, ended by done." },
	{ .name = "to",
	  .flags = OPTION_ARRAY,
	  .complete = COMPLETE_ARCHIVE_DISK_TO,
	  .description = "<disk>=<path>: where the disk goes, a file (made, or emptied first), a "
			 "block device or an NBD URI." },
	{ .name = "salvage",
	  .value = { .type = VALUE_BOOL },
	  .complete = COMPLETE_BOOL,
	  .description = "Take what is whole out of a damaged archive and list what is lost, which "
			 "reads as zeroes." },
	{ .name = "sync",
	  .value = { .type = VALUE_BOOL },
	  .complete = COMPLETE_BOOL,
	  .description =
		  "Wait until files are on the disk, too, and see what fails there. Devices, NBD exports "
		  "and images of --readmap always are." },
	{ .name = "verbose",
	  .value = { .type = VALUE_BOOL },
	  .complete = COMPLETE_BOOL,
	  .description = "Show the progress and totals." },
};

static const struct option_table table = {
	.command = "vma extract",
	.summary = "take an archive apart",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.args = args,
};

/*
 * Whoever may read the archive may read the new files; its group only if new files belong to it as well.
 * It is not known who may read a pipe.
 */
static mode_t mode_of(int archive_fd)
{
	struct stat st;
	mode_t mode;

	if (fstat(archive_fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0600;
	mode = (st.st_mode & 0044) | 0600;
	if (st.st_gid != getegid() && !(mode & 0004))
		mode &= ~(mode_t)0040;
	return mode;
}

static void extract_init(struct extract *x, const struct options *o, const struct vma_header *h,
			 int archive_fd)
{
	memset(x, 0, sizeof(*x));
	x->o = o;
	x->h = h;
	x->archive_fd = archive_fd;
	x->mode = mode_of(archive_fd);
	x->dir = options_get(o, "targetdir");
	for (unsigned i = 0; i <= VMA_MAX_DEVICES; i++) {
		target_init(&x->targets[i]);
		x->targets[i].mode = x->mode;
	}
	vma_progress_init(&x->progress, h, stdout, archive_fd);
}

static void extract_clear(struct extract *x)
{
	for (unsigned i = 0; i <= VMA_MAX_DEVICES; i++) {
		target_clear(&x->targets[i]);
		readmap_line_clear(&x->maps[i]);
	}
	vma_daemon_stop(&x->daemon);
	if (x->stop)
		cancel_clear(x->stop);
}

/* ---- the folder ---- */

static int write_configs(const struct extract *x, struct error **err)
{
	for (unsigned i = 0; i < x->h->n_configs; i++) {
		const struct vma_config *c = &x->h->configs[i];
		_cleanup_free_ char *path = xasprintf("%s/%s", x->dir, c->name);
		_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, x->mode);
		int r = fd < 0 ? -errno : io_write_all(fd, c->data, c->len);

		if (r == 0 && fsync(fd) < 0)
			r = -errno;
		if (r < 0)
			return error_errno(err, -r, "cannot write '%s'", path);
	}
	return 0;
}

static int create_file(struct extract *x, unsigned dev, struct error **err)
{
	const struct vma_device *d = &x->h->devices[dev];
	struct target *t = &x->targets[dev];
	_cleanup_free_ char *tmp = NULL;

	if (!strcmp(d->name, VMA_VMSTATE)) {
		tmp = xasprintf("%s/vmstate.bin", x->dir);
	} else {
		tmp = xasprintf("%s/tmp-disk-%s.raw", x->dir, d->name);
		t->final = xasprintf("%s/disk-%s.raw", x->dir, d->name);
		show("DEVINFO %s %" PRIu64 "\n", tmp, d->size);
		fflush(stdout);
	}
	return target_create(t, tmp, d->size, err);
}

static int create_files(struct extract *x, struct error **err)
{
	bool has_map = options_given(x->o, "readmap");

	for (unsigned i = 1; i <= VMA_MAX_DEVICES; i++) {
		const char *name = x->h->devices[i].name;
		int r = 0;

		if (!name || !x->wanted[i] || x->mapped[i])
			continue;
		if (has_map && strcmp(name, VMA_VMSTATE) != 0)
			return error_set(err, ERR_INVALID, "option --readmap: it has no line for disk '%s'",
					 name);
		r = create_file(x, i, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int make_folder(const struct extract *x, struct error **err)
{
	if (mkdir(x->dir, 0777) == 0)
		return write_configs(x, err);
	if (errno == EEXIST)
		return error_set(err, -EEXIST, "target directory '%s' exists: name one that is made for it",
				 x->dir);
	return error_errno(err, errno, "unable to create target directory '%s'", x->dir);
}

/* ---- data ---- */

static int name_disk(const struct extract *x, unsigned dev, int r, struct error **err)
{
	return r < 0 ? error_wrap(err, r, "disk '%s'", x->h->devices[dev].name) : r;
}

static int on_data(void *opaque, uint8_t dev, uint64_t offset, const void *data, size_t len,
		   struct error **err)
{
	struct extract *x = opaque;
	int r;

	if (!target_is_open(&x->targets[dev]))
		return 0;
	r = x->pace[dev] ? pace_take(x->pace[dev], len, x->stop, err) : cancel_check(x->stop, err);
	if (r < 0)
		return r;
	return name_disk(x, dev, target_write(&x->targets[dev], offset, data, len, err), err);
}

static int on_zero(void *opaque, uint8_t dev, uint64_t offset, uint64_t len, struct error **err)
{
	struct extract *x = opaque;
	int r;

	if (!target_is_open(&x->targets[dev]))
		return 0;
	r = cancel_check(x->stop, err);
	return r < 0 ? r : name_disk(x, dev, target_zero(&x->targets[dev], offset, len, err), err);
}

static int zero_lost(struct extract *x, const struct vma_reader *reader, unsigned dev, struct error **err)
{
	uint64_t at = 0, first = 0, n = 0;
	int r = 0;

	while (r == 0 && vma_reader_missing(reader, (uint8_t)dev, &at, &first, &n)) {
		uint64_t start = first * VMA_CLUSTER_SIZE, end = start + n * VMA_CLUSTER_SIZE;

		if (end > x->h->devices[dev].size)
			end = x->h->devices[dev].size;
		r = target_zero(&x->targets[dev], start, end - start, err);
	}
	return r;
}

static int finish_targets(struct extract *x, const struct vma_reader *reader, struct error **err)
{
	int r = 0;

	for (unsigned i = 1; r == 0 && i <= VMA_MAX_DEVICES; i++) {
		if (!target_is_open(&x->targets[i]))
			continue;
		r = zero_lost(x, reader, i, err);
		/* a full thin pool shows only here */
		if (r == 0)
			r = target_finish(&x->targets[i], err);
		name_disk(x, i, r, err);
	}
	return r == 0 && x->dir && options_bool(x->o, "sync") ? io_fsync_dir(x->dir, err) : r;
}

static int begin_targets(struct extract *x, struct error **err)
{
	int r = 0;

	for (unsigned i = 1; r == 0 && i <= VMA_MAX_DEVICES; i++) {
		if (!target_is_open(&x->targets[i]))
			continue;
		x->targets[i].sync = x->targets[i].sync || options_bool(x->o, "sync");
		r = target_begin(&x->targets[i], x->h->devices[i].size, err);
	}
	return r;
}

/*
 * Nothing that existed before is changed until everything has been checked.  Proxmox's qmrestore reads the
 * configs in the folder before it writes the map.
 */
static int prepare(struct extract *x, struct error **err)
{
	int r;

	if (!x->dir && !options_given(x->o, "to"))
		return error_set(err, ERR_INVALID,
				 "vma extract: argument <targetdir> is missing (see --help)");
	if (options_given(x->o, "to") && options_given(x->o, "readmap"))
		return error_set(err, ERR_INVALID, "options --to and --readmap exclude each other, give one");
	r = extract_choose_drives(x, err);
	if (r == 0)
		r = extract_open_to(x, err);
	if (r == 0 && x->dir)
		r = make_folder(x, err);
	if (r == 0)
		r = extract_read_map(x, err);
	if (r == 0)
		r = extract_check_targets(x, err);
	if (r == 0 && x->dir)
		r = create_files(x, err);
	return r < 0 ? r : begin_targets(x, err);
}

static int transfer(struct extract *x, struct vma_reader *reader, struct error **err)
{
	const bool salvage = options_bool(x->o, "salvage"), verbose = options_bool(x->o, "verbose");
	const bool shown = verbose || x->progress.live.on;
	const struct vma_receiver receiver = { .data = on_data,
					       .zero = on_zero,
					       .damage = salvage ? vma_print_damage : NULL,
					       .progress = shown ? vma_print_progress : NULL };
	uint64_t lost;
	int r = vma_reader_run(reader, &receiver, x, err);

	vma_progress_off(&x->progress);
	if (r < 0)
		return error_wrap(err, r, "restore failed");
	r = finish_targets(x, reader, err);
	if (r < 0)
		return r;
	if (verbose)
		vma_print_totals(vma_reader_stats(reader));
	lost = vma_print_missing(reader);
	if (!lost && !vma_reader_stats(reader)->damages)
		return 0;
	return error_set(
		err, ERR_CORRUPT,
		"salvaged, but the archive is damaged: %" PRIu64 " bytes are lost and read as zeroes", lost);
}

static int run(struct options *o, struct error **err)
{
	_cleanup_(vma_reader_freep) struct vma_reader *reader = NULL;
	_cleanup_close_ int fd = -1;
	struct extract x;
	/* a signal ends the process at once, unless there is a daemon, which has to be ended first */
	int r = vma_open_threads(options_get(o, "archive"), 0, signals_cancel(), &fd, &reader, err);

	if (r < 0)
		return r;
	extract_init(&x, o, vma_reader_header(reader), fd);
	r = prepare(&x, err);
	if (r == 0)
		r = transfer(&x, reader, err);
	extract_clear(&x);
	return r;
}

const struct command vma_command_extract = {
	.name = "extract",
	.table = &table,
	.run = run,
};
