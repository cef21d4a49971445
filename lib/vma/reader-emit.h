/* Passes the data of checked extents to the receiver, in pieces as large as possible. */
#ifndef VZDUMP_VMA_READER_EMIT_H
#define VZDUMP_VMA_READER_EMIT_H

#include "vma/reader-parse.h"

int emit_span(const struct vma_header *hdr, const struct reader_report *rep, const struct span *s,
	      struct error **err);

#endif
