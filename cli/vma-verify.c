/* vma verify: reads all of an archive and says what is hurt. */
#include <inttypes.h>
#include <stdio.h>

#include "vma-commands.h"

static const char *const args[] = { "archive", NULL };

static const struct option rows[] = {
	{ .name = "archive",
	  .flags = OPTION_REQUIRED,
	  .complete = COMPLETE_ARCHIVE,
	  .description = "The archive, packed or not; - for standard input." },
	{ .name = "verbose",
	  .value = { .type = VALUE_BOOL },
	  .complete = COMPLETE_BOOL,
	  .description = "Show the content, the progress and totals." },
};

static const struct option_table table = {
	.command = "vma verify",
	.summary = "check all of an archive",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.args = args,
};

static int judge(const struct vma_reader *reader, unsigned damages, uint64_t lost,
		 struct error **err)
{
	(void)reader;
	if (!damages && !lost)
		return 0;
	return error_set(err, ERR_CORRUPT,
			 "verify failed - damages: %u, bytes of disks lost: %" PRIu64
			 "; vma extract --salvage gets what is whole",
			 damages, lost);
}

static int run(const struct options *o, struct error **err)
{
	struct vma_sink sink = { .damage = vma_print_damage };
	_cleanup_(vma_reader_freep) struct vma_reader *reader = NULL;
	_cleanup_close_ int fd = -1;
	struct vma_progress progress;
	const bool verbose = options_bool(o, "verbose");
	uint64_t lost;
	int r = vma_open(options_get(o, "archive"), &fd, &reader, err);

	if (r < 0)
		return r;
	vma_progress_init(&progress, vma_reader_header(reader));
	if (verbose) {
		vma_print_content(vma_reader_header(reader));
		sink.progress = vma_print_progress;
	}
	r = vma_reader_run(reader, &sink, &progress, err);
	if (r < 0)
		return error_prefix(err, "verify failed");
	lost = vma_print_missing(reader);
	if (verbose)
		vma_print_totals(vma_reader_stats(reader));
	return judge(reader, vma_reader_stats(reader)->damages, lost, err);
}

const struct vma_command vma_command_verify = {
	.name = "verify",
	.table = &table,
	.run = run,
};
