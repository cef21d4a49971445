/* Which disks a guest's backup has, and what the archive says about them. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "backup/task-internal.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "place/backups.h"
#include "vma/reader.h"

static void log_included(struct task *t, const struct guest_disk *d)
{
	_cleanup_free_ char *size = d->has_size ? units_disk_size(d->size) : NULL;

	log_info(t->log, "include disk '%s' '%s'%s%s", d->key, d->volid, size ? " " : "", size ? size : "");
}

static int refuse_empty(const struct task_disk *d, struct error **err)
{
	return error_set(
		err, ERR_INVALID,
		"'%s' has 0 bytes, which no archive can hold: take the disk out of the guest, or leave it out "
		"of backups with backup=0",
		d->conf->volid);
}

int task_check_sizes(const struct task *t, struct error **err)
{
	for (size_t i = 0; i < t->n; i++) {
		if (t->disks[i].size)
			continue;
		refuse_empty(&t->disks[i], err);
		return error_prefix(err, "disk '%s'", t->disks[i].conf->key), ERR_INVALID;
	}
	return 0;
}

/* Of a file that can be told before the guest is stopped for it. */
static bool is_empty_file(const struct volume *v)
{
	struct stat st;

	return v->path && v->format == IMAGE_RAW && stat(v->path, &st) == 0 && S_ISREG(st.st_mode) &&
	       !st.st_size;
}

static int add_disk(struct task *t, const struct guest_disk *conf, struct error **err)
{
	struct task_disk *d = &t->disks[t->n];
	int r;

	*d = (struct task_disk){ .conf = conf, .way = WAY_OFFLINE };
	/* the TPM's state gets a node of its own for the backup, which shows in PVE's name for it */
	d->device = xasprintf("drive-%s%s", conf->key, !strcmp(conf->key, "tpmstate0") ? "-backup" : "");
	t->n++;
	r = volume_open(t->host->storages, conf->volid, conf->format, &d->volume, err);
	if (r == 0 && d->volume.storage)
		r = storage_activate(d->volume.storage, t->log, err);
	if (r == 0)
		d->activated = !volume_is_active(&d->volume);
	if (r == 0)
		r = volume_activate(&d->volume, err);
	if (r == 0 && is_empty_file(&d->volume))
		r = refuse_empty(d, err);
	if (r < 0)
		error_prefix(err, "disk '%s'", conf->key);
	return r;
}

static int compare_keys(const void *a, const void *b)
{
	const struct task_disk *x = a, *y = b;

	return strcmp(x->conf->key, y->conf->key);
}

static bool has_disks(const char *archive)
{
	_cleanup_(vma_reader_freep) struct vma_reader *reader = NULL;
	_cleanup_close_ int fd = open(archive, O_RDONLY | O_CLOEXEC);
	const struct vma_header *h;

	if (fd < 0 || vma_reader_new(fd, 1, NULL, &reader, NULL) < 0)
		return false;
	h = vma_reader_header(reader);
	for (unsigned i = 1; i <= VMA_MAX_DEVICES; i++)
		if (h->devices[i].name && strcmp(h->devices[i].name, VMA_VMSTATE) != 0)
			return true;
	return false;
}

/*
 * A configuration that has lost its disks (an editor, a restore of the wrong file) makes archives of nothing,
 * which would push out those that hold the data.
 */
static int check_lost_disks(const struct task *t, struct error **err)
{
	_cleanup_backups_ struct backups b = { 0 };
	const char *newest;
	int r;

	if (t->conf_disks.n || !t->o->dumpdir)
		return 0;
	r = backups_list(t->o->dumpdir, "qemu", t->vmid, &b, err);
	if (r < 0 || !b.n)
		return r;
	newest = b.list[b.n - 1].path;
	if (!has_disks(newest))
		return 0;
	return error_set(
		err, ERR_INVALID,
		"the configuration of VM %u names no disk, but its newest backup '%s' has some: put their "
		"lines back, or, if they are gone for good, move that backup to another folder",
		t->vmid, newest);
}

int task_load_disks(struct task *t, struct error **err)
{
	const char *name = guest_config_get(&t->conf, "name");
	int r;

	if (name)
		log_info(t->log, "VM Name: %s", name);
	r = guest_config_disks(&t->conf, &t->conf_disks, err);
	if (r == 0)
		r = check_lost_disks(t, err);
	if (r < 0)
		return r;
	t->disks = xcalloc(t->conf_disks.n, sizeof(*t->disks));
	for (size_t i = 0; i < t->conf_disks.n; i++) {
		const struct guest_disk *d = &t->conf_disks.disks[i];

		if (!d->included) {
			log_info(t->log, "exclude disk '%s' '%s' (%s)", d->key, d->volid, d->reason);
			continue;
		}
		log_included(t, d);
		r = add_disk(t, d, err);
		if (r < 0)
			return r;
	}
	/* PVE's order of the devices in an archive */
	qsort(t->disks, t->n, sizeof(*t->disks), compare_keys);
	return 0;
}

/* As PVE, when the guest does not run; one that started meanwhile keeps its disk open, and active. */
static void deactivate(struct task *t, struct task_disk *d)
{
	_cleanup_error_ struct error *mine = NULL;

	if (d->activated && d->way == WAY_OFFLINE && volume_deactivate(&d->volume, &mine) < 0)
		log_warn(t->log, "%s", error_message(mine));
}

void task_clear_disks(struct task *t)
{
	for (size_t i = 0; i < t->n; i++) {
		struct task_disk *d = &t->disks[i];

		deactivate(t, d);
		free(d->device);
		volume_clear(&d->volume);
		volume_clear(&d->image);
		graph_disk_clear(&d->graph);
	}
	free(t->disks);
	guest_disks_clear(&t->conf_disks);
}

static int add_firewall(struct task *t, struct vma_header *hdr, struct error **err)
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

int task_add_configs(struct task *t, struct vma_header *hdr, struct error **err)
{
	_cleanup_buf_ struct buf maps = BUF_INIT, text = BUF_INIT;
	int r;

	for (size_t i = 0; i < t->n; i++) {
		const struct task_disk *d = &t->disks[i];

		guest_config_add_map(&maps, d->conf->key, d->device,
				     d->volume.storage ? d->volume.storage->id : NULL,
				     image_format_name(d->volume.format));
	}
	guest_config_assemble(&t->conf, buf_str(&maps), t->log, &text);
	r = vma_header_add_config(hdr, "qemu-server.conf", buf_str(&text), text.len, err);
	if (r == 0)
		r = add_firewall(t, hdr, err);
	return r;
}
