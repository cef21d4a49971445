#include "vma/compression.h"

int vma_compression_filter(enum vma_compression c, unsigned threads, struct output **o, struct error **err)
{
	enum output_filter filter = OUTPUT_LZOP;
	struct output *to = *o;

	if (c == VMA_COMPRESS_NONE || c == VMA_COMPRESS_ZSTD)
		return 0;
	if (c == VMA_COMPRESS_GZIP)
		filter = threads ? OUTPUT_PIGZ : OUTPUT_GZIP;
	*o = NULL;
	return output_filter_new(filter, threads, to, o, err);
}
