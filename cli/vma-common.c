/* Shared by several commands of vma. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/text.h"
#include "base/units.h"
#include "vma-commands.h"

#define REDRAW_NS (100 * UINT64_C(1000000)) /* at most ten times a second */
#define LINES_MAX 100                       /* of damages, and of lost places of a disk */

int vma_open(const char *path, int *ret_fd, struct vma_reader **ret, struct error **err)
{
	return vma_open_threads(path, 0, NULL, ret_fd, ret, err);
}

int vma_open_threads(const char *path, unsigned threads, const struct cancel *cancel, int *ret_fd,
		     struct vma_reader **ret, struct error **err)
{
	bool is_stdin = strcmp(path, "-") == 0;
	int r;

	*ret_fd = is_stdin ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : open(path, O_RDONLY | O_CLOEXEC);
	if (*ret_fd < 0)
		return error_errno(err, errno, "cannot open archive '%s'", path);
	r = vma_reader_new(*ret_fd, threads ? threads : vma_reader_threads(), cancel, ret, err);
	if (r < 0)
		return error_wrap(err, r, "cannot read archive '%s'", is_stdin ? "standard input" : path);
	return 0;
}

void vma_print_content(const struct vma_header *h)
{
	time_t when = (time_t)h->ctime;
	char text[64];

	for (unsigned i = 0; i < h->n_configs; i++) {
		_cleanup_free_ char *name = text_cleaned(h->configs[i].name);

		printf("CFG: size: %zu name: %s\n", h->configs[i].len, name);
	}
	for (unsigned i = 1; i <= VMA_MAX_DEVICES; i++) {
		const struct vma_device *d = &h->devices[i];
		_cleanup_free_ char *name = d->name ? text_cleaned(d->name) : NULL;

		if (d->name && !strcmp(d->name, VMA_VMSTATE))
			printf("VMSTATE: dev_id=%u memory: %" PRIu64 "\n", i, d->size);
		else if (d->name)
			printf("DEV: dev_id=%u size: %" PRIu64 " devname: %s\n", i, d->size, name);
	}
	if (ctime_r(&when, text))
		printf("CTIME: %s", text);
	else
		printf("CTIME: %" PRId64 "\n", h->ctime);
	fflush(stdout);
}

void vma_print_damage(void *opaque, const char *text)
{
	struct vma_progress *p = opaque;

	_cleanup_free_ char *clean = text_cleaned(text);

	vma_progress_off(p);
	if (p->damages < LINES_MAX)
		fprintf(stderr, "damage: %s\n", clean);
	else if (p->damages == LINES_MAX)
		fprintf(stderr, "damage: and more\n");
	p->damages++;
}

static uint64_t print_device_missing(const struct vma_reader *reader, unsigned dev)
{
	const struct vma_device *d = &vma_reader_header(reader)->devices[dev];
	_cleanup_free_ char *name = text_cleaned(d->name);
	uint64_t at = 0, first = 0, n = 0, lost = 0;

	for (unsigned lines = 0; vma_reader_missing(reader, (uint8_t)dev, &at, &first, &n); lines++) {
		uint64_t start = first * VMA_CLUSTER_SIZE, end = (first + n) * VMA_CLUSTER_SIZE;

		if (end > d->size)
			end = d->size;
		lost += end - start;
		if (lines < LINES_MAX)
			fprintf(stderr, "lost: %s: %" PRIu64 " bytes at %" PRIu64 "\n", name, end - start,
				start);
		else if (lines == LINES_MAX)
			fprintf(stderr, "lost: %s: and more places\n", name);
	}
	return lost;
}

uint64_t vma_print_missing(const struct vma_reader *reader)
{
	uint64_t lost = 0;

	for (unsigned dev = 1; dev <= VMA_MAX_DEVICES; dev++)
		if (vma_reader_header(reader)->devices[dev].name)
			lost += print_device_missing(reader, dev);
	return lost;
}

void vma_progress_init(struct vma_progress *p, const struct vma_header *h, FILE *to, int fd)
{
	struct stat st;

	*p = (struct vma_progress){ .start_ns = units_now_ns(), .fd = fd };
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		p->file_size = (uint64_t)st.st_size;
	live_init(&p->live, to);
	for (unsigned i = 1; i <= VMA_MAX_DEVICES; i++)
		if (h->devices[i].name)
			p->total += vma_clusters(h->devices[i].size);
}

/* "1m 10s"; NULL as long as it cannot be estimated. */
static char *time_left(uint64_t took_ns, uint64_t bytes, uint64_t total)
{
	const double took = (double)took_ns / 1e9;

	if (took < 2 || !bytes || bytes >= total)
		return NULL;
	return units_duration((uint64_t)(took * (double)(total - bytes) / (double)bytes) + 1);
}

bool vma_progress_show(struct vma_progress *p, uint64_t bytes, uint64_t total)
{
	const uint64_t now = units_now_ns();
	_cleanup_free_ char *done = NULL, *size = NULL, *took = NULL, *left = NULL;
	_cleanup_buf_ struct buf line = BUF_INIT;
	size_t width;

	if (!p->live.on || now - p->shown_ns < REDRAW_NS || !total)
		return p->live.on;
	p->shown_ns = now;
	width = live_width(&p->live);
	done = units_bytes(bytes, 1);
	size = units_bytes(total, 1);
	took = units_duration((now - p->start_ns) / 1000000000u);
	live_add(&line, width, "progress %u%%", (unsigned)((double)bytes * 100 / (double)total));
	live_add(&line, width, " (%s of %s)", done, size);
	live_add(&line, width, " in %s", took);
	left = p->file_size ? time_left(now - p->start_ns, bytes, total) : NULL;
	if (left)
		live_add(&line, width, ", left: %s", left);
	live_show(&p->live, buf_str(&line));
	return true;
}

void vma_progress_off(struct vma_progress *p)
{
	live_off(&p->live);
}

void vma_print_progress(void *opaque, uint64_t clusters)
{
	struct vma_progress *p = opaque;
	unsigned percent = p->total ? (unsigned)(clusters * 100 / p->total) : 100;

	const off_t at = p->file_size ? lseek(p->fd, 0, SEEK_CUR) : -1;

	if (at > 0 ? vma_progress_show(p, (uint64_t)at, p->file_size)
		   : vma_progress_show(p, clusters * VMA_CLUSTER_SIZE, p->total * VMA_CLUSTER_SIZE))
		return;
	if (percent == p->percent || !p->total)
		return;
	p->percent = percent;
	printf("progress %u%% (read %" PRIu64 " bytes, duration %" PRIu64 " sec)\n", percent,
	       clusters * VMA_CLUSTER_SIZE, (units_now_ns() - p->start_ns) / 1000000000u);
	fflush(stdout);
}

void vma_print_totals(const struct vma_reader_stats *s)
{
	uint64_t bytes = s->clusters * VMA_CLUSTER_SIZE, data = bytes - s->zero_bytes;

	if (!s->clusters) {
		puts("vma archive contains no image data");
		return;
	}
	printf("total bytes read %" PRIu64 ", sparse bytes %" PRIu64 " (%.3g%%)\n", bytes, s->zero_bytes,
	       100.0 * (double)s->zero_bytes / (double)bytes);
	if (data)
		printf("space reduction due to 4K zero blocks %.3g%%\n",
		       100.0 * (double)s->partial_zero_bytes / (double)data);
}
