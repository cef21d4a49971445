/*
 * The disks of the archive as QEMU gets them: nbdkit serves the archive, which is only read, and what the
 * guest writes goes to an overlay for each disk, a qcow2 file in the folder of the boot.
 */
#ifndef VZDUMP_BOOT_DISKS_H
#define VZDUMP_BOOT_DISKS_H

#include <stdint.h>

#include "base/cancel.h"
#include "base/json.h"
#include "restore/serve.h"
#include "vma/format.h"

struct boot_disks {
	struct serve server;
	const struct vma_header *header; /* borrowed */
	char *folder;                    /* of the boot */
	char *log;                       /* what nbdkit says */
};

/*
 * Serves the archive.  The header is the archive's and lives as long as *ret, which the caller stops, also
 * after an error.
 */
int boot_disks_serve(struct boot_disks *ret, const char *archive, const struct vma_header *header,
		     const char *folder, const struct cancel *cancel, struct error **err);
/* Makes the overlays new and empty: what an earlier attempt has written is gone. */
int boot_disks_empty(struct boot_disks *d, const struct cancel *cancel, struct error **err);
/*
 * The block node of a disk of the configuration ("scsi0"), for qemu_args_options.disk.  *ret is NULL if the
 * archive does not have it.
 */
int boot_disks_node(void *disks, const char *key, struct json_object **ret, struct error **err);
/* Bytes that all overlays take. */
uint64_t boot_disks_written(const struct boot_disks *d);
/* The last line that nbdkit has said, NULL if there is none.  Caller frees. */
char *boot_disks_words(const struct boot_disks *d);
void boot_disks_stop(struct boot_disks *d);

#endif
