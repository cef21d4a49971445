#include "vma/trailer.h"

#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "stream/bytes.h"
#include "stream/frame.h"
#include "vma/index.h"

#define HEAD (FRAME_SKIPPABLE_HEADER_SIZE + VMA_TRAILER_HEAD_SIZE)

size_t vma_trailer_size(unsigned n)
{
	return HEAD + (size_t)n * VMA_TRAILER_ENTRY_SIZE;
}

void vma_trailer_encode(uint8_t *out, size_t len, const struct vma_trailer *t)
{
	uint8_t *at = out + HEAD;

	memset(out, 0, len);
	frame_skippable_header(out, FRAME_SKIPPABLE_VMA_CHAIN, (uint32_t)(len - FRAME_SKIPPABLE_HEADER_SIZE));
	memcpy(out + 8, VMA_TRAILER_TEXT, 8);
	put_le16(out + 16, VMA_TRAILER_VERSION);
	put_le16(out + 18, (uint16_t)t->n);
	for (unsigned i = 0; i < t->n; i++, at += VMA_TRAILER_ENTRY_SIZE) {
		const struct vma_trailer_entry *e = &t->entries[i];

		at[0] = (uint8_t)(e->key >> 32);
		put_le16(at + 1, e->mask);
		put_le32(at + 3, (uint32_t)e->key);
		memcpy(at + 7, e->hash, VMA_HASH_SIZE);
	}
}

static int trailer_is_malformed(const char *text, struct error **err)
{
	return error_set(err, ERR_CORRUPT, "trailer: %s", text);
}

static int take_entries(const uint8_t *at, struct vma_trailer *t, struct error **err)
{
	uint64_t last = 0;

	for (unsigned i = 0; i < t->n; i++, at += VMA_TRAILER_ENTRY_SIZE) {
		struct vma_trailer_entry *e = &t->entries[i];

		e->key = vma_cluster_key(at[0], get_le32(at + 3));
		e->mask = get_le16(at + 1);
		memcpy(e->hash, at + 7, VMA_HASH_SIZE);
		if (!at[0] || !e->mask)
			return trailer_is_malformed("an entry has no device or no blocks", err);
		if (e->key <= last)
			return trailer_is_malformed("its entries do not ascend", err);
		last = e->key;
	}
	return 0;
}

int vma_trailer_decode(const uint8_t *frame, size_t len, struct vma_trailer *ret, struct error **err)
{
	int r;

	if (len < HEAD || get_le32(frame) != FRAME_SKIPPABLE_VMA_CHAIN ||
	    get_le32(frame + 4) != len - FRAME_SKIPPABLE_HEADER_SIZE ||
	    memcmp(frame + 8, VMA_TRAILER_TEXT, 8) != 0)
		return trailer_is_malformed("it does not begin as one, or has another length", err);
	if (get_le16(frame + 16) != VMA_TRAILER_VERSION)
		return trailer_is_malformed("it has an unknown version", err);
	ret->n = get_le16(frame + 18);
	if (!ret->n || ret->n > VMA_CLUSTERS_PER_EXTENT || vma_trailer_size(ret->n) > len)
		return trailer_is_malformed("it has no entries, or too many", err);
	r = take_entries(frame + HEAD, ret, err);
	if (r == 0 && !io_is_zero(frame + vma_trailer_size(ret->n), len - vma_trailer_size(ret->n)))
		return trailer_is_malformed("something follows its entries", err);
	return r;
}

static int compare_key(const void *key, const void *entry)
{
	const uint64_t a = *(const uint64_t *)key, b = ((const struct vma_trailer_entry *)entry)->key;

	return a < b ? -1 : a > b;
}

const struct vma_trailer_entry *vma_trailer_find(const struct vma_trailer *t, uint64_t key)
{
	return bsearch(&key, t->entries, t->n, sizeof(*t->entries), compare_key);
}

size_t vma_pad_size(uint64_t pos, size_t min, uint32_t align)
{
	return min + (size_t)(-(pos + min) & (align - 1));
}

void vma_pad_encode(uint8_t *out, size_t len)
{
	memset(out, 0, len);
	frame_skippable_header(out, FRAME_SKIPPABLE_VMA_PAD, (uint32_t)(len - FRAME_SKIPPABLE_HEADER_SIZE));
}
