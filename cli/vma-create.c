/* vma create: an archive from configs and images. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strv.h"
#include "new-file.h"
#include "signals.h"
#include "vma-commands.h"
#include "vma-daemon.h"
#include "vma-image.h"
#include "vma/compression.h"
#include "vma/writer.h"

static const char *const args[] = { "archive", "pathname", NULL };

static const struct option rows[] = {
	{ .name = "archive",
	  .flags = OPTION_REQUIRED,
	  .complete = COMPLETE_FILE,
	  .description = "The archive, which must not exist. Its name says how it is packed: .zst, "
			 ".gz, .lzo, else not at all; - for standard output." },
	{ .name = "config",
	  .flags = OPTION_ARRAY,
	  .complete = COMPLETE_FILE,
	  .description = "A config file, stored by its base name." },
	{ .name = "pathname",
	  .flags = OPTION_ARRAY,
	  .complete = COMPLETE_FILE,
	  .description = "[<disk>=]<path>: the same as --disk; without a name disk0, disk1, ... by "
			 "their order." },
	{ .name = "disk",
	  .flags = OPTION_ARRAY,
	  .complete = COMPLETE_NAME_IS_PATH,
	  .description = "[format=<format>:]<disk>=<path>: an image (raw, qcow2, vmdk) or block device, "
			 "and its name in the archive; format=raw:<path> is named as an argument is." },
	{ .name = "verbose",
	  .value = { .type = VALUE_BOOL },
	  .complete = COMPLETE_BOOL,
	  .description = "Show the progress and totals, on standard error." },
};

static const struct option_table table = {
	.command = "vma create",
	.summary = "make an archive of configs and images",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.args = args,
};

#define SECTOR 512u

struct disk {
	char *name, *path, *format;
	char *export; /* a name that is harmless on QEMU's command line */
	struct image image;
};

struct create {
	struct vma_header hdr;
	struct disk disks[VMA_MAX_DEVICES]; /* that of device i is [i - 1] */
	unsigned n_disks;
	struct vma_daemon daemon;
	bool verbose;
	struct cancel *stop;
};

static bool is_raw(const struct disk *d)
{
	return !strcmp(d->format, "raw");
}

static void disk_clear(struct disk *d)
{
	image_clear(&d->image);
	free(d->name);
	free(d->path);
	free(d->format);
	free(d->export);
}

static int add_config(struct create *c, const char *path, struct error **err)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	const char *slash = strrchr(path, '/');
	int r = io_read_file(path, VMA_MAX_BLOB, &text, err);

	if (r < 0)
		return r;
	return vma_header_add_config(&c->hdr, slash ? slash + 1 : path, buf_str(&text), text.len, err);
}

/* Proxmox's reader counts disks in sectors and has no cluster for less than one. */
static uint64_t whole_sectors(uint64_t size)
{
	return (size + SECTOR - 1) / SECTOR * SECTOR;
}

static int check_disk(const struct disk *d, const char *value, struct error **err)
{
	if (!*d->name || !*d->path)
		return error_set(err, ERR_INVALID, "disk '%s' is not <disk>=<path>", value);
	if (strchr(d->name, '/'))
		return error_set(err, ERR_INVALID, "disk '%s': its name must not hold a slash", d->name);
	if (is_raw(d) || !strcmp(d->format, "qcow2") || !strcmp(d->format, "vmdk"))
		return 0;
	return error_set(
		err, ERR_UNSUPPORTED,
		"disk '%s': format '%s' is not one of raw, qcow2 and vmdk (qemu-img convert makes one)",
		d->name, d->format);
}

/*
 * "[format=<format>:][<disk>=]<path>"; without a disk it is disk0, disk1, ... by its place among all of
 * them.
 */
static int add_disk(struct create *c, const char *value, bool needs_name, struct error **err)
{
	const char *rest = value, *path, *colon;
	bool has_format = str_prefix(value, "format=", &rest);
	struct disk *d;

	colon = has_format ? strchr(rest, ':') : NULL;
	path = strchr(colon ? colon + 1 : rest, '=');
	if ((has_format && !colon) || (needs_name && !has_format && !path))
		return error_set(err, ERR_INVALID, "disk '%s' is not [format=<format>:]<disk>=<path>", value);
	if (c->n_disks == VMA_MAX_DEVICES)
		return error_set(err, ERR_INVALID, "an archive has room for %u disks", VMA_MAX_DEVICES);
	d = &c->disks[c->n_disks];
	d->format = colon ? xstrndup(rest, (size_t)(colon - rest)) : xstrdup("raw");
	rest = colon ? colon + 1 : rest;
	d->name = path ? xstrndup(rest, (size_t)(path - rest)) : xasprintf("disk%u", c->n_disks);
	d->path = xstrdup(path ? path + 1 : rest);
	d->export = xasprintf("disk%u", c->n_disks);
	c->n_disks++;
	return check_disk(d, value, err);
}

