/* Filling the map of an archive: from its index (random-index.c), or from its extents (random-plain.c). */
#ifndef VZDUMP_VMA_RANDOM_LOAD_H
#define VZDUMP_VMA_RANDOM_LOAD_H

#include "vma/random-map.h"

#define RANDOM_MAX_TAIL     ((uint64_t)1 << 30)   /* index and seek table, packed */
#define RANDOM_MAX_UNPACKED ((uint64_t)512 << 20) /* the index, with RANDOM_MAX_RUNS in it */

/*
 * Fill *m, empty so far, from the file.  The caller clears it, also after an error.
 *
 * By the index, or if there is none and the archive is not packed, by the extents.  path is for messages.
 */
int random_map_load(int fd, const char *path, struct random_map *m, struct error **err);
/* By the headers of the extents of an archive of that size that is not packed. */
int random_map_load_plain(int fd, uint64_t size, struct random_map *m, struct error **err);

#endif
