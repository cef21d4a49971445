/* vma create: an archive from configs and raw images. */
#include <errno.h>
#include <fcntl.h>
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
	  .description = "[format=raw:]<disk>=<path>: a raw image or block device, and its name in "
			 "the archive." },
};

static const struct option_table table = {
	.command = "vma create",
	.summary = "make an archive of configs and raw images",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.args = args,
};

struct create {
	struct vma_header hdr;
	int fds[VMA_MAX_DEVICES + 1]; /* images; 0: none */
	struct cancel *stop;
};

static int add_config(struct create *c, const char *path, struct error **err)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	const char *slash = strrchr(path, '/');
	int r = io_read_file(path, VMA_MAX_BLOB, &text, err);

	if (r < 0)
		return r;
	return vma_header_add_config(&c->hdr, slash ? slash + 1 : path, buf_str(&text), text.len,
				     err);
}

static int open_image(const char *path, int *ret_fd, uint64_t *ret_size, struct error **err)
{
	off_t size;

	*ret_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (*ret_fd < 0)
		return error_errno(err, errno, "cannot open image '%s'", path);
	size = lseek(*ret_fd, 0, SEEK_END);
	if (size <= 0)
		return error_set(err, ERR_INVALID,
				 "image '%s' is empty or has no size; give a file or block device",
				 path);
	*ret_size = (uint64_t)size;
	return 0;
}

/* fallback: the name of a disk that has none, or NULL. */
static int add_disk(struct create *c, const char *value, const char *fallback, struct error **err)
{
	const char *rest = value, *path;
	_cleanup_free_ char *name = NULL;
	_cleanup_close_ int fd = -1;
	uint64_t size = 0;
	uint8_t id = 0;
	int r;

	if (!str_prefix(value, "format=raw:", &rest) && str_prefix(value, "format=", NULL))
		return error_set(err, ERR_UNSUPPORTED,
				 "disk '%s': only raw images are taken (qemu-img convert makes one)",
				 value);
	path = strchr(rest, '=');
	if ((!path && !fallback) || path == rest || (path && !path[1]))
		return error_set(err, ERR_INVALID, "disk '%s' is not <disk>=<path>", value);
	name = path ? xstrndup(rest, (size_t)(path - rest)) : xstrdup(fallback);
	path = path ? path + 1 : rest;
	if (strchr(name, '/'))
		return error_set(err, ERR_INVALID,
				 "disk '%s': its name must not hold a slash", name);
	r = open_image(path, &fd, &size, err);
	if (r == 0)
		r = vma_header_add_device(&c->hdr, name, size, &id, err);
	if (r == 0)
		c->fds[id] = TAKE_FD(fd);
	return r;
}

static int collect(struct create *c, const struct options *o, struct error **err)
{
	char *const *configs = options_array(o, "config");
	char *const *disks = options_array(o, "disk");
	char *const *paths = options_array(o, "pathname");
	int r = vma_header_init(&c->hdr, err);

	for (size_t i = 0; r == 0 && configs && configs[i]; i++)
		r = add_config(c, configs[i], err);
	for (size_t i = 0; r == 0 && disks && disks[i]; i++)
		r = add_disk(c, disks[i], NULL, err);
	for (size_t i = 0; r == 0 && paths && paths[i]; i++) {
		_cleanup_free_ char *name = xasprintf("disk%zu", i);

		r = add_disk(c, paths[i], name, err);
	}
	return r;
}

/* What is being filled. */
struct feed {
	const struct create *c;
	struct vma_writer *w;
	struct vma_extent *e;
	unsigned slot;
};

static int feed_cluster(struct feed *f, uint8_t dev, uint32_t cluster, struct error **err)
{
	const struct vma_device *d = &f->c->hdr.devices[dev];
	uint32_t len = vma_cluster_len(d->size, cluster);
	ssize_t n;

	if (!f->e) {
		int r = vma_writer_extent_get(f->w, 0, &f->e, err);

		if (r < 0)
			return r;
		f->slot = 0;
	}
	n = io_pread_full(f->c->fds[dev], vma_extent_slot(f->e, f->slot), len,
			  (off_t)cluster * VMA_CLUSTER_SIZE);
	if (n != (ssize_t)len)
		return error_errno(err, n < 0 ? (int)-n : EIO, "cannot read the image of %s",
				   d->name);
	vma_extent_set(f->e, f->slot, dev, cluster, len);
	if (++f->slot == VMA_CLUSTERS_PER_EXTENT)
		vma_writer_extent_put(f->w, TAKE_PTR(f->e));
	return 0;
}

/* The first cluster from `from` on that is not all hole. */
static uint64_t next_data(const struct feed *f, uint8_t dev, uint64_t from, uint64_t n)
{
	off_t at = lseek(f->c->fds[dev], (off_t)(from * VMA_CLUSTER_SIZE), SEEK_DATA);

	if (at < 0)
		return errno == ENXIO ? n : from;
	return (uint64_t)at / VMA_CLUSTER_SIZE;
}

static int feed_disk(struct feed *f, uint8_t dev, struct error **err)
{
	uint64_t n = vma_clusters(f->c->hdr.devices[dev].size);
	int r = 0;

	for (uint64_t at = 0; r == 0 && at < n; at++) {
		uint64_t data = next_data(f, dev, at, n);

		if (data > at)
			r = vma_writer_zero(f->w, dev, (uint32_t)at, (uint32_t)(data - at), err);
		at = data;
		if (r == 0 && at < n)
			r = feed_cluster(f, dev, (uint32_t)at, err);
	}
	return r;
}

static int feed_all(struct feed *f, struct error **err)
{
	int r = 0;

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

static int write_archive(const struct create *c, int fd, enum vma_compression compression, struct error **err)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	const struct vma_writer_options wo = { .compression = compression,
					       .threads = cpus > 0 ? (unsigned)cpus : 1,
					       .ionice = -1,
					       .cancel = c->stop };
	_cleanup_(vma_writer_freep) struct vma_writer *w = NULL;
	struct feed f = { .c = c };
	int r = vma_writer_new(&wo, fd, &c->hdr, &w, err);

	f.w = w;
	if (r == 0)
		r = feed_all(&f, err);
	return r < 0 ? r : vma_writer_finish(w, NULL, err);
}

static int write_new(const struct create *c, const char *path, struct error **err)
{
	struct new_file to;
	int r = new_file_open(&to, path, false, err);

	if (r == 0)
		r = write_archive(c, to.fd, compression_of(path), err);
	if (r == 0 && fchmod(to.fd, 0644) < 0)
		r = error_errno(err, errno, "cannot give '%s' its mode", path);
	if (r == 0)
		r = new_file_commit(&to, false, err);
	new_file_clear(&to);
	return r;
}

static int run(struct options *o, struct error **err)
{
	const char *archive = options_get(o, "archive");
	struct create *c = xcalloc(1, sizeof(*c));
	int r = signals_catch(&c->stop, err);

	if (r == 0)
		r = collect(c, o, err);
	if (r == 0)
		r = strcmp(archive, "-") == 0 ? write_archive(c, STDOUT_FILENO, VMA_COMPRESS_NONE, err) :
						write_new(c, archive, err);
	for (unsigned i = 1; i <= VMA_MAX_DEVICES; i++)
		if (c->fds[i] > 0)
			close(c->fds[i]);
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
