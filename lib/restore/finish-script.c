/*
 * The shell script that finishes a live restore, should qmrestore not live to do it: killed, interrupted,
 * given up.  It is written before the guest runs and removed when all is done; to be run when the guest is
 * shut down.
 */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "restore/restore-internal.h"

/* As one word of the shell. */
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

static void add_line(struct buf *b, const char *before, const char *word)
{
	buf_adds(b, before);
	add_word(b, word);
	buf_addc(b, '\n');
}

/* Our own tools go first: Proxmox's vma cannot serve. */
static void add_head(const struct restore *r, struct buf *b)
{
	char exe[4096];
	const ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	buf_addf(b,
		 "#!/bin/sh\n# Finishes the live restore of VM %" PRIu32
		 " when the guest is shut down.\nset -e\n",
		 r->p->vmid);
	if (*r->host->paths->root)
		add_line(b, "export VZDUMP_ROOT=", r->host->paths->root);
	exe[n > 0 ? n : 0] = '\0';
	if (strrchr(exe, '/')) {
		*strrchr(exe, '/') = '\0';
		buf_adds(b, "PATH=");
		add_word(b, exe);
		buf_adds(b, "${PATH:+:$PATH}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n");
	}
}

static void add_server(const struct restore *r, const char *socket, struct buf *b)
{
	_cleanup_free_ char *archive = realpath(r->p->archive, NULL);

	add_line(b, "archive=", archive ? archive : r->p->archive);
	add_line(b, "socket=", socket);
	buf_adds(b, "vma serve \"$archive\" --socket \"$socket\" > /dev/null &\n"
		    "server=$!\n"
		    "trap 'kill $server' EXIT\n"
		    "until [ -S \"$socket\" ]; do kill -0 $server; sleep 0.2; done\n");
}

/* A disk whose overlay is gone is complete. */
static int add_disk(const struct restore *r, const struct restore_volume *v, const char *socket,
		    struct buf *b, struct error **err)
{
	_cleanup_free_ char *to = volume_qemu_name(&v->volume), *from = NULL;
	int res = restore_whole_disk(v, socket, &from, err);

	if (res < 0)
		return res;
	/* a step of its own: its failure ends the script.  A folder that is not mounted lists nothing. */
	buf_addf(b, "volumes=$(pvesm list %s --vmid %" PRIu32 ")\n", v->volume.storage->id, r->p->vmid);
	buf_addf(b,
		 "echo \"$volumes\" | grep -qF '%s ' || {\n"
		 "\techo \"volume '%s' is not on its storage now; run this again when it is\" >&2\n"
		 "\texit 1\n}\n",
		 v->volume.volid, v->volume.volid);
	buf_addf(b, "if echo \"$volumes\" | grep -qF '%s '; then\n", v->overlay.volid);
	/* by itself qemu-img writes nothing out, and does not say if that fails */
	buf_addf(b, "\tqemu-img convert -n %s-O %s ", v->volume.path ? "" : "-t writeback ",
		 image_format_name(v->volume.format));
	add_word(b, from);
	add_line(b, " ", to);
	if (v->volume.path)
		add_line(b, "\tsync ", v->volume.path);
	buf_addf(b, "\tpvesm free %s\nfi\n", v->overlay.volid);
	return 0;
}

static void add_end(const struct restore *r, struct buf *b)
{
	_cleanup_free_ char *conf = guest_config_path(r->host->paths, r->p->vmid);
	_cleanup_free_ char *copy = restore_old_copy(r);

	add_line(b, "sed -i '/^freeze: 1$/d; /^lock: " RESTORE_LOCK "$/d' ", conf);
	if (r->has_old)
		add_line(b, "rm -f ", copy);
	/* QEMU's server has ended with it */
	add_line(b, "rm -rf ", r->dir);
	for (size_t i = 0; r->doomed && r->doomed[i]; i++)
		buf_addf(b, "pvesm free %s || true\n", r->doomed[i]);
	buf_addf(b, "rm -f \"$0\"\necho 'VM %" PRIu32 " is on its own volumes now.'\n", r->p->vmid);
}

char *restore_finish_script(const struct restore *r)
{
	return paths_get(r->host->paths, "/var/lib/vzdump/%u.finish", r->p->vmid);
}

int restore_write_finish(struct restore *r, struct error **err)
{
	_cleanup_free_ char *path = restore_finish_script(r);
	_cleanup_free_ char *socket = paths_get(r->host->paths, "/run/vma-%u.sock", r->p->vmid);
	_cleanup_buf_ struct buf b = BUF_INIT;
	int res = 0;

	add_head(r, &b);
	add_server(r, socket, &b);
	for (size_t i = 0; res == 0 && i < r->n; i++)
		if (r->volumes[i].live)
			res = add_disk(r, &r->volumes[i], socket, &b, err);
	add_end(r, &b);
	if (res == 0)
		res = journal_add(r->journal, JOURNAL_FILE, path, err);
	return res < 0 ? res : io_write_file_atomic(path, buf_str(&b), b.len, 0700, NULL, err);
}
