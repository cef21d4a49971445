/* The progress of a guest's backup: for the log and the live view, with the space that fleecing uses. */
#include "backup/task-internal.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/units.h"

void task_meter_start(struct task *t)
{
	struct task_meter *m = &t->meter;

	m->disks = xcalloc(t->disks.n, sizeof(*m->disks));
	progress_lines_init(&m->lines, observers_show_progress(t->o->observers) ? &t->tlog.file : t->log);
	m->start_ns = units_now_ns();
}

static double seconds_since_start(const struct task_meter *m)
{
	return (double)(units_now_ns() - m->start_ns) / 1e9;
}

/* Reads the progress of one disk, and adds it to the sums in p. */
static void look_at_disk(const struct task *t, size_t i, struct progress *p)
{
	struct progress_disk *d = &t->meter.disks[i];
	const struct task_disk *disk = &t->disks.list[i];
	struct source_space space;
	struct copy_progress c;

	copy_get_progress(t->copy, (unsigned)i, &c);
	*d = (struct progress_disk){ .name = disk->device, .to_read = c.to_read, .read = c.read };
	d->fleecing = source_get_space(t->sources, disk->source, &space);
	if (d->fleecing) {
		d->fleecing_now = space.used.now;
		d->fleecing_peak = space.used.peak;
	}
	p->size += c.size;
	p->done += c.done;
	p->to_read += c.to_read;
	p->read += c.read;
}

/* Guest bytes that are stored, or soon will be: not what is taken over from a base. */
static uint64_t stored(const struct task *t, const struct progress *p, const struct vma_writer_stats *stats)
{
	if (t->incremental.reuse)
		return stats->data_bytes;
	return p->done > p->zero ? p->done - p->zero : 0;
}

static void look_at_all(struct task *t)
{
	struct task_meter *m = &t->meter;
	struct progress *p = &m->last;
	struct vma_writer_stats stats;
	struct source_slowdown slowdown;
	struct usage_value space;

	vma_writer_get_stats(t->archive.writer, &stats);
	*p = (struct progress){ .vmid = t->vmid,
				.disks = m->disks,
				.n_disks = t->disks.n,
				.zero = stats.zero_bytes,
				.written = stats.file_bytes,
				.seconds = seconds_since_start(m) };
	for (size_t i = 0; i < t->disks.n; i++)
		look_at_disk(t, i, p);
	p->read_rate = progress_rate_update(&m->read_rate, p->seconds, p->read);
	p->stored = stored(t, p, &stats);
	p->write_rate = progress_rate_update(&m->write_rate, p->seconds, p->stored);
	p->fleecing = sources_get_space(t->sources, &space);
	if (p->fleecing) {
		p->fleecing_now = space.now;
		p->fleecing_peak = space.peak;
	}
	p->limited = sources_get_slowdown(t->sources, &slowdown);
	p->slowed = p->limited && slowdown.now;
}

static void report_state(const struct task *t)
{
	_cleanup_buf_ struct buf text = BUF_INIT;

	for (size_t i = 0; i < t->disks.n; i++)
		copy_describe(t->copy, (unsigned)i, &text);
	observers_state(t->o->observers, buf_str(&text));
}

void task_meter_tick(struct task *t)
{
	look_at_all(t);
	progress_lines_update(&t->meter.lines, &t->meter.last);
	observers_progress(t->o->observers, &t->meter.last);
	if (observers_want_state(t->o->observers))
		report_state(t);
}

/* name is not set. */
static struct disk_report report_disk(const struct task *t, size_t i)
{
	const struct task_disk *d = &t->disks.list[i];
	struct disk_report ret = { .way = d->source->ops->name };
	struct source_space space;
	struct copy_progress c;

	copy_get_progress(t->copy, (unsigned)i, &c);
	ret.size = c.size;
	ret.read = c.read;
	ret.fleecing = source_get_space(t->sources, d->source, &space);
	if (!ret.fleecing)
		return ret;
	/* the dirty bitmap misses data that was copied and read between two looks; the image size does not */
	if (!space.reserved && c.rewritten < space.used.peak)
		c.rewritten = space.used.peak;
	ret.peak = space.used.peak;
	ret.copied = c.rewritten;
	ret.discarded = space.reserved ? 0 : c.rewritten - space.used.now;
	return ret;
}

static void log_fleecing(const struct task *t, const char *device, const struct disk_report *d)
{
	_cleanup_free_ char *peak = units_bytes(d->peak, 1), *copied = units_bytes(d->copied, 1);
	_cleanup_free_ char *discarded = units_bytes(d->discarded, 1);

	if (d->fleecing)
		log_info(t->log, "fleecing %s: peak %s, copied %s, discarded %s", device, peak, copied,
			 discarded);
}

/* Such an image would have spared the guest that. */
static void log_pushed(const struct task *t)
{
	_cleanup_free_ char *text = NULL;
	uint64_t pushed = 0;

	for (size_t i = 0; i < t->disks.n; i++) {
		struct copy_progress c;

		copy_get_progress(t->copy, (unsigned)i, &c);
		pushed += c.pushed;
	}
	if (!pushed || t->o->settings->fleecing.enabled)
		return;
	text = units_bytes(pushed, 1);
	log_info(
		t->log,
		"without fleecing the guest's writes to data that was not saved yet waited for the archive: %s "
		"of it",
		text);
}

static void report_slowdown(const struct task *t, struct slowdown_report *ret)
{
	struct source_slowdown s;

	if (!sources_get_slowdown(t->sources, &s))
		return;
	*ret = (struct slowdown_report){
		.limited = true,
		.limit = s.limit,
		.reason = s.why,
		.times = s.times,
		.ns = s.ns,
		.rate = s.ns ? (uint64_t)((double)s.copied * 1e9 / (double)s.ns) : 0,
		.lowest_rate = s.lowest_rate,
	};
}

void task_meter_report(const struct task *t)
{
	struct task_report *row = t->row;
	struct sources_times times;

	row->disks = xcalloc(t->disks.n + 1, sizeof(*row->disks));
	row->n_disks = t->disks.n;
	for (size_t i = 0; i < t->disks.n; i++) {
		row->disks[i] = report_disk(t, i);
		row->disks[i].name = xstrdup(t->disks.list[i].device);
		row->size += row->disks[i].size;
		row->read += row->disks[i].read;
	}
	sources_get_times(t->sources, &times);
	row->stopped_ns += times.stopped_ns;
	row->frozen_ns += times.frozen_ns;
	report_slowdown(t, &row->slowdown);
}

void task_meter_end(struct task *t)
{
	sources_sample_space(t->sources);
	look_at_all(t);
	observers_progress(t->o->observers, &t->meter.last);
	progress_lines_end(&t->meter.lines, &t->meter.last);
	for (size_t i = 0; i < t->disks.n; i++) {
		const struct disk_report d = report_disk(t, i);

		log_fleecing(t, t->disks.list[i].device, &d);
	}
	log_pushed(t);
}

void task_meter_summary(struct task *t, const struct vma_writer_stats *stats)
{
	struct task_meter *m = &t->meter;

	m->last.zero = stats->zero_bytes;
	t->row->zero = stats->zero_bytes;
	m->last.seconds = seconds_since_start(m);
	progress_summary(&m->last, t->log);
}
