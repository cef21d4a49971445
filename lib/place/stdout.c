/* Standard output as a place: archives go to its reader, and none stays. */
#include <stdlib.h>

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

static int stdout_create(struct place *p, const char *name, struct journal *j, const struct cancel *cancel,
			 struct archive **ret, struct error **err)
{
	struct output *output;
	int r = output_plain_new(((struct place_stdout *)p)->fd, &output, err);

	(void)name;
	(void)j;
	(void)cancel;
	if (r < 0)
		return r;
	*ret = xcalloc(1, sizeof(**ret));
	**ret = (struct archive){ .place = p, .output = output };
	return 0;
}

static int stdout_publish(struct archive *a, struct error **err)
{
	(void)a;
	(void)err;
	return 0;
}

static void stdout_abort(struct archive *a)
{
	free(a);
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
