#include "base/upid.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/proc.h"
#include "base/strv.h"

char *upid_new(const char *node, pid_t pid, int64_t start_time, const char *type)
{
	uint64_t ticks = 0;

	proc_start_ticks(pid, &ticks);
	return xasprintf("UPID:%s:%08X:%08" PRIX64 ":%08" PRIX64 ":%s::root@pam:", node, (unsigned)pid, ticks,
			 (uint64_t)start_time, type);
}

/* Reads 8 to 16 hexadecimal digits and a colon, and moves *at past them. */
static bool read_hex(const char **at, uint64_t *ret)
{
	size_t n = 0;

	while (isxdigit((unsigned char)(*at)[n]))
		n++;
	if (n < 8 || n > 16 || (*at)[n] != ':')
		return false;
	*ret = strtoull(*at, NULL, 16);
	*at += n + 1;
	return true;
}

bool upid_parse(const char *text, struct upid *ret)
{
	uint64_t pid, start;
	const char *at;

	if (!str_prefix(text, "UPID:", &at) || !strchr(at, ':'))
		return false;
	at = strchr(at, ':') + 1;
	if (!read_hex(&at, &pid) || !read_hex(&at, &ret->start_ticks) || !read_hex(&at, &start) || pid < 2 ||
	    pid > INT32_MAX || start > INT64_MAX)
		return false;
	ret->pid = (pid_t)pid;
	ret->start_time = (int64_t)start;
	return true;
}
