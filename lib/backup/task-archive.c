/* The archive: its name, checks before it is made, its header, writing and publishing it. */
#include <errno.h>
#include <sys/stat.h>

#include "backup/task-internal.h"
#include "base/buf.h"
#include "base/io.h"
#include "base/mem.h"
#include "storage/archive-name.h"
#include "vma/compression.h"

/* ---- its name ---- */

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

void task_archive_name(struct task *t, time_t start, enum place_state state)
{
	const struct place *p = t->o->place;
	struct task_archive *a = &t->archive;

	for (;;) {
		a->stem = archive_stem("qemu", t->vmid, start);
		a->name = xasprintf("%s%s", a->stem, formats[t->o->settings->archive.compression].extension);
		if (state == PLACE_IS_AWAY || !place_exists(p, a->name) ||
		    cancel_sleep(t->host->cancel, 100, NULL) < 0)
			break;
		free(a->stem);
		free(a->name);
		start = time(NULL);
	}
	a->path = place_path(p, a->name);
	if (place_keeps(p))
		t->logfile = place_log_path(p, a->stem);
}

/* ---- checks before it is made ---- */

/* How many backups retention keeps at most; 0: no limit. */
static uint64_t backup_limit(const struct prune_keep *k)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < PRUNE_PERIODS && !k->all; i++)
		sum += k->count[i];
	return sum;
}

/* Rules that are too long for the archive are an error: a backup without them would look complete. */
static int check_firewall(const struct task *t, struct error **err)
{
	_cleanup_free_ char *path = paths_get(t->host->paths, "/etc/pve/firewall/%u.fw", t->vmid);
	struct stat st;

	if (stat(path, &st) < 0 || st.st_size <= VMA_MAX_BLOB)
		return 0;
	return error_set(
		err, ERR_INVALID,
		"firewall rules '%s' have %lld bytes, an archive holds %u at most: shorten them (comments, "
		"IP sets and aliases that the datacenter's cluster.fw can hold)",
		path, (long long)st.st_size, (unsigned)VMA_MAX_BLOB);
}

static int check_count(struct task *t, struct error **err)
{
	/* without a storage, "protected" in vzdump.conf does not count */
	const bool protect = t->o->storage && t->o->settings->protect;
	const uint64_t limit = backup_limit(&t->o->keep);
	_cleanup_backups_ struct backups b = { 0 };
	uint64_t count = 0, protected_count = 0;
	int r;

	if (!place_keeps(t->o->place) || !((limit && !t->o->remove) || protect))
		return 0;
	r = place_list(t->o->place, "qemu", t->vmid, &b, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < b.n; i++) {
		if (b.list[i].is_protected)
			protected_count++;
		else
			count++;
	}
	if (protect) {
		const int max = t->o->storage->max_protected_backups;

		if (max > -1 && protected_count >= (uint64_t)max)
			return error_set(err, ERR_INVALID,
					 "The number of protected backups per guest is limited to %d on "
					 "storage '%s'",
					 max, t->o->storage->id);
	} else if (count >= limit) {
		return error_set(err, ERR_INVALID,
				 "There is a max backup limit of %lu enforced by the target storage or "
				 "the vzdump parameters. Either increase the limit or delete old "
				 "backups.",
				 (unsigned long)limit);
	}
	return 0;
}

int task_archive_check(struct task *t, struct error **err)
{
	int r = check_firewall(t, err);

	return r == 0 ? check_count(t, err) : r;
}

/* ---- its header and its data ---- */

static int check_sizes(const struct task *t, struct error **err)
{
	for (size_t i = 0; i < t->disks.n; i++) {
		const struct task_disk *d = &t->disks.list[i];

		if (!d->source->size)
			return error_wrap(err, task_refuse_empty(d, err), "disk '%s'", d->conf->key);
	}
	return 0;
}

static int add_firewall(const struct task *t, struct vma_header *hdr, struct error **err)
{
	_cleanup_free_ char *path = paths_get(t->host->paths, "/etc/pve/firewall/%u.fw", t->vmid);
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_error_ struct error *mine = NULL;
	int r = io_read_file(path, VMA_MAX_BLOB, &text, &mine);

	if (r == -ENOENT)
		return 0;
	if (r < 0) {
		error_keep_first(err, &mine);
		return r;
	}
	return vma_header_add_config(hdr, "qemu-server.fw", buf_str(&text), text.len, err);
}

