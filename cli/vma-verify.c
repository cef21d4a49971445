/* vma verify: reads all of an archive and reports damage. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/paths.h"
#include "base/text.h"
#include "base/units.h"
#include "vma-commands.h"
#include "status/verified.h"
#include "vma/chain-check.h"
#include "vma/chain.h"
#include "vma/index.h"

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

/*
 * What an archive tells of its chain, before it is read.  Why that fails is told after the data: what is
 * wrong there may be the reason.
 */
struct chained {
	const char *archive; /* its name */
	bool is;             /* it belongs to a chain, and what its frames hold is hashed */
	struct error *err;
};

static void look_for_chain(int fd, struct vma_reader *reader, struct chained *ret)
{
	_cleanup_vma_chain_ struct vma_chain c = { 0 };

	if (lseek(fd, 0, SEEK_CUR) < 0)
		return;
	ret->is = vma_chain_read(fd, NULL, &c, &ret->err) == 0;
	if (ret->is)
		vma_reader_hash(reader, &c.secret);
}

/* Damage there costs no disk anything, but the next backup. */
static int check_trailers(int fd, const struct vma_reader *reader, const struct chained *chained,
			  const char **ret_found, struct error **err)
{
	int r = chained->is ? vma_chain_check(fd, chained->archive, reader, err) : chained->err->code;

	*ret_found = "seek table, index and trailers agree with the data";
	if (!chained->is && r == ERR_UNSUPPORTED) {
		*ret_found = "seek table and index agree with the data, trailers have another version";
		return 0;
	}
	if (!chained->is)
		error_set(err, r, "%s", error_message(chained->err));
	if (r == ERR_CORRUPT || r == ERR_NOT_FOUND)
		error_wrap(err, ERR_CORRUPT,
			   "the disks are whole, but the next incremental backup takes over less or nothing");
	return r;
}

/* Seek table and index are there; from a pipe they cannot be read again. */
static int check_table(int fd, const struct vma_reader *reader, const struct chained *chained,
		       const char **ret_found, struct error **err)
{
	const bool has_trailers = vma_reader_stats(reader)->chain_frames > 0;
	bool index = false;
	int r;

	if (lseek(fd, 0, SEEK_CUR) < 0) {
		*ret_found = has_trailers ? "seek table and trailers not checked (it is read from a pipe)"
					  : "seek table not checked (it is read from a pipe)";
		return 0;
	}
	r = vma_index_check(fd, reader, &index, err);
	if (r == 0 && !index && vma_reader_stats(reader)->index_frames)
		return error_set(err, ERR_CORRUPT, "index: its end is lost (vma index makes a new one)");
	*ret_found = index ? "seek table and index agree with the data"
			   : "seek table agrees with the data, no index";
	return r == 0 && has_trailers ? check_trailers(fd, reader, chained, ret_found, err) : r;
}

/* "2 disks, 64.0 MiB (8.1 MiB of data)". */
static char *describe_content(const struct vma_reader *reader)
{
	const struct vma_reader_stats *s = vma_reader_stats(reader);
	const struct vma_header *h = vma_reader_header(reader);
	_cleanup_free_ char *size = NULL, *data = NULL;
	uint64_t bytes = 0;
	unsigned n = 0;

	for (unsigned i = 1; i <= VMA_MAX_DEVICES; i++) {
		n += h->devices[i].name != NULL;
		bytes += h->devices[i].name ? h->devices[i].size : 0;
	}
	size = units_bytes(bytes, 1);
	data = units_bytes(s->clusters * VMA_CLUSTER_SIZE - s->zero_bytes, 1);
	return n ? xasprintf("%u disk%s, %s (%s of data)", n, n == 1 ? "" : "s", size, data)
		 : xstrdup("no disks");
}

/*
 * Proxmox's archives have neither seek table nor index; ours, which are frames from the header on, have both.
 * *ret_found is NULL if they are lost.
 */
