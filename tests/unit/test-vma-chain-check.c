/* Trailers are compared with what the frames hold; the first one that is wrong is named. */
#include "vma/chain-check.h"
#include "vma/reader.h"

#include "tap.h"
#include "vma-pieces.h"

static struct disk disks[] = { { .name = "drive-scsi0", .size = (20u << 20) + 1000 },
			       { .name = "drive-scsi1", .size = 528u << 10 } };

/* The frame that the functions below change: the fourth one with data, for 10 clusters a frame. */
#define CHANGED 8

/* An archive whose data frames `alter` may change. */
static int an_archive(unsigned per_frame, void (*alter)(uint32_t frame, struct chained_piece *p))
{
	struct chained c;

	chained_begin(&c, disks, 2, VMA_CHAIN_MIN_ALIGN);
	c.alter = alter;
	return chained_write(&c, per_frame);
}

static void change_hash(uint32_t frame, struct chained_piece *p)
{
	p->t.entries[3].hash[5] ^= frame == CHANGED;
}

static void change_mask(uint32_t frame, struct chained_piece *p)
{
	p->t.entries[3].mask = frame == CHANGED ? p->t.entries[3].mask ^ 0x8001 : p->t.entries[3].mask;
}

static void change_cluster(uint32_t frame, struct chained_piece *p)
{
	p->t.entries[9].key += frame == CHANGED;
}

static void leave_one_out(uint32_t frame, struct chained_piece *p)
{
	p->t.n -= frame == CHANGED;
}

/* A byte of the last block. */
static void change_data(uint32_t frame, struct chained_piece *p)
{
	if (frame == CHANGED)
		p->extent.data[VMA_EXTENT_HEADER_SIZE + 100] ^= 1;
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

static void is_named(void (*alter)(uint32_t frame, struct chained_piece *p), const char *what)
{
	_cleanup_close_ int fd = an_archive(10, alter);
	_cleanup_error_ struct error *err = NULL;

	ok(check(fd, 2, &err) == ERR_CORRUPT && strstr(error_message(err), "frame 8"),
	   "%s: the frame is named", what);
	diag("%s", error_message(err));
}

static void good_ones(void)
{
	for (unsigned per = 1; per <= VMA_CLUSTERS_PER_EXTENT; per += 29) {
		_cleanup_error_ struct error *err = NULL;
		_cleanup_close_ int fd = an_archive(per, NULL);

		ok(check(fd, per % 4 + 1, &err) == 0, "%u clusters a frame: trailers and frames agree", per);
		if (err)
			diag("%s", error_message(err));
	}
}

static void bad_ones(void)
{
	is_named(change_hash, "another hash");
	is_named(change_mask, "another mask");
	is_named(change_cluster, "another cluster");
	is_named(leave_one_out, "a cluster left out");
	is_named(change_data, "other data than the trailer is of");
}

int main(void)
{
	for (unsigned i = 0; i < 2; i++)
		disk_fill(&disks[i], i + 5);
	good_ones();
	bad_ones();
	for (unsigned i = 0; i < 2; i++)
		free(disks[i].data);
	return done_testing();
}