/* As XML of libvirt's, with which the guest can be defined anew. */
static int add_definition(const struct task *t, struct vma_header *hdr, struct error **err)
{
	_cleanup_free_ char *xml = NULL;
	int r = guest_definition(&t->guest.access, t->host->cancel, &xml, err);

	if (r < 0 || !xml)
		return r;
	if (strlen(xml) > VMA_MAX_BLOB)
		return error_set(err, ERR_INVALID,
				 "libvirt's XML of the guest has %zu bytes, an archive holds %u at most: "
				 "shorten its metadata ('virsh dumpxml --inactive' shows it)",
				 strlen(xml), (unsigned)VMA_MAX_BLOB);
	return vma_header_add_config(hdr, "libvirt.xml", xml, strlen(xml), err);
}

static int add_configs(const struct task *t, struct vma_header *hdr, struct error **err)
{
	_cleanup_buf_ struct buf maps = BUF_INIT, text = BUF_INIT;
	int r;

	for (size_t i = 0; i < t->disks.n; i++) {
		const struct task_disk *d = &t->disks.list[i];

		guest_config_add_map(&maps, d->conf->key, d->device,
				     d->volume.storage ? d->volume.storage->id : NULL,
				     image_format_name(d->volume.format));
	}
	guest_config_assemble(&t->guest.conf, buf_str(&maps), t->log, &text);
	r = vma_header_add_config(hdr, "qemu-server.conf", buf_str(&text), text.len, err);
	if (r == 0)
		r = add_firewall(t, hdr, err);
	if (r == 0)
		r = add_definition(t, hdr, err);
	return r;
}

static int add_device(const struct task *t, struct vma_header *hdr, struct task_disk *d, struct error **err)
{
	const struct vma_header *base = task_incremental_base(t);

	if (!base)
		return vma_header_add_device(hdr, d->device, d->source->size, &d->dev, err);
	return vma_header_add_device_along(hdr, base, d->device, d->source->size, &d->dev, err);
}

int task_archive_header(struct task *t, struct vma_header *hdr, struct error **err)
{
	int r = vma_header_init(hdr, err);

	task_incremental_header(t, hdr);
	if (r == 0)
		r = check_sizes(t, err);
	if (r == 0)
		r = add_configs(t, hdr, err);
	for (size_t i = 0; i < t->disks.n && r == 0; i++) {
		struct task_disk *d = &t->disks.list[i];

		r = add_device(t, hdr, d, err);
	}
	return r;
}

static int open_writer(struct task *t, const struct vma_header *hdr, struct error **err)
{
	const struct settings_archive *s = &t->o->settings->archive;
	const enum vma_compression compression = formats[s->compression].compression;
	struct vma_writer_options o = { .layout = vma_compression_layout(compression,
									 t->incremental.choice.chained),
					.budget = t->o->budget,
					.level = s->level,
					.ionice = s->ionice,
					.cancel = t->host->cancel };
	struct archive *file = t->archive.file;
	int r = vma_compression_filter(compression, s->threads, &file->output, err);

	if (r < 0)
		return r;
	task_incremental_writer(t, &o);
	return vma_writer_new(&o, TAKE_PTR(file->output), hdr, &t->archive.writer, err);
}

int task_archive_open(struct task *t, struct error **err)
{
	_cleanup_vma_header_ struct vma_header hdr = { 0 };
	struct task_archive *a = &t->archive;
	int r = task_archive_header(t, &hdr, err);

	if (r < 0)
		return r;
	uuid_text(a->uuid, hdr.uuid);
	if (place_keeps(t->o->place))
		log_info(t->log, "creating vzdump archive '%s'", a->path);
	else
		log_info(t->log, "sending archive to stdout");
	r = place_create(t->o->place, a->name, t->guest.journal, t->host->cancel, &a->file, err);
	return r == 0 ? open_writer(t, &hdr, err) : r;
}

int task_archive_finish(struct task *t, struct vma_writer_stats *ret, struct error **err)
{
	int r = vma_writer_finish(t->archive.writer, ret, err);

	if (r == 0)
		task_incremental_end(t, ret);
	if (r == 0)
		r = place_publish(t->archive.file, err);
	t->archive.published = r == 0 && place_keeps(t->o->place);
	return r < 0 ? error_wrap(err, r, "writing archive '%s'", t->archive.path) : 0;
}

void task_archive_close(struct task *t)
{
	t->incremental.reuse = NULL;
	if (t->archive.writer)
		vma_writer_free(TAKE_PTR(t->archive.writer));
	place_abort(TAKE_PTR(t->archive.file));
}
