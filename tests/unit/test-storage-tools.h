/*
 * A folder of programs that print what the real tools were seen to print, first in PATH: for the
 * parsers alone.  That the tools are called rightly is for the tests on real storages.
 */
#ifndef VZDUMP_TESTS_STORAGE_TOOLS_H
#define VZDUMP_TESTS_STORAGE_TOOLS_H

#include <stdlib.h>

#include "base/io.h"
#include "base/mem.h"
#include "storage/storage.h"
#include "test-config-util.h"

struct tools {
	char dir[32];
	struct storage_config c;
};

__attribute__((unused)) static void tools_init(struct tools *t, const char *config)
{
	_cleanup_free_ char *path = NULL;

	memcpy(t->dir, "/tmp/test-tools-XXXXXX", sizeof("/tmp/test-tools-XXXXXX"));
	ok(mkdtemp(t->dir) != NULL, "a folder for tools");
	path = xasprintf("%s:/usr/bin:/bin", t->dir);
	setenv("PATH", path, 1);
	storage_config_parse(config, "/nonexistent/storage.cfg", "me", "/nonexistent", NULL, &t->c);
}

__attribute__((unused)) static void tools_clear(struct tools *t)
{
	io_remove_tree(t->dir, NULL);
	storage_config_clear(&t->c);
}

/* From now on, tool prints text and ends with status. */
__attribute__((unused)) static void tool_prints(struct tools *t, const char *tool, const char *out,
						const char *errout, int status)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", t->dir, tool);
	_cleanup_free_ char *script = xasprintf(
		"#!/bin/sh\ncat <<'END'\n%s\nEND\ncat >&2 <<'END'\n%s\nEND\nexit %d\n", out, errout, status);

	io_write_file_atomic(path, script, strlen(script), 0755, NULL, NULL);
}

/* The volume's name is taken: its owner is vmid and its path is path (NULL: none). */
__attribute__((unused)) static void good_name(struct tools *t, const char *volid, uint32_t vmid,
					      const char *path)
{
	_cleanup_volume_ struct volume v = { 0 };
	struct error *err = NULL;

	works(volume_open(&t->c, volid, NULL, &v, &err), &err, volid);
	ok(v.vmid == vmid, "  owner %u", vmid);
	same(v.path, path, "  its path");
}

__attribute__((unused)) static void bad_names(struct tools *t, const char *const volids[], size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct volume v = { 0 };
		struct error *err = NULL;

		fails(volume_open(&t->c, volids[i], NULL, &v, &err), &err, volids[i], volids[i]);
	}
}

#endif