/* QEMU reads images that are not raw. */
static int start_daemon(struct create *c, struct error **err)
{
	struct vma_daemon_image images[VMA_MAX_DEVICES];
	size_t n = 0;

	for (unsigned i = 0; i < c->n_disks; i++)
		if (!is_raw(&c->disks[i]))
			images[n++] = (struct vma_daemon_image){ .export = c->disks[i].export,
								 .path = c->disks[i].path,
								 .format = c->disks[i].format };
	return n ? vma_daemon_start(&c->daemon, images, n, c->stop, err) : 0;
}

static int open_disk(struct create *c, struct disk *d, struct error **err)
{
	int r = is_raw(d)
			? image_open(&d->image, d->path, err)
			: image_connect(&d->image, c->daemon.storage_daemon.socket, d->export, c->stop, err);

	if (r < 0 && !is_raw(d))
		return error_wrap(err, r, "image '%s'", d->path);
	return r < 0 ? r : vma_header_add_device(&c->hdr, d->name, whole_sectors(d->image.size), NULL, err);
}

static int open_disks(struct create *c, struct error **err)
{
	int r = start_daemon(c, err);

	for (unsigned i = 0; r == 0 && i < c->n_disks; i++)
		r = open_disk(c, &c->disks[i], err);
	return r;
}

static int collect_inputs(struct create *c, const struct options *o, struct error **err)
{
	char *const *configs = options_array(o, "config");
	char *const *disks = options_array(o, "disk");
	char *const *paths = options_array(o, "pathname");
	int r = vma_header_init(&c->hdr, err);

	for (size_t i = 0; r == 0 && configs && configs[i]; i++)
		r = add_config(c, configs[i], err);
	for (size_t i = 0; r == 0 && disks && disks[i]; i++)
		r = add_disk(c, disks[i], true, err);
	for (size_t i = 0; r == 0 && paths && paths[i]; i++)
		r = add_disk(c, paths[i], false, err);
	return r < 0 ? r : open_disks(c, err);
}

/* The extent that is being filled. */
struct feed {
	struct create *c;
	struct vma_writer *w;
	struct vma_extent *e;
	unsigned slot;
	uint64_t done, total; /* bytes */
	int percent;
	struct vma_progress progress; /* on a terminal */
};

/* As Proxmox's vma prints it. */
static void feed_progress(struct feed *f, uint64_t len)
{
	struct vma_writer_stats stats;
	int percent;

	f->done += len;
	percent = f->total ? (int)(f->done * 100 / f->total) : 100;
	if (vma_progress_show(&f->progress, f->done, f->total) || !f->c->verbose || percent == f->percent)
		return;
	f->percent = percent;
	vma_writer_get_stats(f->w, &stats);
	fprintf(stderr, "progress %d%% %" PRIu64 "/%" PRIu64 " %" PRIu64 "\n", percent, f->done, f->total,
		stats.zero_bytes);
}

static void print_images(const struct feed *f)
{
	for (unsigned i = 1; f->c->verbose && i <= VMA_MAX_DEVICES; i++) {
		const struct vma_device *d = &f->c->hdr.devices[i];
		uint64_t zero = vma_writer_zero_bytes(f->w, (uint8_t)i);

		if (d->name)
			fprintf(stderr, "image %s: size=%" PRIu64 " zeros=%" PRIu64 " saved=%" PRIu64 "\n",
				d->name, d->size, zero, d->size - zero);
	}
}

static int feed_cluster(struct feed *f, uint8_t dev, uint32_t cluster, struct error **err)
{
	const struct vma_device *d = &f->c->hdr.devices[dev];
	uint32_t len = vma_cluster_len(d->size, cluster);
	int r;

	if (!f->e) {
		r = vma_writer_extent_get(f->w, 0, &f->e, err);
		if (r < 0)
			return r;
		f->slot = 0;
	}
	r = image_read(&f->c->disks[dev - 1].image, (uint64_t)cluster * VMA_CLUSTER_SIZE,
		       vma_extent_slot(f->e, f->slot), len, err);
	if (r < 0)
		return error_wrap(err, r, "the image of %s", d->name);
	vma_extent_set(f->e, f->slot, dev, cluster, len);
	if (++f->slot == VMA_CLUSTERS_PER_EXTENT)
		vma_writer_extent_put(f->w, TAKE_PTR(f->e));
	feed_progress(f, len);
	return 0;
}

/* The first cluster from `from` on that is not all hole, of n. */
static uint64_t next_data(struct feed *f, uint8_t dev, uint64_t from, uint64_t n)
{
	struct image *i = &f->c->disks[dev - 1].image;
	uint64_t at = from * VMA_CLUSTER_SIZE;

	/* zero runs go into extents of their own, but the state of a guest must stay in order */
	if (!strcmp(f->c->hdr.devices[dev].name, VMA_VMSTATE))
		return from;
	at = image_next_data(i, at);
	return at >= i->size ? n : at / VMA_CLUSTER_SIZE;
}

