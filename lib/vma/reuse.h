/*
 * What of the base goes into the new archive of an incremental backup.
 *
 * A cluster is *judged* once it is known whether it has changed since the base.  When all clusters of a
 * frame of the base are judged, the frame is *settled*:
 *
 *	none has changed	the frame is *kept*: it is taken over as it is, after all new frames
 *	some have		the others, its *leftovers*, are unpacked and go into new frames of 8
 *				clusters, in address order together with those that changed
 *	it does not unpack	its clusters are read from the guest instead: it is *bad*
 *
 * Some frames are unpacked though none of their clusters has changed, to see that they still can be: each
 * frame once in `scrub` generations; its first cluster tells when.  A cluster that is zero in the base
 * belongs to no frame.
 *
 * Only when its frame is settled is a cluster that has not changed done, and may be TRIMmed in QEMU: until
 * then it may have to be read.  Who has a cluster is decided by the copy's cover alone (first come, first
 * kept), which is asked through struct vma_reuse_ops.
 *
 *	copy	vma_reuse_begin()	what may have changed, of a whole disk
 *		vma_reuse_zero()	clusters that were found zero, and taken
 *	sink	vma_reuse_pushed()	a cluster that came by a push, and was taken
 *	worker	vma_reuse_compare()	a cluster that was read
 *		vma_reuse_next(), vma_reuse_settle()	a frame of which all clusters are judged
 *	output	vma_reuse_is_kept()	when all disks are complete
 *
 * Threads: all functions from any thread unless stated otherwise.  Memory: four bytes for each frame of the
 * base, and a bit for each cluster; once a frame is bad, 12 bytes for each run of consecutive clusters within
 * one frame of its disk.
 */
#ifndef VZDUMP_VMA_REUSE_H
#define VZDUMP_VMA_REUSE_H

#include "base/error.h"
#include "base/log.h"
#include "vma/base.h"
#include "vma/map.h"

struct vma_reuse;

/* The cover of one disk.  Called from any thread, with a lock of the reuse held: they must not call it. */
struct vma_reuse_ops {
	/* Takes the cluster for the archive; false if it was taken before. */
	bool (*take)(void *opaque, uint32_t cluster);
	/* Takes all of these clusters, ascending, or none: false if one was taken before. */
	bool (*take_all)(void *opaque, const uint32_t *clusters, unsigned n);
	/* The clusters, which were taken, are not needed from the guest any more. */
	void (*release)(void *opaque, uint32_t first, uint32_t n);
	/*
	 * The cluster must be read from the guest (again), since its frame is bad; then it is compared as
	 * others are.  The reuse does not know whether it was taken: if it was, nothing is to be done.  May
	 * come while vma_reuse_begin() runs.  Not called for what was not judged yet: that comes anyway.
	 */
	void (*read_again)(void *opaque, uint32_t cluster);
};

struct vma_reuse_options {
	struct vma_base *base; /* belongs to the reuse from now on */
	unsigned scrub;        /* one frame in so many is unpacked; 0: none */
	uint32_t generation;   /* of the new archive */
	const struct log *log; /* warnings about bad frames; may be NULL */
};

struct vma_reuse *vma_reuse_new(const struct vma_reuse_options *o);
void vma_reuse_free(struct vma_reuse *u);
DEFINE_CLEANUP(struct vma_reuse *, vma_reuse_free)

/*
 * After this no function of struct vma_reuse_ops and no wake is called any more: before a cover is freed,
 * while a worker may still hang in the base's file system.  All verdicts are VMA_REUSE_GONE then.
 */
void vma_reuse_stop(struct vma_reuse *u);

/* Called once something became ready for vma_reuse_next(), with no lock held; set before anything else. */
void vma_reuse_set_wake(struct vma_reuse *u, void (*wake)(void *opaque), void *opaque);

/*
 * Adds a disk of the new archive: each of them, under an id of its own.  That is the id which the base has
 * for this name, or one that the base does not use: then all of the disk is new.  The caller compares names;
 * here only the id counts.  size: now, in bytes.  Frames of disks that are not added are dropped.  -ENOMEM.
 * Before threads use it.
 */
