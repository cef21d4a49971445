/*
 * Where the disks of a guest are read from.
 *
 *	fleecing	the guest's QEMU: its snapshot of the disk; old data goes to a fleecing image
 *	sink		the same, but old data is pushed to this process
 *	offline		no QEMU of the guest has the disk: a read-only qemu-storage-daemon
 *
 * Each of these kinds is one file that fills a struct source_ops.  A guest may need all three at once
 * (fleecing for its disks, a sink for the small EFI disk, offline for the TPM's state), so the disks are
 * opened and begun as a set.  In this order:
 *
 *	sources_new(), sources_add() for each disk
 *	sources_clean()		if the guest has a QEMU: removes there what an earlier backup has left
 *	sources_find()		and finds its disks there
 *	sources_open()		the other disks; the sizes of all are known then
 *	sources_begin()		freezes all disks at one instant, and the file systems around it
 *	sources_endpoint()	for each disk; its reader connects there
 *	sources_look()		now and then while they are read
 *	sources_note_copied()	the same
 *	sources_check()		when all has been read
 *	sources_lift()		when the readers are gone
 *	sources_end()		when the readers are gone and the guest's journal is undone
 *
 * Everything that is created is in the journal before it exists, and the journal undoes it; sources_end()
 * and sources_free() only release what belongs to this process.  All functions are called from one thread.
 *
 * sources_plan() says what these steps would do, instead of all after sources_add().
 */
#ifndef VZDUMP_SOURCE_SOURCE_H
#define VZDUMP_SOURCE_SOURCE_H

#include "guest/guest.h"
#include "guest/guest-ops.h"
#include "journal/journal.h"
#include "source/endpoint.h"
#include "source/usage.h"

struct limiter;
struct live;
struct live_disk;
struct qmp;
struct source_ops;
struct sources;
struct storage_daemon;

/*
 * An incremental backup: each disk in the guest's QEMU gets a bitmap for the generation that is made, and
 * that of its base is exported, if it can be trusted.
 */
struct source_chain {
	const char *uuid; /* of the chain */
	const char *gen;  /* of the generation that is made, vma_gen_text() */
	const char *base; /* of its base; NULL: there is none */
	/* uuid of the chain of the guest's newest archive, if it is another one; NULL */
	const char *superseded;
	const char *archive; /* path of the archive that is made, once it is published */
};

struct source_params {
	const struct host *host;
	const struct log *log; /* the guest's */
	struct guest guest;    /* how it is reached */
	const struct guest_config *conf;
	const struct guest_disks *conf_disks;   /* all of conf, also those that are left out */
	const struct guest_status *power;       /* who runs the guest's QEMU, if one runs */
	const struct fleecing_config *fleecing; /* as requested */
	uint64_t fleecing_limit;                /* bytes, beside that of `fleecing`; 0: none */
	struct journal *journal;
	const struct source_chain *chain; /* NULL: the backup is not incremental */
	/*
	 * Starts an NBD server at `path` (a new socket) that takes the old data of one disk, under the export
	 * name SOURCE_SINK_EXPORT; the disk is its number in the order of sources_add().
	 */
	int (*listen)(void *opaque, size_t disk, const char *path, struct error **err);
	void *opaque;
};

#define SOURCE_SINK_EXPORT "sink"

/* One disk. */
struct source {
	const struct source_ops *ops;  /* offline until sources_find() has found it in QEMU */
	size_t number;                 /* in the order of sources_add() */
	const struct guest_disk *conf; /* borrowed */
	const char *device;            /* "drive-scsi0", for messages and as an export's name; borrowed */
	const struct volume *volume;   /* active; borrowed */
	uint64_t size;                 /* bytes, once it is opened */
	struct live_disk *live;        /* the disk in the guest's QEMU, see live.h; NULL: it is not there */
	void *state;                   /* the ops' own, freed by their `close` */
};

/* Does nothing else yet.  p is copied; its pointers are borrowed.  sources_free() accepts NULL. */
struct sources *sources_new(const struct source_params *p);
void sources_free(struct sources *s);
/* Owned by s. */
struct source *sources_add(struct sources *s, const struct guest_disk *conf, const char *device,
			   const struct volume *volume);

/* Removes nodes of an earlier backup that no journal names from the guest's QEMU, which must run. */
int sources_clean(struct sources *s, struct error **err);
/*
 * Looks for the disks in the guest's QEMU, which must run, and decides each disk's kind.  Warns about
 * differences from the configuration.  ERR_UNSUPPORTED if this QEMU, or one of the disks, cannot be
 * backed up while it runs.  Nothing is changed.
 */
