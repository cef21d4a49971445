#include "base/unfinished.h"

#include <dirent.h>
#include <string.h>
#include <unistd.h>

#include "base/proc.h"
#include "base/strv.h"
#include "base/units.h"

#define MARK ".tmp."

bool unfinished_is(const char *name)
{
	const char *mark = strstr(name, MARK), *last = NULL;
	uint64_t pid;

	for (; mark; mark = strstr(mark + 1, MARK))
		last = mark + strlen(MARK);
	return last && units_parse_u64(last, 1, INT32_MAX, "pid", &pid, NULL) == 0 && !proc_alive((pid_t)pid);
}

void unfinished_remove(const char *folder, const char *beginning)
{
	DIR *d = opendir(folder);
	struct dirent *entry;

	while (d && (entry = readdir(d)))
		if (str_prefix(entry->d_name, beginning, NULL) && unfinished_is(entry->d_name))
			unlinkat(dirfd(d), entry->d_name, 0);
	if (d)
		closedir(d);
}
