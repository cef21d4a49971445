/*
 * A guest's configuration, <root>/etc/pve/qemu-server/<vmid>.conf:
 *
 *	#notes						description, before anything else
 *	scsi0: local:100/vm-100-disk-0.qcow2,size=32G
 *	lock: backup
 *
 *	[PENDING] / [special:fleecing] / [snapname]	sections; none of them goes into a backup
 *
 * Facts: PVE::QemuServer::parse_vm_config, PVE::QemuConfig, PVE::VZDump::QemuServer.
 */
#ifndef VZDUMP_GUEST_GUEST_H
#define VZDUMP_GUEST_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cancel.h"
#include "base/error.h"
#include "base/log.h"
#include "base/paths.h"
#include "config/propstr.h"

struct guest_pair {
	char *key;
	char *value;
};

struct guest_config {
	uint32_t vmid;
	char *text;               /* the file as it is */
	struct guest_pair *pairs; /* of the main section; the key "cdrom" becomes "ide2" */
	size_t n;
};

/*
 * <root>/etc/pve/qemu-server/<vmid>.conf; if there is no such file, but a libvirt guest has that id, the path
 * of its mirror, see mirror.h.  Caller frees.
 */
char *guest_config_path(const struct paths *p, uint32_t vmid);

/* Parses text.  Skips lines that cannot be parsed, with a warning in PVE's words. */
void guest_config_parse(uint32_t vmid, const char *text, const struct log *log, struct guest_config *ret);
/* ERR_NOT_FOUND when there is no such guest.  The caller clears *ret after success. */
int guest_config_load(const struct paths *p, uint32_t vmid, const struct log *log, struct guest_config *ret,
		      struct error **err);
void guest_config_clear(struct guest_config *c);
#define _cleanup_guest_config_ _cleanup_(guest_config_clear)

/*
 * The value of a key in the main section; NULL if it is not there.  The last of several counts.  Owned by c.
 */
const char *guest_config_get(const struct guest_config *c, const char *key);
bool guest_config_is_template(const struct guest_config *c);
/* The value of "lock", or NULL.  Owned by c. */
const char *guest_config_lock(const struct guest_config *c);

/* "agent: 1,freeze-fs-on-backup=0".  A disabled agent freezes nothing. */
struct guest_agent {
	bool enabled;
	bool freeze; /* freeze-fs, freeze-fs-on-backup or guest-fsfreeze; default yes */
};
/* A value that cannot be parsed is warned about and means disabled, as in PVE. */
void guest_config_agent(const struct guest_config *c, const struct log *log, struct guest_agent *ret);

/* A snapshot's section, or the one of pending changes. */
struct guest_section {
	char *name;                 /* of the snapshot; NULL: [PENDING] */
	struct guest_config config; /* its lines: disks as they were then, "vmstate", "snaptime" */
};
struct guest_sections {
	struct guest_section *sections; /* in file order */
	size_t n;
};
/* Caller clears *ret. */
void guest_config_sections(const struct guest_config *c, struct guest_sections *ret);
void guest_sections_clear(struct guest_sections *s);
#define _cleanup_guest_sections_ _cleanup_(guest_sections_clear)

/* VMIDs of all configs in the folder, ascending.  Caller frees *ret.  A missing folder counts as empty. */
int guest_config_list(const struct paths *p, uint32_t **ret, size_t *ret_n, struct error **err);

/* ---- disks ---- */

struct guest_disk {
	char key[16];  /* ide0, scsi0, virtio0, sata0, efidisk0, tpmstate0 */
	char *volid;   /* <storage>:<volname> or an absolute path */
	char *format;  /* format= of the drive, NULL if not given */
	char *device;  /* id of its device in QEMU, NULL: the key.  Only of libvirt guests, see mirror.h */
	uint64_t size; /* size= of the drive in bytes, see has_size; only for show */
	bool has_size;
	bool iothread;
	bool cloudinit; /* a generated cloud-init image (without media=cdrom: backed up) */
	bool included;
	const char *reason; /* PVE's words: "backup=yes", "backup=no", "efidisk but no OVMF BIOS" */
};
struct guest_disks {
	struct guest_disk *disks;
	size_t n;
};

/* The kinds of disks in PVE's order, each with keys from 0 to count - 1.  Facts: PVE::QemuServer::Drive. */
struct guest_bus {
	const char *name;
	unsigned count;
};
#define GUEST_BUSES       6u
#define GUEST_DRIVE_BUSES 4u /* the first, without efidisk and tpmstate */
extern const struct guest_bus guest_buses[GUEST_BUSES];

/* The kind of a disk that the key has the form of, "scsi31", and whether there is such a disk; NULL: none. */
const struct guest_bus *guest_bus_of(const char *key, bool *ret_exists);
/*
 * Warns, in PVE's words, of each line that has the form of a disk, but a number that PVE has not: nothing is
 * a disk there.  fate says what does not happen to it, as "saved".
 */
void guest_config_warn_beyond(const struct guest_config *c, const char *fate, const struct log *log);

/*
 * The disks that a backup considers, in PVE's order (ide, scsi, virtio, sata, efidisk0, tpmstate0).  Drives
 * with media=cdrom are left out (so "none" and usual cloud-init drives are, too), as in get_backup_volumes.
 * A drive that cannot be parsed is an error, because a backup without it would look complete (PVE skips it).
 */
