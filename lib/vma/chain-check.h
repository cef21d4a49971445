/*
 * Compares the trailers of an archive that belongs to a chain with what its frames hold, as vma/index.h does
 * it for the index: by sums, and only if these differ by unpacking again, to find the frame.
 */
#ifndef VZDUMP_VMA_CHAIN_CHECK_H
#define VZDUMP_VMA_CHAIN_CHECK_H

#include "base/error.h"

struct vma_reader;

/*
 * The reader must have finished after vma_reader_hash(), found no damage, and agree with the index. fd stays
 * the caller's; name is for messages.  ERR_CORRUPT: trailers and frames do not agree, or not all can be
 * taken over; the message names the first such frame.
 */
int vma_chain_check(int fd, const char *name, const struct vma_reader *reader, struct error **err);

#endif
