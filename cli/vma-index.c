/*
 * vma index: an archive that is one stream becomes one of independent frames, with index and seek table.
 * Its content stays as it is: uuid, time, configs, every cluster.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/strv.h"
#include "new-file.h"
#include "show.h"
#include "signals.h"
#include "vma-commands.h"
#include "vma/index.h"
#include "vma/random.h"
#include "vma/writer.h"

static const char *const args[] = { "archive", "target", NULL };

static const struct option rows[] = {
	{ .name = "archive",
	  .flags = OPTION_REQUIRED,
	  .complete = COMPLETE_ARCHIVE,
	  .description = "The archive, in any packing; - for standard input." },
	{ .name = "target",
	  .complete = COMPLETE_FILE,
	  .description = "The new archive, which must not exist. Without it a .vma.zst is replaced, "
			 "and any other archive gets a .vma.zst beside it." },
};

static const struct option_table table = {
	.command = "vma index",
	.summary = "give an archive an index",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.args = args,
};

/* ---- from the reader's blocks to the writer's clusters ---- */

/*
 * The reader hands out the blocks of a cluster one after the other, each cluster in one go and by
 * one thread; with one thread there is one cluster at a time.
 */
struct feed {
	const struct vma_header *h;
	struct vma_writer *w;
	struct vma_extent *e;
	unsigned slot;
	uint8_t dev; /* of the open cluster; 0: none */
	uint32_t cluster;
	bool stored;
};

static void close_cluster(struct feed *f)
{
	if (!f->dev)
		return;
	vma_extent_set(f->e, f->slot, f->dev, f->cluster,
		       vma_cluster_len(f->h->devices[f->dev].size, f->cluster));
	f->dev = 0;
	if (++f->slot == VMA_CLUSTERS_PER_EXTENT)
		vma_writer_extent_put(f->w, TAKE_PTR(f->e));
}

static int open_cluster(struct feed *f, uint8_t dev, uint32_t cluster, struct error **err)
{
	if (f->dev == dev && f->cluster == cluster)
		return 0;
	close_cluster(f);
	if (!f->e) {
		int r = vma_writer_extent_get(f->w, 0, &f->e, err);

		if (r < 0)
			return r;
		f->slot = 0;
	}
	f->dev = dev;
	f->cluster = cluster;
	memset(vma_extent_slot(f->e, f->slot), 0, VMA_CLUSTER_SIZE);
	return 0;
}

static int on_data(void *opaque, uint8_t dev, uint64_t offset, const void *data, size_t len,
		   struct error **err)
{
	struct feed *f = opaque;
	const uint8_t *from = data;

	while (len) {
		size_t at = offset % VMA_CLUSTER_SIZE;
		size_t now = VMA_CLUSTER_SIZE - at < len ? VMA_CLUSTER_SIZE - at : len;
		int r = open_cluster(f, dev, (uint32_t)(offset / VMA_CLUSTER_SIZE), err);

		if (r < 0)
			return r;
		memcpy(vma_extent_slot(f->e, f->slot) + at, from, now);
		offset += now;
		from += now;
		len -= now;
	}
	return 0;
}

/* Parts of clusters are zero already in the slot. */
static int zero_part(struct feed *f, uint8_t dev, uint64_t offset, struct error **err)
{
	return open_cluster(f, dev, (uint32_t)(offset / VMA_CLUSTER_SIZE), err);
}

static int on_zero(void *opaque, uint8_t dev, uint64_t offset, uint64_t len, struct error **err)
{
	struct feed *f = opaque;
	const uint64_t size = f->h->devices[dev].size;
	/* the writer would put its zero clusters elsewhere, and Proxmox's reader wants it in order */
	const bool is_state = !strcmp(f->h->devices[dev].name, VMA_VMSTATE);
	int r = 0;

	while (r == 0 && len) {
		uint64_t at = offset % VMA_CLUSTER_SIZE, now = VMA_CLUSTER_SIZE - at;
		uint64_t whole = offset + len == size ? vma_clusters(size) * VMA_CLUSTER_SIZE - offset : len;

		if (at || whole < VMA_CLUSTER_SIZE || is_state) {
			now = now < len ? now : len;
			r = zero_part(f, dev, offset, err);
		} else {
			uint64_t n = whole / VMA_CLUSTER_SIZE;

			r = vma_writer_zero(f->w, dev, (uint32_t)(offset / VMA_CLUSTER_SIZE), (uint32_t)n,
					    err);
			now = n * VMA_CLUSTER_SIZE < len ? n * VMA_CLUSTER_SIZE : len;
		}
		offset += now;
		len -= now;
	}
	return r;
}

