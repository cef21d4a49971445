#include "inside/ext.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/units.h"
#include "inside/child.h"
#include "inside/ext-internal.h"

struct ext {
	int fd;
	uint64_t offset;
};

/* What the child is asked. */
struct question {
	const struct ext *ext;
	const char *path;
	int (*answer)(ext2_filsys fs, const char *path, int out, struct error **err);
};

static int ask_in_child(void *x, int out, struct error **err)
{
	const struct question *q = x;
	_cleanup_free_ char *name = xasprintf("%d", q->ext->fd);
	_cleanup_free_ char *options = xasprintf("offset=%" PRIu64, q->ext->offset);
	ext2_filsys fs;
	errcode_t code = ext2fs_open2(name, options, EXT2_FLAG_64BITS, 0, 0, unixfd_io_manager, &fs);
	int r;

	if (code)
		return ext_failed(err, code, "/");
	r = q->answer(fs, q->path, out, err);
	ext2fs_close_free(&fs);
	return r;
}

/* ---- a list of entries, from the child ---- */

/* "<mode> <uid> <gid> <size> <mtime>\0<name>\0<link>\0". */
static int send_entry(ext2_filsys fs, ext2_ino_t ino, const char *name, int out, struct error **err)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct inside_entry e;
	struct ext_node n;
	int r = ext_node_read(fs, ino, name, &n, err);

	if (r == 0)
		r = ext_describe(fs, &n, name, &e, err);
	if (r < 0)
		return r;
	buf_addf(&b, "%u %u %u %" PRIu64 " %" PRId64, (unsigned)e.mode, e.uid, e.gid, e.size, e.mtime);
	buf_addc(&b, '\0');
	buf_add(&b, name, strlen(name) + 1);
	buf_adds(&b, e.link ? e.link : "");
	buf_addc(&b, '\0');
	free(e.link);
	r = io_write_all(out, b.data, b.len);
	if (r == -EFBIG)
		return error_set(err, ERR_UNSUPPORTED,
				 "the folder's list is longer than %u MiB: vma cp can still copy the folder",
				 (unsigned)(INSIDE_ANSWER_MAX / MIB));
	return r < 0 ? error_errno(err, -r, "cannot pass on a list") : 0;
}

static int answer_look(ext2_filsys fs, const char *path, int out, struct error **err)
{
	struct ext_node n;
	int r = ext_find(fs, path, false, &n, err);

	return r == 0 ? send_entry(fs, n.ino, path, out, err) : r;
}

static int answer_list(ext2_filsys fs, const char *path, int out, struct error **err)
{
	struct ext_names names = { 0 };
	struct ext_node n;
	int r = ext_find(fs, path, true, &n, err);

	if (r == 0 && !S_ISDIR(n.inode.i_mode))
		return error_set(err, -ENOTDIR, "'%s': not a directory", path);
	if (r == 0)
		r = ext_names_read(fs, &n, path, &names, err);
	for (size_t i = 0; i < names.n && r == 0; i++)
		r = send_entry(fs, names.inos[i], names.names[i], out, err);
	ext_names_clear(&names);
	return r;
}

static int take_entries(const struct buf *answer, struct inside_entries *ret, struct error **err)
{
	const char *at = buf_str(answer), *end = at + answer->len;

	while (at < end) {
		const char *numbers = inside_next_string(&at, end), *name = inside_next_string(&at, end);
		const char *link = inside_next_string(&at, end);
		struct inside_entry e = { 0 };

		if (!numbers || !name || !link ||
		    sscanf(numbers, "%u %u %u %" SCNu64 " %" SCNd64, &e.mode, &e.uid, &e.gid, &e.size,
			   &e.mtime) != 5)
			return error_set(err, ERR_CORRUPT, "the list of the folder is damaged");
		e.name = xstrdup(name);
		e.link = S_ISLNK(e.mode) ? xstrdup(link) : NULL;
		inside_entries_add(ret, &e);
	}
	return 0;
}

static int ask_for_entries(const struct ext *x, const char *path,
			   int (*answer)(ext2_filsys fs, const char *path, int out, struct error **err),
			   struct inside_entries *ret, struct error **err)
{
	struct question q = { .ext = x, .path = path, .answer = answer };
	_cleanup_buf_ struct buf b = BUF_INIT;
	int r = inside_child_ask(ask_in_child, &q, x->fd, &b, err);

	if (r == 0)
		r = take_entries(&b, ret, err);
	if (r < 0)
		inside_entries_clear(ret);
	return r;
}

/* ---- the operations ---- */

static int op_look(void *reader, const char *path, struct inside_entry *ret, struct error **err)
{
	struct inside_entries one = { 0 };
	int r = ask_for_entries(reader, path, answer_look, &one, err);

	if (r == 0 && one.n != 1)
		r = error_set(err, ERR_CORRUPT, "cannot read '%s'", path);
	if (r == 0) {
		*ret = one.items[0];
		one.n = 0;
	}
	inside_entries_clear(&one);
	return r;
}

static int op_list(void *reader, const char *path, struct inside_entries *ret, struct error **err)
{
	*ret = (struct inside_entries){ 0 };
	return ask_for_entries(reader, path, answer_list, ret, err);
}

static int write_out(void *opaque, const void *data, size_t len, struct error **err)
{
	int r = io_write_all(*(const int *)opaque, data, len);

	return r < 0 ? error_errno(err, -r, "cannot write") : 0;
}

static int answer_cat(ext2_filsys fs, const char *path, int out, struct error **err)
{
	struct ext_node n;
	int r = ext_find(fs, path, true, &n, err);

	if (r == 0 && S_ISDIR(n.inode.i_mode))
		return error_set(err, -EISDIR, "'%s' is a directory", path);
	if (r == 0 && !S_ISREG(n.inode.i_mode))
		return error_set(err, ERR_INVALID, "'%s' is not a file", path);
	return r == 0 ? ext_content(fs, &n, path, write_out, &out, err) : r;
}

static int op_cat(void *reader, const char *path, int out, struct error **err)
{
	const struct ext *x = reader;
	struct question q = { .ext = x, .path = path, .answer = answer_cat };

	return inside_child(ask_in_child, &q, x->fd, out, err);
}

static int op_stream(void *reader, const char *path, int out, struct error **err)
{
	const struct ext *x = reader;
	struct question q = { .ext = x, .path = path, .answer = ext_stream };

	return inside_child(ask_in_child, &q, x->fd, out, err);
}

static const struct inside_ops ops = {
	.look = op_look,
	.list = op_list,
	.cat = op_cat,
	.stream = op_stream,
	.free = free,
};

/* The answer is that there is one: one byte says whether the journal is empty. */
static int answer_journal(ext2_filsys fs, const char *path, int out, struct error **err)
{
	const char answer = ext2fs_has_feature_journal_needs_recovery(fs->super) ? 'y' : 'n';

	(void)path;
	return write_out(&out, &answer, 1, err);
}

int inside_ext_open(int fd, uint64_t offset, struct inside_reader *ret, struct error **err)
{
	struct ext x = { .fd = fd, .offset = offset };
	struct question q = { .ext = &x, .path = "/", .answer = answer_journal };
	_cleanup_buf_ struct buf b = BUF_INIT;
	int r = inside_child_ask(ask_in_child, &q, fd, &b, err);

	if (r < 0)
		return r;
	*ret = (struct inside_reader){ .ops = &ops,
				       .x = xmalloc(sizeof(x)),
				       .journal = !strcmp(buf_str(&b), "y") };
	memcpy(ret->x, &x, sizeof(x));
	return 0;
}
