/* A trailer or pad whose header is damaged costs no cluster, whichever bit it is. */
#include "stream/bytes.h"
#include "vma/reader.h"

#include "tap.h"
#include "vma-pieces.h"

static struct disk disk = { .name = "drive-scsi0", .size = 3u << 20 };

struct archive {
	uint8_t *data;
	size_t len;
};

/* Where the skippable frames of that magic begin, which may be the chain frame. */
static unsigned find_frames(const struct archive *a, uint32_t magic, size_t *ret, unsigned max)
{
	const uint32_t n = get_le32(a->data + a->len - SEEKTABLE_FOOTER_SIZE);
	const uint8_t *entry = a->data + a->len - SEEKTABLE_FOOTER_SIZE - (size_t)n * SEEKTABLE_ENTRY_SIZE;
	unsigned found = 0;
	size_t at = 0;

	for (uint32_t i = 0; i < n; i++, entry += SEEKTABLE_ENTRY_SIZE) {
		if (get_le32(a->data + at) == magic && found < max)
			ret[found++] = at;
		at += get_le32(entry);
	}
	return found;
}

static void on_damage(void *opaque, const char *text)
{
	(void)opaque;
	(void)text;
}

/* Reads on after damage; whether all clusters came though something was damaged. */
static bool only_that_is_damaged(const struct archive *a, unsigned threads)
{
	const struct vma_receiver receiver = { .damage = on_damage };
	_cleanup_(vma_reader_freep) struct vma_reader *reader = NULL;
	_cleanup_close_ int fd = memfd_create("archive", MFD_CLOEXEC);
	uint64_t at = 0, first, n;

	return io_write_all(fd, a->data, a->len) == 0 && lseek(fd, 0, SEEK_SET) == 0 &&
	       vma_reader_new(fd, threads, NULL, &reader, NULL) == 0 &&
	       vma_reader_run(reader, &receiver, NULL, NULL) == 0 && vma_reader_stats(reader)->damages == 1 &&
	       !vma_reader_missing(reader, 1, &at, &first, &n);
}

static bool flips_cost_nothing(struct archive *a, size_t frame, unsigned from, unsigned to)
{
	bool good = true;

	for (unsigned bit = from; bit < to; bit++) {
		a->data[frame + bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (!only_that_is_damaged(a, bit % 3 + 1)) {
			diag("byte %zu, bit %u of the frame", frame, bit);
			good = false;
		}
		a->data[frame + bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	return good;
}

static void damage_all(struct archive *a, uint32_t magic, const char *what)
{
	size_t frames[16];
	const unsigned n = find_frames(a, magic, frames, 16);
	bool good = n > 0;

	/* the lowest bits of the magic would make it another skippable frame */
	for (unsigned i = 0; i < n; i++)
		good = flips_cost_nothing(a, frames[i], 4, 64) && good;
	ok(good, "a damaged header of each %s costs no cluster", what);
}

int main(void)
{
	struct archive a = { 0 };
	struct chained c;
	int fd;

	disk_fill(&disk, 9);
	chained_begin(&c, &disk, 1, VMA_CHAIN_MIN_ALIGN);
	fd = chained_write(&c, VMA_CHAIN_RECUT);
	a.len = (size_t)lseek(fd, 0, SEEK_END);
	a.data = xmalloc(a.len);
	if (io_pread_full(fd, a.data, a.len, 0) != (ssize_t)a.len)
		diag("cannot read it back");
	close(fd);
	damage_all(&a, FRAME_SKIPPABLE_VMA_CHAIN, "trailer");
	damage_all(&a, FRAME_SKIPPABLE_VMA_PAD, "pad");
	free(a.data);
	free(disk.data);
	return done_testing();
}