static int feed_zero(struct feed *f, uint8_t dev, uint64_t from, uint64_t to, struct error **err)
{
	uint64_t size = f->c->hdr.devices[dev].size, end = to * VMA_CLUSTER_SIZE;
	int r = vma_writer_zero(f->w, dev, (uint32_t)from, (uint32_t)(to - from), err);

	feed_progress(f, (end < size ? end : size) - from * VMA_CLUSTER_SIZE);
	return r;
}

static int feed_disk(struct feed *f, uint8_t dev, struct error **err)
{
	uint64_t n = vma_clusters(f->c->hdr.devices[dev].size);
	int r = 0;

	for (uint64_t at = 0; r == 0 && at < n; at++) {
		uint64_t data = next_data(f, dev, at, n);

		if (data > at)
			r = feed_zero(f, dev, at, data, err);
		at = data;
		if (r == 0 && at < n)
			r = feed_cluster(f, dev, (uint32_t)at, err);
	}
	return r;
}

static int feed_all(struct feed *f, struct error **err)
{
	int r = 0;

	for (unsigned dev = 1; dev <= VMA_MAX_DEVICES; dev++)
		f->total += f->c->hdr.devices[dev].size;
	for (unsigned dev = 1; r == 0 && dev <= VMA_MAX_DEVICES; dev++)
		if (f->c->hdr.devices[dev].name)
			r = feed_disk(f, (uint8_t)dev, err);
	if (f->e)
		vma_writer_extent_put(f->w, TAKE_PTR(f->e));
	return r;
}

static enum vma_compression compression_of(const char *path)
{
	if (str_suffix(path, ".zst"))
		return VMA_COMPRESS_ZSTD;
	if (str_suffix(path, ".gz"))
		return VMA_COMPRESS_GZIP;
	return str_suffix(path, ".lzo") ? VMA_COMPRESS_LZO : VMA_COMPRESS_NONE;
}

static int write_archive(struct create *c, int fd, enum vma_compression compression, struct error **err)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct budget budget;
	const struct vma_writer_options wo = { .layout = vma_compression_layout(compression, false),
					       .budget = &budget,
					       .ionice = -1,
					       .cancel = c->stop };
	_cleanup_(vma_writer_freep) struct vma_writer *w = NULL;
	struct feed f = { .c = c, .percent = -1 };
	struct output *output = NULL;
	int r = output_plain_new(fd, &output, err);

	budget_init(&budget, &(struct budget_limits){ .threads = cpus > 0 ? (unsigned)cpus : 1 });
	if (r == 0)
		r = vma_compression_filter(compression, budget.threads, &output, err);
	if (r == 0)
		r = vma_writer_new(&wo, output, &c->hdr, &w, err);

	f.w = w;
	vma_progress_init(&f.progress, &c->hdr, stderr, -1);
	if (r == 0)
		r = feed_all(&f, err);
	if (r == 0)
		r = vma_writer_finish(w, NULL, err);
	vma_progress_off(&f.progress);
	if (r == 0)
		print_images(&f);
	return r;
}

/* Nobody else may read the file while it is incomplete; then it has the mode of any new file. */
static int give_mode(int fd, const char *path, struct error **err)
{
	const mode_t mask = umask(077);

	umask(mask);
	return fchmod(fd, 0644 & ~mask) < 0 ? error_errno(err, errno, "cannot give '%s' its mode", path) : 0;
}

static int write_new(struct create *c, const char *path, struct error **err)
{
	struct new_file to;
	int r = new_file_open(&to, path, NEW_FILE_CREATES, err);

	if (r == 0)
		r = write_archive(c, to.fd, compression_of(path), err);
	if (r == 0)
		r = give_mode(to.fd, path, err);
	if (r == 0)
		r = new_file_commit(&to, err);
	new_file_clear(&to);
	return r;
}

static int run(struct options *o, struct error **err)
{
	const char *archive = options_get(o, "archive");
	struct create *c = xcalloc(1, sizeof(*c));
	const bool to_stdout = strcmp(archive, "-") == 0;
	int r = signals_catch(&c->stop, err);

	for (unsigned i = 0; i < VMA_MAX_DEVICES; i++)
		image_init(&c->disks[i].image);
	c->verbose = options_bool(o, "verbose");
	if (r == 0 && to_stdout && isatty(STDOUT_FILENO))
		r = error_set(
			err, ERR_INVALID,
			"vma create: standard output is a terminal: send the archive to another program "
			"(vma create - ... | PROGRAM), or name a file");
	if (r == 0)
		r = collect_inputs(c, o, err);
	if (r == 0)
		r = to_stdout ? write_archive(c, STDOUT_FILENO, VMA_COMPRESS_NONE, err)
			      : write_new(c, archive, err);
	for (unsigned i = 0; i < c->n_disks; i++)
		disk_clear(&c->disks[i]);
	vma_daemon_stop(&c->daemon);
	vma_header_clear(&c->hdr);
	cancel_clear(c->stop);
	free(c);
	return r;
}

const struct command vma_command_create = {
	.name = "create",
	.table = &table,
	.run = run,
};
