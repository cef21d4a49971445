/* What the fuzzers start from and have found runs through their targets; so do Proxmox's archives. */
#include <dirent.h>
#include <sys/stat.h>

#include "../fuzz/targets.h"
#include "tap.h"

#define CORPUS   "tests/fuzz/corpus"
#define FIXTURES "tests/fixtures"

/* Returns how many files went through. */
static unsigned replay(const char *folder, void (*target)(const uint8_t *, size_t))
{
	DIR *dir = opendir(folder);
	unsigned n = 0;

	for (struct dirent *e; dir && (e = readdir(dir));) {
		_cleanup_free_ char *path = xasprintf("%s/%s", folder, e->d_name);
		_cleanup_buf_ struct buf b = BUF_INIT;
		struct stat st;

		if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) || io_read_file(path, FUZZ_MAX, &b, NULL) < 0)
			continue;
		target((const uint8_t *)buf_str(&b), b.len);
		n++;
	}
	if (dir)
		closedir(dir);
	return n;
}

int main(void)
{
	alarm(240); /* what does not end is a failure */
	ok(replay(CORPUS "/header", fuzz_header) > 0, "headers");
	ok(replay(CORPUS "/extent", fuzz_extent) > 0, "extents");
	ok(replay(CORPUS "/index", fuzz_index) > 0, "indexes");
	ok(replay(CORPUS "/archive", fuzz_archive) > 0, "archives");
	ok(replay(CORPUS "/random", fuzz_random) > 0, "archives read at random places");
	ok(replay(CORPUS "/base", fuzz_base) > 0, "bases of incremental backups");
	ok(replay(CORPUS "/plan", fuzz_plan) > 0, "configurations");
	ok(replay(CORPUS "/domain", fuzz_domain) > 0, "XML of libvirt");
	ok(replay(CORPUS "/template", fuzz_template) > 0, "templates");
	ok(replay(CORPUS "/notifications", fuzz_notifications) > 0, "configurations of notifications");
	ok(replay(CORPUS "/smtp", fuzz_smtp) > 0, "what mail servers say");
	ok(replay(FIXTURES, fuzz_archive) > 0, "Proxmox's archives");
	ok(replay(FIXTURES, fuzz_random) > 0, "Proxmox's archives, read at random places");
	ok(replay(FIXTURES, fuzz_base) > 0, "Proxmox's archives are no bases");
	return done_testing();
}
