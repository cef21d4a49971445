/* The part of in-use.h that knows block devices: partitions, what is built on them, mounts, loop devices. */
#ifndef VZDUMP_STORAGE_IN_USE_DEVICE_H
#define VZDUMP_STORAGE_IN_USE_DEVICE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/* Who uses the block device, as a sentence; NULL: nobody.  Caller frees. */
char *in_use_device(const char *path, const struct stat *st, const char *but);
/* Who uses the file through a loop device. */
char *in_use_loop(const char *path, const struct stat *st, const char *but);
/* Sectors written to it since it is there; false if the kernel does not count. */
bool in_use_sectors_written(dev_t dev, uint64_t *ret);

#endif
