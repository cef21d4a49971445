/* A host whose files lie below a temporary folder: root_make(), files by their paths on it, root_remove(). */
#ifndef VZDUMP_TESTS_ROOT_H
#define VZDUMP_TESTS_ROOT_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/paths.h"

static struct paths paths;

/* Ends the test if there is no room for it. */
__attribute__((unused)) static void root_make(void)
{
	char dir[] = "/tmp/vzdump-test-XXXXXX";

	if (!mkdtemp(dir))
		abort();
	paths_init(&paths, dir);
}

__attribute__((unused)) static void root_remove(void)
{
	io_remove_tree(paths.root, NULL);
	paths_clear(&paths);
}

/* Makes the file with its folders; in place of another one. */
__attribute__((unused)) static void put(const char *file, const char *text)
{
	_cleanup_free_ char *path = paths_get(&paths, "%s", file), *folder = io_parent(path);

	if (io_mkdir_p(folder, 0755, NULL) < 0 ||
	    io_write_file_atomic(path, text, strlen(text), 0640, NULL, NULL) < 0)
		abort();
}

__attribute__((unused)) static bool is_there(const char *file)
{
	_cleanup_free_ char *path = paths_get(&paths, "%s", file);

	return access(path, F_OK) == 0;
}

__attribute__((unused)) static bool holds(const char *file, const char *text)
{
	_cleanup_free_ char *path = paths_get(&paths, "%s", file);
	_cleanup_buf_ struct buf got = BUF_INIT;

	return io_read_file(path, 1 << 20, &got, NULL) == 0 && !strcmp(buf_str(&got), text);
}

#endif
