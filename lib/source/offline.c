/*
 * Disks that no QEMU of this guest has: nobody may write to them from the first byte to the last.
 *
 * Before, it is asked who has them open for writing.  Meanwhile QEMU's locks keep other QEMUs out (see
 * offline.h), and a mark that changes ends the copy.  At the end both are asked again, for what no lock
 * and no mark shows.  The TPM's state of a guest that runs is the exception: swtpm has it open, PVE reads it
 * all the same, and a write amid that is told.
 */
#include <errno.h>
#include <string.h>

#include "backup/disk-user.h"
#include "backup/task-internal.h"
#include "base/mem.h"
#include "base/units.h"
#include "stream/bytes.h"

#define SWTPM "swtpm"

enum {
	LUKS_HEAD = 112,
	LUKS_PAYLOAD_AT = 104, /* LUKS1: where the data begins, in sectors of 512 bytes, big-endian */
};

static void free_protocols(struct storage_daemon_disk *disks, size_t n)
{
	for (size_t i = 0; i < n; i++)
		json_object_put(disks[i].protocol);
	free(disks);
}

/* ---- who else ---- */

static int check_unused(const struct task *t, const struct task_disk *d, struct error **err)
{
	int r = disk_check_unused(t->host, t->vmid, &d->volume, t->live ? SWTPM : NULL, err);

	return r < 0 ? (error_prefix(err, "disk '%s'", d->conf->key), r) : 0;
}

static int check_all(const struct task *t, struct error **err)
{
	int r = 0;

	for (size_t i = 0; i < t->n && r == 0; i++)
		if (t->disks[i].way == WAY_OFFLINE)
			r = check_unused(t, &t->disks[i], err);
	return r;
}

static int say_written(const struct task *t, const struct task_disk *d, struct error **err)
{
	const char *where = d->volume.path ? d->volume.path : d->volume.volid;
	/* by whom, if he is still there */
	int r = check_unused(t, d, err);

	if (r < 0)
		return r;
	return error_set(
		err, -EBUSY,
		"disk '%s': somebody wrote to '%s' while it was read, so what was read is no state that it "
		"ever had: back it up again when nobody does",
		d->conf->key, where);
}

int task_offline_look(const struct task *t, struct error **err)
{
	for (size_t i = 0; i < t->n && !t->live; i++) {
		const struct task_disk *d = &t->disks[i];

		if (d->way == WAY_OFFLINE && volume_was_written(&d->volume, &d->mark))
			return say_written(t, d, err);
	}
	return 0;
}

int task_offline_check(const struct task *t, struct error **err)
{
	int r = check_all(t, err);

	if (r == 0)
		r = task_offline_look(t, err);
	for (size_t i = 0; i < t->n && r == 0 && t->live; i++) {
		const struct task_disk *d = &t->disks[i];

		if (d->way == WAY_OFFLINE && volume_was_written(&d->volume, &d->mark))
			log_warn(t->log,
				 "%s: the guest's TPM wrote its state while it was read: what is in the "
				 "archive may be neither the old nor the new one",
				 d->conf->key);
	}
	return r;
}

/* ---- LUKS ---- */

/*
 * A disk that begins with a LUKS header is one that the guest itself encrypts, which is data as any other, or
 * one that QEMU decrypts for the guest: then a backup of the running guest holds the plain text, which is
 * smaller by the header, and here there is no key.  The size that the configuration tells, knows.
 */
static int check_luks(const struct task *t, const struct task_disk *d, struct error **err)
{
	static const uint8_t magic[] = { 'L', 'U', 'K', 'S', 0xba, 0xbe };
	const char *where = d->volume.path ? d->volume.path : d->volume.volid;
	uint8_t head[LUKS_HEAD];
	uint64_t payload;
	int r;

	if (d->size < sizeof(head))
		return 0;
	r = storage_daemon_read(&t->offline, d->device, head, sizeof(head), err);
	if (r < 0 || memcmp(head, magic, sizeof(magic)) != 0)
		return r;
	if (d->conf->has_size && d->conf->size == d->size)
		return 0;
	payload = (uint64_t)get_be32(head + LUKS_PAYLOAD_AT) * 512;
	if (d->conf->has_size && d->conf->size + payload == d->size)
		return error_set(
			err, ERR_UNSUPPORTED,
			"disk '%s': '%s' is encrypted (LUKS) and QEMU decrypts it for the guest, as the "
			"size in the configuration tells: without the key only a running guest's plain "
			"text can be saved; start the guest, or leave the disk out with backup=0",
			d->conf->key, where);
	log_warn(t->log,
		 "%s: '%s' begins with a LUKS header and is saved as it is, encrypted: if it is QEMU "
		 "that decrypts it, a backup of the running guest is another disk, in plain text",
		 d->conf->key, where);
	return 0;
}

/* ---- from the daemon to the copy ---- */

/* A lock tells of a user, but not who it is. */
static int start_daemon(struct task *t, const struct storage_daemon_disk *disks, size_t n, struct error **err)
{
	_cleanup_error_ struct error *mine = NULL, *user = NULL;
	int r = storage_daemon_start(&t->offline, t->run_dir, disks, n, t->host->cancel, &mine);

	if (r == ERR_PEER && check_all(t, &user) == -EBUSY) {
		r = user->code;
		error_keep_first(err, &user);
	}
	error_keep_first(err, &mine);
	return r;
}

static int look_at(struct task *t, struct task_disk *d, struct error **err)
{
	int r = storage_daemon_size(&t->offline, d->device, &d->size, err);

	return r < 0 ? r : check_luks(t, d, err);
}

int task_offline_start(struct task *t, struct error **err)
{
	struct storage_daemon_disk *disks = xcalloc(t->n, sizeof(*disks));
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; i < t->n && r == 0; i++) {
		struct task_disk *d = &t->disks[i];

		if (d->way != WAY_OFFLINE)
			continue;
		r = check_unused(t, d, err);
		if (r == 0)
			r = volume_blockdev(&d->volume, &disks[n].protocol, err);
		if (r < 0)
			break;
		/* what a guest that was killed has left in memory is no write that comes meanwhile */
		graph_write_out(d->volume.path);
		volume_get_mark(&d->volume, &d->mark);
		disks[n].export = d->device;
		disks[n].format = image_format_name(d->volume.format);
		disks[n].shared = t->live;
		n++;
	}
	if (r == 0 && n)
		r = start_daemon(t, disks, n, err);
	/* who came between the first look and the mark */
	if (r == 0 && n)
		r = check_all(t, err);
	for (size_t i = 0; i < t->n && r == 0; i++)
		if (t->disks[i].way == WAY_OFFLINE)
			r = look_at(t, &t->disks[i], err);
	free_protocols(disks, n);
	return r;
}

int task_offline_connect(struct task *t, struct error **err)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct source_endpoint s = { .socket = t->offline.socket,
						   .export = t->disks[i].device };
		int r;

		if (t->disks[i].way != WAY_OFFLINE)
			continue;
		r = copy_connect(t->copy, (unsigned)i, &s, err);
		if (r < 0)
			return r;
	}
	return 0;
}
