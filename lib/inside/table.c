#include "inside/table.h"

#include <blkid.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "inside/child.h"

#define SECTOR 512u /* libblkid's unit, whatever the disk's is */

static inline void free_probe(blkid_probe *p)
{
	blkid_free_probe(*p);
}
#define _cleanup_probe_ _cleanup_(free_probe)

static char *type_of(blkid_partition p)
{
	const char *text = blkid_partition_get_type_string(p);

	return text ? xstrdup(text) : xasprintf("0x%02x", (unsigned)blkid_partition_get_type(p));
}

static void add_parts(struct inside_table *t, blkid_partlist list, uint64_t size)
{
	const int n = blkid_partlist_numof_partitions(list);

	t->parts = xcalloc((size_t)n + 1, sizeof(*t->parts));
	for (int i = 0; i < n; i++) {
		blkid_partition p = blkid_partlist_get_partition(list, i);
		const uint64_t start = (uint64_t)blkid_partition_get_start(p);
		uint64_t sectors = (uint64_t)blkid_partition_get_size(p);

		/*
		 * an extended partition only holds others; what begins behind the end of the disk holds
		 * nothing
		 */
		if (blkid_partition_is_extended(p) || start >= size / SECTOR)
			continue;
		if (sectors > size / SECTOR - start)
			sectors = size / SECTOR - start;
		t->parts[t->n++] = (struct inside_part){
			.number = (unsigned)blkid_partition_get_partno(p),
			.offset = start * SECTOR,
			.size = sectors * SECTOR,
			.type = type_of(p),
			.name = xstrdup_null(blkid_partition_get_name(p)),
		};
	}
}

/*
 * What the child is asked.  This process makes the probes, which looks at the descriptor and reads nothing: a
 * mount of FUSE lets no other user do that.
 */
struct question {
	blkid_probe probe;
	uint64_t size;
};

static int make_probe(int fd, uint64_t offset, uint64_t size, blkid_probe *ret, struct error **err)
{
	*ret = xcheck(blkid_new_probe());
	errno = 0;
	if (blkid_probe_set_device(*ret, fd, (blkid_loff_t)offset, (blkid_loff_t)size) < 0)
		return error_errno(err, errno ? errno : EIO, "cannot read it");
	return 0;
}

/* ---- the answer of the child: strings, an empty one is NULL ---- */

static void add_string(struct buf *b, const char *text)
{
	buf_adds(b, text ? text : "");
	buf_addc(b, '\0');
}

static int send_answer(int out, const struct buf *b, struct error **err)
{
	int r = io_write_all(out, b->data, b->len);

	return r < 0 ? error_errno(err, -r, "cannot pass on the partitions") : 0;
}

/* False: it is damaged.  Caller frees *ret. */
static bool take_string(const char **at, const char *end, char **ret)
{
	const char *text = inside_next_string(at, end);

	*ret = text && *text ? xstrdup(text) : NULL;
	return text;
}

/* ---- the partitions ---- */

/* The kind, and "<number> <offset> <size>", type and name of each partition. */
static int answer_parts(void *x, int out, struct error **err)
{
	_cleanup_inside_table_ struct inside_table t = { 0 };
	_cleanup_buf_ struct buf b = BUF_INIT;
	const struct question *q = x;
	blkid_partlist list;

	blkid_probe_enable_superblocks(q->probe, 0);
	blkid_probe_enable_partitions(q->probe, 1);
	list = blkid_probe_get_partitions(q->probe);
	if (!list || !blkid_partlist_get_table(list))
		return 0;
	add_string(&b, blkid_parttable_get_type(blkid_partlist_get_table(list)));
	add_parts(&t, list, q->size);
	for (size_t i = 0; i < t.n; i++) {
		const struct inside_part *p = &t.parts[i];

		buf_addf(&b, "%u %" PRIu64 " %" PRIu64, p->number, p->offset, p->size);
		buf_addc(&b, '\0');
		add_string(&b, p->type);
		add_string(&b, p->name);
	}
	return send_answer(out, &b, err);
}

