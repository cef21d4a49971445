/* Shared by copy.c (the loop), copy-disk.c (what one disk wants next) and copy-sink.c (the sink). */
#ifndef VZDUMP_COPY_COPY_INTERNAL_H
#define VZDUMP_COPY_COPY_INTERNAL_H

#include <libnbd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "copy/copy.h"
#include "copy/fill.h"
#include "copy/map.h"

/* Clusters in one read request, where QEMU can be trusted with several. */
#define COPY_READ_CLUSTERS 8u

/* A run of clusters, first inclusive. */
struct run {
	uint32_t first;
	uint32_t n;
};

struct runs {
	struct run *v;
	size_t n, cap;
	size_t at; /* v[at] is the next one to use */
};

void runs_add(struct runs *r, uint32_t first, uint32_t n);
void runs_reset(struct runs *r);
void runs_clear(struct runs *r);

struct copy_sink;

struct copy_disk {
	struct copy *copy;
	char *name;
	uint8_t dev;
	uint64_t size;
	uint32_t clusters;
	bool trim;
	uint32_t granule; /* clusters that must be done before a TRIM of them frees anything */
	uint32_t max_run; /* clusters in one read request */

	pthread_mutex_t lock; /* of `done`; the sink and the reader set it */
	struct map done;
	struct map claimed;   /* the reader's: given to a request, found zero, or found done */
	struct map rewritten; /* seen in the dirty bitmap before they were done */
	struct map zero;      /* distrust_ranges: claimed as zero, to be confirmed */
	uint32_t n_zero;      /* bits set in it */
	enum {
		ZEROES_TRUSTED,   /* taken as soon as block status says so */
		ZEROES_COLLECTED, /* kept in `zero` until all else is done */
		ZEROES_CHECKED,   /* the running poll of the dirty bitmap confirms them */
	} zeroes;
	atomic_uint n_done;
	_Atomic uint64_t done_bytes, rewritten_bytes, pushed_bytes;
	_Atomic uint64_t known_bytes;   /* block status is known up to here */
	_Atomic uint64_t skip_bytes;    /* known to be zero, so nobody reads them */
	_Atomic uint64_t skipped_bytes; /* of those: done */

	struct nbd_handle *nbd;                   /* reads, block status, TRIM */
	struct nbd_handle *nbd_dirty;             /* the dirty bitmap alone: asking for both in one
					 * connection would compute the block status too */
	struct runs data;                         /* block status says there is data, not read yet */
	struct runs drain;                        /* rewritten by the guest, not claimed when seen */
	struct runs retry;                        /* single clusters to read once more */
	struct runs trims;                        /* read, to be TRIMmed */
	uint32_t cursor;                          /* block status is known, or being asked, up to here */
	uint32_t status_window;                   /* clusters to ask for next time */
	uint64_t status_asked_ns, status_took_ns; /* the last question */
	uint64_t status_next_ns;                  /* when to ask again although enough waits to be read */
	uint32_t status_first, status_n;          /* the question; n == 0: none to be taken */
	struct runs status_data;                  /* its answer: where there is data */
	uint32_t status_end;                      /* how far the answer reached */
	bool status_in_flight, dirty_in_flight;
	bool bitmap_seen;       /* the answer held the dirty bitmap's context */
	bool poll_failed;       /* a part of the running poll had no answer */
	uint32_t dirty_at;      /* where the running poll goes on */
	uint64_t dirty_next_ns; /* when to poll again */
	uint64_t dirty_begun_ns;
	struct runs dirty_found; /* collected by the running poll */
	unsigned trims_in_flight;

	struct copy_sink *sink;
};

struct copy {
	struct copy_options o;
	struct copy_disk **disks;
	unsigned n_disks;
	unsigned turn;         /* disk whose turn it is */
	struct fill reader;    /* where the reader's clusters go */
	struct fill pushed;    /* where the sinks' clusters go */
	unsigned in_flight;    /* reads */
	uint64_t budget_at_ns; /* bwlimit: when the next request may start */
	int wake_fd;           /* the sinks wake the reader */
	struct error *failure; /* first error of a callback */
};

/* Marks the cluster done; false if it was before.  Any thread. */
bool copy_mark_done(struct copy_disk *d, uint32_t cluster);
bool copy_is_done(struct copy_disk *d, uint32_t cluster);
static inline uint32_t copy_cluster_len(const struct copy_disk *d, uint32_t cluster)
{
	return vma_cluster_len(d->size, cluster);
}

/* The next clusters of this disk that should be read, claimed by the call; at most max. */
enum copy_class {
	COPY_DRAIN, /* rewritten by the guest, or to be retried */
	COPY_LINEAR,
};
bool copy_disk_next(struct copy_disk *d, enum copy_class what, uint32_t max, struct run *ret);
/* Asks for block status and the dirty bitmap, sends TRIMs, as needed and possible. */
int copy_disk_background(struct copy_disk *d, uint64_t now_ns, struct error **err);
/* Takes the results of finished questions.  Not to be called from within a libnbd callback. */
int copy_disk_take_answers(struct copy_disk *d, uint64_t now_ns, struct error **err);
/* All that is left of the disk are zeroes to be confirmed. */
bool copy_disk_only_zeroes_left(const struct copy_disk *d);
/*
 * These clusters are done: TRIMs what they complete, granule by granule.  A cluster of it that is
 * not done yet may still be read, so the granule waits for its last.
 */
void copy_disk_trim(struct copy_disk *d, uint32_t first, uint32_t n);
/* Confirms them, now that the dirty bitmap is complete (after the barrier). */
void copy_disk_check_zeroes(struct copy_disk *d);
bool copy_disk_idle(const struct copy_disk *d);
int copy_disk_open(struct copy_disk *d, const struct source_endpoint *s, struct error **err);

void copy_sink_free(struct copy_sink *s);

#endif
