/*
 * The shell script that finishes a live restore if qmrestore cannot, because it was killed or interrupted, or
 * after an error.  It is written before the guest runs and removed when all is done.  It must be run when the
 * guest is shut down.
 */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/proc.h"
#include "restore/live-internal.h"
#include "restore/undo.h"

/* Quotes text as one word of the shell. */
static void add_word(struct buf *b, const char *text)
{
	buf_addc(b, '\'');
	for (; *text; text++) {
		if (*text == '\'')
			buf_adds(b, "'\\''");
		else
			buf_addc(b, *text);
	}
	buf_addc(b, '\'');
}

static void add_line_with_word(struct buf *b, const char *before, const char *word)
{
	buf_adds(b, before);
	add_word(b, word);
	buf_addc(b, '\n');
}

/* Our own tools come first in PATH, as Proxmox's vma has no command "serve". */
static void add_script_head(const struct restore_context *c, struct buf *b)
{
	_cleanup_free_ char *folder = proc_own_folder();

	buf_addf(b,
		 "#!/bin/sh\n# Finishes the live restore of VM %" PRIu32
		 " when the guest is shut down.\nset -e\n",
		 c->params->vmid);
	if (*c->host->paths->root)
		add_line_with_word(b, "export VZDUMP_ROOT=", c->host->paths->root);
	if (folder) {
		buf_adds(b, "PATH=");
		add_word(b, folder);
		buf_adds(b, "${PATH:+:$PATH}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n");
	}
}

static void add_server_start(const struct restore_context *c, const char *socket, struct buf *b)
{
	_cleanup_free_ char *archive = realpath(c->params->archive, NULL);

	add_line_with_word(b, "archive=", archive ? archive : c->params->archive);
	add_line_with_word(b, "socket=", socket);
	buf_adds(b, "vma serve \"$archive\" --socket \"$socket\" > /dev/null &\n"
		    "server=$!\n"
		    "trap 'kill $server' EXIT\n"
		    "until [ -S \"$socket\" ]; do kill -0 $server; sleep 0.2; done\n");
}

/*
 * Without the lock the guest may have run on its volumes, or have been restored again: then the overlay is
 * older than they are.
 */
static void add_lock_check(const struct restore_context *c, struct buf *b)
{
	_cleanup_free_ char *conf = guest_config_path(c->host->paths, c->params->vmid);

	add_line_with_word(b, "conf=", conf);
	buf_addf(b,
		 "check_lock() {\n"
		 "\tgrep -qx 'lock: " RESTORE_LOCK "' \"$conf\" && return\n"
		 "\techo \"VM %" PRIu32
		 " is not locked by this live restore any more, so its volumes may hold "
		 "newer data, and nothing is copied; if it was neither started nor restored since, add the "
		 "line 'lock: " RESTORE_LOCK "' to '$conf' and run this again\" >&2\n"
		 "\texit 1\n}\n",
		 c->params->vmid);
}

/* A disk whose overlay is gone is complete. */
static int add_disk_copy(const struct restore_context *c, const struct live_disk *d, const char *socket,
			 struct buf *b, struct error **err)
{
	const struct volume *v = &d->to->volume;
	_cleanup_free_ char *to = volume_qemu_name(v), *from = NULL;
	int r = live_disk_image(d, socket, &from, err);

	if (r < 0)
		return r;
	/* a command of its own, so that its failure ends the script; an unmounted storage lists nothing */
	buf_addf(b, "volumes=$(pvesm list %s --vmid %" PRIu32 ")\n", v->storage->id, c->params->vmid);
	buf_addf(b,
		 "echo \"$volumes\" | grep -qF '%s ' || {\n"
		 "\techo \"volume '%s' is not on its storage now; run this again when it is\" >&2\n"
		 "\texit 1\n}\n",
		 v->volid, v->volid);
	buf_addf(b, "if echo \"$volumes\" | grep -qF '%s '; then\n", d->overlay.volid);
	buf_adds(b, "\tcheck_lock\n");
	/* by default qemu-img flushes nothing, and it does not report if a flush fails */
	buf_addf(b, "\tqemu-img convert -n %s-O %s ", v->path ? "" : "-t writeback ",
		 image_format_name(v->format));
	add_word(b, from);
	add_line_with_word(b, " ", to);
	if (v->path)
		add_line_with_word(b, "\tsync ", v->path);
	buf_addf(b, "\tpvesm free %s\nfi\n", d->overlay.volid);
	return 0;
}

