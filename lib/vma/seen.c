#include "vma/seen.h"

#include <string.h>

#include "base/mem.h"

#define ROOT_BITS  10
#define TABLE_BITS 10
#define PAGE_BITS  12 /* clusters of a page: 256 MiB of a disk */
#define PAGE_WORDS (1u << (PAGE_BITS - 6))

struct seen_page {
	uint32_t count;
	uint64_t bits[PAGE_WORDS];
};

struct seen_table {
	struct seen_page *pages[1u << TABLE_BITS];
};

/* Takes the place of a page whose clusters have all come. */
static const struct seen_page full_page;
#define FULL ((struct seen_page *)&full_page)

void vma_seen_init(struct vma_seen *s, const struct vma_header *h)
{
	*s = (struct vma_seen){ .max_bytes = VMA_SEEN_MAX_BYTES };
	for (unsigned i = 1; i <= VMA_MAX_DEVICES; i++)
		if (h->devices[i].name)
			s->clusters[i] = vma_clusters(h->devices[i].size);
}

static void free_table(struct seen_table *t)
{
	for (unsigned i = 0; t && i < 1u << TABLE_BITS; i++)
		if (t->pages[i] != FULL)
			free(t->pages[i]);
	free(t);
}

void vma_seen_clear(struct vma_seen *s)
{
	for (unsigned dev = 1; dev <= VMA_MAX_DEVICES; dev++) {
		for (unsigned i = 0; s->roots[dev] && i < 1u << ROOT_BITS; i++)
			free_table(s->roots[dev][i]);
		free(s->roots[dev]);
	}
	memset(s, 0, sizeof(*s));
}

static void *get_memory(struct vma_seen *s, size_t n, size_t size, struct error **err)
{
	if (n * size > s->max_bytes - s->bytes) {
		error_set(err, ERR_UNSUPPORTED,
			  "the archive's clusters are scattered over so much space that %zu MiB do "
			  "not suffice to keep track of them",
			  s->max_bytes >> 20);
		return NULL;
	}
	s->bytes += n * size;
	return xcalloc(n, size);
}

/* Where the pointer to the cluster's page is stored. */
static struct seen_page **find_page(struct vma_seen *s, uint8_t dev, uint32_t cluster, struct error **err)
{
	struct seen_table ***root = &s->roots[dev], **table;

	if (!*root)
		*root = get_memory(s, 1u << ROOT_BITS, sizeof(struct seen_table *), err);
	if (!*root)
		return NULL;
	table = &(*root)[cluster >> (TABLE_BITS + PAGE_BITS)];
	if (!*table)
		*table = get_memory(s, 1, sizeof(struct seen_table), err);
	if (!*table)
		return NULL;
	return &(*table)->pages[cluster >> PAGE_BITS & ((1u << TABLE_BITS) - 1)];
}

static uint64_t page_clusters(const struct vma_seen *s, uint8_t dev, uint32_t cluster)
{
	uint64_t first = cluster >> PAGE_BITS << PAGE_BITS, left = s->clusters[dev] - first;

	return left < 1u << PAGE_BITS ? left : 1u << PAGE_BITS;
}

static void close_page(struct vma_seen *s, struct seen_page **page)
{
	free(*page);
	*page = FULL;
	s->bytes -= sizeof(**page);
}

int vma_seen_claim(struct vma_seen *s, uint8_t dev, uint32_t cluster, struct error **err)
{
	struct seen_page **page = find_page(s, dev, cluster, err);
	unsigned bit = cluster & ((1u << PAGE_BITS) - 1);

	if (page && !*page)
		*page = get_memory(s, 1, sizeof(**page), err);
	if (!page || !*page)
		return ERR_UNSUPPORTED;
	if (*page == FULL || (*page)->bits[bit / 64] >> bit % 64 & 1)
		return 0;
	(*page)->bits[bit / 64] |= UINT64_C(1) << bit % 64;
	s->count[dev]++;
	if (++(*page)->count == page_clusters(s, dev, cluster))
		close_page(s, page);
	return 1;
}

/* Whether the cluster has come.  The answer is the same for at least *ret_same clusters from it on. */
static bool has_come(const struct vma_seen *s, uint8_t dev, uint32_t cluster, uint64_t *ret_same)
{
	const unsigned table_shift = TABLE_BITS + PAGE_BITS;
	unsigned bit = cluster & ((1u << PAGE_BITS) - 1);
	const struct seen_table *t = s->roots[dev] ? s->roots[dev][cluster >> table_shift] : NULL;
	const struct seen_page *p;

	*ret_same = (UINT64_C(1) << table_shift) - (cluster & ((1u << table_shift) - 1));
	if (!t)
		return false;
	p = t->pages[cluster >> PAGE_BITS & ((1u << TABLE_BITS) - 1)];
	*ret_same = (1u << PAGE_BITS) - bit;
	if (!p || p == FULL)
		return p != NULL;
	*ret_same = 1;
	return p->bits[bit / 64] >> bit % 64 & 1;
}

bool vma_seen_missing(const struct vma_seen *s, uint8_t dev, uint64_t *at, uint64_t *ret_first,
		      uint64_t *ret_n)
{
	uint64_t n = s->clusters[dev], same = 0;

	while (*at < n && has_come(s, dev, (uint32_t)*at, &same))
		*at += same;
	*ret_first = *at;
	while (*at < n && !has_come(s, dev, (uint32_t)*at, &same))
		*at += same;
	if (*at > n)
		*at = n;
	*ret_n = *at > *ret_first ? *at - *ret_first : 0;
	return *ret_n > 0;
}