int guest_config_disks(const struct guest_config *c, struct guest_disks *ret, struct error **err);
/* The same with cloud-init images that are CD drives: everything that may be a volume of the guest. */
int guest_config_volumes(const struct guest_config *c, struct guest_disks *ret, struct error **err);
void guest_disks_clear(struct guest_disks *d);
#define _cleanup_guest_disks_ _cleanup_(guest_disks_clear)

/*
 * True if any line of the file, also of snapshots and pending changes, has the volume ("local:100/x.raw") in
 * its value.
 */
bool guest_config_names_volume(const struct guest_config *c, const char *volid);

/*
 * The value of one drive's line: "local:100/vm-100-disk-1.raw,discard=on" or, in any order,
 * "cache=none,file=local:...".
 */
struct guest_drive {
	struct propstr line; /* all of it; values are not checked */
	const char *file;    /* in line */
	bool cdrom;          /* media=cdrom, "none", "cdrom" (the host's); also most cloud-init images */
	bool cloudinit;
};
/* ERR_INVALID: no file, or a key twice.  The caller clears *ret after success. */
int guest_drive_parse(const char *value, struct guest_drive *ret, struct error **err);
void guest_drive_clear(struct guest_drive *d);
#define _cleanup_guest_drive_ _cleanup_(guest_drive_clear)

/* "[:/](vm-<digits>-)?cloudinit[.<format>]" at the end of the id.  Facts: drive_is_cloudinit. */
bool guest_volume_is_cloudinit(const char *volid);

/* ---- the archive's copy ---- */

/* "#qmdump#map:scsi0:drive-scsi0:local-zfs:raw:\n" appended; storage and format may be NULL. */
void guest_config_add_map(struct buf *out, const char *key, const char *device, const char *storage,
			  const char *format);
/*
 * The archive's qemu-server.conf, appended to out: the main section without lock, parent, unusedN
 * and old #qmdump#/#vzdump# lines, then maps (may be NULL).  Omissions are logged in PVE's words
 * ("snapshots found (not included into backup)", ...).
 */
void guest_config_assemble(const struct guest_config *c, const char *maps, const struct log *log,
			   struct buf *out);

/* ---- lock: in the file ---- */

/*
 * Sets and returns the error for a guest that has a lock, -EBUSY: PVE's "VM is locked (backup)", followed by
 * the process of ours that works on the guest, or by the time of the last change and how to remove the lock.
 */
int guest_config_locked(const struct paths *p, uint32_t vmid, const char *lock, struct error **err);

/*
 * All of these keep owner, mode and ACL of the file.  not_synced (see io_write_file_atomic()): the change is
 * in place, but a power cut may take it back; with NULL that is an error like any other.
 *
 * Puts "lock: <lock>" into the file (atomically replaced, all else kept byte for byte) under PVE's
 * flock <root>/run/lock/qemu-server/lock-<vmid>.conf, waiting up to 10 s for it, or until
 * a stop is requested (cancel may be NULL).
 * Another lock is an error as of guest_config_locked().
 */
int guest_config_set_lock(const struct paths *p, uint32_t vmid, const char *lock, const struct cancel *cancel,
			  struct error **not_synced, struct error **err);
/*
 * Removes it.  It is also an error if the lock is gone but a power cut may bring it back; then try again.
 * Other errors are PVE's: "no lock found trying to remove 'backup'  lock" (ERR_NOT_FOUND), "found lock
 * 'migrate' trying to remove 'backup' lock" (-EBUSY).
 */
int guest_config_remove_lock(const struct paths *p, uint32_t vmid, const char *lock, struct error **err);

/*
 * Makes a new configuration that contains only the lock, and has it from the first moment.  -EEXIST:
 * there is a guest of that id.  The folder is made if it is missing.  io_remove_unfinished() removes what a
 * kill leaves.  cancel as above.
 */
int guest_config_create(const struct paths *p, uint32_t vmid, const char *lock, const struct cancel *cancel,
			struct error **not_synced, struct error **err);
/* Replaces the whole file, atomically, under PVE's flock. */
int guest_config_replace(const struct paths *p, uint32_t vmid, const char *text, struct error **not_synced,
			 struct error **err);
/*
 * The same, but `change` makes the new text from the current configuration, so that changes by other programs
 * are kept.  If it returns a negative code, the file stays as it is and that code is returned.
 */
int guest_config_change(const struct paths *p, uint32_t vmid,
			int (*change)(void *opaque, const struct guest_config *now, struct buf *out,
				      struct error **err),
			void *opaque, struct error **not_synced, struct error **err);
/* Waits until the last change survives a power cut.  After an error it may or may not survive one. */
int guest_config_sync(const struct paths *p, uint32_t vmid, struct error **err);

/* ---- editing its text ---- */

/* The first n, starting with `from`, for which there is no line unusedN. */
unsigned guest_config_free_unused(const struct guest_config *c, unsigned from);
/* Appends text to out, with lines ("key: value\n" each) added at the end of its main section. */
void guest_config_add_lines(const char *text, const char *lines, struct buf *out);
/*
 * Appends text to out, byte for byte, but for the lines of its main section for which drop() returns true.
 * drop() gets them one by one, without their ends.
 */
void guest_config_drop_lines(const char *text, bool (*drop)(const void *opaque, const char *line),
			     const void *opaque, struct buf *out);

#endif
