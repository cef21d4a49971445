/*
 * Disks that no QEMU of this guest has: no program may write to them from the first byte to the last.
 *
 * Before they are read, all programs are checked for having them open for writing.  Meanwhile QEMU's locks
 * keep other QEMUs out (see qemu/storage-daemon.h), and a mark that changes ends the copy.  At the end both
 * checks are repeated, to find what the locks do not show.  The TPM's state of a running guest is the
 * exception: swtpm has it open, but PVE reads it anyway, and a write in the meantime is only a warning.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "guest/disk-user.h"
#include "base/mem.h"
#include "qemu/pause.h"
#include "qemu/storage-daemon.h"
#include "source/luks.h"
#include "source/source.h"
#include "storage/in-use.h"

#define SWTPM "swtpm"

/* struct source.state */
struct offline {
	struct volume_mark mark; /* taken before it was read */
};

static const char *where_is(const struct source *d)
{
	return d->volume->path ? d->volume->path : d->volume->volid;
}

/* ---- other users of a disk ---- */

static int check_unused(const struct sources *s, const struct source *d, struct error **err)
{
	int r = disk_check_unused(s->p.host, s->p.guest.vmid, d->volume, s->live ? SWTPM : NULL, err);

	return r < 0 ? error_wrap(err, r, "disk '%s'", d->conf->key) : 0;
}

static int check_all_unused(const struct sources *s, struct source *const *disks, size_t n,
			    struct error **err)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = check_unused(s, disks[i], err);
	return r;
}

static bool was_written(const struct source *d)
{
	const struct offline *o = d->state;

	return volume_was_written(d->volume, &o->mark);
}

static int refuse_written(const struct sources *s, const struct source *d, struct error **err)
{
	/* if the writer is still there, the error names it */
	int r = check_unused(s, d, err);

	if (r < 0)
		return r;
	return error_set(
		err, -EBUSY,
		"disk '%s': somebody wrote to '%s' while it was read, so the archive would hold a state that "
		"it never had: back it up again while nobody writes to it",
		d->conf->key, where_is(d));
}

static int offline_look(struct sources *s, struct source *const *disks, size_t n, struct error **err)
{
	for (size_t i = 0; i < n && !s->live; i++) {
		if (was_written(disks[i]))
			return refuse_written(s, disks[i], err);
	}
	return 0;
}

static int offline_check(struct sources *s, struct source *const *disks, size_t n, struct error **err)
{
	int r = check_all_unused(s, disks, n, err);

	if (r == 0)
		r = offline_look(s, disks, n, err);
	for (size_t i = 0; i < n && r == 0 && s->live; i++) {
		if (was_written(disks[i]))
			log_warn(s->p.log,
				 "%s: the guest's TPM wrote its state while it was read: the "
				 "archive may hold neither the old nor the new one",
				 disks[i]->conf->key);
	}
	return r;
}

/* ---- LUKS ---- */

/*
 * A LUKS header shows that either the guest itself encrypts the disk, which is data like any other, or QEMU
 * decrypts it for the guest.  In the second case a backup of the running guest holds plain text, and an
 * offline backup has no key for that.
 */
static int judge_luks(const struct sources *s, const struct source *d, const uint8_t *head,
		      struct error **err)
{
	const uint64_t *conf_size = d->conf->has_size ? &d->conf->size : NULL;
	const enum luks_verdict verdict = luks_judge(head, conf_size, d->size);

	if (verdict == LUKS_DECRYPTED)
		return error_set(
			err, ERR_UNSUPPORTED,
			"disk '%s': '%s' is encrypted (LUKS) and QEMU decrypts it for the guest, as the "
			"size in the configuration shows: without the key only a running guest's plain "
			"text can be saved; start the guest, or leave the disk out with backup=0",
			d->conf->key, where_is(d));
	if (verdict == LUKS_UNKNOWN)
		log_warn(s->p.log,
			 "%s: '%s' begins with a LUKS header and is saved as it is, encrypted: if QEMU "
			 "decrypts it, a backup of the running guest is another disk, in plain text",
			 d->conf->key, where_is(d));
	return 0;
}