static bool take_part(const char **at, const char *end, uint64_t size, struct inside_part *p)
{
	const char *numbers = inside_next_string(at, end);

	return numbers && sscanf(numbers, "%u %" SCNu64 " %" SCNu64, &p->number, &p->offset, &p->size) == 3 &&
	       p->offset <= size && p->size <= size - p->offset && take_string(at, end, &p->type) &&
	       take_string(at, end, &p->name);
}

static void add_part(struct inside_table *t, const struct inside_part *p)
{
	/* doubles at powers of two */
	if ((t->n & (t->n - 1)) == 0)
		t->parts = xreallocarray(t->parts, t->n ? 2 * t->n : 1, sizeof(*t->parts));
	t->parts[t->n++] = *p;
}

static int take_table(const struct buf *answer, uint64_t size, struct inside_table *t, struct error **err)
{
	const char *at = buf_str(answer), *end = at + answer->len;
	const struct inside_part whole = { .size = size };
	bool good = at == end || take_string(&at, end, &t->kind);

	if (!t->kind)
		add_part(t, &whole);
	while (good && at < end) {
		struct inside_part p = { 0 };

		good = take_part(&at, end, size, &p);
		add_part(t, &p);
	}
	return good ? 0 : error_set(err, ERR_CORRUPT, "the list of the partitions is damaged");
}

static int read_parts(int fd, uint64_t size, struct inside_table *t, struct error **err)
{
	_cleanup_probe_ blkid_probe probe = NULL;
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct question q = { .size = size };
	int r = make_probe(fd, 0, size, &probe, err);

	q.probe = probe;
	if (r == 0)
		r = inside_child_ask(answer_parts, &q, fd, &b, err);
	return r == 0 ? take_table(&b, size, t, err) : r;
}

/* ---- what they hold ---- */

/* What stays unknown is empty: several file systems in one place are no file system that anybody knows. */
static int answer_content(void *x, int out, struct error **err)
{
	static const char *const names[] = { "TYPE", "LABEL", "UUID" };
	_cleanup_buf_ struct buf b = BUF_INIT;
	const struct question *q = x;

	blkid_probe_enable_superblocks(q->probe, 1);
	blkid_probe_set_superblocks_flags(q->probe,
					  BLKID_SUBLKS_TYPE | BLKID_SUBLKS_LABEL | BLKID_SUBLKS_UUID);
	if (blkid_do_safeprobe(q->probe) != 0)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *value = NULL;

		blkid_probe_lookup_value(q->probe, names[i], &value, NULL);
		add_string(&b, value);
	}
	return send_answer(out, &b, err);
}

static int look_into(int fd, struct inside_part *p, struct error **err)
{
	_cleanup_probe_ blkid_probe probe = NULL;
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct question q = { .size = p->size };
	const char *at, *end;
	int r = make_probe(fd, p->offset, p->size, &probe, err);

	q.probe = probe;
	if (r == 0)
		r = inside_child_ask(answer_content, &q, fd, &b, err);
	if (r < 0 || !b.len)
		return r;
	at = buf_str(&b);
	end = at + b.len;
	return take_string(&at, end, &p->fs) && take_string(&at, end, &p->label) &&
			       take_string(&at, end, &p->uuid)
		       ? 0
		       : error_set(err, ERR_CORRUPT, "what the partitions hold is damaged");
}

int inside_table_read(int fd, uint64_t size, struct inside_table *ret, struct error **err)
{
	int r;

	*ret = (struct inside_table){ 0 };
	r = read_parts(fd, size, ret, err);
	for (size_t i = 0; i < ret->n && r == 0; i++)
		r = look_into(fd, &ret->parts[i], err);
	if (r < 0)
		inside_table_clear(ret);
	return r;
}

const struct inside_part *inside_table_find(const struct inside_table *t, unsigned number)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->parts[i].number == number)
			return &t->parts[i];
	return NULL;
}

void inside_table_clear(struct inside_table *t)
{
	for (size_t i = 0; i < t->n; i++) {
		free(t->parts[i].type);
		free(t->parts[i].name);
		free(t->parts[i].fs);
		free(t->parts[i].label);
		free(t->parts[i].uuid);
	}
	free(t->parts);
	free(t->kind);
	*t = (struct inside_table){ 0 };
}
