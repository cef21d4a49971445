#include "storage/in-use-process.h"

#include <string.h>

#include "base/mem.h"
#include "base/open-files.h"
#include "base/proc.h"
#include "base/strv.h"

/* The program is called qemu-system-..., in PVE "kvm", in Red Hat "qemu-kvm"; a wrapper may run it. */
static bool is_qemu(const char *command)
{
	static const char *const names[] = { "qemu-system-", "kvm ", "qemu-kvm " };
	const char *word = command;

	for (int i = 0; i < 4 && word; i++) {
		const char *end = word + strcspn(word, " "), *name = end;

		while (name > word && name[-1] != '/')
			name--;
		for (size_t k = 0; k < ARRAY_SIZE(names); k++)
			if (str_prefix(name, names[k], NULL))
				return true;
		word = *end ? end + 1 : NULL;
	}
	return false;
}

char *in_use_process(pid_t pid)
{
	_cleanup_free_ char *command = proc_command(pid), *name = proc_name(pid);

	if (command && is_qemu(command))
		return xasprintf(IN_USE_QEMU " (pid %d)", (int)pid);
	return xasprintf("%s (pid %d)", name ? name : "a process", (int)pid);
}

struct qemu_search {
	bool (*is_it)(const char *command, const void *opaque);
	const void *opaque;
};

static bool is_that_qemu(const char *command, const void *opaque)
{
	const struct qemu_search *s = opaque;

	return is_qemu(command) && s->is_it(command, s->opaque);
}

char *in_use_command(bool (*is_it)(const char *command, const void *opaque), const void *opaque)
{
	const struct qemu_search s = { .is_it = is_it, .opaque = opaque };
	const pid_t pid = open_files_command(is_that_qemu, &s);

	return pid ? in_use_process(pid) : NULL;
}
