/* Which kind of source a disk has. */
#ifndef VZDUMP_SOURCE_CHOOSE_H
#define VZDUMP_SOURCE_CHOOSE_H

#include <stdbool.h>

#include "source/source.h"

/*
 * For the disk `key` ("scsi0") of a guest whose QEMU runs.  fleecing: it was asked for, and this QEMU can do
 * it.  Facts: PVE makes no fleecing image for the EFI disk either, and reads the TPM's state beside QEMU.
 */
const struct source_ops *source_choose(const char *key, bool fleecing);

#endif
