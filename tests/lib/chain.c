/*
 * Writes an archive of a chain from images, without QEMU: every cluster is read and compared by its hash.
 *
 *	chain NEW BASE CONFIG NAME=IMAGE...	BASE: the archive before; - begins a chain
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "vma/chain.h"
#include "vma/map.h"
#include "vma/reuse.h"
#include "vma/writer.h"

/* A disk, and which of its clusters were taken. */
struct disk {
	int fd;
	uint8_t dev;
	uint64_t size;
	pthread_mutex_t lock;
	struct map taken;
};

static struct error *error;

static void need(int r)
{
	if (r < 0)
		errx(1, "%s", error_message(error));
}

static bool take_all(void *opaque, const uint32_t *clusters, unsigned n)
{
	struct disk *d = opaque;
	bool all = true;

	pthread_mutex_lock(&d->lock);
	for (unsigned i = 0; i < n; i++)
		all = all && !map_get(&d->taken, clusters[i]);
	for (unsigned i = 0; all && i < n; i++)
		map_set(&d->taken, clusters[i]);
	pthread_mutex_unlock(&d->lock);
	return all;
}

static bool take(void *opaque, uint32_t cluster)
{
	return take_all(opaque, &cluster, 1);
}

static void release(void *opaque, uint32_t first, uint32_t n)
{
	(void)opaque, (void)first, (void)n;
}

static void read_again(void *opaque, uint32_t cluster)
{
	(void)opaque;
	errx(1, "the base has a bad frame, with cluster %u", cluster);
}

static const struct vma_reuse_ops ops = {
	.take = take, .take_all = take_all, .release = release, .read_again = read_again
};

/* "drive-scsi0=image": added to the header. */
static void open_disk(struct disk *d, char *word, struct vma_header *h, const struct vma_header *base)
{
	char *image = strchr(word, '=');
	struct stat st;

	if (!image)
		errx(1, "'%s' is not name=image", word);
	*image++ = '\0';
	d->fd = open(image, O_RDONLY | O_CLOEXEC);
	if (d->fd < 0 || fstat(d->fd, &st) < 0)
		err(1, "%s", image);
	d->size = (uint64_t)st.st_size;
	pthread_mutex_init(&d->lock, NULL);
	if (!map_init(&d->taken, (uint32_t)vma_clusters(d->size)))
		errx(1, "no memory");
	need(base ? vma_header_add_device_along(h, base, word, d->size, &d->dev, &error)
		  : vma_header_add_device(h, word, d->size, &d->dev, &error));
}

static void read_cluster(const struct disk *d, uint32_t cluster, bool compare, struct vma_extent *e,
			 unsigned i)
{
	const uint32_t len = vma_cluster_len(d->size, cluster);

	if (io_pread_full(d->fd, vma_extent_slot(e, i), len, (off_t)cluster * VMA_CLUSTER_SIZE) !=
	    (ssize_t)len)
		errx(1, "cannot read an image");
	vma_extent_set(e, i, d->dev, cluster, len);
	e->slots[i].compare = compare;
}

static void feed_disk(struct vma_writer *w, const struct disk *d, bool compare)
{
	const uint64_t n = vma_clusters(d->size);

	for (uint64_t c = 0; c < n;) {
		struct vma_extent *e;

		need(vma_writer_extent_get(w, 0, &e, &error));
		for (unsigned i = 0; i < VMA_CLUSTERS_PER_EXTENT && c < n; i++)
			read_cluster(d, (uint32_t)c++, compare, e, i);
		vma_writer_extent_put(w, e);
	}
}

static struct vma_base *open_base(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct vma_base *b = NULL;

	if (fd < 0)
		err(1, "%s", path);
	need(vma_base_open(fd, path, &b, &error));
	return b;
}

static void add_config(struct vma_header *h, const char *path)
{
	_cleanup_buf_ struct buf text = BUF_INIT;

	need(io_read_file(path, 1 << 20, &text, &error));
	need(vma_header_add_config(h, basename(path), text.data, text.len, &error));
}

/* Header and chain of the generation after the base's, or of a first one. */
static void begin(const struct vma_base *base, struct vma_header *h, struct vma_chain *c)
{
	need(vma_header_init(h, &error));
	if (base) {
		const struct vma_header *old = vma_base_header(base);

		memcpy(h->uuid, old->uuid, sizeof(h->uuid));
		h->ctime = h->ctime > old->ctime ? h->ctime : old->ctime + 1;
		need(vma_chain_next(c, vma_base_chain(base), basename(vma_base_name(base)), &error));
	} else {
		need(vma_chain_begin(c, h->ctime, VMA_CHAIN_MIN_ALIGN, &error));
	}
}

int main(int argc, char *argv[])
{
	struct vma_base *base = argc < 5 ? NULL : strcmp(argv[2], "-") != 0 ? open_base(argv[2]) : NULL;
	struct vma_reuse *reuse = base ? vma_reuse_new(&(struct vma_reuse_options){ .base = base }) : NULL;
	struct vma_writer_options o = { .layout = VMA_CHAINED, .ionice = -1, .reuse = reuse };
	struct disk *disks = xcalloc((size_t)argc, sizeof(*disks));
	struct output *output = NULL;
	struct vma_writer *w = NULL;
	struct vma_header h;
	struct vma_chain chain;
	int fd;

	if (argc < 5)
		errx(1, "usage: chain NEW BASE CONFIG NAME=IMAGE...");
	begin(base, &h, &chain);
	add_config(&h, argv[3]);
	o.chain = &chain;
	for (int i = 4; i < argc; i++) {
		struct disk *d = &disks[i];

		open_disk(d, argv[i], &h, base ? vma_base_header(base) : NULL);
		if (reuse)
			need(vma_reuse_add_disk(reuse, d->dev, d->size, &ops, d, &error));
	}
	fd = open(argv[1], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		err(1, "%s", argv[1]);
	need(output_plain_new(fd, &output, &error));
	need(vma_writer_new(&o, output, &h, &w, &error));
	for (int i = 4; i < argc; i++) {
		if (reuse)
			vma_reuse_begin(reuse, disks[i].dev, NULL, NULL, NULL);
		feed_disk(w, &disks[i], reuse != NULL);
	}
	need(vma_writer_finish(w, NULL, &error));
	vma_writer_free(w);
	for (int i = 4; i < argc; i++) {
		map_clear(&disks[i].taken);
		close(disks[i].fd);
	}
	free(disks);
	vma_chain_clear(&chain);
	vma_header_clear(&h);
	close(fd);
	return 0;
}
