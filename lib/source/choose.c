#include "source/choose.h"

#include "base/strv.h"

const struct source_ops *source_choose(const char *key, enum source_fleecing fleecing)
{
	/* swtpm has it open, not QEMU */
	if (str_prefix(key, "tpmstate", NULL))
		return &source_offline;
	/* too small for an image of its own */
	if (str_prefix(key, "efidisk", NULL))
		return &source_sink;
	return fleecing == SOURCE_FLEECING ? &source_fleecing : &source_sink;
}