int sources_find(struct sources *s, struct error **err);
/* After sources_find(): the vCPUs ran then.  A guest whose vCPUs do not run is left like that. */
bool sources_vcpus_ran(const struct sources *s);
/* Writes out what the host caches of the disks in QEMU, before the guest has to wait for that. */
void sources_write_out(const struct sources *s);

/*
 * Opens the disks that no QEMU of the guest has.  run_dir: a private folder for sockets, borrowed until
 * sources_end().  -EBUSY if a program has one open for writing.
 */
int sources_open(struct sources *s, const char *run_dir, struct error **err);

enum sources_freeze {
	SOURCES_FREEZE,    /* the file systems too, where the guest's agent can and may do that */
	SOURCES_NO_FREEZE, /* the guest is paused or has just been started */
};
/*
 * Takes the snapshot: afterwards all disks are read as they were at this one instant.  vCPUs that are
 * stopped for it run again afterwards.
 */
int sources_begin(struct sources *s, enum sources_freeze freeze, struct error **err);

/* Sets *ret to where the disk is read.  After sources_begin(). */
void sources_endpoint(const struct sources *s, const struct source *d, struct source_endpoint *ret);
/* A quick look while the disks are read: -EBUSY if one was written that must not be. */
int sources_look(struct sources *s, struct error **err);
/* After all has been read: the same, and a thorough check for programs that have them open now. */
int sources_check(struct sources *s, struct error **err);
/*
 * Waits until no request of the guest is half done in QEMU (copy_options.barrier).  Tolerates a monitor that
 * is away for some seconds.
 */
int sources_barrier(struct sources *s, struct error **err);
/*
 * Why a read of d (NULL: unknown) failed with this code, if the source knows more than the error that the
 * reader got: sets err and returns its code.  0: it does not know more.
 */
int sources_explain(struct sources *s, const struct source *d, int code, struct error **err);

/* Bytes of a disk's fleecing image. */
struct source_space {
	struct usage_value used;
	bool reserved; /* its storage allocates the whole image from the start */
};
/* False if the disk has no fleecing image. */
bool source_get_space(const struct sources *s, const struct source *d, struct source_space *ret);
/* Of all images; false if there is none. */
bool sources_get_space(const struct sources *s, struct usage_value *ret);
/* Takes one more sample of the space in use, now. */
void sources_sample_space(struct sources *s);

/* What the limit of the fleecing images does to the guest, see limit.h. */
struct source_slowdown {
	uint64_t limit;  /* bytes that the images may take all together, as it is now; UINT64_MAX: none */
	const char *why; /* which of them that is: "limit", "fleecing-limit" or "reserve"; static */
	bool now;        /* the guest is slowed at the moment */
	unsigned times;  /* how often that began */
	uint64_t ns;     /* how long it was slowed, all together */
	uint64_t lowest_rate; /* bytes per second that first writes to all disks were held to, at least;
			       * 0: they never were */
	uint64_t copied;      /* bytes that were let through while it was slowed: by ns, the average rate */
};
/* False if no disk has a fleecing image under a limit.  Any thread. */
bool sources_get_slowdown(const struct sources *s, struct source_slowdown *ret);
/* While it is read: how much of the disk the guest has rewritten before it was saved, in bytes. */
void sources_note_copied(const struct sources *s, const struct source *d, uint64_t bytes);
/* When the readers are gone: the limit ends. */
void sources_lift(const struct sources *s);

/* How long the guest had to wait for the snapshot, in nanoseconds.  After sources_begin(). */
struct sources_times {
	uint64_t stopped_ns; /* its vCPUs were stopped */
	uint64_t frozen_ns;  /* its file systems were frozen, as far as the agent knows */
};
void sources_get_times(const struct sources *s, struct sources_times *ret);

/* What would be made for one disk, see sources_plan(). */
struct source_plan {
	const char *way; /* the name of its ops */
	bool has_size;   /* else it cannot be known without activating its storage or volume */
	uint64_t size;
	const char *file; /* what QEMU has open there; NULL: not read from QEMU.  Borrowed */
	const struct storage *image_storage; /* where its fleecing image goes; NULL: it gets none */
	bool image_reserved;                 /* all of the image's size is taken there at once */
	bool has_avail;                      /* else its storage is not active, or does not tell */
	uint64_t avail;                      /* bytes free there, without what earlier images reserve */
	uint64_t reserve;                    /* of these, bytes that stay free; if has_avail */
};

enum sources_where {
	SOURCES_OFFLINE, /* as if the guest was off */
	SOURCES_IN_QEMU, /* in its QEMU, which runs */
	/* in a QEMU that is not there yet, or that another backup uses now: it is not asked */
	SOURCES_IN_LATER_QEMU,
};

