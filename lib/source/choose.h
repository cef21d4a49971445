/* Chooses the kind of source for a disk. */
#ifndef VZDUMP_SOURCE_CHOOSE_H
#define VZDUMP_SOURCE_CHOOSE_H

#include "source/source.h"

enum source_fleecing {
	SOURCE_NO_FLEECING,
	SOURCE_FLEECING, /* it was requested, and the guest's QEMU supports it */
};

/*
 * For the disk `key` ("scsi0") of a guest whose QEMU runs.  Facts: PVE makes no fleecing image for the EFI
 * disk either, and does not read the TPM's state through QEMU.
 */
const struct source_ops *source_choose(const char *key, enum source_fleecing fleecing);

#endif