/* The guest is on its volume and has written there, so only the overlay is removed if it is still there. */
static void add_moved_disk(const struct restore_context *c, const struct live_disk *d, struct buf *b)
{
	buf_addf(b, "volumes=$(pvesm list %s --vmid %" PRIu32 ")\n", d->to->volume.storage->id,
		 c->params->vmid);
	buf_addf(b, "if echo \"$volumes\" | grep -qF '%s '; then\n\tpvesm free %s\nfi\n", d->overlay.volid,
		 d->overlay.volid);
}

static void add_script_end(const struct live_restore *l, struct buf *b)
{
	const struct restore_context *c = l->parts.context;
	const struct replaced *old = l->parts.replaced;
	_cleanup_free_ char *copy = live_old_config(l);

	buf_adds(b, "sed -i '/^freeze: 1$/d; /^lock: " RESTORE_LOCK "$/d' \"$conf\"\n");
	if (old->exists)
		add_line_with_word(b, "rm -f ", copy);
	/* QEMU's server has ended with it */
	add_line_with_word(b, "rm -rf ", c->dir);
	for (size_t i = 0; old->doomed && old->doomed[i]; i++)
		buf_addf(b, "grep -qwF '%s' \"$conf\" || pvesm free %s || true\n", old->doomed[i],
			 old->doomed[i]);
	buf_addf(b, "rm -f \"$0\"\necho 'VM %" PRIu32 " is on its own volumes now.'\n", c->params->vmid);
}

char *finish_script_path(const struct restore_context *c)
{
	return paths_get(c->host->paths, "/var/lib/vzdump/%u.finish", c->params->vmid);
}

static int write_script(const struct live_restore *l, const char *path, struct error **err)
{
	const struct restore_context *c = l->parts.context;
	_cleanup_free_ char *socket = paths_get(c->host->paths, "/run/vma-%u.sock", c->params->vmid);
	_cleanup_buf_ struct buf b = BUF_INIT;
	int r = 0;

	add_script_head(c, &b);
	add_lock_check(c, &b);
	add_server_start(c, socket, &b);
	for (size_t i = 0; r == 0 && i < l->n; i++) {
		if (live_disk_is_complete(&l->disks[i]))
			add_moved_disk(c, &l->disks[i], &b);
		else
			r = add_disk_copy(c, &l->disks[i], socket, &b, err);
	}
	add_script_end(l, &b);
	return r < 0 ? r : io_write_file_atomic(path, buf_str(&b), b.len, 0700, NULL, err);
}

int finish_script_write(const struct live_restore *l, struct error **err)
{
	const struct restore_context *c = l->parts.context;
	_cleanup_free_ char *path = finish_script_path(c);
	int r = journal_add(c->journal, JOURNAL_FILE, path, err);

	return r < 0 ? r : write_script(l, path, err);
}

void finish_script_update(const struct live_restore *l, const struct live_disk *d)
{
	const struct restore_context *c = l->parts.context;
	_cleanup_free_ char *path = finish_script_path(c);
	_cleanup_error_ struct error *err = NULL;

	if (write_script(l, path, &err) < 0)
		log_warn(
			c->host->log,
			"%s: %s is on its volume, but the script '%s' may not know that: before you run it, see "
			"that '%s' is gone, or what the guest writes from now on is lost",
			d->to->disk->key, error_message(err), path, d->overlay.volid);
}
