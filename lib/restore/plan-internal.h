/* Between the files plan*.c. */
#ifndef VZDUMP_RESTORE_PLAN_INTERNAL_H
#define VZDUMP_RESTORE_PLAN_INTERNAL_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/log.h"
#include "base/uuid.h"

/*
 * "key: value" of a line, both copies; false for comments, sections and all else.  PVE's old "cdrom" is
 * its "ide2".
 */
bool plan_split_line(const char *line, char **ret_key, char **ret_value);

/* ---- plan-allow.c: what stays within the guest ---- */
/* A line that is no disk's. */
bool plan_line_allowed(const char *key, const char *value);
bool plan_drive_option_allowed(const char *key);
/* What a CD drive holds. */
bool plan_cdrom_allowed(const char *file);

/* plan-unique.c */
int plan_new_uuid(char out[UUID_TEXT_SIZE], struct error **err);
/* Puts a new address for the first one in the value of a net line; without one nothing happens. */
int plan_new_mac(char *value, const char *prefix, const struct log *log, struct error **err);
/* Appends the line smbios1 with a new uuid. */
int plan_add_smbios(const char *value, struct buf *out, struct error **err);

#endif
