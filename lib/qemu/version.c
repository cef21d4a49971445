#include "qemu/version.h"

#include <stdio.h>
#include <string.h>

#include "base/process.h"

#define TIMEOUT_MS 30000

void qemu_version_ask(const char *program, unsigned *ret_major, unsigned *ret_minor)
{
	const char *const argv[] = { program, "--version", NULL };
	const struct process_options options = { .timeout_ms = TIMEOUT_MS };
	struct process_result result = { 0 };
	const char *at;

	*ret_major = *ret_minor = 0;
	if (process_run(argv, &options, &result, NULL) < 0)
		return;
	at = result.out ? strstr(result.out, "version ") : NULL;
	if (at && sscanf(at, "version %u.%u", ret_major, ret_minor) != 2)
		*ret_major = *ret_minor = 0;
	process_result_clear(&result);
}
