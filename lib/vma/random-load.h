/* Filling the map of an archive: from its index (random-index.c), or from its extents (random-plain.c). */
#ifndef VZDUMP_VMA_RANDOM_LOAD_H
#define VZDUMP_VMA_RANDOM_LOAD_H

#include "vma/random-map.h"

#define RANDOM_MAX_TAIL     ((uint64_t)1 << 30)   /* index and seek table, packed */
#define RANDOM_MAX_UNPACKED ((uint64_t)512 << 20) /* the index, with RANDOM_MAX_RUNS in it */

/*
 * Fills *m, which is empty, from the index of the file, or from its extents if the archive is not packed and
 * has no index.  The caller clears *m, also after an error.  path is for messages.
 */
int random_map_load(int fd, const char *path, struct random_map *m, struct error **err);
/* The same from the headers of the extents, for an archive of that size that is not packed. */
int random_map_load_plain(int fd, uint64_t size, struct random_map *m, struct error **err);

#endif
