/* Which guests the HA manager keeps running. */
#include <unistd.h>

#include "base/io.h"
#include "guest/ha.h"
#include "test-config-util.h"
#include "test-root.h"

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
	_cleanup_free_ char *file = NULL;
	struct error *err = NULL;

	root_make();
	file = paths_get(&paths, "/etc/pve/ha/resources.cfg");
	keeps(&paths, 100, 0, "no file, nothing is looked after");
	put("/etc/pve/ha/resources.cfg", conf);
	keeps(&paths, 100, 1, "a VM in state started is kept running");
	keeps(&paths, 101, 1, "so is one without state");
	keeps(&paths, 102, 1, "and a container whose state has the old name");
	keeps(&paths, 103, 0, "one that is stopped is not");
	keeps(&paths, 104, 0, "nor one that is disabled");
	keeps(&paths, 105, 0, "nor one that is ignored");
	keeps(&paths, 106, 0, "nor what is no guest");
	keeps(&paths, 1000, 0, "nor one that is not there");
	unlink(file);
	io_mkdir_p(file, 0755, NULL);
	fails(ha_keeps_running(&paths, 100, &err), &err, "resources.cfg",
	      "a file that cannot be read is an error");
	root_remove();
	return done_testing();
}
