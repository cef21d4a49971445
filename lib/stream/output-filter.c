/* Compression with libarchive's filters, which run a program if there is no library. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdbool.h>

#include "base/mem.h"
#include "base/process.h"
#include "stream/output.h"

struct filter {
	struct output base;
	struct output *to;
	struct archive *archive;
	const char *name;
	struct error *failure; /* of `to`; more precise than what libarchive reports */
	bool dead;             /* nothing more goes to `to` */
};

static const struct filter_kind {
	const char *name;
	const char *package; /* NULL: no program needed */
} kinds[] = {
	[OUTPUT_GZIP] = { .name = "gzip" },
	[OUTPUT_PIGZ] = { .name = "pigz", .package = "pigz" },
	[OUTPUT_LZOP] = { .name = "lzop", .package = "lzop" },
};

static la_ssize_t on_data(struct archive *a, void *opaque, const void *data, size_t len)
{
	struct filter *f = opaque;

	if (!f->dead && output_write(f->to, data, len, &f->failure) < 0)
		f->dead = true;
	if (f->dead) {
		archive_set_error(a, ECANCELED, "%s", error_message(f->failure));
		return -1;
	}
	atomic_store_explicit(&f->base.bytes, output_bytes(f->to), memory_order_relaxed);
	return (la_ssize_t)len;
}

/* Sets the cause: the error of `to`, or else libarchive's about the compressor. */
static int filter_error(struct filter *f, struct error **err)
{
	const char *text = f->archive ? archive_error_string(f->archive) : "no memory";

	f->dead = true;
	if (f->failure)
		return error_set(err, f->failure->code, "%s", f->failure->message);
	return error_set(err, ERR_PEER, "compressing the archive with %s failed: %s", f->name,
			 text ? text : "it ended too early");
}

static int filter_write(struct output *o, const void *data, size_t len, struct error **err)
{
	struct filter *f = (struct filter *)o;
	const char *at = data;

	while (len) {
		la_ssize_t n = archive_write_data(f->archive, at, len);

		if (n <= 0)
			return filter_error(f, err);
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

static int filter_finish(struct output *o, struct error **err)
{
	struct filter *f = (struct filter *)o;

	if (archive_write_close(f->archive) != ARCHIVE_OK)
		return filter_error(f, err);
	f->dead = true;
	return output_finish(f->to, err);
}

static void filter_stop(struct output *o)
{
	output_stop(((struct filter *)o)->to);
}

static void filter_free(struct output *o)
{
	struct filter *f = (struct filter *)o;

	f->dead = true;
	if (f->archive)
		archive_write_free(f->archive);
	output_free(f->to);
	error_free(f->failure);
	free(f);
}

static const struct output_ops filter_ops = {
	.write = filter_write,
	.finish = filter_finish,
	.stop = filter_stop,
	.free = filter_free,
};

/* ARCHIVE_WARN means that a program does the work, which is fine. */
static int add_filter(struct filter *f, enum output_filter filter, unsigned threads)
{
	_cleanup_free_ char *pigz = NULL;

	switch (filter) {
	case OUTPUT_GZIP:
		return archive_write_add_filter_gzip(f->archive);
	case OUTPUT_LZOP:
		return archive_write_add_filter_lzop(f->archive);
	case OUTPUT_PIGZ:
		pigz = xasprintf("pigz -p %u --rsyncable", threads ? threads : 1);
		return archive_write_add_filter_program(f->archive, pigz);
	}
	return ARCHIVE_FATAL;
}

/* A raw stream is one nameless file. */
static int start_stream(struct filter *f)
{
	struct archive_entry *entry = archive_entry_new();
	int r;

	if (!entry)
		return ARCHIVE_FATAL;
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_unset_size(entry);
	r = archive_write_header(f->archive, entry);
	archive_entry_free(entry);
	return r;
}

static int open_archive(struct filter *f, enum output_filter filter, unsigned threads)
{
	f->archive = archive_write_new();
	if (!f->archive)
		return ARCHIVE_FATAL;
	if (archive_write_set_format_raw(f->archive) != ARCHIVE_OK ||
	    add_filter(f, filter, threads) < ARCHIVE_WARN ||
	    archive_write_set_bytes_per_block(f->archive, 0) != ARCHIVE_OK ||
	    archive_write_open(f->archive, f, NULL, on_data, NULL) != ARCHIVE_OK)
		return ARCHIVE_FATAL;
	return start_stream(f);
}

int output_filter_new(enum output_filter filter, unsigned threads, struct output *to, struct output **ret,
		      struct error **err)
{
	const struct filter_kind *kind = &kinds[filter];
	_cleanup_(output_freep) struct output *cleanup = NULL;
	_cleanup_free_ char *program = kind->package ? process_find(kind->name) : NULL;
	struct filter *f = xcalloc(1, sizeof(*f));

	f->base.ops = &filter_ops;
	f->to = to;
	f->name = kind->name;
	cleanup = &f->base;
	if (kind->package && !program)
		return error_set(err, ERR_UNSUPPORTED,
				 "compressing the archive needs the program %s: install the "
				 "package %s or choose --compress zstd",
				 kind->name, kind->package);
	if (open_archive(f, filter, threads) != ARCHIVE_OK)
		return filter_error(f, err);
	*ret = TAKE_PTR(cleanup);
	return 0;
}
