#include "base/proc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strv.h"

#define COMMAND_LINE_MAX ((size_t)4 << 20)

/* *ret: the third field, after the name, which may hold any character.  False if the process has ended. */
static bool read_stat(pid_t pid, struct buf *text, const char **ret)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/stat", (int)pid);
	const char *name_end;

	if (pid <= 0 || io_read_file(path, 4096, text, NULL) < 0)
		return false;
	name_end = strrchr(buf_str(text), ')');
	if (!name_end || name_end[1] != ' ' || !name_end[2])
		return false;
	*ret = name_end + 2;
	return !strchr("ZX", **ret);
}

bool proc_alive(pid_t pid)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	const char *fields;

	return read_stat(pid, &text, &fields);
}

bool proc_start_ticks(pid_t pid, uint64_t *ret)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	const char *at;

	if (!read_stat(pid, &text, &at))
		return false;
	for (int field = 3; field < 22; field++) {
		at = strchr(at, ' ');
		if (!at)
			return false;
		at++;
	}
	*ret = strtoull(at, NULL, 10);
	return true;
}

bool proc_start_time(pid_t pid, int64_t *ret)
{
	uint64_t ticks;
	struct timespec now, up;
	const long hz = sysconf(_SC_CLK_TCK);

	if (hz <= 0 || !proc_start_ticks(pid, &ticks) || clock_gettime(CLOCK_REALTIME, &now) < 0 ||
	    clock_gettime(CLOCK_BOOTTIME, &up) < 0)
		return false;
	*ret = now.tv_sec - up.tv_sec + (int64_t)(ticks / (uint64_t)hz);
	return true;
}

char *proc_name(pid_t pid)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/comm", (int)pid);
	_cleanup_buf_ struct buf text = BUF_INIT;

	if (io_read_file(path, 4096, &text, NULL) < 0 || !text.len)
		return NULL;
	return xstrdup(str_strip(text.data));
}

/* The effective one of "Uid:\t0\t0\t0\t0": real, effective, saved, of the file system. */
static bool read_id(const char *status, const char *key, unsigned *ret)
{
	const char *line = strstr(status, key);

	return line && sscanf(line + strlen(key), "%*u %u", ret) == 1;
}

bool proc_user(pid_t pid, uid_t *ret_uid, gid_t *ret_gid)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/status", (int)pid);
	_cleanup_buf_ struct buf text = BUF_INIT;

	return pid > 0 && io_read_file(path, 16384, &text, NULL) == 0 &&
	       read_id(buf_str(&text), "\nUid:", ret_uid) && read_id(buf_str(&text), "\nGid:", ret_gid);
}

pid_t proc_parent(pid_t pid)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	const char *fields;

	return read_stat(pid, &text, &fields) ? (pid_t)strtol(fields + 1, NULL, 10) : 0;
}

char **proc_arguments(pid_t pid)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/cmdline", (int)pid);
	_cleanup_buf_ struct buf text = BUF_INIT;
	char **words = NULL;

	if (pid <= 0 || io_read_file(path, COMMAND_LINE_MAX, &text, NULL) < 0)
		return NULL;
	for (size_t at = 0; at < text.len; at += strlen(text.data + at) + 1)
		strv_add(&words, text.data + at);
	return words;
}

char *proc_command(pid_t pid)
{
	_cleanup_strv_ char **words = proc_arguments(pid);

	return words ? strv_join(words, " ") : NULL;
}

char *proc_own_folder(void)
{
	char exe[4096];
	const ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	if (n <= 0)
		return NULL;
	exe[n] = '\0';
	return io_parent(exe);
}
