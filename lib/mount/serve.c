#include "mount/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "base/mem.h"

/* Nothing changes as long as it is mounted. */
#define FOR_EVER     86400.0
#define READ_MAX     ((size_t)1 << 20)
#define STAT_BLOCK   512u
#define STATFS_BLOCK 4096u

static struct vmafs_tree *tree_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

static const struct vmafs_file *file_of(const struct vmafs_tree *t, fuse_ino_t ino)
{
	return ino >= VMAFS_FIRST_INO && ino - VMAFS_FIRST_INO < t->n_files ? &t->files[ino - VMAFS_FIRST_INO]
									    : NULL;
}

static uint64_t stored_bytes(const struct vmafs_tree *t, const struct vmafs_file *f)
{
	return f->dev ? vma_random_stored(t->random, f->dev) : f->size;
}

/* The folder, or a file of it. */
static int fill_stat(const struct vmafs_tree *t, fuse_ino_t ino, struct stat *ret)
{
	const struct vmafs_file *f = file_of(t, ino);
	const mode_t read = t->owner.st_mode & 0444;

	if (!f && ino != FUSE_ROOT_ID)
		return -ENOENT;
	*ret = (struct stat){
		.st_ino = ino,
		.st_uid = t->owner.st_uid,
		.st_gid = t->owner.st_gid,
		.st_mode = f ? S_IFREG | read : S_IFDIR | read | read >> 2,
		.st_nlink = f ? 1 : 2,
		.st_blksize = VMA_CLUSTER_SIZE,
	};
	if (f) {
		ret->st_size = (off_t)f->size;
		ret->st_blocks = (blkcnt_t)((stored_bytes(t, f) + STAT_BLOCK - 1) / STAT_BLOCK);
	}
	ret->st_mtim.tv_sec = ret->st_ctim.tv_sec = ret->st_atim.tv_sec =
		(time_t)vma_random_header(t->random)->ctime;
	return 0;
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct vmafs_tree *t = tree_of(req);
	struct fuse_entry_param e = { .attr_timeout = FOR_EVER, .entry_timeout = FOR_EVER };

	for (size_t i = 0; i < t->n_files && parent == FUSE_ROOT_ID; i++)
		if (!strcmp(t->files[i].name, name))
			e.ino = i + VMAFS_FIRST_INO;
	if (!e.ino || fill_stat(t, e.ino, &e.attr) < 0)
		fuse_reply_err(req, ENOENT);
	else
		fuse_reply_entry(req, &e);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st;

	(void)fi;
	if (fill_stat(tree_of(req), ino, &st) < 0)
		fuse_reply_err(req, ENOENT);
	else
		fuse_reply_attr(req, &st, FOR_EVER);
}

/* Entries are ".", "..", and the files; the offset of each is its number, from 1. */
static size_t add_entry(fuse_req_t req, char *data, size_t size, size_t i)
{
	const struct vmafs_tree *t = tree_of(req);
	const char *name = i == 0 ? "." : i == 1 ? ".." : t->files[i - 2].name;
	struct stat st;

	fill_stat(t, i < 2 ? FUSE_ROOT_ID : i - 2 + VMAFS_FIRST_INO, &st);
	return fuse_add_direntry(req, data, size, name, &st, (off_t)i + 1);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	const size_t n = tree_of(req)->n_files + 2;
	_cleanup_free_ char *data = NULL;
	size_t used = 0;

	(void)fi;
	if (ino != FUSE_ROOT_ID) {
		fuse_reply_err(req, ENOTDIR);
		return;
	}
	size = size < READ_MAX ? size : READ_MAX;
	data = xmalloc(size);
	for (size_t i = (size_t)off; i < n; i++) {
		const size_t len = add_entry(req, data + used, size - used, i);

		if (len > size - used)
			break;
		used += len;
	}
	fuse_reply_buf(req, data, used);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	if (!file_of(tree_of(req), ino)) {
		fuse_reply_err(req, EISDIR);
		return;
	}
	if ((fi->flags & O_ACCMODE) != O_RDONLY) {
		fuse_reply_err(req, EROFS);
		return;
	}
	fi->keep_cache = 1;
	fuse_reply_open(req, fi);
}

static void reply_disk(fuse_req_t req, const struct vmafs_file *f, size_t size, uint64_t off)
{
	struct vmafs_tree *t = tree_of(req);
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *data = malloc(size);

	if (!data) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	if (vma_random_read(t->random, f->dev, off, data, size, &err) == 0) {
		fuse_reply_buf(req, data, size);
		return;
	}
	if (t->failed)
		t->failed(t->opaque, error_message(err));
	fuse_reply_err(req, EIO);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	const struct vmafs_file *f = file_of(tree_of(req), ino);

	(void)fi;
	if (!f || off < 0) {
		fuse_reply_err(req, f ? EINVAL : EISDIR);
		return;
	}
	if ((uint64_t)off >= f->size || !size) {
		fuse_reply_buf(req, NULL, 0);
		return;
	}
	size = size < READ_MAX ? size : READ_MAX;
	size = size < f->size - (uint64_t)off ? size : (size_t)(f->size - (uint64_t)off);
	if (f->dev)
		reply_disk(req, f, size, (uint64_t)off);
	else
		fuse_reply_buf(req, (const char *)f->config->data + off, size);
}

/* The first byte from off on that is a hole, or is none; the size if there is no such byte. */
static uint64_t seek_kind(const struct vmafs_tree *t, const struct vmafs_file *f, uint64_t off, bool hole)
{
	while (off < f->size) {
		uint64_t len = f->size - off;

		if ((f->dev && vma_random_is_zero(t->random, f->dev, off, len, &len)) == hole)
			return off;
		off += len;
	}
	return f->size;
}

static void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence, struct fuse_file_info *fi)
{
	const struct vmafs_tree *t = tree_of(req);
	const struct vmafs_file *f = file_of(t, ino);
	uint64_t at;

	(void)fi;
	if (!f || (whence != SEEK_DATA && whence != SEEK_HOLE)) {
		fuse_reply_err(req, EINVAL);
		return;
	}
	if (off < 0 || (uint64_t)off >= f->size) {
		fuse_reply_err(req, ENXIO);
		return;
	}
	at = seek_kind(t, f, (uint64_t)off, whence == SEEK_HOLE);
	if (at == f->size && whence == SEEK_DATA)
		fuse_reply_err(req, ENXIO);
	else
		fuse_reply_lseek(req, (off_t)at);
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	const struct vmafs_tree *t = tree_of(req);
	struct statvfs st = {
		.f_bsize = STATFS_BLOCK,
		.f_frsize = STATFS_BLOCK,
		.f_files = t->n_files + 1,
		.f_namemax = NAME_MAX,
	};

	(void)ino;
	for (size_t i = 0; i < t->n_files; i++)
		st.f_blocks += (stored_bytes(t, &t->files[i]) + STATFS_BLOCK - 1) / STATFS_BLOCK;
	fuse_reply_statfs(req, &st);
}

const struct fuse_lowlevel_ops vmafs_ops = {
	.lookup = op_lookup,
	.getattr = op_getattr,
	.readdir = op_readdir,
	.open = op_open,
	.read = op_read,
	.lseek = op_lseek,
	.statfs = op_statfs,
};
