/* Undoes the kinds of entries that backup and restore both write. */
#include <errno.h>
#include <unistd.h>

#include "base/bounded.h"
#include "base/io.h"
#include "guest/guest.h"
#include "journal/recover.h"

/* A short limit for a file system to answer, because everything else waits to be undone. */
#define ANSWER_MS 5000

int recover_remove_file(const char *path, struct error **err)
{
	return bounded_unlink(path, ANSWER_MS, err);
}

static int undo_file(const struct host *host, struct journal *j, const char *path, const struct log *log,
		     struct error **err)
{
	(void)host, (void)j, (void)log;
	return recover_remove_file(path, err);
}

static int undo_dir(const struct host *host, struct journal *j, const char *path, const struct log *log,
		    struct error **err)
{
	(void)host, (void)j, (void)log;
	return io_remove_tree(path, err);
}

static int undo_lock(const struct host *host, struct journal *j, const char *lock, const struct log *log,
		     struct error **err)
{
	_cleanup_free_ char *dir = paths_get(host->paths, "/etc/pve/qemu-server");
	_cleanup_error_ struct error *mine = NULL;
	int r = guest_config_remove_lock(host->paths, j->vmid, *lock ? lock : "backup", &mine);

	(void)log;
	/* without /etc/pve no guest has a configuration, but they come back with their locks */
	if ((r == ERR_NOT_FOUND || r == -ENOENT) && access(dir, F_OK) < 0)
		return error_errno(err, errno, "cannot find out whether VM %u is still locked: '%s'", j->vmid,
				   dir);
	/* removed, or replaced by another lock, or the guest is gone: there is no lock of ours any more */
	if (r == ERR_NOT_FOUND || r == -ENOENT || r == -EBUSY)
		return 0;
	error_keep_first(err, &mine);
	return r;
}

const struct journal_kind journal_kind_file = { .name = JOURNAL_FILE, .rank = 80, .undo = undo_file };
const struct journal_kind journal_kind_dir = { .name = JOURNAL_DIR, .rank = 90, .undo = undo_dir };
/* The guest stays locked until all else has been undone. */
const struct journal_kind journal_kind_lock = { .name = JOURNAL_LOCK, .rank = 100, .undo = undo_lock };
