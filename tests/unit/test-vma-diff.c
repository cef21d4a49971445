/* What differs between two archives of a chain, against what the disks in memory say. */
#include "vma/diff.h"

#include "tap.h"
#include "vma-pieces.h"

#define CLUSTERS 200u
#define SIZE     ((uint64_t)CLUSTERS * VMA_CLUSTER_SIZE - 30000)

/* Clusters that differ, by what came from the comparison. */
struct found {
	const struct disk *disks[2];
	uint64_t end, bytes; /* of the last range; of all */
	bool is_wrong, touched[2 * CLUSTERS];
};

static enum vma_diff_kind kind_of(const struct disk *d, uint64_t offset, uint64_t len)
{
	if (offset >= d->size)
		return VMA_DIFF_NONE;
	return io_is_zero(d->data + offset, len) ? VMA_DIFF_ZERO : VMA_DIFF_DATA;
}

static void on_range(void *opaque, const struct vma_diff_range *r)
{
	struct found *f = opaque;

	f->is_wrong |= !r->len || r->offset < f->end;
	f->end = r->offset + r->len;
	f->bytes += r->len;
	for (uint64_t at = r->offset, next; at < f->end; at = next) {
		next = (at / VMA_CLUSTER_SIZE + 1) * VMA_CLUSTER_SIZE;
		next = next < f->end ? next : f->end;
		f->touched[at / VMA_CLUSTER_SIZE] = true;
		for (unsigned i = 0; i < 2; i++)
			f->is_wrong |= kind_of(f->disks[i], at, next - at) != r->kinds[i];
	}
}

/* secret: the first byte of the chain's. */
static struct vma_base *open_disk(const struct disk *d, uint8_t secret, unsigned per_frame)
{
	struct vma_base *b = NULL;
	_cleanup_error_ struct error *err = NULL;
	struct chained c;

	chained_begin(&c, d, 1, VMA_CHAIN_MIN_ALIGN);
	c.chain.secret.bytes[0] = secret;
	if (vma_base_open(chained_write(&c, per_frame), d->name, &b, &err) < 0)
		diag("cannot open it: %s", error_message(err));
	return b;
}

/* As the comparison must find them: the last cluster of the smaller disk counts as a whole. */
static uint64_t clusters_that_differ(const struct disk *a, const struct disk *b, bool *ret)
{
	uint64_t n = 0, larger = a->size > b->size ? a->size : b->size;

	for (uint64_t c = 0; c < vma_clusters(larger); c++) {
		const uint64_t at = c * VMA_CLUSTER_SIZE;
		uint64_t len = larger - at < VMA_CLUSTER_SIZE ? larger - at : VMA_CLUSTER_SIZE;

		ret[c] = at + len > a->size || at + len > b->size ||
			 memcmp(a->data + at, b->data + at, len) != 0;
		n += ret[c];
	}
	return n;
}

static void compare(const struct disk *first, const struct disk *second, unsigned per_first,
		    unsigned per_second, const char *what)
{
	struct found f = { .disks = { first, second } };
	bool expected[2 * CLUSTERS] = { 0 };
	struct vma_base *archives[2] = { open_disk(first, 1, per_first), open_disk(second, 1, per_second) };
	struct vma_diff_totals t = { 0 }, quiet = { 0 };
	const uint8_t devs[2] = { 1, 1 };
	_cleanup_error_ struct error *err = NULL;

	ok(vma_diff_check((const struct vma_base *const *)archives, NULL) == 0 &&
		   vma_diff_disk(archives, devs, on_range, &f, &t, &err) == 0 &&
		   vma_diff_disk(archives, devs, NULL, NULL, &quiet, NULL) == 0,
	   "%s: two archives are compared", what);
	ok(t.clusters == clusters_that_differ(first, second, expected) &&
		   !memcmp(f.touched, expected, sizeof(expected)) && t.bytes == f.bytes && !f.is_wrong &&
		   !memcmp(&t, &quiet, sizeof(t)),
	   "%s: %llu clusters differ, and no others", what, (unsigned long long)t.clusters);
	for (unsigned i = 0; i < 2; i++)
		vma_base_free(archives[i]);
}

static struct disk changed_copy(const struct disk *d, uint64_t size)
{
	struct disk ret = { .name = d->name, .size = size, .data = xcalloc(1, 2 * SIZE) };
	uint32_t seed = 11;

	memcpy(ret.data, d->data, size < d->size ? size : d->size);
	for (unsigned i = 0; i < 20; i++)
		ret.data[(uint64_t)disk_random(&seed) % (SIZE / 2)] ^= 1;
	memset(ret.data + 90 * VMA_CLUSTER_SIZE, 0, 3 * VMA_CLUSTER_SIZE);
	memset(ret.data + 120 * VMA_CLUSTER_SIZE, 7, VMA_CLUSTER_SIZE + 500);
	return ret;
}

static void one_chain_only(const struct disk *d)
{
	const struct vma_base *both[2] = { open_disk(d, 1, 59), open_disk(d, 2, 59) };
	_cleanup_error_ struct error *err = NULL;

	ok(vma_diff_check(both, &err) == ERR_UNSUPPORTED, "another secret: no comparison");
	diag("%s", error_message(err));
	for (unsigned i = 0; i < 2; i++)
		vma_base_free((struct vma_base *)both[i]);
}

static void one_disk_only(const struct disk *d)
{
	const struct disk nothing = { .name = d->name, .size = 0 };
	struct found f = { .disks = { &nothing, d } };
	struct vma_base *b = open_disk(d, 1, 59), *archives[2] = { b, b };
	const uint8_t devs[2] = { 0, 1 };
	struct vma_diff_totals t = { 0 };

	ok(vma_diff_disk(archives, devs, on_range, &f, &t, NULL) == 0 &&
		   t.clusters == vma_clusters(d->size) && t.bytes == d->size && f.bytes == d->size,
	   "a disk that only one has differs as a whole");
	vma_base_free(b);
}

int main(void)
{
	struct disk a = { .name = "drive-scsi0", .size = SIZE }, b, grown, shrunk;

	disk_fill(&a, 3);
	a.data = xreallocarray(a.data, 2, SIZE);
	memset(a.data + SIZE, 0, SIZE);
	b = changed_copy(&a, a.size);
	grown = changed_copy(&a, a.size + 5 * VMA_CLUSTER_SIZE + 20000);
	memset(grown.data + a.size + 2 * VMA_CLUSTER_SIZE, 5, VMA_CLUSTER_SIZE);
	shrunk = changed_copy(&a, a.size - 7 * VMA_CLUSTER_SIZE);
	compare(&a, &a, 59, 8, "the same disk");
	compare(&a, &b, 59, 8, "some changes");
	compare(&a, &b, 1, 59, "the same changes in other frames");
	compare(&a, &grown, 59, 8, "a disk that grew");
	compare(&a, &shrunk, 59, 8, "a disk that shrank");
	one_disk_only(&a);
	one_chain_only(&a);

	free(a.data);
	free(b.data);
	free(grown.data);
	free(shrunk.data);
	return done_testing();
}
