/*
 * Plans a restore from an archive's header alone: which disks there are and where they came from, which of
 * them are restored, and what the new guest's configuration is.
 *
 *	plan_read(header, scope, log, &plan, err)
 *	plan_choose(&plan, keys, err)
 *	... the disks' volid is set ...
 *	plan_config(&plan, &guest, log, &config, err)
 *	plan_clear(&plan)
 *
 * Nothing here touches the host.  One thread.
 *
 * Facts: PVE::QemuServer::restore_vma_archive, restore_update_config_line.
 */
#ifndef VZDUMP_RESTORE_PLAN_H
#define VZDUMP_RESTORE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/log.h"
#include "guest/guest.h"
#include "vma/format.h"

struct plan_disk {
	char key[16];   /* "scsi0" */
	uint8_t dev;    /* in the archive; 0: it has no data there (cloud-init) */
	char *device;   /* "drive-scsi0" */
	char *storage;  /* where it came from; NULL: unknown */
	char *format;   /* the same; NULL: unknown */
	uint64_t size;  /* bytes, in the archive */
	bool cloudinit; /* its content is generated when the guest starts */
	char *volid;    /* the new volume, once there is one */
};

struct plan {
	char *config;   /* the archive's qemu-server.conf */
	char *firewall; /* its qemu-server.fw, or NULL */
	struct plan_disk *disks;
	size_t n;
	struct plan_disk **chosen; /* of disks, those that are restored; see plan_choose() */
	size_t n_chosen;
};

enum plan_scope {
	PLAN_WHOLE_GUEST,
	PLAN_SINGLE_DISKS, /* into a guest that exists */
};

/*
 * Reads the archive's header.  The disks are the archive's, named by their #qmdump#map line, or else by the
 * device's name drive-<key>; a cloud-init drive of the configuration is added.  A vmstate is left out with a
 * warning.  ERR_CORRUPT: there is no configuration, or it contradicts itself, or it maps a disk of which the
 * archive has no data; with PLAN_SINGLE_DISKS such a disk is just left out.  Nothing is chosen yet.
 */
int plan_read(const struct vma_header *h, enum plan_scope scope, const struct log *log, struct plan *ret,
	      struct error **err);
void plan_clear(struct plan *p);
#define _cleanup_plan_ _cleanup_(plan_clear)

/* Finds a disk by its key or its device's name; NULL if there is none. */
struct plan_disk *plan_find(const struct plan *p, const char *name);

/*
 * Chooses the disks that are restored: those of keys (NULL at its end), each once and in that order, or all
 * if keys is NULL.  ERR_NOT_FOUND for a disk of which the archive has no data.
 */
int plan_choose(struct plan *p, char *const *keys, struct error **err);

/* Bytes of the disk's volume: rounded up to KiB, the unit in which PVE allocates. */
uint64_t plan_volume_size(const struct plan_disk *d);

struct plan_guest {
	uint32_t vmid;
	bool unique;            /* new MAC addresses and system uuid */
	bool keep_host_lines;   /* keeps lines that reach out of the guest, with a warning */
	const char *mac_prefix; /* of new MAC addresses, as in datacenter.cfg; NULL: Proxmox's */
};
/*
 * Appends the configuration of the new guest, with the disks' new volumes and sizes, a new vmgenid, and
 * new MAC addresses and uuid if g->unique is set.  It has no lock, parent, unused disks or comments of the
 * backup, and no "template: 1", as the volumes are not base volumes.  Disks that are not in the archive are
 * commented out with a warning.  So is everything that is not known to stay within the guest
 * (plan-allow.c), so that no archive can name a device, file or command of this host.  Comments stay.
 */
int plan_config(const struct plan *p, const struct plan_guest *g, const struct log *log, struct buf *out,
		struct error **err);

/*
 * The line of one disk: "scsi0: local:100/vm-100-disk-1.raw,discard=on,size=8M".  Its options
 * are those of old, which may be NULL.  Caller frees.
 */
char *plan_disk_line(const struct plan_disk *d, const struct guest_drive *old);
/* The value that the archive's configuration has for a key; NULL if it has none.  Caller frees. */
char *plan_archived_value(const struct plan *p, const char *key);

/* True if key is a disk's in a configuration: ide0 ... tpmstate0. */
bool plan_is_disk_key(const char *key);

#endif
