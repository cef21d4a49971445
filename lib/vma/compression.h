/*
 * How an archive is compressed.  The writer itself makes zstd frames, which can be read one by one; the other
 * ways compress the stream in the output.
 */
#ifndef VZDUMP_VMA_COMPRESSION_H
#define VZDUMP_VMA_COMPRESSION_H

#include "base/error.h"
#include "stream/output.h"
#include "vma/writer.h"

enum vma_compression {
	VMA_COMPRESS_NONE,
	VMA_COMPRESS_LZO,  /* the program lzop */
	VMA_COMPRESS_GZIP, /* zlib, or the program pigz with threads */
	VMA_COMPRESS_ZSTD, /* frames, with index and seek table */
};

/* The layout that the writer must produce.  chained: the archive belongs to a chain, which only zstd can. */
static inline enum vma_layout vma_compression_layout(enum vma_compression c, bool chained)
{
	if (c != VMA_COMPRESS_ZSTD)
		return VMA_STREAM;
	return chained ? VMA_CHAINED : VMA_FRAMES;
}

/*
 * Puts the compressor, if the compression has one, in front of *o.  threads is how many pigz uses (0: zlib in
 * this process).  After a failure *o is freed and NULL.  May start a program: output_filter_new().
 */
int vma_compression_filter(enum vma_compression c, unsigned threads, struct output **o, struct error **err);

#endif
