/*
 * Where a disk of an archive is restored to: a file, a block device, or an NBD server.
 *
 *	target_init(&t)
 *	target_open(&t, "nbd+unix:///?socket=/run/x.sock", size, err)
 *	target_lock(&t, err), target_begin(&t, size, err)	// when all targets are open
 *	target_write(&t, offset, data, len, err) ...	// from several threads
 *	target_finish(&t, err)
 *	target_clear(&t)
 *
 * Opening changes nothing, so that a mistake in one target does not cost the others their content.
 *
 * A new file reads as zeroes where nothing is written; anything else may hold other data there, which
 * target_zero() overwrites.  Offsets, lengths and sizes are in bytes.
 */
#ifndef VZDUMP_RESTORE_TARGET_H
#define VZDUMP_RESTORE_TARGET_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cancel.h"
#include "base/error.h"

struct nbd_pool;

struct target {
	int fd; /* < 0: none, or it is NBD */
	struct nbd_pool *nbd;
	char *path;      /* or URI */
	char *final;     /* the name when it is complete, or NULL */
	mode_t mode;     /* of a file that is made, less the umask; 0600 unless set before it is opened */
	bool write_zero; /* zeroes must be written, as it may hold other data */
	bool is_block;
	bool made; /* the file was not there */
	bool anew; /* target_begin() must empty the file */
	bool sync; /* target_finish() waits until all is on disk; set for devices and existing images */
	const struct cancel *cancel; /* set by the caller; ends waits for an NBD server; may be NULL */
	size_t held;                 /* bytes since the kernel was last told to write */
	/* One write at a time, in steps of 256 KiB: threads that contend for the kernel's lock of a file
	 * spin, and large writes get large fresh pages [measured: both together 2 s of system time
	 * instead of 0.4 for 1.2 GiB; on Linux 6.18 with ext4, 2 GiB in aligned steps of 1 MiB 0.9 s, of
	 * 256 KiB 0.56 s, of 64 KiB 0.61 s]. */
	pthread_mutex_t lock;
};

/* The content of an existing image before anything is written. */
enum target_content {
	TARGET_READS_ZERO, /* a new volume */
	TARGET_HOLDS_DATA, /* anything */
};

/* Nothing is open.  Clear with target_clear(). */
void target_init(struct target *t);
bool target_is_open(const struct target *t);

/* Makes a new file of that size, all hole.  It must not exist. */
int target_create(struct target *t, const char *path, uint64_t size, struct error **err);
/*
 * Opens a block device that is not in use, a file, which is made if it is not there (not below /dev), or an
 * NBD export by its URI (nbd://, nbd+unix://, nbds://).  ERR_INVALID if a device or export is smaller than
 * size; -EBUSY if a device is in use.
 */
int target_open(struct target *t, const char *path, uint64_t size, struct error **err);
/* Opens an image that must exist, file, device or NBD export, of size to size + 4 MiB. */
int target_open_existing(struct target *t, const char *path, uint64_t size, enum target_content content,
			 struct error **err);

/* True if writing to one would change the other; of NBD only the URIs are compared. */
bool target_is_same(const struct target *a, const struct target *b);
/* True if fd is open on the file or device that t is. */
bool target_is_file(const struct target *t, int fd);
/*
 * Takes the locks with which QEMUs keep each other from an image, until the target is closed; -EBUSY if a
 * QEMU has the file or device open.  NBD exports have none.
 */
int target_lock(const struct target *t, struct error **err);
/* Empties a file of target_open() and gives it its size; does nothing to others. */
int target_begin(struct target *t, uint64_t size, struct error **err);

/* From any thread.  The target must be open. */
int target_write(struct target *t, uint64_t offset, const void *data, size_t len, struct error **err);
/* The range reads as zeroes afterwards: punched out where possible, otherwise written.  From any thread. */
int target_zero(struct target *t, uint64_t offset, uint64_t len, struct error **err);
/* Closes it.  With t->sync all is on disk; a file gets its final name. */
int target_finish(struct target *t, struct error **err);
/* Closes it.  Removes a file that target_open() made and that was not begun. */
void target_clear(struct target *t);

/* True if text is an NBD URI. */
bool target_is_uri(const char *text);

#endif
