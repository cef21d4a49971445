/*
 * The XML of a restored libvirt guest: made from that of the archive, or, for an archive of another host,
 * from the configuration of Proxmox VE in it (libvirt-make.h).
 */
#ifndef VZDUMP_RESTORE_LIBVIRT_REWRITE_H
#define VZDUMP_RESTORE_LIBVIRT_REWRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/log.h"

/* A restored disk, whose strings belong to whoever made it. */
struct libvirt_file {
	const char *key; /* "virtio0", "efidisk0": OVMF's variables */
	const char *path;
	uint64_t size; /* bytes */
};

/* The new guest.  All borrowed. */
struct libvirt_new {
	const char *name;
	bool unique; /* a new uuid, new MAC addresses and no vmid, so that it may run beside the old one */
	bool keep_host_lines;             /* see libvirt_allow() */
	bool kvm;                         /* this host has it: for libvirt_make() */
	const struct libvirt_file *files; /* raw images */
	size_t n;
};

/*
 * Appends the XML of the new guest.  Its disks are the files, found by the key that domain_parse() gives each
 * disk; one without a file is left out with a warning.  Drives for CDs and floppies are empty.  What belongs
 * to the host or the process that the guest ran in goes: aliases, security labels, ports, backing chains and
 * so on.
 */
int libvirt_rewrite(const char *xml, const struct libvirt_new *g, const struct log *log, struct buf *out,
		    struct error **err);

#endif
