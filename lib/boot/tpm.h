/* The TPM of a guest that is tried: swtpm on a copy of the archive's tpmstate0. */
#ifndef VZDUMP_BOOT_TPM_H
#define VZDUMP_BOOT_TPM_H

#include <sys/types.h>

#include "base/cancel.h"
#include "base/log.h"
#include "vma/random.h"

struct boot_tpm {
	pid_t pid;    /* 0: none */
	char *socket; /* NULL: there is no TPM */
};

/*
 * Starts it if the archive has a tpmstate0.  Where swtpm is not installed, log gets a warning, and the guest
 * has no TPM.  The caller stops it, also after an error.
 */
int boot_tpm_start(struct boot_tpm *t, struct vma_random *archive, const char *folder, const struct log *log,
		   const struct cancel *cancel, struct error **err);
void boot_tpm_stop(struct boot_tpm *t);

#endif
