/*
 * When `vma verify` has found an archive whole.  A file for each guest beside its record,
 * <root>/var/log/vzdump/guests/<vmid>.verified.json.  An entry is for one archive: its folder, name, size
 * and time of the last change, so that another file of that name does not inherit it.
 *
 * It stays small: when an entry is added, those whose archives have gone from the same folder are dropped,
 * and of the others the newest VERIFIED_MAX stay.  The file goes with the record of its guest.
 */
#ifndef VZDUMP_STATUS_VERIFIED_H
#define VZDUMP_STATUS_VERIFIED_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/error.h"
#include "base/log.h"
#include "base/paths.h"

#define VERIFIED_MAX 64

struct verified_entry {
	char *folder; /* without links */
	char *name;
	uint64_t size;
	uint64_t mtime_ns;
	time_t when;
};

struct verified {
	struct verified_entry *list; /* as they were verified, oldest first */
	size_t n;
};

/* A missing file counts as empty, and so does a damaged one, with a warning.  The caller clears *ret. */
void verified_load(const struct paths *p, uint32_t vmid, struct verified *ret, const struct log *log);
void verified_clear(struct verified *v);
#define _cleanup_verified_ _cleanup_(verified_clear)

/*
 * When the archive with this path, as it is now, was verified; 0: not known.  Looks at the file if there is
 * an entry.
 */
time_t verified_when(const struct verified *v, const char *path);

/*
 * Keeps that the archive `path`, which is open as fd, was found whole now.  Does nothing for a file that is
 * no backup by its name.  -EACCES, -EPERM or -EROFS if the caller may not write our records.
 */
int verified_add(const struct paths *p, const char *path, int fd, time_t now, struct error **err);

#endif
