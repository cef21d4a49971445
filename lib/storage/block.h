/*
 * What the storage types without a directory share (lvm, lvmthin, zfspool, rbd, iscsi, iscsidirect): names
 * of images, waiting for a device, its discard granularity, zeroing.
 */
#ifndef VZDUMP_STORAGE_BLOCK_H
#define VZDUMP_STORAGE_BLOCK_H

#include "storage/storage.h"

/*
 * The vmid in an image's name "<prefix>-<vmid>-<rest>" that has one of the prefixes (NULL-terminated) and
 * consists of letters, digits and "_.:+-"; 0 for any other name.
 */
uint32_t block_name_owner(const char *name, const char *const prefixes[]);
/* The same for "[<base name>/]<name>"; *ret_name points into volname, after the slash. */
uint32_t block_clone_owner(const char *volname, const char *const bases[], const char *const prefixes[],
			   const char **ret_name);
/* True for the name of a volume group, pool or namespace: the same characters, but no "-" or "." first. */
bool block_word_valid(const char *word);

/*
 * Waits until v->path is a block device, for up to timeout_s seconds; for one second if udev, which makes the
 * links, is not running.  Then ERR_TIMEOUT.
 */
int block_wait(const struct volume *v, int timeout_s, struct error **err);
/* Discards of fewer bytes free nothing on the block device; 0 if that is unknown. */
uint64_t block_discard_granularity(const char *path);

/* Zeroes a whole device by BLKZEROOUT, `step` bytes at a time. */
struct block_zero_options {
	uint64_t step;
	uint64_t bytes_per_s; /* limit; 0: none, see gently */
	bool gently;          /* without a limit, 10 MiB/s if the device cannot zero by itself, as PVE */
	const struct cancel *cancel;
};
int block_zero(const char *path, const struct block_zero_options *o, struct error **err);

/* ---- callbacks of struct storage_ops ---- */

/* check of iscsi and iscsidirect: portal and target are required. */
int block_check_target(const struct storage *s, struct error **err);
/* traits of the two: a LUN is thick. */
void block_target_traits(const struct storage *s, enum image_format format, struct image_traits *ret);
/* volname and fleecing_format are the same for all types. */
char *block_volname(const struct storage *s, uint32_t vmid, const char *name, enum image_format format);
enum image_format block_fleecing_format(const struct storage *s);

#endif
