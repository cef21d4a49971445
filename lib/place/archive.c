#include "place/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/bounded.h"
#include "base/io.h"
#include "base/mem.h"

#define CLOSE_MS 1000

/* By enum settings_compression. */
static const struct {
	enum vma_compression compression;
	const char *extension;
} formats[] = {
	[SETTINGS_COMPRESS_NONE] = { VMA_COMPRESS_NONE, ".vma" },
	[SETTINGS_COMPRESS_LZO] = { VMA_COMPRESS_LZO, ".vma.lzo" },
	[SETTINGS_COMPRESS_GZIP] = { VMA_COMPRESS_GZIP, ".vma.gz" },
	[SETTINGS_COMPRESS_ZSTD] = { VMA_COMPRESS_ZSTD, ".vma.zst" },
};

void archive_init(struct archive *a, const char *dir, const char *stem, const struct settings_archive *s)
{
	*a = (struct archive){ .fd = -1, .is_stdout = !dir };
	if (a->is_stdout) {
		a->target = xstrdup("-");
		return;
	}
	a->target = xasprintf("%s/%s%s", dir, stem, formats[s->compression].extension);
	/* PVE replaces the last extension */
	a->part = xasprintf("%.*s.dat", (int)(strrchr(a->target, '.') - a->target), a->target);
}

int archive_open(struct archive *a, const struct settings_archive *s, int stdout_fd,
		 const struct vma_header *hdr, struct journal *j, const struct cancel *cancel,
		 struct error **err)
{
	struct budget budget;
	const struct vma_writer_options w = { .layout = vma_compression_layout(
						      formats[s->compression].compression),
					      .budget = &budget,
					      .level = s->level,
					      .ionice = s->ionice,
					      .cancel = cancel };
	struct output *output = NULL;
	int r;

	budget_init(&budget, &(struct budget_limits){ .threads = s->threads });
	a->cancel = cancel;
	if (!a->is_stdout) {
		r = journal_add(j, JOURNAL_FILE, a->part, err);
		if (r < 0)
			return r;
		if (access(a->target, F_OK) == 0)
			return error_set(err, -EEXIST,
					 "archive '%s' exists already: wait a second and start again",
					 a->target);
		unlink(a->part);
		a->fd = open(a->part, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
		if (a->fd < 0)
			return error_errno(err, errno, "unable to open file '%s'", a->part);
	}
	r = output_plain_new(a->is_stdout ? stdout_fd : a->fd, &output, err);
	if (r == 0)
		r = vma_compression_filter(formats[s->compression].compression, s->threads, &output, err);
	return r < 0 ? r : vma_writer_new(&w, output, hdr, &a->writer, err);
}

static int do_sync(void *arg, struct error **err)
{
	return fsync(*(const int *)arg) < 0 ? error_errno(err, errno, "fsync") : 0;
}

static void close_and_free(void *arg)
{
	close(*(const int *)arg);
	free(arg);
}

/* May take minutes on a slow target, and for ever on one that is away. */
static int sync_file(const struct archive *a, struct error **err)
{
	struct bounded_call c = { .call = do_sync, .clear = close_and_free };
	int fd = fcntl(a->fd, F_DUPFD_CLOEXEC, 3), r;

	if (fd < 0)
		return error_errno(err, errno, "cannot sync '%s'", a->part);
	c.arg = xmalloc(sizeof(int));
	*(int *)c.arg = fd;
	r = bounded_run(&c, 0, a->cancel, err);
	if (r < 0 && r != ERR_CANCELED)
		error_prefix(err, "cannot sync '%s'", a->part);
	return r;
}

static int publish(struct archive *a, struct journal *j, struct error **err)
{
	int r = sync_file(a, err);

	if (r == 0)
		r = io_rename(a->part, a->target, true, &a->not_synced, err);
	if (r == 0)
		journal_strike(j, JOURNAL_FILE, a->part);
	return r;
}

int archive_complete(struct archive *a, struct journal *j, struct vma_writer_stats *ret, struct error **err)
{
	int r = vma_writer_finish(a->writer, ret, err);

	if (r == 0 && !a->is_stdout)
		r = publish(a, j, err);
	if (r < 0)
		error_prefix(err, "writing archive '%s'", a->target);
	return r;
}

void archive_clear(struct archive *a)
{
	if (a->writer)
		vma_writer_free(a->writer);
	if (a->fd >= 0)
		bounded_close(a->fd, CLOSE_MS);
	free(a->target);
	free(a->part);
	error_free(a->not_synced);
	*a = (struct archive){ .fd = -1 };
}
