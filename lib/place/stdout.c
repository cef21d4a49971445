/* Standard output as a place: archives go to its reader, and none stays. */
#include <stdlib.h>
#include <sys/stat.h>

#include "base/bounded.h"
#include "base/mem.h"
#include "place/place.h"

struct place_stdout {
	struct place base;
	int fd;
};

static char *stdout_path(const struct place *p, const char *name)
{
	(void)p;
	(void)name;
	return xstrdup("-");
}

struct stdout_archive {
	struct archive base;
	int fd;
	const struct cancel *cancel;
};

static int stdout_create(struct place *p, const char *name, struct journal *j, const struct cancel *cancel,
			 struct archive **ret, struct error **err)
{
	const int fd = ((struct place_stdout *)p)->fd;
	struct stdout_archive *a;
	struct output *output;
	int r = output_plain_new(fd, &output, err);

	(void)name;
	(void)j;
	if (r < 0)
		return r;
	a = xcalloc(1, sizeof(*a));
	*a = (struct stdout_archive){ .base = { .place = p, .output = output }, .fd = fd, .cancel = cancel };
	*ret = &a->base;
	return 0;
}

/* A network file system may report only now that it has no room for data that it took before. */
static int stdout_publish(struct archive *archive, struct error **err)
{
	const struct stdout_archive *a = (const struct stdout_archive *)archive;
	struct stat st;
	int r;

	if (fstat(a->fd, &st) < 0 || !(S_ISREG(st.st_mode) || S_ISBLK(st.st_mode)))
		return 0;
	r = bounded_fsync(a->fd, a->cancel, err);
	return r < 0 && r != ERR_CANCELED ? error_wrap(err, r, "cannot sync standard output") : r;
}

static void stdout_abort(struct archive *a)
{
	free((struct stdout_archive *)a);
}

static void stdout_free(struct place *p)
{
	free(p);
}

static const struct place_ops stdout_ops = {
	.path = stdout_path,
	.create = stdout_create,
	.publish = stdout_publish,
	.abort = stdout_abort,
	.free = stdout_free,
};

struct place *place_stdout_new(int fd)
{
	struct place_stdout *p = xcalloc(1, sizeof(*p));

	p->base.ops = &stdout_ops;
	p->fd = fd;
	return &p->base;
}
