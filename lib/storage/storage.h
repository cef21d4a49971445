/*
 * Storages of /etc/pve/storage.cfg.
 *
 * A storage type is one file that fills a struct storage_ops and has one line in the array of
 * registry.c; everything here goes through that struct.  A type that this build does not know is
 * refused by name when it is used, never when it is merely in the file.
 *
 * A volume is named "<storage>:<volname>"; a disk of a guest may also be an absolute path.
 * All sizes are bytes.  Facts: PVE::Storage::Plugin, PVE::Storage::DirPlugin.
 */
#ifndef VZDUMP_STORAGE_STORAGE_H
#define VZDUMP_STORAGE_STORAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/error.h"
#include "base/log.h"
#include "base/paths.h"
#include "config/formats.h"
#include "config/section.h"
#include "storage/format.h"

struct json_object;
struct mount_type;
struct storage_ops;
struct volume;

enum preallocation {
	PREALLOC_DEFAULT, /* not configured: qcow2 metadata, raw off */
	PREALLOC_OFF,
	PREALLOC_METADATA, /* raw: as off */
	PREALLOC_FALLOC,
	PREALLOC_FULL,
};

/* One section of storage.cfg. */
struct storage {
	char *id;
	char *type;                    /* as the file says, lower case */
	const struct storage_ops *ops; /* NULL: a type this build does not know */
	struct section section;        /* all properties as they stand, for the types' own keys */
	unsigned content;              /* set of enum storage_content */
	char **nodes;                  /* NULL: all */
	bool disabled;
	bool shared;
	char *path;               /* types with a directory; without trailing slash */
	char **content_dirs;      /* "backup=dump2"; NULL: none */
	enum image_format format; /* format=, else the type's default */
	enum preallocation preallocation;
	char *prune_backups;       /* as it stands, checked; NULL: none */
	int max_protected_backups; /* -1: no limit */
	char *bwlimit;             /* as it stands; NULL: none */
	char *mountpoint;          /* must be mounted (is_mountpoint); NULL: not asked for */
	bool create_base;          /* create-base-path, else mkdir, else yes */
	bool create_subdirs;       /* create-subdirs and mkdir, both default yes */
	char *config_dir;          /* where storage.cfg lies ("/etc/pve"), for the types' own files */
	/*
	 * A request that comes while a tool is asked, or while the directory is reached, ends that with
	 * ERR_CANCELED.  An earlier request does not: the clean-up that follows it has to ask, too.
	 * NULL: none.
	 */
	const struct cancel *cancel;
};

struct storage_config {
	const struct storage_ops *const *types; /* all that this build knows; NULL-terminated */
	struct storage *storages;               /* "local" is always among them */
	size_t n;
	char *node; /* this node's name */
};

/*
 * Reads <root>/etc/pve/storage.cfg (a missing file counts as empty) for the node paths_nodename().
 * Warns about and skips the same things as PVE.  Caller clears *ret after success.
 */
int storage_config_load(const struct paths *p, const struct log *log, struct storage_config *ret,
			struct error **err);
/*
 * The same from text.  file is for messages; local_path (<root>/var/lib/vz) is the path of "local" if text
 * has no such storage, or one without a path, which is replaced with a warning.  A "local" with a path is
 * used as it is, even where PVE would replace it (another type or path).
 */
void storage_config_parse(const char *text, const char *file, const char *node, const char *local_path,
			  const struct log *log, struct storage_config *ret);
/* Sets the member cancel of all storages. */
void storage_config_set_cancel(struct storage_config *c, const struct cancel *cancel);
void storage_config_clear(struct storage_config *c);
#define _cleanup_storage_config_ _cleanup_(storage_config_clear)

/* By id, usable or not; NULL if there is none.  Owned by c. */
const struct storage *storage_find(const struct storage_config *c, const char *id);
/* True if it is not disabled and this node may use it. */
bool storage_enabled(const struct storage_config *c, const struct storage *s);
/* ERR_NOT_FOUND: "storage 'bakcup' does not exist (did you mean 'backup'?)", or "(storage.cfg has ...)". */
int storage_unknown(const struct storage_config *c, const char *id, struct error **err);
/*
 * By id, if it can be used: it exists (else ERR_NOT_FOUND, as storage_unknown()), is enabled on this node
 * (else ERR_INVALID), is of a type this build knows (else ERR_UNSUPPORTED, which names the types), is meant
 * for content (one flag, 0: any; else ERR_INVALID), and its keys are valid.  Owned by c.
 */
int storage_get(const struct storage_config *c, const char *id, unsigned content, const struct storage **ret,
		struct error **err);

