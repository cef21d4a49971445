/* The part of in-use.h that knows block devices: partitions, what is built on them, mounts, loop devices. */
#ifndef VZDUMP_STORAGE_IN_USE_DEVICE_H
#define VZDUMP_STORAGE_IN_USE_DEVICE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/*
 * Who uses the block device, as a sentence; NULL if nobody does.  st is what stat() says of path; processes
 * called `ignored` (NULL: none) do not count.  Caller frees.
 */
char *in_use_device(const char *path, const struct stat *st, const char *ignored);
/* The same for a file: who uses it through a loop device. */
char *in_use_loop(const char *path, const struct stat *st, const char *ignored);
/* Sectors written to the device since it appeared; false if the kernel does not count them. */
bool in_use_sectors_written(dev_t dev, uint64_t *ret);

#endif
