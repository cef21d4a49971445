/* Among plan*.c. */
#ifndef VZDUMP_RESTORE_PLAN_INTERNAL_H
#define VZDUMP_RESTORE_PLAN_INTERNAL_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/log.h"
#include "base/uuid.h"

/*
 * Splits a line "key: value" into copies, which the caller frees; false for comments, sections and everything
 * else.  "cdrom", PVE's old name of it, becomes "ide2".
 */
bool plan_split_line(const char *line, char **ret_key, char **ret_value);

/* ---- plan-allow.c: what stays within the guest ---- */
/* For a line that is not a disk's. */
bool plan_line_allowed(const char *key, const char *value);
/* For an option of a disk's line. */
bool plan_drive_option_allowed(const char *key);
/* For what a CD drive holds. */
bool plan_cdrom_allowed(const char *file);

/* ---- plan-unique.c: what two guests may not share ---- */
/* The text of a new uuid. */
int plan_new_uuid(char out[UUID_TEXT_SIZE], struct error **err);
/*
 * Replaces the first MAC address in the value of a net line by a new one that begins with prefix (NULL:
 * Proxmox's).  Without an address in it nothing happens.
 */
int plan_new_mac(char *value, const char *prefix, const struct log *log, struct error **err);
/* Appends a line smbios1 of that value, with a new uuid. */
int plan_add_smbios(const char *value, struct buf *out, struct error **err);

#endif
