/* Which guests the HA manager keeps running. */
#include <unistd.h>

#include "base/io.h"
#include "guest/ha.h"
#include "test-config-util.h"

static const char conf[] = "vm: 100\n"
			   "\tgroup fast\n"
			   "\tstate started\n\n"
			   "vm: 101\n"
			   "\tmax_restart 3\n\n"
			   "ct: 102\n"
			   "\tstate enabled\n\n"
			   "vm: 103\n"
			   "\tstate stopped\n\n"
			   "vm: 104\n"
			   "\tstate disabled\n\n"
			   "vm: 105\n"
			   "\tstate ignored\n\n"
			   "rule: 106\n"
			   "\tstate started\n";

static void keeps(const struct paths *p, uint32_t vmid, int want, const char *name)
{
	_cleanup_error_ struct error *err = NULL;

	ok(ha_keeps_running(p, vmid, &err) == want, "%s", name);
}

int main(void)
{
	char root[] = "/tmp/vz-test-ha.XXXXXX";
	_cleanup_free_ char *dir = NULL, *file = NULL;
	struct error *err = NULL;
	struct paths p;

	ok(mkdtemp(root) != NULL, "a directory for files");
	paths_init(&p, root);
	dir = paths_get(&p, "/etc/pve/ha");
	file = paths_get(&p, "/etc/pve/ha/resources.cfg");
	keeps(&p, 100, 0, "no file, nothing is looked after");
	io_mkdir_p(dir, 0755, NULL);
	io_write_file_atomic(file, conf, strlen(conf), 0640, NULL, NULL);
	keeps(&p, 100, 1, "a VM in state started is kept running");
	keeps(&p, 101, 1, "so is one without state");
	keeps(&p, 102, 1, "and a container whose state has the old name");
	keeps(&p, 103, 0, "one that is stopped is not");
	keeps(&p, 104, 0, "nor one that is disabled");
	keeps(&p, 105, 0, "nor one that is ignored");
	keeps(&p, 106, 0, "nor what is no guest");
	keeps(&p, 1000, 0, "nor one that is not there");
	unlink(file);
	io_mkdir_p(file, 0755, NULL);
	fails(ha_keeps_running(&p, 100, &err), &err, "resources.cfg",
	      "a file that cannot be read is an error");
	io_remove_tree(root, NULL);
	paths_clear(&p);
	return done_testing();
}
