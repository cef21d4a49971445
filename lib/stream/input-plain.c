/* The unpacker of an archive that is not compressed. */
#include "base/mem.h"
#include "stream/unpacker.h"

struct plain_unpacker {
	struct unpacker base;
	struct input_raw *raw;
};

static int plain_read(struct unpacker *u, void *data, size_t len, size_t *ret_len, struct error **err)
{
	return input_raw_read(((struct plain_unpacker *)u)->raw, data, len, ret_len, err);
}

static void plain_free(struct unpacker *u)
{
	free(u);
}

static const struct unpacker_ops plain_ops = { .read = plain_read, .free = plain_free };

int unpacker_plain_new(struct input_raw *raw, struct unpacker **ret, struct error **err)
{
	struct plain_unpacker *p = xcalloc(1, sizeof(*p));

	(void)err;
	p->base.ops = &plain_ops;
	p->raw = raw;
	*ret = &p->base;
	return 0;
}
