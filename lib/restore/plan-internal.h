/* Only for plan*.c. */
#ifndef VZDUMP_RESTORE_PLAN_INTERNAL_H
#define VZDUMP_RESTORE_PLAN_INTERNAL_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/log.h"
#include "base/uuid.h"

/*
 * Splits a line "key: value" into copies, which the caller frees; false for comments, sections and everything
 * else.  The key "cdrom", PVE's old name for it, becomes "ide2".
 */
bool plan_split_line(const char *line, char **ret_key, char **ret_value);

/* ---- plan-allow.c: what stays within the guest ---- */
/* For a line that is not a disk's. */
bool plan_line_allowed(const char *key, const char *value);
/* For an option of a disk's line. */
bool plan_drive_option_allowed(const char *key);
/* For the file in a CD drive. */
bool plan_cdrom_allowed(const char *file);

/* ---- plan-unique.c: what two guests may not share ---- */
/* The text of a new uuid. */
int plan_new_uuid(char out[UUID_TEXT_SIZE], struct error **err);
/*
 * Replaces the first MAC address in the value of a net line with a new one that begins with prefix (NULL:
 * Proxmox's).  Does nothing if there is no address in it.
 */
int plan_new_mac(char *value, const char *prefix, const struct log *log, struct error **err);
/* Appends a line smbios1 with that value, but a new uuid. */
int plan_add_smbios(const char *value, struct buf *out, struct error **err);

#endif