static int check_luks(const struct sources *s, const struct source *d, struct error **err)
{
	uint8_t head[LUKS_HEAD];
	int r;

	if (d->size < sizeof(head))
		return 0;
	r = storage_daemon_read(s->daemon, d->device, head, sizeof(head), err);
	return r < 0 ? r : judge_luks(s, d, head, err);
}

/* ---- the plan ---- */

/* Without a daemon only a raw image shows its data. */
static bool read_head(const struct source *d, uint8_t *head, size_t len)
{
	_cleanup_close_ int fd = -1;

	if (!d->volume->path || d->volume->format != IMAGE_RAW)
		return false;
	fd = open(d->volume->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	return fd >= 0 && pread(fd, head, len, 0) == (ssize_t)len;
}

/* A guest that runs and has the disk open is shut down before it is read. */
static int offline_plan(const struct sources *s, const struct source *d, const struct source_plan *before,
			struct source_plan *ret, struct error **err)
{
	const bool goes_down = !s->live && s->p.power->running;
	uint8_t head[LUKS_HEAD];
	int r = goes_down ? 0 : check_unused(s, d, err);

	(void)before;
	if (r == 0 && ret->has_size && read_head(d, head, sizeof(head)))
		r = judge_luks(s, d, head, err);
	return r;
}

/* ---- the daemon ---- */

/* A lock shows that there is a user, but not which: then the user is looked for, to name it. */
static int start_daemon(struct sources *s, struct source *const *disks, size_t n,
			const struct storage_daemon_disk *exports, struct error **err)
{
	_cleanup_error_ struct error *mine = NULL, *user = NULL;
	int r;

	s->daemon = xcalloc(1, sizeof(*s->daemon));
	r = storage_daemon_start(s->daemon, s->run_dir, exports, n, s->p.host->cancel, &mine);
	if (r == ERR_PEER && check_all_unused(s, disks, n, &user) == -EBUSY) {
		r = user->code;
		error_keep_first(err, &user);
	}
	error_keep_first(err, &mine);
	return r;
}

static int describe_export(const struct sources *s, struct source *d, struct storage_daemon_disk *ret,
			   struct error **err)
{
	struct offline *o = d->state = xcalloc(1, sizeof(struct offline));
	int r = check_unused(s, d, err);

	if (r == 0)
		r = volume_blockdev(d->volume, &ret->protocol, err);
	if (r < 0)
		return r;
	/*
	 * the host may still cache data of a guest that was killed; written out later, it would look like a
	 * new write
	 */
	graph_write_out(d->volume->path);
	volume_get_mark(d->volume, &o->mark);
	ret->export = d->device;
	ret->format = image_format_name(d->volume->format);
	ret->shared = s->live != NULL;
	return 0;
}

static int serve_disks(struct sources *s, struct source *const *disks, size_t n,
		       struct storage_daemon_disk *exports, struct error **err)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = describe_export(s, disks[i], &exports[i], err);
	if (r == 0)
		r = start_daemon(s, disks, n, exports, err);
	/* a program may have opened one between the first check and the mark */
	if (r == 0)
		r = check_all_unused(s, disks, n, err);
	return r;
}

static int examine_disk(const struct sources *s, struct source *d, struct error **err)
{
	int r = storage_daemon_size(s->daemon, d->device, &d->size, err);

	return r < 0 ? r : check_luks(s, d, err);
}

static int offline_open(struct sources *s, struct source *const *disks, size_t n, struct error **err)
{
	_cleanup_free_ struct storage_daemon_disk *exports = xcalloc(n, sizeof(*exports));
	int r = serve_disks(s, disks, n, exports, err);

	for (size_t i = 0; i < n; i++)
		json_object_put(exports[i].protocol);
	for (size_t i = 0; i < n && r == 0; i++)
		r = examine_disk(s, disks[i], err);
	return r;
}

static void offline_endpoint(const struct sources *s, const struct source *d, struct source_endpoint *ret)
{
	ret->socket = s->daemon->socket;
	ret->export = d->device;
	ret->no_base_bitmap = s->live ? "it is not read from the guest's QEMU" : "the guest is off";
}

static void offline_close(struct source *d)
{
	free(d->state);
}

const struct source_ops source_offline = {
	.name = "offline",
	.open = offline_open,
	.plan = offline_plan,
	.look = offline_look,
	.check = offline_check,
	.endpoint = offline_endpoint,
	.close = offline_close,
};
