/* What lvm and lvmthin share: asking LVM, activating a logical volume.  Facts: PVE::Storage::LVMPlugin. */
#ifndef VZDUMP_STORAGE_LVM_TOOLS_H
#define VZDUMP_STORAGE_LVM_TOOLS_H

#include "storage/tool.h"

/* What the failures of LVM's tools mean. */
extern const struct tool_meaning lvm_meanings[];

/* storage_ops.check: vgname must be a valid name; for lvmthin, thinpool too. */
int lvm_check(const struct storage *s, struct error **err);
/* "<vgname>/<name>".  Caller frees. */
char *lvm_name(const struct storage *s, const char *name);

/*
 * The logical volumes of a group, or the one called name (NULL: all): an array of objects with lv_name,
 * lv_size, lv_attr, pool_lv, data_percent, lv_tags and lv_time (seconds).  *ret_lvs is borrowed from
 * *ret_root, which the caller puts.  ERR_NOT_FOUND if the group or the volume does not exist.
 */
int lvm_lvs(const struct storage *s, const char *name, struct json_object **ret_root,
	    struct json_object **ret_lvs, struct error **err);
/* Creation time of one of them, in seconds since 1970; 0 if LVM does not report it. */
int64_t lvm_time(struct json_object *lv);
/* A percentage as LVM prints it ("12.34") of size, in bytes; 0 for "" and NULL. */
uint64_t lvm_percent_of(const char *percent, uint64_t size);

/*
 * For each volume of the group whose name has this prefix and suffix, appends the part between them to *ret
 * (names of snapshots).
 */
int lvm_names(const struct storage *s, const char *prefix, const char *suffix, char ***ret,
	      struct error **err);

/* storage_ops.names: the names of all volumes of the group. */
int lvm_all_names(const struct storage *s, char ***ret, struct error **err);

/* ERR_NOT_FOUND if LVM knows no such volume group.  Changes nothing. */
int lvm_find_group(const struct storage *s, struct error **err);
/* Checks that the volume group is there; scans for it once if not (ERR_NOT_FOUND). */
int lvm_activate_group(const struct storage *s, struct error **err);
/* lvremove; retried for a few seconds, as udev may have the device open for a moment. */
int lvm_remove(const struct storage *s, const char *name, struct error **err);
/* lvcreate with these arguments (NULL-terminated), unless cancel is requested before; -EEXIST, -ENOSPC. */
int lvm_create(const struct storage *s, const char *const args[], const struct cancel *cancel,
	       struct error **err);
/* lvchange with these arguments (NULL-terminated). */
int lvm_change(const struct storage *s, const char *const args[], struct error **err);

#endif
