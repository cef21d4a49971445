/* Runs of clusters, lists of them, and pieces of a disk in bytes as NBD answers name them. */
#ifndef VZDUMP_COPY_RUN_H
#define VZDUMP_COPY_RUN_H

#include <stddef.h>
#include <stdint.h>

#include "vma/format.h"

/* n clusters from `first` on. */
struct run {
	uint32_t first;
	uint32_t n;
};

/*
 * A list that is appended to at its end and used up from v[at] on; all zero is an empty one.
 * Not thread safe.
 */
struct runs {
	struct run *v;
	size_t n, cap;
	size_t at; /* v[at] is the next one to use */
};

/* Appends; a run that continues the last one that waits is joined to it. */
void runs_add(struct runs *r, uint32_t first, uint32_t n);
void runs_reset(struct runs *r);
void runs_clear(struct runs *r);

/* How many runs wait. */
static inline size_t runs_waiting(const struct runs *r)
{
	return r->n - r->at;
}

/* Clusters in the runs that wait; counts no further than `enough`. */
uint32_t runs_clusters(const struct runs *r, uint32_t enough);

/* Bytes [offset, offset + length) of a disk share a state. */
enum piece_state {
	PIECE_DATA, /* of block status: to be read */
	PIECE_ZERO,
	PIECE_CLEAN, /* of the dirty bitmap */
	PIECE_DIRTY,
};

struct piece {
	uint64_t offset, length;
	enum piece_state state;
};

/* A question about a range of a disk, in bytes. */
struct question {
	uint64_t offset, length;
};

/* The most clusters that one question can name: a request has 32 bits for its length. */
#define QUESTION_MAX_CLUSTERS 65535u

/* Where a cluster begins, in bytes. */
static inline uint64_t cluster_offset(uint32_t cluster)
{
	return (uint64_t)cluster * VMA_CLUSTER_SIZE;
}

/* The number of clusters that hold so many bytes. */
static inline uint32_t clusters_up(uint64_t bytes)
{
	return (uint32_t)((bytes + VMA_CLUSTER_SIZE - 1) / VMA_CLUSTER_SIZE);
}

#endif