/*
 * The limit for restores in KiB/s: restore=, else default=, of the storage's bwlimit; without that key, of
 * bwlimit in datacenter.cfg.  0: no limit.  As in PVE, the value is not checked: a part that cannot be parsed
 * limits nothing.  Facts: PVE::Storage::get_bandwidth_limit.
 */
uint64_t storage_restore_bwlimit(const struct storage *s);

/* ---- a storage ---- */

/*
 * Makes it usable: mounts it, checks its mount point, makes its directories where configured, activates its
 * group or pool, logs in to its target.  Idempotent.
 */
int storage_activate(const struct storage *s, const struct log *log, struct error **err);
/*
 * Whether it is usable as it is; asks, and changes nothing.  An error that storage_activate() would end with,
 * as far as that can be seen without trying.
 */
int storage_is_active(const struct storage *s, bool *ret, struct error **err);
/* In place of storage_activate() where nothing may be changed: logs that it would have to be activated. */
int storage_look(const struct storage *s, const struct log *log, struct error **err);

/* Bytes; all 0 if the type cannot know (iscsi). */
struct storage_status {
	uint64_t total;
	uint64_t used;
	uint64_t avail; /* what can still be written, without root's reserve */
};
/* The storage must be active. */
int storage_status(const struct storage *s, struct storage_status *ret, struct error **err);

/* Directory of a content type ("/var/lib/vz/dump"); caller frees.  ERR_UNSUPPORTED for types without one. */
int storage_dir(const struct storage *s, enum storage_content content, char **ret, struct error **err);

struct storage_image {
	char *volname; /* "100/vm-100-disk-0.qcow2" */
	uint32_t vmid;
	enum image_format format;
	uint64_t size; /* virtual bytes if the listing has them; 0: ask volume_size() */
	uint64_t used; /* bytes allocated, see volume_used(); 0: unknown */
	int64_t ctime; /* 0: unknown */
	char *parent;  /* snapshot that a linked clone is based on, if the listing has it; NULL */
};
/* Images of vmid (0: of all), sorted by name.  Caller frees by storage_images_free(). */
int storage_list(const struct storage *s, uint32_t vmid, struct storage_image **ret, size_t *ret_n,
		 struct error **err);
void storage_images_free(struct storage_image *images, size_t n);
/*
 * Names that a new image of vmid cannot have ("100/vm-100-disk-0.raw"); some may be other guests'.  *ret is
 * NULL if there are none; caller frees by strv_free().
 */
int storage_taken_names(const struct storage *s, uint32_t vmid, char ***ret, struct error **err);

/* How an image of that format behaves; for choosing fleecing images and explaining their cost. */
struct image_traits {
	bool thin;                    /* takes space only as it is written, not all of it at once */
	bool punches_holes;           /* discarded parts give their space back */
	uint64_t discard_granularity; /* smaller discards may free nothing */
	uint64_t size_granularity;    /* sizes are rounded up to multiples of this */
};
void storage_traits(const struct storage *s, enum image_format format, struct image_traits *ret);
/*
 * The same for an existing volume, from its storage: the chunk of a thin pool, volblocksize of a zvol, the
 * object size of an RBD image.  May run a tool; ask once.
 */
int volume_traits(const struct volume *v, struct image_traits *ret, struct error **err);
/* Milliseconds to leave between two calls of volume_used() or storage_status(); 0: they cost nothing. */
unsigned storage_ask_interval_ms(const struct storage *s);
/* The format for fleecing images: raw where that can punch holes, else the type's choice. */
enum image_format storage_fleecing_format(const struct storage *s);

/* ---- volumes ---- */

/* A volume that was looked up by its id: it says where the volume is, not that it exists. */
struct volume {
	const struct storage *storage; /* NULL: an absolute path */
	char *volid;
	const char *volname;          /* after the colon, in volid; the path if there is no storage */
	enum storage_content content; /* what the name says: STORAGE_IMAGES, STORAGE_BACKUP, ... */
	uint32_t vmid;                /* owner; 0 if unknown */
	enum image_format format;
	char *path; /* file or device; NULL for types without one (rbd) */
};

/*
 * volid: "<storage>:<volname>" of an image or of a file ("<storage>:backup/<archive>", "<storage>:iso/<file>"),
 * or an absolute path.  format is the drive's format=, or NULL: it is a path's format (NULL: raw), and must
 * agree with the name of a storage's volume.  Names that would leave the storage's directory are refused.
 * Caller clears *ret.
 */
int volume_open(const struct storage_config *c, const char *volid, const char *format, struct volume *ret,
		struct error **err);
void volume_clear(struct volume *v);
#define _cleanup_volume_ _cleanup_(volume_clear)

