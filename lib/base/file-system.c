#include "base/file-system.h"

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

/* From linux/magic.h and the file systems' sources. */
#define FUSE 0x65735546u

enum file_system_kind file_system_kind(const struct statfs *fs)
{
	static const uint32_t remote[] = {
		0x6969,     /* NFS */
		0xff534d42, /* CIFS */
		0xfe534d42, /* SMB2 */
		0x517b,     /* the older SMB */
		0x00c36400, /* Ceph */
		0x01021997, /* 9p */
		0x5346414f, /* AFS: OpenAFS */
		0x6b414653, /* the kernel's own */
		0x73757245, /* Coda */
		0x0bd00bd0, /* Lustre */
		0x19830326, /* BeeGFS */
		0x47504653, /* GPFS */
	};
	const uint32_t type = (uint32_t)fs->f_type;

	for (size_t i = 0; i < ARRAY_SIZE(remote); i++)
		if (type == remote[i])
			return FILE_SYSTEM_REMOTE;
	return type == FUSE ? FILE_SYSTEM_FUSE : FILE_SYSTEM_LOCAL;
}
