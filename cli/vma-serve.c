/* vma serve: the disks of an archive over NBD. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "qemu/nbd-uri.h"
#include "restore/serve.h"
#include "show.h"
#include "signals.h"
#include "vma-commands.h"
#include "vma/random.h"

static const char *const args[] = { "archive", NULL };

static const struct option rows[] = {
	{ .name = "archive",
	  .flags = OPTION_REQUIRED,
	  .complete = COMPLETE_ARCHIVE,
	  .description = "The archive: .vma.zst with an index, or .vma." },
	{ .name = "socket",
	  .complete = COMPLETE_FILE,
	  .description = "Path of the socket. Without it one is made in a new folder in /tmp." },
	{ .name = "disk",
	  .complete = COMPLETE_ARCHIVE_DISKS,
	  .description = "The disk for a client that names none. Not needed if there is only one." },
};

static const struct option_table table = {
	.command = "vma serve",
	.summary = "serve the disks of an archive over NBD, read-only",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.args = args,
};

/* Reports a problem with the archive in our own words, and prints its disks. */
static int print_disks(const char *archive, const char *socket, struct error **err)
{
	_cleanup_(vma_random_freep) struct vma_random *random = NULL;
	int r = vma_random_open(archive, 1, &random, err);

	if (r < 0)
		return r;
	for (unsigned i = 1; i <= VMA_MAX_DEVICES; i++) {
		const struct vma_device *d = &vma_random_header(random)->devices[i];
		_cleanup_free_ char *uri = NULL;

		if (!d->name)
			continue;
		uri = nbd_uri(socket, d->name);
		show("%s %" PRIu64 " %s\n", d->name, d->size, uri);
	}
	return 0;
}

static int serve(const struct options *o, const char *socket, struct error **err)
{
	const char *archive = options_get(o, "archive");
	struct serve_options so = { .archive = archive, .socket = socket, .disk = options_get(o, "disk") };
	struct cancel *stop;
	struct serve s = { 0 };
	int r = signals_catch(&stop, err);

	so.cancel = stop;
	if (r == 0)
		r = print_disks(archive, socket, err);
	if (r == 0)
		r = serve_start(&s, &so, err);
	if (r == 0) {
		puts("serving; Ctrl-C ends it");
		fflush(stdout);
		r = serve_wait(&s, stop, err);
	}
	serve_stop(&s);
	cancel_clear(stop);
	return r;
}

static int run(struct options *o, struct error **err)
{
	char folder[] = "/tmp/vma-serve.XXXXXX";
	_cleanup_free_ char *socket = xstrdup_null(options_get(o, "socket"));
	int r;

	if (socket)
		return serve(o, socket, err);
	if (!mkdtemp(folder))
		return error_errno(err, errno, "cannot make a folder in /tmp");
	socket = xasprintf("%s/sock", folder);
	r = serve(o, socket, err);
	rmdir(folder);
	return r;
}

const struct command vma_command_serve = {
	.name = "serve",
	.table = &table,
	.run = run,
};