int vma_reuse_add_disk(struct vma_reuse *u, uint8_t dev, uint64_t size, const struct vma_reuse_ops *ops,
		       void *opaque, struct error **err);

/*
 * Judges all of a disk that is not a candidate as unchanged, in one go; once for each disk.  Nothing else
 * is called for it before, but vma_reuse_pushed() may be, also meanwhile.  candidates: a bit for each cluster
 * that the disk has now; NULL: everything is a candidate.  If the size has changed, clusters from the end of
 * the smaller size on (the base's or now), the one included that it ends in, count as changed without a
 * comparison, and are added to the candidates.  What is a candidate then must be read, and nothing else.
 *
 * Takes and releases at once what kept frames store. zero() is called, without a lock, for runs of clusters
 * that are zero now and in the base; they were not taken, and the caller hands them to the writer in time.
 */
void vma_reuse_begin(struct vma_reuse *u, uint8_t dev, struct map *candidates,
		     void (*zero)(void *opaque, uint32_t first, uint32_t n), void *opaque);

/* n clusters from first on are zero, and were taken by the caller, who hands them to the writer. */
void vma_reuse_zero(struct vma_reuse *u, uint8_t dev, uint32_t first, uint32_t n);
/* The cluster came from elsewhere, and was taken by the caller; it is not compared.  Also before begin. */
void vma_reuse_pushed(struct vma_reuse *u, uint8_t dev, uint32_t cluster);

enum vma_reuse_verdict {
	VMA_REUSE_SAME,    /* as in the base: drop it */
	VMA_REUSE_GONE,    /* somebody else has taken it meanwhile: drop it */
	VMA_REUSE_NEW,     /* write it: no frame of the base stores it */
	VMA_REUSE_CHANGED, /* write it: it replaces what a frame of the base stores */
};
/*
 * Compares a cluster that was read with the base. mask 0: it is zero (and is handed to the writer as such
 * if it is to be written).  A cluster to be written was taken, and is released.
 */
enum vma_reuse_verdict vma_reuse_compare(struct vma_reuse *u, uint8_t dev, uint32_t cluster, uint16_t mask,
					 const uint8_t hash[VMA_HASH_SIZE]);

/*
 * The next frame all of whose clusters are judged; those of which some have changed come first.  False: there
 * is none now.  Then vma_reuse_settle().
 */
bool vma_reuse_next(struct vma_reuse *u, uint32_t *ret_frame);
/* The same, but only one of which some have changed. */
bool vma_reuse_next_changed(struct vma_reuse *u, uint32_t *ret_frame);
/*
 * Settles it.  m is the calling worker's.  *ret_n leftovers, ascending, have been taken and must be written:
 * entries of m->trailer, by their numbers.  0: none (kept, or bad).  Does not fail: a bad frame is told as a
 * warning, and its clusters are asked for by read_again().
 */
void vma_reuse_settle(struct vma_reuse *u, uint32_t frame, struct vma_base_unpacked *m,
		      uint8_t ret[VMA_CLUSTERS_PER_EXTENT], unsigned *ret_n);
/* The leftovers were written: they are released. */
void vma_reuse_written(struct vma_reuse *u, const struct vma_base_unpacked *m, const uint8_t *leftovers,
		       unsigned n);

/* ---- when all disks are complete; one thread ---- */

/* Whether the frame of the base is kept. */
bool vma_reuse_is_kept(const struct vma_reuse *u, uint32_t frame);

struct vma_reuse_stats {
	uint64_t candidate_bytes;      /* of the guest that had to be looked at */
	uint64_t changed_bytes;        /* of the guest that were different, or were pushed */
	uint32_t kept, rewritten, bad; /* frames of the base, of disks that were added */
	uint64_t kept_clusters;
	uint64_t kept_bytes;                  /* of the base's file, trailers included */
	uint64_t stored[VMA_MAX_DEVICES + 1]; /* guest bytes that the kept frames store */
};
void vma_reuse_get_stats(const struct vma_reuse *u, struct vma_reuse_stats *ret);
const struct vma_base *vma_reuse_base(const struct vma_reuse *u);

#endif
