/* What is known of a file system from its type. */
#ifndef VZDUMP_BASE_FILE_SYSTEM_H
#define VZDUMP_BASE_FILE_SYSTEM_H

#include <sys/vfs.h>

enum file_system_kind {
	FILE_SYSTEM_LOCAL,
	FILE_SYSTEM_REMOTE, /* the data is on another machine */
	FILE_SYSTEM_FUSE,   /* a process has it, maybe from another machine: sshfs, GlusterFS, ceph-fuse */
};

/* fs is filled by statfs() or fstatfs(). */
enum file_system_kind file_system_kind(const struct statfs *fs);

#endif