/*
 * Finds out how the disks would be read, and whether that would fail, and changes nothing: asks QEMU and the
 * storages, looks for programs that have the disks open.  Warns as sources_find().  ret: an element for each
 * disk, of zeroes.  If a cleanup has to come first, says so and does not look into QEMU.
 */
int sources_plan(struct sources *s, enum sources_where where, struct source_plan *ret, struct error **err);

/* What the fleecing images may take together, but for those that take all their size at once. */
struct source_limit_plan {
	uint64_t asked; /* bytes by limit= or --fleecing-limit; UINT64_MAX: any number */
	uint64_t room;  /* bytes that their storages have now, less the reserve; UINT64_MAX: not known */
	const char
		*why; /* the smaller of the two: "limit", "fleecing-limit", "reserve"; static; NULL: none */
};
/* After sources_plan(), which made `plans`.  False if there is no such image. */
bool sources_plan_limit(const struct sources *s, const struct source_plan *plans,
			struct source_limit_plan *ret);

/*
 * After the archive of an incremental backup is published, and the disks are not exported any more: its
 * bitmaps stay in QEMU; those of its base and of all other generations of the chain go, and those of the
 * superseded chain.  Warns if QEMU does not answer.  Does nothing if the backup is not incremental.
 */
void sources_published(struct sources *s);

/* Ends what serves the disks in this process; idempotent. */
void sources_end(struct sources *s);

/* ---- for the kinds of sources ---- */

struct sources {
	struct source_params p;
	struct source **list;
	size_t n;
	bool looks;                    /* for sources_plan(): QEMU gets queries only */
	const char *run_dir;           /* from sources_open() on */
	enum sources_freeze freeze;    /* from sources_begin() on */
	struct sources_times times;    /* the same */
	struct live *live;             /* the guest's QEMU, see live.h; NULL: there is none */
	struct storage_daemon *daemon; /* serves the offline disks, see offline.c; NULL: none */
	struct usage *usage;           /* of the fleecing images, see fleecing.c; NULL: none */
	struct limiter *limiter;       /* the same, see limiter.h; NULL: nothing limits them */
};

/*
 * The functions of a kind of source.  Each of the first five gets all of the guest's disks that share that
 * function in one call and in their order, even if they are of different kinds.
 */
struct source_ops {
	const char *name; /* "fleecing" */

	/* Finds the disks and their sizes. */
	int (*open)(struct sources *s, struct source *const *disks, size_t n, struct error **err);
	/*
	 * For sources_plan(): looks whether the disk could be read, and fills ret, whose way, size and file
	 * are there.  before: the plans of disks with lower numbers.  NULL: there is nothing more to see.
	 */
	int (*plan)(const struct sources *s, const struct source *d, const struct source_plan *before,
		    struct source_plan *ret, struct error **err);
	/* Slow preparations that must be done before the instant.  NULL: none. */
	int (*prepare)(struct sources *s, struct source *const *disks, size_t n, struct error **err);
	/* Takes the snapshot; the endpoints are up afterwards.  NULL: they are up since `open`. */
	int (*begin)(struct sources *s, struct source *const *disks, size_t n, struct error **err);
	/* See sources_look() and sources_check().  NULL: nothing else can write to the data that is read. */
	int (*look)(struct sources *s, struct source *const *disks, size_t n, struct error **err);
	int (*check)(struct sources *s, struct source *const *disks, size_t n, struct error **err);

	/*
	 * Adds the target of the disk's filter to QEMU, called by live_begin() between `prepare` and the
	 * instant.  NULL for kinds that do not use the guest's QEMU.
	 */
	int (*attach)(struct sources *s, struct source *d, struct qmp *q, struct error **err);
	/* Exports what else its reader needs, after the snapshot.  NULL: nothing. */
	int (*export)(const struct source *d, struct qmp *q, struct error **err);
	void (*endpoint)(const struct sources *s, const struct source *d, struct source_endpoint *ret);
	/* Why QEMU gave up the snapshot of the disk: sets err.  NULL: there is nothing to say. */
	int (*explain)(const struct source *d, int code, struct error **err);
	/* Asks no storage, since the copy's loop calls it.  NULL: it takes no space. */
	void (*space)(const struct sources *s, const struct source *d, struct source_space *ret);
	/* See sources_note_copied().  NULL: it does not matter. */
	void (*note_copied)(const struct sources *s, const struct source *d, uint64_t bytes);
	/* Frees d->state.  NULL: there is none. */
	void (*close)(struct source *d);
};

/* source.c: chooses each disk's kind, for a guest whose QEMU runs. */
void sources_choose(struct sources *s);

extern const struct source_ops source_fleecing, source_sink, source_offline;

#endif
