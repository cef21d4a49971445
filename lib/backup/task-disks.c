/* The disks that a guest's backup has. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "backup/task-internal.h"
#include "base/mem.h"
#include "base/units.h"
#include "vma/reader.h"

static void log_included(struct task *t, const struct guest_disk *d)
{
	_cleanup_free_ char *size = d->has_size ? units_disk_size(d->size) : NULL;

	log_info(t->log, "include disk '%s' '%s'%s%s", d->key, d->volid, size ? " " : "", size ? size : "");
}

int task_refuse_empty(const struct task_disk *d, struct error **err)
{
	return error_set(
		err, ERR_INVALID,
		"'%s' has 0 bytes, which no archive can hold: take the disk out of the guest, or leave it out "
		"of backups with backup=0",
		d->conf->volid);
}

/* Detects some empty disks before the guest is stopped; others only when the sizes of the disks are known. */
static bool is_empty_file(const struct volume *v)
{
	struct stat st;

	return v->path && v->format == IMAGE_RAW && stat(v->path, &st) == 0 && S_ISREG(st.st_mode) &&
	       !st.st_size;
}

static int add_disk(struct task *t, const struct guest_disk *conf, struct error **err)
{
	struct task_disk *d = &t->disks.list[t->disks.n];
	int r;

	*d = (struct task_disk){ .conf = conf };
	/* in PVE the TPM's state has its own node for the backup, hence this name */
	d->device = xasprintf("drive-%s%s", conf->key, !strcmp(conf->key, "tpmstate0") ? "-backup" : "");
	t->disks.n++;
	r = volume_open(t->host->storages, conf->volid, conf->format, &d->volume, err);
	return r < 0 ? error_wrap(err, r, "disk '%s'", conf->key) : 0;
}

static int activate_disk(struct task *t, struct task_disk *d, struct error **err)
{
	int r = d->volume.storage ? storage_activate(d->volume.storage, t->log, err) : 0;

	if (r == 0)
		d->activated = !volume_is_active(&d->volume);
	return r == 0 ? volume_activate(&d->volume, err) : r;
}

static int look_at_disk(struct task *t, struct task_disk *d, struct error **err)
{
	return d->volume.storage ? storage_look(d->volume.storage, t->log, err) : 0;
}

static int use_disks(struct task *t, int (*use)(struct task *t, struct task_disk *d, struct error **err),
		     struct error **err)
{
	for (size_t i = 0; i < t->disks.n; i++) {
		struct task_disk *d = &t->disks.list[i];
		int r = use(t, d, err);

		if (r == 0 && is_empty_file(&d->volume))
			r = task_refuse_empty(d, err);
		if (r < 0)
			return error_wrap(err, r, "disk '%s'", d->conf->key);
	}
	return 0;
}

int task_disks_activate(struct task *t, struct error **err)
{
	return use_disks(t, activate_disk, err);
}

int task_disks_look(struct task *t, struct error **err)
{
	return use_disks(t, look_at_disk, err);
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
 * If a configuration has lost its disks (in an editor, by a restore of the wrong file), the archives would be
 * empty, and retention would remove the older ones that have the data.
 */
static int check_lost_disks(const struct task *t, struct error **err)
{
	_cleanup_backups_ struct backups b = { 0 };
	const char *newest;
	int r;

	if (t->disks.conf.n || !place_keeps(t->o->place))
		return 0;
	r = place_list(t->o->place, "qemu", t->vmid, &b, err);
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

int task_disks_find(struct task *t, struct error **err)
{
	const char *name = guest_config_get(&t->guest.conf, "name");
	int r;

	if (name)
		log_info(t->log, "VM Name: %s", name);
	guest_config_warn_beyond(&t->guest.conf, "saved", t->log);
	r = guest_config_disks(&t->guest.conf, &t->disks.conf, err);
	if (r == 0)
		r = check_lost_disks(t, err);
	if (r < 0)
		return r;
	t->disks.list = xcalloc(t->disks.conf.n, sizeof(*t->disks.list));
	for (size_t i = 0; i < t->disks.conf.n; i++) {
		const struct guest_disk *d = &t->disks.conf.disks[i];

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
	qsort(t->disks.list, t->disks.n, sizeof(*t->disks.list), compare_keys);
	return 0;
}

/* PVE deactivates the volumes of a guest that has shut itself down, as soon as it hears of that. */
int task_disks_activate_again(struct task *t, struct error **err)
{
	for (size_t i = 0; i < t->disks.n; i++) {
		struct task_disk *d = &t->disks.list[i];
		int r;

		d->activated = d->activated || !volume_is_active(&d->volume);
		r = volume_activate(&d->volume, err);
		if (r < 0)
			return error_wrap(err, r, "disk '%s'", d->conf->key);
	}
	return 0;
}

/* As in PVE, if the guest does not run.  If it was started meanwhile, the disk is open and stays active. */
static void deactivate_disk(struct task *t, struct task_disk *d)
{
	_cleanup_error_ struct error *mine = NULL;

	if (volume_deactivate(&d->volume, &mine) < 0)
		log_warn(t->log, "%s", error_message(mine));
}

void task_disks_deactivate(struct task *t)
{
	for (size_t i = 0; i < t->disks.n; i++) {
		struct task_disk *d = &t->disks.list[i];

		if (d->activated && !(d->source && d->source->live))
			deactivate_disk(t, d);
	}
}

void task_disks_clear(struct task *t)
{
	for (size_t i = 0; i < t->disks.n; i++) {
		free(t->disks.list[i].device);
		volume_clear(&t->disks.list[i].volume);
	}
	free(t->disks.list);
	guest_disks_clear(&t->disks.conf);
}
