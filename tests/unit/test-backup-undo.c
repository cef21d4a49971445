/* lib/backup/undo: a guest that was shut down for its backup is started again, unless it runs or has gone. */
#include <string.h>
#include <unistd.h>

#include "backup/undo.h"
#include "base/io.h"
#include "guest/guest-ops.h"
#include "journal/recover.h"
#include "tap.h"

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

static void put_config(const struct paths *p, const char *file)
{
	_cleanup_free_ char *path = paths_get(p, "%s", file);
	_cleanup_free_ char *folder = io_parent(path);

	io_mkdir_p(folder, 0755, NULL);
	io_write_file_atomic(path, "cores: 1\n", strlen("cores: 1\n"), 0640, NULL, NULL);
}

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
	char dir[] = "/tmp/vzdump-test-XXXXXX";
	char command[] = "start";
	struct settings_commands commands = { .start = command };
	struct paths paths;
	struct host host = {
		.paths = &paths, .guest_ops = &fake_guest, .commands = &commands, .kinds = kinds
	};
	_cleanup_free_ char *config = NULL;

	if (!mkdtemp(dir))
		return 1;
	paths_init(&paths, dir);
	config = paths_get(&paths, "/etc/pve/qemu-server/123.conf");
	ok(!undo(&host) && starts == 0, "without /etc/pve nobody knows whose the guest is: it waits");
	put_config(&paths, "/etc/pve/qemu-server/123.conf");
	ok(undo(&host) && starts == 1, "a guest that is down is started again");
	runs = true;
	ok(undo(&host) && starts == 0, "not if it runs already");
	runs = false;
	commands.start = NULL;
	ok(!undo(&host) && starts == 1, "if it cannot be started the next run tries again");
	unlink(config);
	ok(undo(&host) && starts == 0, "a guest that was removed meanwhile is not started");
	put_config(&paths, "/etc/pve/nodes/other/qemu-server/123.conf");
	ok(undo(&host) && starts == 0, "nor one that belongs to another node now");
	io_remove_tree(dir, NULL);
	paths_clear(&paths);
	return done_testing();
}
