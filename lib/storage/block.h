/*
 * What the storage types without a directory share (lvm, lvmthin, zfspool, rbd, iscsi): names of
 * images, waiting for a device, its discard granularity, zeroing.
 */
#ifndef VZDUMP_STORAGE_BLOCK_H
#define VZDUMP_STORAGE_BLOCK_H

#include "storage/storage.h"

/*
 * The owner of an image's name "<prefix>-<vmid>-<rest>" with one of the prefixes (NULL-terminated),
 * of letters, digits and "_.:+-" alone; 0 if it is no such name.
 */
uint32_t block_name_owner(const char *name, const char *const prefixes[]);
/* The same for "[<base name>/]<name>"; *ret_name points after the slash. */
uint32_t block_clone_owner(const char *volname, const char *const bases[], const char *const prefixes[],
			   const char **ret_name);
/* True for the name of a volume group, a pool, a namespace: as above, not beginning with "-". */
bool block_word_valid(const char *word);

/*
 * Waits until path is a block device.  udev makes the links: after timeout_s, or at once if no udev
 * runs, ERR_TIMEOUT says so.
 */
int block_wait(const struct volume *v, int timeout_s, struct error **err);
/* Bytes of a block device below which discards free nothing; 0 if it does not say. */
uint64_t block_discard_granularity(const char *path);

/*
 * Zeroes a whole device by BLKZEROOUT, `step` bytes at a time.  bytes_per_s 0: as fast as it goes
 * where the device can zero by itself, else 10 MiB/s, as PVE's saferemove.
 */
struct block_zero_options {
	uint64_t step;
	uint64_t bytes_per_s;
	bool gently; /* the 10 MiB/s */
	const struct cancel *cancel;
};
int block_zero(const char *path, const struct block_zero_options *o, struct error **err);

/* Callbacks of struct storage_ops that are the same for all of them. */
char *block_volname(const struct storage *s, uint32_t vmid, const char *name, enum image_format format);
enum image_format block_fleecing_format(const struct storage *s);

#endif