/* Makes its path or name usable (lvchange -ay, ...).  Does nothing for files. */
int volume_activate(const struct volume *v, struct error **err);
/*
 * True if it is usable already, and always for types that need no activation.  If it is not, deactivate it
 * again after use.
 */
bool volume_is_active(const struct volume *v);
/*
 * For looking at it only, if its storage is active: *ret says whether its path is usable as it is, or
 * volume_activate() has to make it so.  ERR_NOT_FOUND if its storage says that there is no such volume.
 */
int volume_look(const struct volume *v, bool *ret, struct error **err);
/* Undoes volume_activate() where PVE does so (lvm, krbd).  Does nothing for other types. */
int volume_deactivate(const struct volume *v, struct error **err);

/*
 * The protocol node for blockdev-add as a new object, without node-name:
 * {"driver": "file", "filename": ...}, host_device for block devices.  Caller puts (json-c) *ret.
 * The format driver above it is image_format_name(v->format).
 */
int volume_blockdev(const struct volume *v, struct json_object **ret, struct error **err);

/*
 * What qemu-img and the like take for it: its path, "rbd:<pool>/<image>:conf=...", "iscsi://...".  Caller
 * frees.
 */
char *volume_qemu_name(const struct volume *v);

/* Virtual size in bytes.  raw: length of the file or device; other formats: qemu-img info, up to 10 s. */
int volume_size(const struct volume *v, uint64_t *ret, struct error **err);

/*
 * Bytes the volume takes on its storage now, as the storage itself counts.
 * dir: st_blocks of the file; immediate on ext4, xfs and tmpfs, up to a transaction (5 s) late on
 * btrfs and ZFS datasets.  lvm: the whole size.  lvmthin: data_percent, a second late and in steps
 * of a ten-thousandth of the size.  zfspool: usedbydataset, a transaction late.  rbd: rbd du, whole
 * objects.  ERR_UNSUPPORTED if it is not known (an absolute device path, a LUN).
 */
int volume_used(const struct volume *v, uint64_t *ret, struct error **err);

/*
 * True if a buffered write to the volume may succeed and yet be lost later, because the storage is full or
 * away when it is written back: block devices (a thin pool, a sparse zvol), librbd's cache, files on a
 * network. Write data that must not be lost with O_DIRECT.  Local file systems reserve space, or fail, at
 * once.
 */
bool volume_errors_come_late(const struct volume *v);

struct volume_alloc {
	uint32_t vmid;
	const char *name; /* without extension: "vm-100-fleece-0"; NULL: next free vm-<vmid>-disk-<n> */
	/* More names that are taken, though the storage does not have them; NULL: none. */
	char *const *taken;
	enum image_format format;
	uint64_t size;               /* multiple of 512; may be rounded up, see size_granularity */
	const struct cancel *cancel; /* may be NULL */
	bool scratch;                /* the first content does not matter: thick LVM need not zero old data */
};
/*
 * Makes a new image, which reads as zeroes unless it is scratch, and opens it.  -EEXIST if the name is taken;
 * that image stays untouched.  Errors leave nothing behind.  Files get mode 0640.  volume_alloc_id() gives
 * the id beforehand, for the journal.
 */
int volume_alloc(const struct storage *s, const struct volume_alloc *a, struct volume *ret,
		 struct error **err);
/* The id that volume_alloc() would use.  Caller frees *ret. */
int volume_alloc_id(const struct storage *s, const struct volume_alloc *a, char **ret, struct error **err);
/*
 * Removes an image with its snapshots, or another file, for good; backups are removed by place_remove().
 * ERR_NOT_FOUND if it does not exist; -EBUSY if it has linked clones, or if somebody has it open for writing
 * (volume_check_unused() of in-use.h, which may wait for that to end).
 */
int volume_free(const struct volume *v, struct error **err);

/*
 * Names of the snapshots that the storage has of the volume ("before-update"), sorted; *ret is NULL if
 * there are none, as for types and formats without snapshots (raw files, thick LVM).  Backups make none: they
 * use QEMU's filter instead.  Facts: volume_snapshot() of PVE's plugins.
 *	qcow2 files	in the image; with snapshot-as-volume-chain also snap-<name>-<file> beside it
 *	btrfs raw	the subvolume <image>@<name>
 *	lvm qcow2	the volume snap_<volume>_<name>.qcow2
 *	lvmthin		the volume snap_<volume>_<name>
 *	zfspool, rbd	<image>@<name>
 * Caller frees by strv_free().  May run a tool.
 */
int volume_snapshots(const struct volume *v, char ***ret, struct error **err);
/*
 * Removes one of them; the volume stays.  ERR_NOT_FOUND if there is no such snapshot; ERR_UNSUPPORTED
 * if it is part of a volume chain, which only PVE can shorten.
 */
