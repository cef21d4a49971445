/* Files and folders as libext2fs reads them. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "inside/ext-internal.h"

#define PIECE     65536u
#define LINK_MAX_ 4096u

static const char *words_of(errcode_t code)
{
	switch (code) {
	case EXT2_ET_BAD_MAGIC:
		return "there is no ext2, ext3 or ext4";
	case EXT2_ET_UNSUPP_FEATURE:
	case EXT2_ET_RO_UNSUPP_FEATURE:
		return "it has features that this libext2fs does not know";
	case EXT2_ET_SHORT_READ:
		return "it goes beyond the end of its partition";
	case EXT2_ET_NO_MEMORY:
		return "it needs too much memory";
	case EXT2_ET_SYMLINK_LOOP:
		return "too many symbolic links";
	default:
		return "it is damaged";
	}
}

int ext_failed(struct error **err, errcode_t code, const char *path)
{
	if (code == EXT2_ET_FILE_NOT_FOUND)
		return error_set(err, ERR_NOT_FOUND, "there is no '%s' in the file system", path);
	if (code == EXT2_ET_NO_DIRECTORY)
		return error_set(err, -ENOTDIR, "'%s': not a directory", path);
	/* small numbers are those of errno */
	if (code > 0 && code < 256)
		return error_errno(err, (int)code, "cannot read '%s'", path);
	return error_set(err, code == EXT2_ET_UNSUPP_FEATURE ? ERR_UNSUPPORTED : ERR_CORRUPT,
			 "cannot read '%s': %s (libext2fs error %ld)", path, words_of(code),
			 (long)(code - EXT2_ET_BASE));
}

int ext_node_read(ext2_filsys fs, ext2_ino_t ino, const char *path, struct ext_node *ret, struct error **err)
{
	errcode_t code;

	*ret = (struct ext_node){ .ino = ino };
	code = ext2fs_read_inode_full(fs, ino, (struct ext2_inode *)&ret->inode, sizeof(ret->inode));
	return code ? ext_failed(err, code, path) : 0;
}

int ext_find(ext2_filsys fs, const char *path, bool follow, struct ext_node *ret, struct error **err)
{
	ext2_ino_t ino;
	errcode_t code = follow ? ext2fs_namei_follow(fs, EXT2_ROOT_INO, EXT2_ROOT_INO, path, &ino)
				: ext2fs_namei(fs, EXT2_ROOT_INO, EXT2_ROOT_INO, path, &ino);

	return code ? ext_failed(err, code, path) : ext_node_read(fs, ino, path, ret, err);
}

/* The lower two bits of the extra field carry on the seconds' 32. */
static int64_t mtime_of(ext2_filsys fs, const struct ext_node *n)
{
	int64_t t = (int32_t)n->inode.i_mtime;

	if (EXT2_INODE_SIZE(fs->super) > EXT2_GOOD_OLD_INODE_SIZE)
		t += (int64_t)(n->inode.i_mtime_extra & 3) << 32;
	return t;
}

struct collect {
	char *data;
	size_t len, max;
};

static int collect(void *opaque, const void *data, size_t len, struct error **err)
{
	struct collect *c = opaque;

	if (len > c->max - c->len)
		return error_set(err, ERR_CORRUPT, "it is too long");
	memcpy(c->data + c->len, data, len);
	c->len += len;
	return 0;
}

static int read_link(ext2_filsys fs, const struct ext_node *n, const char *path, char **ret,
		     struct error **err)
{
	struct ext2_inode *inode = (struct ext2_inode *)&n->inode;
	struct collect c = { .max = LINK_MAX_ };
	int r = 0;

	c.data = xcalloc(1, LINK_MAX_ + 1);
	if (ext2fs_is_fast_symlink(inode))
		memcpy(c.data, inode->i_block, sizeof(inode->i_block));
	else
		r = ext_content(fs, n, path, collect, &c, err);
	if (r < 0) {
		free(c.data);
		return error_wrap(err, r, "symbolic link '%s'", path);
	}
	*ret = c.data;
	return 0;
}

int ext_describe(ext2_filsys fs, const struct ext_node *n, const char *path, struct inside_entry *ret,
		 struct error **err)
{
	*ret = (struct inside_entry){
		.mode = n->inode.i_mode,
		.size = EXT2_I_SIZE(&n->inode),
		.mtime = mtime_of(fs, n),
		.uid = inode_uid(n->inode),
		.gid = inode_gid(n->inode),
	};
	return S_ISLNK(ret->mode) ? read_link(fs, n, path, &ret->link, err) : 0;
}

static void add_name(struct ext_names *l, const char *name, size_t len, ext2_ino_t ino)
{
	if ((l->n & (l->n - 1)) == 0) {
		l->names = xreallocarray(l->names, l->n ? 2 * l->n : 1, sizeof(*l->names));
		l->inos = xreallocarray(l->inos, l->n ? 2 * l->n : 1, sizeof(*l->inos));
	}
	l->names[l->n] = xstrndup(name, len);
	l->inos[l->n++] = ino;
}

static int take_name(ext2_ino_t dir, int entry, struct ext2_dir_entry *e, int offset, int block_size,
		     char *buf, void *opaque)
{
	const size_t len = (size_t)ext2fs_dirent_name_len(e);

	(void)dir;
	(void)entry;
	(void)offset;
	(void)block_size;
	(void)buf;
	if (len && !(len == 1 && e->name[0] == '.') && !(len == 2 && e->name[0] == '.' && e->name[1] == '.'))
		add_name(opaque, e->name, len, e->inode);
	return 0;
}

int ext_names_read(ext2_filsys fs, const struct ext_node *n, const char *path, struct ext_names *ret,
		   struct error **err)
{
	errcode_t code;

	*ret = (struct ext_names){ 0 };
	code = ext2fs_dir_iterate2(fs, n->ino, 0, NULL, take_name, ret);
	if (code)
		ext_names_clear(ret);
	return code ? ext_failed(err, code, path) : 0;
}

void ext_names_clear(struct ext_names *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->names[i]);
	free(l->names);
	free(l->inos);
	*l = (struct ext_names){ 0 };
}

int ext_content(ext2_filsys fs, const struct ext_node *n, const char *path,
		int (*write)(void *opaque, const void *data, size_t len, struct error **err), void *opaque,
		struct error **err)
{
	_cleanup_free_ char *data = xmalloc(PIECE);
	ext2_file_t file;
	errcode_t code = ext2fs_file_open2(fs, n->ino, (struct ext2_inode *)&n->inode, 0, &file);
	unsigned got = 0;
	int r = 0;

	if (code)
		return ext_failed(err, code, path);
	do {
		code = ext2fs_file_read(file, data, PIECE, &got);
		if (!code && got)
			r = write(opaque, data, got, err);
	} while (!code && got && r == 0);
	ext2fs_file_close(file);
	return code ? ext_failed(err, code, path) : r;
}