static int check_index(int fd, const struct vma_reader *reader, const struct chained *chained,
		       const char **ret_found, struct error **err)
{
	const struct vma_reader_stats *s = vma_reader_stats(reader);

	*ret_found = "no seek table, as in Proxmox's archives";
	if (s->framed && s->has_seektable)
		return check_table(fd, reader, chained, ret_found, err);
	if (s->framed && s->index_frames)
		return error_set(err, ERR_CORRUPT, "seek table: it is lost (vma index makes a new one)");
	if (s->framed && s->header_alone && s->frames > 1)
		*ret_found = NULL;
	return 0;
}

static int damage_error(unsigned damages, uint64_t lost, struct error **err)
{
	if (!damages && !lost)
		return 0;
	return error_set(err, ERR_CORRUPT,
			 "verify failed - damages: %u, bytes of disks lost: %" PRIu64
			 "; vma extract --salvage gets what is whole",
			 damages, lost);
}

static int verify(int fd, struct vma_reader *reader, const struct chained *chained, bool verbose,
		  const char **ret_found, struct error **err)
{
	struct vma_receiver receiver = { .damage = vma_print_damage };
	struct vma_progress progress;
	uint64_t lost;
	int r;

	vma_progress_init(&progress, vma_reader_header(reader), stdout, fd);
	if (verbose || progress.live.on)
		receiver.progress = vma_print_progress;
	if (verbose)
		vma_print_content(vma_reader_header(reader));
	r = vma_reader_run(reader, &receiver, &progress, err);
	vma_progress_off(&progress);
	if (r < 0)
		return r;
	lost = vma_print_missing(reader);
	if (verbose)
		vma_print_totals(vma_reader_stats(reader));
	if (lost || vma_reader_stats(reader)->damages)
		return damage_error(vma_reader_stats(reader)->damages, lost, err);
	return check_index(fd, reader, chained, ret_found, err);
}

static void say_good(const char *archive, const struct vma_reader *reader, bool verbose, const char *found)
{
	_cleanup_free_ char *what = describe_content(reader), *shown = text_cleaned(archive);

	if (!found) {
		puts("the data is whole, but seek table and index are lost: vma index makes new ones");
		return;
	}
	if (verbose)
		puts(found);
	printf("%s is good: %s; %s\n", strcmp(archive, "-") ? shown : "the archive", what, found);
}

/*
 * For `vzdump status`.  Whoever verifies an archive need not be root, and may do it on a host that has no
 * guests: then nothing is kept.
 */
static void keep_result(const char *archive, int fd)
{
	_cleanup_error_ struct error *err = NULL;
	struct paths paths;
	int r;

	paths_init(&paths, getenv("VZDUMP_ROOT"));
	r = verified_add(&paths, archive, fd, time(NULL), &err);
	if (r < 0 && r != -EACCES && r != -EPERM && r != -EROFS)
		fprintf(stderr, "warning: vzdump status will not know of it: %s\n", error_message(err));
	paths_clear(&paths);
}

static int run(struct options *o, struct error **err)
{
	_cleanup_(vma_reader_freep) struct vma_reader *reader = NULL;
	_cleanup_close_ int fd = -1;
	const char *archive = options_get(o, "archive"), *found = NULL;
	struct chained chained = { .archive = archive };
	int r = vma_open(archive, &fd, &reader, err);

	if (r < 0)
		return r;
	look_for_chain(fd, reader, &chained);
	r = verify(fd, reader, &chained, options_bool(o, "verbose"), &found, err);
	if (r == 0) {
		say_good(archive, reader, options_bool(o, "verbose"), found);
		keep_result(archive, fd);
	}
	error_free(chained.err);
	if (r < 0 && !strstr(error_message(*err), "verify failed"))
		return error_wrap(err, r, "verify failed");
	return r;
}

const struct command vma_command_verify = {
	.name = "verify",
	.table = &table,
	.run = run,
};
