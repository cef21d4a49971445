/* Trailers are compared with what the frames hold; the first one that is wrong is named. */
#include "vma/chain-check.h"
#include "vma/reader.h"

#include "vma-chained.h"

static struct disk disks[] = { { .name = "drive-scsi0", .size = (20u << 20) + 1000 },
			       { .name = "drive-scsi1", .size = 528u << 10 } };

static struct vma_header header;
static struct vma_chain chain;

/* The frame that the functions below change: the fourth one with data, for 10 clusters a frame. */
#define CHANGED 8

static struct chained an_archive(void)
{
	return (struct chained){
		.hdr = &header, .chain = &chain, .disks = disks, .n_disks = 2, .per_frame = 10
	};
}

static void change_hash(uint64_t frame, struct vma_trailer *t)
{
	t->entries[3].hash[5] ^= frame == CHANGED;
}

static void change_mask(uint64_t frame, struct vma_trailer *t)
{
	t->entries[3].mask = frame == CHANGED ? t->entries[3].mask ^ 0x8001 : t->entries[3].mask;
}

static void change_cluster(uint64_t frame, struct vma_trailer *t)
{
	t->entries[9].key += frame == CHANGED;
}

static void leave_one_out(uint64_t frame, struct vma_trailer *t)
{
	t->n -= frame == CHANGED;
}

/* A byte of the last block. */
static void change_data(uint64_t frame, uint8_t *extent)
{
	if (frame == CHANGED)
		extent[VMA_EXTENT_HEADER_SIZE + 100] ^= 1;
}

/* What reading and checking says. */
static int check(int fd, unsigned threads, struct error **err)
{
	const struct vma_receiver nothing = { 0 };
	_cleanup_(vma_reader_freep) struct vma_reader *reader = NULL;
	_cleanup_vma_chain_ struct vma_chain c = { 0 };
	bool index = false;
	int r = vma_reader_new(fd, threads, NULL, &reader, err);

	if (r == 0)
		r = vma_chain_read(fd, NULL, &c, err);
	if (r == 0)
		vma_reader_hash(reader, &c.secret);
	if (r == 0)
		r = vma_reader_run(reader, &nothing, NULL, err);
	if (r == 0)
		r = vma_index_check(fd, reader, &index, err);
	if (r < 0 || !index) {
		diag("the archive itself is bad: %s", error_message(*err));
		return -1;
	}
	return vma_chain_check(fd, "x.vma.zst", reader, err);
}

static void is_named(struct chained *c, const char *what)
{
	_cleanup_close_ int fd = chained_write(c);
	_cleanup_error_ struct error *err = NULL;

	ok(check(fd, 2, &err) == ERR_CORRUPT && strstr(error_message(err), "frame 8"),
	   "%s: the frame is named", what);
	diag("%s", error_message(err));
}

static void good_ones(void)
{
	for (unsigned per = 1; per <= VMA_CLUSTERS_PER_EXTENT; per += 29) {
		struct chained c = an_archive();
		_cleanup_error_ struct error *err = NULL;
		_cleanup_close_ int fd = -1;

		c.per_frame = per;
		fd = chained_write(&c);
		ok(check(fd, per % 4 + 1, &err) == 0, "%u clusters a frame: trailers and frames agree", per);
		if (err)
			diag("%s", error_message(err));
	}
}

static void bad_ones(void)
{
	struct chained c = an_archive();

	c.alter_trailer = change_hash;
	is_named(&c, "another hash");
	c = an_archive();
	c.alter_trailer = change_mask;
	is_named(&c, "another mask");
	c = an_archive();
	c.alter_trailer = change_cluster;
	is_named(&c, "another cluster");
	c = an_archive();
	c.alter_trailer = leave_one_out;
	is_named(&c, "a cluster left out");
	c = an_archive();
	c.alter_extent = change_data;
	is_named(&c, "other data than the trailer is of");
}

int main(void)
{
	vma_header_init(&header, NULL);
	for (unsigned i = 0; i < 2; i++) {
		vma_header_add_device(&header, disks[i].name, disks[i].size, NULL, NULL);
		disk_fill(&disks[i], i + 5);
	}
	if (vma_chain_begin(&chain, header.ctime, VMA_CHAIN_MIN_ALIGN, NULL) < 0)
		diag("cannot begin a chain");
	good_ones();
	bad_ones();
	for (unsigned i = 0; i < 2; i++)
		free(disks[i].data);
	vma_chain_clear(&chain);
	vma_header_clear(&header);
	return done_testing();
}