int volume_snapshot_delete(const struct volume *v, const char *name, struct error **err);

/* ---- for storage types ---- */

enum volume_user {
	USER_NONE,     /* also if there is no such volume */
	USER_PROCESS,  /* a process of this host */
	USER_NAMELESS, /* a client that may be dead and is not forgotten yet */
};

/* All callbacks get arguments that were checked; those marked may be NULL. */
struct storage_ops {
	const char *type;         /* "dir" */
	unsigned content;         /* what it can hold */
	unsigned content_default; /* when content= is not given */
	unsigned formats;         /* set of 1 << enum image_format */
	enum image_format format_default;
	bool shared;   /* always shared (network) */
	bool has_path; /* it has a directory: "path" is required unless mount gives a default */
	/* How it is mounted there (mount.h), at /mnt/pve/<id> by default; NULL: it is not. */
	const struct mount_type *mount;
	/* The keys of its sections beside nodes, disable and content, as in PVE's options(), separated by
	 * blanks.  Other keys are warned about and ignored. */
	const char *keys;

	/* The programs that it runs, separated by blanks, for those who want to know before; a mount's are in
	 * mount.  NULL: none. */
	const char *tools;

	/* New images hold old data: volume_alloc() zeroes them (thick LVM). */
	bool alloc_unwiped;
	/* Milliseconds to leave between two calls of status or used; 0: they cost next to nothing. */
	unsigned ask_interval_ms;

	/* Checks the values of its own keys; called by each storage_get().  NULL: nothing to check. */
	int (*check)(const struct storage *s, struct error **err);
	/* NULL: nothing to do. */
	int (*activate)(const struct storage *s, const struct log *log, struct error **err);
	/* See storage_is_active().  NULL, as activate is: it always is. */
	int (*is_active)(const struct storage *s, bool *ret, struct error **err);
	int (*status)(const struct storage *s, struct storage_status *ret, struct error **err);
	/* NULL: no directories, hence no backups. */
	int (*dir)(const struct storage *s, enum storage_content content, char **ret, struct error **err);
	int (*list)(const struct storage *s, uint32_t vmid, struct storage_image **ret, size_t *ret_n,
		    struct error **err);
	/* All names that a new image cannot have, added to *ret; NULL: those from list. */
	int (*names)(const struct storage *s, char ***ret, struct error **err);
	void (*traits)(const struct storage *s, enum image_format format, struct image_traits *ret);
	enum image_format (*fleecing_format)(const struct storage *s);
	/* v has storage, volid and volname; fills in content, vmid, format and path.  Must refuse names that
	 * are not a volume's. */
	int (*parse)(struct volume *v, struct error **err);
	/* NULL: nothing to do. */
	int (*volume_activate)(const struct volume *v, struct error **err);
	/* NULL: stays active. */
	int (*volume_deactivate)(const struct volume *v, struct error **err);
	/* Corrects *ret, which traits has filled, for an existing volume.  NULL: only by a block device's own
	 * discard granularity. */
	int (*volume_traits)(const struct volume *v, struct image_traits *ret, struct error **err);
	/* See volume_blockdev().  NULL: its path, as file or host_device. */
	int (*blockdev)(const struct volume *v, struct json_object **ret, struct error **err);
	/* See volume_qemu_name(); only called if there is no path. */
	char *(*qemu_name)(const struct volume *v);
	/* See volume_size() and volume_used().  NULL: from the path. */
	int (*size)(const struct volume *v, uint64_t *ret, struct error **err);
	int (*used)(const struct volume *v, uint64_t *ret, struct error **err);
	/*
	 * Who has the volume open for writing, beyond what its path shows (in-use.h): an enum volume_user,
	 * and unless that is USER_NONE a sentence in *ret, which the caller frees.  NULL: the type knows
	 * none.
	 */
	int (*user)(const struct volume *v, char **ret, struct error **err);
	/* name -> volname: "vm-1-fleece-0" -> "1/vm-1-fleece-0.raw".  Caller frees.  NULL, as are alloc and
	 * free: read only (iscsi). */
	char *(*volname)(const struct storage *s, uint32_t vmid, const char *name, enum image_format format);
	int (*alloc)(const struct volume *v, uint64_t size, const struct cancel *cancel, struct error **err);
	int (*free)(const struct volume *v, struct error **err);
	/* Adds names to *ret, which is NULL at first, in any order.  NULL: there are no snapshots. */
	int (*snapshots)(const struct volume *v, char ***ret, struct error **err);
	/* NULL if snapshots is; name is one of those. */
	int (*snapshot_delete)(const struct volume *v, const char *name, struct error **err);
};

#endif
