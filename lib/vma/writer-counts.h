/* Clusters, and guest bytes of each device, that went into the archive.  Any thread may add and read. */
#ifndef VZDUMP_VMA_WRITER_COUNTS_H
#define VZDUMP_VMA_WRITER_COUNTS_H

#include <stdatomic.h>
#include <stdint.h>

#include "vma/format.h"

struct writer_counts {
	struct {
		atomic_uint_fast64_t data, zero;
	} devices[VMA_MAX_DEVICES + 1];
	atomic_uint_fast64_t clusters;
};

static inline void writer_count(struct writer_counts *c, uint8_t dev, uint32_t clusters, uint64_t data,
				uint64_t zero)
{
	atomic_fetch_add_explicit(&c->clusters, clusters, memory_order_relaxed);
	atomic_fetch_add_explicit(&c->devices[dev].data, data, memory_order_relaxed);
	atomic_fetch_add_explicit(&c->devices[dev].zero, zero, memory_order_relaxed);
}

static inline uint64_t writer_count_data(const struct writer_counts *c, unsigned dev)
{
	return atomic_load_explicit(&c->devices[dev].data, memory_order_relaxed);
}

static inline uint64_t writer_count_zero(const struct writer_counts *c, unsigned dev)
{
	return atomic_load_explicit(&c->devices[dev].zero, memory_order_relaxed);
}

#endif
