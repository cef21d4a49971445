/*
 * How much of a file's content is stored for it alone, and how much other files or snapshots share with it,
 * as file systems with reflinks do (XFS, btrfs).
 */
#ifndef VZDUMP_BASE_FILE_SHARING_H
#define VZDUMP_BASE_FILE_SHARING_H

#include <stdbool.h>
#include <stdint.h>

/*
 * In bytes of the file.  Holes are in neither, so both together can be less than its size; space that is set
 * aside for what is not written yet counts.
 */
struct file_sharing {
	uint64_t shared; /* with others: removing the file does not give them back */
	uint64_t own;
};

/*
 * Asks the file system about the open file, without waiting for what is not written back yet.  False if that
 * is not known: it cannot tell (tmpfs, ZFS, all network file systems), or the request failed.  Takes as long
 * as the file has extents; on btrfs that can be seconds for a large file that is shared often.
 */
bool file_sharing_get(int fd, struct file_sharing *ret);

#endif
