#include "backup/base-choice.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bounded.h"
#include "base/mem.h"
#include "base/uuid.h"

#define SECONDS_PER_DAY 86400u
/* Below that, reading the base at random and taking it over in many pieces costs more than it saves. */
#define MIN_FRAME_CLUSTERS 12
/* Of the base's file, in percent, that was new: where most changes each time, a chain saves little. */
#define MAX_NEW_PERCENT 60

/* Notes why the backup is a full one. */
__attribute__((format(printf, 2, 3))) static void be_full(struct base_choice *c, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	c->reason = xvasprintf(format, ap);
	va_end(ap);
	if (c->base) {
		c->supersedes = true;
		memcpy(c->superseded, vma_base_header(c->base)->uuid, VMA_UUID_SIZE);
	}
	vma_base_free(TAKE_PTR(c->base));
}

/* ---- what can be told from the archive itself ---- */

/* Reading its index over a slow network; a request to stop ends it. */
#define READ_MS (5 * 60 * 1000)

struct reading {
	int fd; /* until it belongs to the base */
	char *name;
	struct vma_base *base;
};

static void reading_free(void *opaque)
{
	struct reading *r = opaque;

	vma_base_free(r->base);
	if (r->fd >= 0)
		close(r->fd);
	free(r->name);
	free(r);
}

static int read_archive(void *opaque, struct error **err)
{
	struct reading *r = opaque;

	return vma_base_open(TAKE_FD(r->fd), r->name, &r->base, err);
}

static void take_base(void *opaque, void *ret)
{
	struct reading *r = opaque;

	*(struct vma_base **)ret = TAKE_PTR(r->base);
}

/* vma_base_open(), whose reads wait for the file system.  fd belongs to it in any case. */
static int read_base(const struct base_choice_params *p, int fd, const char *name, struct vma_base **ret,
		     struct error **err)
{
	struct reading *reading = xcalloc(1, sizeof(*reading));
	const struct bounded_call call = {
		.call = read_archive, .take = take_base, .clear = reading_free, .arg = reading, .ret = ret
	};
	int r;

	*reading = (struct reading){ .fd = fd, .name = xstrdup(name) };
	r = bounded_run(&call, READ_MS, p->cancel, err);
	if (r == ERR_TIMEOUT)
		error_prefix(err, "base '%s'", name);
	return r;
}

static int open_base(const struct base_choice_params *p, const struct backup *newest, struct base_choice *c,
		     struct error **err)
{
	_cleanup_error_ struct error *mine = NULL;
	const char *name = newest->name.filename;
	int fd, r;

	if (strcmp(newest->name.format, "vma") != 0 || strcmp(newest->name.compression, "zst") != 0) {
		be_full(c, "the newest backup '%s' is not compressed with zstd", name);
		return 0;
	}
	r = place_open(p->place, name, &fd, &mine);
	if (r == 0)
		r = read_base(p, fd, name, &c->base, &mine);
	if (r == ERR_UNSUPPORTED)
		be_full(c, "the newest backup '%s' was not made with --incremental, or its end is damaged",
			name);
	else if (r < 0 && r != ERR_CANCELED)
		be_full(c, "%s", error_message(mine));
	else
		error_keep_first(err, &mine);
	return r == ERR_CANCELED ? r : 0;
}

static void check_chain(const struct base_choice_params *p, struct base_choice *c)
{
	const struct vma_chain *chain = vma_base_chain(c->base);
	const uint64_t age = p->now > chain->started ? (uint64_t)p->now - (uint64_t)chain->started : 0;
	const uint64_t size = vma_base_file_size(c->base);

	if (chain->generation >= p->config->max_generations - 1)
		be_full(c, "the chain has %" PRIu64 " generations (max-generations)",
			(uint64_t)chain->generation + 1);
	else if (age >= (uint64_t)p->config->max_days * SECONDS_PER_DAY)
		be_full(c, "the chain is %" PRIu64 " days old (max-days)", age / SECONDS_PER_DAY);
	else if (chain->kept_frames && chain->kept_clusters / chain->kept_frames < MIN_FRAME_CLUSTERS)
		be_full(c, "the newest backup '%s' has become too fragmented", vma_base_name(c->base));
	else if (chain->generation && chain->new_bytes / MAX_NEW_PERCENT > size / 100)
		be_full(c, "most of the newest backup '%s' was new", vma_base_name(c->base));
}

/* ---- what can be told from the place ---- */

static int check_sharing(const struct base_choice_params *p, struct base_choice *c, uint32_t *ret_align,
			 struct error **err)
{
	struct place_sharing sharing;
	int r;

	*ret_align = VMA_CHAIN_MIN_ALIGN;
	if (!p->journal)
		return 0;
	r = place_sharing(p->place, p->journal, p->cancel, &sharing, err);
	if (r < 0)
		return r;
	*ret_align = sharing.align;
	c->chained = sharing.reflink || !sharing.remote || p->config->copy == INCREMENTAL_COPY_ALWAYS;
	if (!c->chained)
		be_full(c,
			"files cannot share blocks there, and copying would move the newest backup over the "
			"network twice; copy=always does that");
	return 0;
}

/* ---- all of it ---- */

static int choose_base(const struct base_choice_params *p, struct base_choice *c, struct error **err)
{
	_cleanup_backups_ struct backups b = { 0 };
	int r = place_list(p->place, "qemu", p->vmid, &b, err);

	if (r == 0 && !b.n)
		be_full(c, "there is no other backup of this guest");
	else if (r == 0)
		r = open_base(p, &b.list[b.n - 1], c, err);
	if (c->base)
		check_chain(p, c);
	return r;
}

static int make_chain(const struct base_choice_params *p, struct base_choice *c, uint32_t align,
		      struct error **err)
{
	int r;

	if (c->base) {
		memcpy(c->uuid, vma_base_header(c->base)->uuid, VMA_UUID_SIZE);
		return vma_chain_next(&c->chain, vma_base_chain(c->base), vma_base_name(c->base), err);
	}
	r = uuid_random(c->uuid, err);
	return r == 0 ? vma_chain_begin(&c->chain, p->now, align, err) : r;
}

int base_choose(const struct base_choice_params *p, struct base_choice *ret, struct error **err)
{
	uint32_t align;
	int r;

	*ret = (struct base_choice){ .chained = true };
	r = check_sharing(p, ret, &align, err);
	if (r < 0 || !ret->chained)
		return r;
	r = choose_base(p, ret, err);
	return r == 0 ? make_chain(p, ret, align, err) : r;
}

void base_choice_clear(struct base_choice *c)
{
	vma_base_free(c->base);
	vma_chain_clear(&c->chain);
	free(c->reason);
	*c = (struct base_choice){ 0 };
}