static int convert(struct vma_reader *reader, int fd, const struct cancel *stop, struct error **err)
{
	const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct budget budget;
	const struct vma_writer_options wo = {
		.layout = VMA_FRAMES, .budget = &budget, .ionice = -1, .cancel = stop
	};
	const struct vma_receiver receiver = { .data = on_data, .zero = on_zero };
	_cleanup_(vma_writer_freep) struct vma_writer *w = NULL;
	struct feed f = { .h = vma_reader_header(reader) };
	struct output *output = NULL;
	int r = output_plain_new(fd, &output, err);

	budget_init(&budget, &(struct budget_limits){ .threads = cpus > 0 ? (unsigned)cpus : 1 });
	if (r == 0)
		r = vma_writer_new(&wo, output, f.h, &w, err);
	f.w = w;
	if (r == 0)
		r = vma_reader_run(reader, &receiver, &f, err);
	if (r == 0)
		close_cluster(&f);
	if (f.e)
		vma_writer_extent_put(w, TAKE_PTR(f.e));
	return r < 0 ? r : vma_writer_finish(w, NULL, err);
}

/* ---- files ---- */

/* The path of the new archive; for a .vma.zst that is its own. */
static char *output_path(const char *archive)
{
	static const char *const endings[] = { ".gz", ".lzo", ".bz2", ".xz" };

	if (str_suffix(archive, ".zst"))
		return xstrdup(archive);
	for (size_t i = 0; i < ARRAY_SIZE(endings); i++)
		if (str_suffix(archive, endings[i]))
			return xasprintf("%.*s.zst", (int)(strlen(archive) - strlen(endings[i])), archive);
	return xasprintf("%s.zst", archive);
}

/* A replaced archive keeps owner, mode and times: backups are distinguished by their age. */
static int keep_attributes(int fd, const struct stat *st, const char *path, struct error **err)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };

	if (fchmod(fd, st->st_mode & 07777) < 0 || futimens(fd, times) < 0 ||
	    (geteuid() == 0 && fchown(fd, st->st_uid, st->st_gid) < 0))
		return error_errno(err, errno, "cannot give '%s' the owner and mode of the archive", path);
	return 0;
}

/* Reads all of the new file: a damaged disk must not cost the only copy. */
static int check_new(const char *path, struct error **err)
{
	const struct vma_receiver nothing = { 0 };
	_cleanup_(vma_reader_freep) struct vma_reader *reader = NULL;
	_cleanup_close_ int fd = -1;
	bool indexed = false;
	int r = vma_open(path, &fd, &reader, err);

	if (r == 0)
		r = vma_reader_run(reader, &nothing, NULL, err);
	if (r == 0)
		r = vma_index_check(fd, reader, &indexed, err);
	return r;
}

static int write_new(struct vma_reader *reader, int in, const struct new_file *to, const struct cancel *stop,
		     struct error **err)
{
	struct stat st;
	int r = convert(reader, to->fd, stop, err);

	if (r == 0 && fstat(in, &st) == 0 && S_ISREG(st.st_mode))
		return keep_attributes(to->fd, &st, to->part, err);
	/* it is not known who may read a pipe: the mode stays 0600 */
	return r;
}

static int index_to(const char *archive, const char *target, const struct cancel *stop, struct error **err)
{
	_cleanup_(vma_reader_freep) struct vma_reader *reader = NULL;
	const enum new_file_mode mode = strcmp(archive, target) ? NEW_FILE_CREATES : NEW_FILE_REPLACES;
	_cleanup_close_ int in = -1;
	struct new_file to;
	int r = vma_open_threads(archive, 1, stop, &in, &reader, err);

	if (r < 0)
		return r;
	r = new_file_open(&to, target, mode, err);
	if (r == 0)
		r = write_new(reader, in, &to, stop, err);
	if (r == 0)
		r = check_new(to.part, err);
	if (r == 0)
		r = new_file_commit(&to, err);
	new_file_clear(&to);
	if (r == 0)
		show("%s has an index now%s\n", target,
		     mode == NEW_FILE_REPLACES && vma_reader_stats(reader)->chain_frames
			     ? "; it belongs to no chain any more, so the next incremental backup is a full one"
			     : "");
	return r;
}

static bool is_indexed(const char *archive)
{
	_cleanup_(vma_random_freep) struct vma_random *x = NULL;

	return str_suffix(archive, ".zst") && vma_random_open(archive, 1, &x, NULL) == 0;
}

static int run(struct options *o, struct error **err)
{
	const char *given = options_get(o, "archive");
	/* if it is a link: the archive, not the link, is replaced or gets the new one beside it */
	_cleanup_free_ char *real = strcmp(given, "-") ? realpath(given, NULL) : NULL;
	const char *archive = real ? real : given;
	_cleanup_free_ char *target = xstrdup_null(options_get(o, "target"));
	struct cancel *stop;
	int r;

	if (!target && !strcmp(archive, "-"))
		return error_set(err, ERR_INVALID,
				 "vma index: from standard input the argument <target> is needed");
	if (!target && is_indexed(archive)) {
		show("%s has an index already\n", archive);
		return 0;
	}
	if (!target)
		target = output_path(archive);
	r = signals_catch(&stop, err);
	if (r == 0)
		r = index_to(archive, target, stop, err);
	cancel_clear(stop);
	return r;
}

const struct command vma_command_index = {
	.name = "index",
	.table = &table,
	.run = run,
};
