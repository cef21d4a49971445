/* libext2fs, in the child. */
#ifndef VZDUMP_INSIDE_EXT_INTERNAL_H
#define VZDUMP_INSIDE_EXT_INTERNAL_H

/* libcom_err has a function of the name of ours, which takes a number */
#define error_message com_err_message
#include <ext2fs/ext2fs.h>
#undef error_message

#include <sys/types.h>

#include "base/error.h"
#include "inside/entry.h"

/* A file or folder, as it is read. */
struct ext_node {
	ext2_ino_t ino;
	struct ext2_inode_large inode;
};

/* error_set() for an error of libext2fs; what: "'/etc' cannot be read". */
int ext_failed(struct error **err, errcode_t code, const char *path);
/* follow: what a link at the end of the path leads to. */
int ext_find(ext2_filsys fs, const char *path, bool follow, struct ext_node *ret, struct error **err);
int ext_node_read(ext2_filsys fs, ext2_ino_t ino, const char *path, struct ext_node *ret, struct error **err);
/* Fills all but the name. */
int ext_describe(ext2_filsys fs, const struct ext_node *n, const char *path, struct inside_entry *ret,
		 struct error **err);

struct ext_names {
	char **names;
	ext2_ino_t *inos;
	size_t n;
};
/* The names of a folder, without "." and "..". */
int ext_names_read(ext2_filsys fs, const struct ext_node *n, const char *path, struct ext_names *ret,
		   struct error **err);
void ext_names_clear(struct ext_names *l);

/* Hands the content of a file to write(), piece by piece, which returns 0 or an error. */
int ext_content(ext2_filsys fs, const struct ext_node *n, const char *path,
		int (*write)(void *opaque, const void *data, size_t len, struct error **err), void *opaque,
		struct error **err);

/* Writes a tar stream of the folder. */
int ext_stream(ext2_filsys fs, const char *path, int out, struct error **err);

#endif
