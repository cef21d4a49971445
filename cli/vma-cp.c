/* vma cp: files out of a disk of an archive. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "inside/extract.h"
#include "vma-commands.h"
#include "vma-inside.h"

static const char *const args[] = { "source", "target", NULL };

static const struct option rows[] = {
	{ .name = "source",
	  .flags = OPTION_REQUIRED,
	  .complete = COMPLETE_ARCHIVE_PLACE,
	  .description = "ARCHIVE:DISK:PARTITION:PATH, ARCHIVE:DISK:PATH or ARCHIVE:LVM:GROUP/VOLUME:PATH." },
	{ .name = "target",
	  .flags = OPTION_REQUIRED,
	  .complete = COMPLETE_FILE,
	  .description = "A directory to put it in, or its new name, which must not exist; - for standard "
			 "output." },
	{ .name = "guestfs",
	  .value = { .type = VALUE_BOOL },
	  .complete = COMPLETE_BOOL,
	  .description = "Read by libguestfs also what can be read without." },
};

static const struct option_table table = {
	.command = "vma cp",
	.summary = "copy files out of a disk",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.args = args,
};

/* ---- where to ---- */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The name that the thing has in the archive.  Caller frees. */
static char *own_name(const struct vma_place *p)
{
	_cleanup_free_ char *path = xstrdup(p->path);
	size_t len = strlen(path);

	while (len && path[len - 1] == '/')
		path[--len] = '\0';
	if (*base_name(path) && strcmp(base_name(path), ".") != 0 && strcmp(base_name(path), "..") != 0)
		return xstrdup(base_name(path));
	/* the root folder has none */
	return p->lvm ? xstrdup(base_name(p->volume))
		      : xasprintf("%s-%d", p->disk, p->partition < 0 ? 0 : p->partition);
}

/* Goes to the folder that it comes into; *ret_name is its name there. */
static int enter_target(const struct vma_place *p, const char *target, char **ret_name, struct error **err)
{
	_cleanup_free_ char *trimmed = xstrdup(target), *folder = NULL;
	struct stat st;
	size_t len = strlen(trimmed);

	while (len > 1 && trimmed[len - 1] == '/')
		trimmed[--len] = '\0';
	if (stat(trimmed, &st) == 0 && S_ISDIR(st.st_mode)) {
		folder = xstrdup(trimmed);
		*ret_name = own_name(p);
	} else {
		folder = io_parent(trimmed);
		*ret_name = xstrdup(base_name(trimmed));
	}
	if (chdir(folder) < 0)
		return error_errno(err, errno, "cannot go to '%s'", folder);
	if (lstat(*ret_name, &st) == 0)
		return error_set(err, -EEXIST,
				 "'%s/%s' exists, and nothing is overwritten; give another place", folder,
				 *ret_name);
	return 0;
}

/* ---- from the reader, in a thread, by a pipe ---- */

struct flow {
	struct vma_inside *x;
	int (*send)(void *reader, const char *path, int out, struct error **err);
	int out;
	int result;
	struct error *err;
};

static void *send(void *opaque)
{
	struct flow *f = opaque;

	f->result = f->send(f->x->reader.x, f->x->place.path, f->out, &f->err);
	close(f->out);
	return NULL;
}

static int flow_start(struct flow *f, pthread_t *ret, int *ret_in, struct error **err)
{
	int ends[2], r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_errno(err, errno, "cannot make a pipe");
	f->out = ends[1];
	*ret_in = ends[0];
	r = pthread_create(ret, NULL, send, f);
	if (r == 0)
		return 0;
	close(ends[0]);
	close(ends[1]);
	return error_errno(err, r, "cannot start a thread");
}

/* Why what came was not complete, the sender knows better. */
static int flow_end(struct flow *f, pthread_t thread, int in, int r, struct error **err)
{
	close(in);
	pthread_join(thread, NULL);
	if (f->result < 0 && (r == 0 || r == ERR_GONE)) {
		if (err) {
			error_free(*err);
			*err = TAKE_PTR(f->err);
		}
		r = f->result;
	}
	error_free(f->err);
	return r;
}

static void say_left_out(uint64_t n)
{
	if (n)
		fprintf(stderr, "warning: devices, pipes and sockets are not copied; left out: %" PRIu64 "\n",
			n);
}

static int copy_content(struct vma_inside *x, const struct inside_entry *e, const char *name,
			struct error **err)
{
	const bool folder = S_ISDIR(e->mode);
	struct flow f = { .x = x, .send = folder ? x->reader.ops->stream : x->reader.ops->cat };
	struct inside_counts counts = { 0 };
	pthread_t thread;
	int in = -1, r = flow_start(&f, &thread, &in, err);

	if (r < 0)
		return r;
	r = folder ? inside_extract(in, name, &counts, err) : inside_extract_file(in, e, name, err);
	r = flow_end(&f, thread, in, r, err);
	say_left_out(counts.left_out);
	return r;
}

static int copy_to(struct vma_inside *x, const char *target, struct error **err)
{
	_cleanup_free_ char *name = NULL;
	struct inside_entry e = { 0 };
	int r = enter_target(&x->place, target, &name, err);

	if (r == 0)
		r = x->reader.ops->look(x->reader.x, x->place.path, &e, err);
	if (r < 0)
		return r;
	if (S_ISLNK(e.mode))
		r = inside_extract_link(&e, name, err);
	else if (S_ISREG(e.mode) || S_ISDIR(e.mode))
		r = copy_content(x, &e, name, err);
	else
		r = error_set(err, ERR_UNSUPPORTED, "'%s' is a device, pipe or socket, which is not copied",
			      x->place.path);
	free(e.name);
	free(e.link);
	return r;
}

static int copy(struct vma_inside *x, const struct options *o, struct error **err)
{
	const char *target = options_get(o, "target");
	int r;

	if (!x->place.path || (x->place.lvm && !x->place.volume))
		return error_set(err, ERR_INVALID,
				 "'%s' names no file; it is ARCHIVE:DISK:PARTITION:PATH, as in "
				 "x.vma.zst:scsi0:1:/etc/fstab",
				 options_get(o, "source"));
	if (!*target)
		return error_set(
			err, ERR_INVALID,
			"target: '' is no name; give a folder, a new name, or - for standard output");
	r = vma_inside_open_reader(x, options_bool(o, "guestfs"), err);
	if (r < 0)
		return r;
	if (strcmp(target, "-") != 0)
		return copy_to(x, target, err);
	return x->reader.ops->cat(x->reader.x, x->place.path, STDOUT_FILENO, err);
}

static int run(struct options *o, struct error **err)
{
	struct vma_inside x;
	int r;

	/* a reader that ends early is an error of write() */
	signal(SIGPIPE, SIG_IGN);
	r = vma_inside_open(&x, options_get(o, "source"), err);
	if (r == 0)
		r = copy(&x, o, err);
	vma_inside_close(&x);
	return r;
}

const struct command vma_command_cp = {
	.name = "cp",
	.table = &table,
	.run = run,
};
