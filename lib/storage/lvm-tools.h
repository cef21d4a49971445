/* What lvm and lvmthin share: asking LVM, activating a logical volume.  Facts: PVE::Storage::LVMPlugin. */
#ifndef VZDUMP_STORAGE_LVM_TOOLS_H
#define VZDUMP_STORAGE_LVM_TOOLS_H

#include "storage/tool.h"

extern const struct tool_meaning lvm_meanings[];

/* Checks vgname; for thin pools thinpool too. */
int lvm_check(const struct storage *s, struct error **err);
/* "<vgname>/<name>".  Caller frees. */
char *lvm_name(const struct storage *s, const char *name);

/*
 * The logical volumes of a group, or with name one of them: an array of objects with lv_name,
 * lv_size, lv_attr, pool_lv, data_percent, lv_tags and lv_time (seconds); the caller puts *ret_root, borrows
 * *ret_lvs from it.  ERR_NOT_FOUND if the group, or the volume, is not there.
 */
int lvm_lvs(const struct storage *s, const char *name, struct json_object **ret_root,
	    struct json_object **ret_lvs, struct error **err);
/* The lv_time of one; 0 if it is not told. */
int64_t lvm_time(struct json_object *lv);
/* The data of one `lvs --reportformat json`: "12.34" of size as bytes; 0 for "". */
uint64_t lvm_percent_of(const char *percent, uint64_t size);

/*
 * What lies between prefix and suffix in the names of the group's volumes that have both, appended to
 * *ret (names of snapshots).
 */
int lvm_names(const struct storage *s, const char *prefix, const char *suffix, char ***ret,
	      struct error **err);

/* The same of all, for struct storage_ops. */
int lvm_all_names(const struct storage *s, char ***ret, struct error **err);

int lvm_activate_group(const struct storage *s, struct error **err);
/* lvremove, also while udev has the device open for a moment. */
int lvm_remove(const struct storage *s, const char *name, struct error **err);
/* lvcreate with these arguments; says -EEXIST and -ENOSPC. */
int lvm_create(const struct storage *s, const char *const args[], const struct cancel *cancel,
	       struct error **err);
int lvm_change(const struct storage *s, const char *const args[], struct error **err);

#endif
