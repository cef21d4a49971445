/*
 * Names of backup archives: vzdump-qemu-<vmid>-%Y_%m_%d-%H_%M_%S.vma[.gz|.lzo|.zst|.bz2], in local time.
 * Beside the archive lie <name without extension>.log, <archive>.notes and <archive>.protected.
 * Facts: PVE::Storage::archive_info.
 */
#ifndef VZDUMP_STORAGE_ARCHIVE_NAME_H
#define VZDUMP_STORAGE_ARCHIVE_NAME_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/error.h"

struct archive_name {
	char *filename;      /* without directory */
	char type[8];        /* "qemu", "lxc", "openvz"; "" */
	char format[4];      /* "vma", "tar"; tgz counts as tar */
	char compression[4]; /* "", "gz", "lzo", "zst", "bz2" */
	bool standard;       /* named as above: ctime and stem are set */
	uint32_t vmid;       /* 0: unknown */
	time_t ctime;
	char *stem; /* filename without extension; NULL */
};

/* "vzdump-qemu-123-2026_11_22-20_15_00" for that instant in local time.  Caller frees. */
char *archive_stem(const char *type, uint32_t vmid, time_t when);

/* True if the name has an archive's extension.  Logs, notes and unfinished archives have none. */
bool archive_name_has_extension(const char *name);

/* Parses the last component of path.  ERR_INVALID if it is not an archive's name.  Caller clears *ret. */
int archive_name_parse(const char *path, struct archive_name *ret, struct error **err);
/*
 * The same, but accepts any name with an archive's extension ("mine-123-x.vma").  As PVE lists such a file,
 * type is "" and vmid the first number of 3 to 9 digits between dashes, or 0.
 */
int archive_name_parse_any(const char *path, struct archive_name *ret, struct error **err);
void archive_name_clear(struct archive_name *a);
#define _cleanup_archive_name_ _cleanup_(archive_name_clear)

#endif
