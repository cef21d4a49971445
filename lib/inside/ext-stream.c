/* A folder of ext4 and all below it, as a tar stream. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/json.h"
#include "base/mem.h"
#include "inside/ext-internal.h"

#define DEPTH_MAX 1000 /* of folders in folders: each takes memory of the stack */

struct stream {
	ext2_filsys fs;
	struct archive *a;
	ext2fs_inode_bitmap seen;  /* folders: one that comes twice is a circle */
	struct json_object *links; /* the first path of each file that has several, by its inode */
};

static int archive_failed(struct archive *a, struct error **err)
{
	return error_set(err, -EIO, "cannot pass on a file: %s", archive_error_string(a));
}

static int write_piece(void *opaque, const void *data, size_t len, struct error **err)
{
	struct archive *a = opaque;

	return archive_write_data(a, data, len) < 0 ? archive_failed(a, err) : 0;
}

/* The path of the same file, if it has come already. */
static const char *earlier_path(struct stream *s, const struct ext_node *n, const char *path)
{
	char key[16];
	const char *earlier;

	if (!S_ISREG(n->inode.i_mode) || n->inode.i_links_count < 2)
		return NULL;
	snprintf(key, sizeof(key), "%u", n->ino);
	earlier = json_get_str(s->links, key);
	if (!earlier)
		json_object_object_add(s->links, key, json_object_new_string(path));
	return earlier;
}

static int write_entry(struct stream *s, const struct ext_node *n, const char *path, struct error **err)
{
	const char *earlier = earlier_path(s, n, path);
	struct inside_entry e;
	struct archive_entry *ae;
	int r = ext_describe(s->fs, n, path, &e, err);

	if (r < 0)
		return r;
	ae = xcheck(archive_entry_new());
	archive_entry_copy_pathname(ae, path);
	/* a socket is nothing that tar knows; it is left out as a pipe is */
	archive_entry_set_mode(ae, S_ISSOCK(e.mode) ? S_IFIFO : e.mode);
	archive_entry_set_uid(ae, e.uid);
	archive_entry_set_gid(ae, e.gid);
	archive_entry_set_mtime(ae, (time_t)e.mtime, 0);
	archive_entry_set_size(ae, S_ISREG(e.mode) && !earlier ? (la_int64_t)e.size : 0);
	if (e.link)
		archive_entry_copy_symlink(ae, e.link);
	if (earlier)
		archive_entry_copy_hardlink(ae, earlier);
	if (archive_write_header(s->a, ae) < ARCHIVE_WARN)
		r = archive_failed(s->a, err);
	else if (S_ISREG(e.mode) && !earlier)
		r = ext_content(s->fs, n, path, write_piece, s->a, err);
	archive_entry_free(ae);
	free(e.link);
	return r;
}

static int write_tree(struct stream *s, ext2_ino_t ino, const char *path, unsigned depth, struct error **err)
{
	struct ext_names names = { 0 };
	struct ext_node n;
	int r = ext_node_read(s->fs, ino, path, &n, err);

	if (r == 0)
		r = write_entry(s, &n, path, err);
	if (r < 0 || !S_ISDIR(n.inode.i_mode))
		return r;
	if (depth > DEPTH_MAX || ext2fs_test_inode_bitmap2(s->seen, ino))
		return error_set(err, ERR_CORRUPT,
				 "'%s': the file system is damaged, it has folders in a circle", path);
	ext2fs_mark_inode_bitmap2(s->seen, ino);
	r = ext_names_read(s->fs, &n, path, &names, err);
	for (size_t i = 0; i < names.n && r == 0; i++) {
		_cleanup_free_ char *below = xasprintf("%s/%s", path, names.names[i]);

		r = write_tree(s, names.inos[i], below, depth + 1, err);
	}
	ext_names_clear(&names);
	return r;
}

static int stream_open(struct stream *s, int out, struct error **err)
{
	errcode_t code = ext2fs_allocate_inode_bitmap(s->fs, "folders", &s->seen);

	if (code)
		return ext_failed(err, code, "/");
	s->links = json_new_obj();
	s->a = xcheck(archive_write_new());
	archive_write_set_format_gnutar(s->a);
	archive_write_add_filter_none(s->a);
	archive_write_set_bytes_per_block(s->a, 65536);
	return archive_write_open_fd(s->a, out) < ARCHIVE_WARN ? archive_failed(s->a, err) : 0;
}

int ext_stream(ext2_filsys fs, const char *path, int out, struct error **err)
{
	struct stream s = { .fs = fs };
	struct ext_node n;
	int r = ext_find(fs, path, false, &n, err);

	if (r == 0)
		r = stream_open(&s, out, err);
	if (r == 0)
		r = write_tree(&s, n.ino, ".", 0, err);
	if (r == 0 && archive_write_close(s.a) < ARCHIVE_WARN)
		r = archive_failed(s.a, err);
	if (s.a)
		archive_write_free(s.a);
	if (s.links)
		json_object_put(s.links);
	if (s.seen)
		ext2fs_free_inode_bitmap(s.seen);
	return r;
}
