#include "backup/upid.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/proc.h"
#include "base/strv.h"

char *upid_of_this(const char *node, const char *type)
{
	uint64_t ticks = 0;

	proc_start_ticks(getpid(), &ticks);
	return xasprintf("UPID:%s:%08X:%08" PRIX64 ":%08" PRIX64 ":%s::root@pam:", node, (unsigned)getpid(),
			 ticks, (uint64_t)time(NULL), type);
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

bool upid_parse(const char *text, pid_t *ret_pid, uint64_t *ret_start_ticks)
{
	uint64_t pid, start;
	const char *at;

	if (!str_prefix(text, "UPID:", &at) || !strchr(at, ':'))
		return false;
	at = strchr(at, ':') + 1;
	if (!read_hex(&at, &pid) || !read_hex(&at, ret_start_ticks) || !read_hex(&at, &start) || pid < 2 ||
	    pid > INT32_MAX)
		return false;
	*ret_pid = (pid_t)pid;
	return true;
}
