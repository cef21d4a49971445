/* Finds the QEMU of a libvirt guest. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/strv.h"
#include "base/units.h"
#include "guest/libvirt-internal.h"

/* Caller frees; NULL: not known. */
static char *pid_file(const struct mirror *m)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR"), *path = strstr(m->uri, ":///");

	if (path && str_prefix(path, ":///session", NULL))
		return runtime ? xasprintf("%s/libvirt/qemu/run/%s.pid", runtime, m->domain) : NULL;
	return xasprintf("/run/libvirt/qemu/%s.pid", m->domain);
}

static pid_t read_pid(const char *path)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	uint64_t pid;

	if (!path || io_read_file(path, 64, &text, NULL) < 0 || !text.len ||
	    units_parse_u64(str_strip(text.data), 2, INT32_MAX, "pid", &pid, NULL) < 0)
		return 0;
	return (pid_t)pid;
}

/* -uuid UUID */
static bool is_qemu_of(pid_t pid, const char *uuid)
{
	_cleanup_strv_ char **words = pid ? proc_arguments(pid) : NULL;

	return strv_contains(words, uuid);
}

void libvirt_find_process(const struct mirror *m, struct guest_status *ret)
{
	_cleanup_free_ char *path = pid_file(m);
	const pid_t pid = read_pid(path);
	uint64_t start;

	if (!is_qemu_of(pid, m->uuid) || !proc_start_ticks(pid, &start) ||
	    !proc_user(pid, &ret->uid, &ret->gid))
		return;
	ret->process = (struct guest_process){ .pid = pid, .start = start };
}
