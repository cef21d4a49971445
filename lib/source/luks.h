/* Judges what a LUKS header at the beginning of a disk means for a backup that reads the disk offline. */
#ifndef VZDUMP_SOURCE_LUKS_H
#define VZDUMP_SOURCE_LUKS_H

#include <stddef.h>
#include <stdint.h>

/* How many bytes at the beginning of the disk are needed. */
#define LUKS_HEAD 112

enum luks_verdict {
	LUKS_NONE,      /* no LUKS header */
	LUKS_GUESTS,    /* the guest itself encrypts: data like any other */
	LUKS_DECRYPTED, /* QEMU decrypts it for the guest, and there is no key here */
	LUKS_UNKNOWN,   /* one of the two */
};

/*
 * The disk's size in the configuration decides: QEMU shows the guest a disk that is smaller by the header.
 * head: its first LUKS_HEAD bytes.  conf_size: NULL if the configuration gives none.
 */
enum luks_verdict luks_judge(const uint8_t *head, const uint64_t *conf_size, uint64_t size);

#endif
