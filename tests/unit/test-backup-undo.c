/* lib/backup/undo: a guest that was shut down for its backup is started again, unless it runs or has gone. */
#include <string.h>
#include <unistd.h>

#include "backup/undo.h"
#include "guest/guest-ops.h"
#include "journal/recover.h"
#include "tap.h"
#include "test-root.h"

static bool runs;
static unsigned starts;

static int fake_status(const struct guest *g, struct guest_status *ret, struct error **err)
{
	(void)g, (void)err;
	ret->running = runs;
	return 0;
}

static int fake_start(const struct guest *g, enum guest_start how, const struct cancel *cancel,
		      const struct log *log, struct error **err)
{
	(void)log;
	starts++;
	if (cancel || how != GUEST_START)
		return error_set(err, ERR_INVALID, "it must come back, whoever wants to stop");
	return g->commands->start ? 0 : error_set(err, ERR_INVALID, "nobody says how");
}

static const struct guest_ops fake_guest = { .status = fake_status, .start = fake_start };
static const struct journal_kind *const kinds[] = { &journal_kind_pid, &journal_kind_down, NULL };

/* Whether nothing of it is left. */
static bool undo(const struct host *host)
{
	_cleanup_(journal_freep) struct journal *j = NULL;
	bool gone;

	starts = 0;
	journal_create(host->paths, kinds, 123, &j, NULL);
	journal_add(j, JOURNAL_DOWN, NULL, NULL);
	gone = recover_rest(host, j, NULL, NULL) == 0;
	journal_remove(j, NULL);
	return gone && !journal_has(j, JOURNAL_DOWN);
}

int main(void)
{
	char command[] = "start";
	struct settings_commands commands = { .start = command };
	struct host host = {
		.paths = &paths, .guest_ops = &fake_guest, .commands = &commands, .kinds = kinds
	};
	_cleanup_free_ char *config = NULL;

	root_make();
	config = paths_get(&paths, "/etc/pve/qemu-server/123.conf");
	ok(!undo(&host) && starts == 0, "without /etc/pve nobody knows whose the guest is: it waits");
	put("/etc/pve/qemu-server/123.conf", "cores: 1\n");
	ok(undo(&host) && starts == 1, "a guest that is down is started again");
	runs = true;
	ok(undo(&host) && starts == 0, "not if it runs already");
	runs = false;
	commands.start = NULL;
	ok(!undo(&host) && starts == 1, "if it cannot be started the next run tries again");
	unlink(config);
	ok(undo(&host) && starts == 0, "a guest that was removed meanwhile is not started");
	put("/etc/pve/nodes/other/qemu-server/123.conf", "cores: 1\n");
	ok(undo(&host) && starts == 0, "nor one that belongs to another node now");
	root_remove();
	return done_testing();
}
