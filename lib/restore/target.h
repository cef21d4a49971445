/*
 * Where a disk out of an archive goes: a file, a block device, or an NBD server.
 *
 *	target_open(&t, "nbd+unix:///?socket=/run/x.sock", size, err)
 *	target_lock(&t, err), target_begin(&t, size, err)	// when all targets are open
 *	target_write(&t, offset, data, len, err) ...	// from several threads
 *	target_finish(&t, err)
 *
 * Opening changes nothing, so that a mistake about one target costs none of them its content.
 *
 * What is never written reads as zeroes in a new file; on anything that may hold something else
 * target_zero() sees to it.
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
	char *path;  /* or URI */
	char *final; /* the name when it is complete, or NULL */
	mode_t mode; /* of a file that is made, less the umask; 0600 unless set before it is opened */
	bool write_zero;
	bool is_block;
	bool made; /* the file was not there */
	bool anew; /* target_begin() is to empty the file */
	bool sync; /* target_finish() waits until all is on disk; of what existed it always does */
	const struct cancel *cancel; /* the caller's; ends waits for an NBD server; may be NULL */
	size_t held;                 /* bytes since the kernel was last told to write */
	/* One write at a time, in steps of 64 KiB: threads that meet at the kernel's lock of a file
	 * spin, and large writes get large fresh pages [measured: both together 2 s of system time
	 * instead of 0.4 for 1.2 GiB]. */
	pthread_mutex_t lock;
};

void target_init(struct target *t);
bool target_is_open(const struct target *t);

/* A new file of that size (bytes), all hole.  It must not exist. */
int target_create(struct target *t, const char *path, uint64_t size, struct error **err);
/*
 * A block device that nobody uses, a file, which is made if it is not there (not below /dev), or an NBD
 * export by its URI (nbd://, nbd+unix://, nbds://).  Devices and exports must not be smaller than size.
 */
int target_open(struct target *t, const char *path, uint64_t size, struct error **err);
/*
 * An image that is there, file, device or NBD export, of size to size + 4 MiB; write_zero: it may
 * hold something else.
 */
int target_existing(struct target *t, const char *path, uint64_t size, bool write_zero, struct error **err);

/* True if writing to one would change the other; of NBD only the URIs are compared. */
bool target_is_same(const struct target *a, const struct target *b);
/* True if fd is open on the file or device that t is. */
bool target_is_file(const struct target *t, int fd);
/*
 * Takes the locks by which QEMUs keep each other from an image, until the target is closed; -EBUSY if a
 * QEMU has the file or device open.
 */
int target_lock(const struct target *t, struct error **err);
/* Empties a file of target_open() and gives it its size; nothing to do for others. */
int target_begin(struct target *t, uint64_t size, struct error **err);

/* Any thread.  The target must be open. */
int target_write(struct target *t, uint64_t offset, const void *data, size_t len, struct error **err);
/* The range reads as zeroes afterwards: punched out where that can be, else written. */
int target_zero(struct target *t, uint64_t offset, uint64_t len, struct error **err);
/* With sync all is on disk; a file gets its final name; closes. */
int target_finish(struct target *t, struct error **err);
/* Removes a file that target_open() made and that was not begun. */
void target_clear(struct target *t);

/* True if text is an NBD URI. */
bool target_is_uri(const char *text);

/* ---- for target*.c ---- */

/* The folder that path lies in.  Caller frees. */
char *target_folder(const char *path);

/* Connects, several times where the server allows it.  write_zero: as above. */
int nbd_pool_open(const char *uri, const struct cancel *cancel, struct nbd_pool **ret, struct error **err);
uint64_t nbd_pool_size(const struct nbd_pool *p);
int nbd_pool_write(struct nbd_pool *p, uint64_t offset, const void *data, size_t len, struct error **err);
/* ERR_UNSUPPORTED where the server has no fast way. */
int nbd_pool_zero(struct nbd_pool *p, uint64_t offset, uint64_t len, struct error **err);
int nbd_pool_flush(struct nbd_pool *p, struct error **err);
void nbd_pool_free(struct nbd_pool *p);

#endif
