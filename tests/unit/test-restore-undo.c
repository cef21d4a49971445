/* lib/restore/undo: what an interrupted backup or restore made goes, what is the guest's stays. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "guest/guest-ops.h"
#include "journal/recover.h"
#include "restore/undo.h"
#include "tap.h"
#include "test-root.h"

#define DISK "local:123/vm-123-disk-0.raw"

static const struct journal_kind *const kinds[] = {
	&journal_kind_pid,
	&journal_kind_graph,
	&journal_kind_started,
	&journal_kind_config,
	&journal_kind_image,
	&journal_kind_replaced,
	&journal_kind_firewall,
	&journal_kind_guest,
	&journal_kind_commit,
	&journal_kind_lock,
	NULL,
};

/* A guest whose QEMU is ended by quit alone. */
static int quits;

static int fake_quit(const struct guest *g, struct error **err)
{
	(void)g, (void)err;
	quits++;
	return 0;
}

static const struct guest_ops fake_guest = { .quit = fake_quit };

static struct storage_config storages;
static struct buf said = BUF_INIT;

static void keep_line(const struct log *log, enum log_level level, const char *line)
{
	(void)level;
	buf_addf(log->opaque, "%s; ", line);
}

static const struct log keep = { .line = keep_line, .opaque = &said };
static const struct host host = {
	.paths = &paths, .storages = &storages, .log = &keep, .guest_ops = &fake_guest, .kinds = kinds
};

/* A disk that takes nothing any more: guest_config_sync() calls this one. */
static bool fsync_fails;

int fsync(int fd)
{
	if (fsync_fails)
		errno = EIO;
	return fsync_fails ? -1 : fdatasync(fd);
}

/* ---- the host ---- */

#define CONFIG    "/etc/pve/qemu-server/123.conf"
#define COPY      "/var/lib/vzdump/123.conf"
#define FIREWALL  "/etc/pve/firewall/123.fw"
#define OLD_RULES "/var/lib/vzdump/123.fw"
#define IMAGE     "/var/lib/vz/images/123/vm-123-disk-0.raw"

/* The guest's configuration (NULL: it has none) and an image, and a journal in which kind is. */
static struct journal *begin(const char *config, const char *kind)
{
	struct journal *j = NULL;

	buf_reset(&said);
	quits = 0;
	put(IMAGE, "x");
	put(CONFIG, config ? config : "");
	if (!config) {
		_cleanup_free_ char *path = paths_get(&paths, CONFIG);

		unlink(path);
	}
	journal_create(&paths, kinds, 123, &j, NULL);
	journal_add(j, kind, DISK, NULL);
	return j;
}

static void end(struct journal *j)
{
	journal_remove(j, NULL);
	journal_free(j);
}

/* ---- images ---- */

static void test_images(void)
{
	struct journal *j = begin("cores: 1\n", JOURNAL_IMAGE);

	ok(recover_rest(&host, j, &keep, NULL) == 0 && !is_there(IMAGE) && journal_finish(j),
	   "an image that the guest does not name goes");
	end(j);
	j = begin(NULL, JOURNAL_IMAGE);
	ok(recover_rest(&host, j, &keep, NULL) == 0 && !is_there(IMAGE), "also if there is no guest");
	end(j);
	j = begin("scsi0: " DISK "\n", JOURNAL_IMAGE);
	ok(recover_rest(&host, j, &keep, NULL) == 0 && is_there(IMAGE) && journal_finish(j),
	   "one that the guest's configuration names is the guest's and stays: %s", buf_str(&said));
	end(j);
	j = begin("lock: create\nscsi0: " DISK "\n", JOURNAL_IMAGE);
	journal_add(j, JOURNAL_GUEST, RESTORE_LOCK, NULL);
	ok(recover_rest(&host, j, &keep, NULL) == 0 && !is_there(IMAGE) && !is_there(CONFIG),
	   "not if the configuration is of a new guest whose restore did not end, which goes too");
	end(j);
	j = begin("lock: create\nscsi0: " DISK "\n", JOURNAL_IMAGE);
	ok(recover_rest(&host, j, &keep, NULL) == 0 && is_there(IMAGE) && is_there(CONFIG),
	   "what a guest names that a restore has only locked stays");
	end(j);
	j = begin("cores: 1\n", JOURNAL_IMAGE);
	journal_add(j, JOURNAL_GRAPH, NULL, NULL);
	ok(recover_rest(&host, j, &keep, NULL) == -EBUSY && is_there(IMAGE) && journal_has(j, JOURNAL_IMAGE),
	   "one that QEMU still writes to waits: %s", buf_str(&said));
	end(j);
	j = begin("cores: 1\n", JOURNAL_IMAGE);
	journal_strike_all(j, JOURNAL_IMAGE);
	journal_add(j, JOURNAL_IMAGE, "away:123/vm-123-disk-0.raw", NULL);
	ok(recover_rest(&host, j, &keep, NULL) < 0 && journal_has(j, JOURNAL_IMAGE),
	   "one of a storage that is not there may come back, and waits: %s", buf_str(&said));
	end(j);
}

#define MOVED     "/etc/pve/nodes/other/qemu-server/123.conf"
#define CONTAINER "/etc/pve/lxc/123.conf"

static void test_elsewhere(void)
{
	static const char *const files[] = { MOVED, CONTAINER };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_free_ char *path = paths_get(&paths, "%s", files[i]);
		struct journal *j = begin(NULL, JOURNAL_IMAGE);

		put(files[i], "cores: 1\nscsi0: " DISK ",size=8M\n");
		journal_add(j, JOURNAL_COMMIT, NULL, NULL);
		ok(recover_rest(&host, j, &keep, NULL) == 0 && is_there(IMAGE) && journal_finish(j),
		   "an image stays that the guest of that id names in '%s': %s", files[i], buf_str(&said));
		end(j);
		j = begin(NULL, JOURNAL_IMAGE);
		put(files[i], "cores: 1\n");
		ok(recover_rest(&host, j, &keep, NULL) == 0 && !is_there(IMAGE) && journal_finish(j),
		   "one that it does not name goes");
		end(j);
		unlink(path);
	}
}

/* ---- a restore over a guest ---- */

static void test_replaced(void)
{
	struct journal *j = begin("cores: 1\n", JOURNAL_REPLACED);

	ok(recover_rest(&host, j, &keep, NULL) == 0 && is_there(IMAGE) && journal_finish(j),
	   "the old guest's volumes stay until the new configuration is about to be put in place");
	end(j);
	j = begin("lock: create\nscsi0: " DISK "\n", JOURNAL_REPLACED);
	journal_add(j, JOURNAL_COMMIT, NULL, NULL);
	journal_add(j, JOURNAL_LOCK, RESTORE_LOCK, NULL);
	ok(recover_rest(&host, j, &keep, NULL) == 0 && is_there(IMAGE) &&
		   holds(CONFIG, "scsi0: " DISK "\n") && journal_finish(j),
	   "and if it was not: the old guest is there as before, without our lock");
	end(j);
	j = begin("cores: 2\n", JOURNAL_REPLACED);
	journal_add(j, JOURNAL_COMMIT, NULL, NULL);
	ok(recover_rest(&host, j, &keep, NULL) == 0 && !is_there(IMAGE) && journal_finish(j),
	   "once it is in place they go: %s", buf_str(&said));
	end(j);
	j = begin("cores: 2\n", JOURNAL_REPLACED);
	journal_add(j, JOURNAL_COMMIT, NULL, NULL);
	fsync_fails = true;
	ok(recover_rest(&host, j, &keep, NULL) < 0 && is_there(IMAGE) && journal_has(j, JOURNAL_REPLACED),
	   "but not before it is on disk");
	fsync_fails = false;
	end(j);
	j = begin(NULL, JOURNAL_REPLACED);
	journal_add(j, JOURNAL_COMMIT, NULL, NULL);
	ok(recover_rest(&host, j, &keep, NULL) == 0 && is_there(IMAGE),
	   "nor if there is no configuration any more: %s", buf_str(&said));
	end(j);
	j = begin("scsi0: " DISK "\n", JOURNAL_REPLACED);
	journal_add(j, JOURNAL_COMMIT, NULL, NULL);
	ok(recover_rest(&host, j, &keep, NULL) == 0 && is_there(IMAGE), "nor if it names them");
	end(j);
	j = begin("cores: 2\n", JOURNAL_REPLACED);
	journal_strike_all(j, JOURNAL_REPLACED);
	journal_add(j, JOURNAL_REPLACED, "away:123/vm-123-disk-0.raw", NULL);
	journal_add(j, JOURNAL_COMMIT, NULL, NULL);
	ok(recover_rest(&host, j, &keep, NULL) < 0 && journal_has(j, JOURNAL_COMMIT),
	   "that it is stays known as long as one of them cannot be removed");
	end(j);
}

/* The rules are new; old: those that were replaced, NULL: there is no copy of them, "": there were none. */
static struct journal *begin_firewall(const char *config, const char *old)
{
	_cleanup_free_ char *copy = paths_get(&paths, OLD_RULES);
	struct journal *j = begin(config, JOURNAL_FIREWALL);

	put(FIREWALL, "new");
	unlink(copy);
	if (old && *old)
		put(OLD_RULES, old);
	journal_strike_all(j, JOURNAL_FIREWALL);
	journal_add(j, JOURNAL_FIREWALL, old && !*old ? "" : copy, NULL);
	return j;
}

static void test_firewall(void)
{
	struct journal *j = begin_firewall("lock: create\n", "old");

	ok(recover_rest(&host, j, &keep, NULL) == 0 && holds(FIREWALL, "old") && !is_there(OLD_RULES),
	   "the firewall rules that were replaced come back");
	end(j);
	j = begin_firewall("cores: 2\n", "old");
	journal_add(j, JOURNAL_COMMIT, NULL, NULL);
	ok(recover_rest(&host, j, &keep, NULL) == 0 && holds(FIREWALL, "new") && !is_there(OLD_RULES),
	   "but not if the restore was completed");
	end(j);
	j = begin_firewall("cores: 1\n", "old");
	ok(recover_rest(&host, j, &keep, NULL) == 0 && holds(FIREWALL, "old"),
	   "nor is it completed because the guest has a configuration");
	end(j);
	j = begin_firewall("lock: create\n", "old");
	journal_add(j, JOURNAL_COMMIT, NULL, NULL);
	ok(recover_rest(&host, j, &keep, NULL) == 0 && holds(FIREWALL, "old"),
	   "or was about to get the new one");
	end(j);
	j = begin_firewall("lock: create\n", NULL);
	ok(recover_rest(&host, j, &keep, NULL) == 0 && holds(FIREWALL, "new") && journal_finish(j),
	   "without a copy of the old rules nothing was replaced yet");
	end(j);
	j = begin_firewall("lock: create\n", "");
	ok(recover_rest(&host, j, &keep, NULL) == 0 && !is_there(FIREWALL), "where there were none, they go");
	end(j);
	j = begin_firewall("cores: 2\n", "");
	journal_add(j, JOURNAL_COMMIT, NULL, NULL);
	ok(recover_rest(&host, j, &keep, NULL) == 0 && holds(FIREWALL, "new"),
	   "unless the restore was completed");
	end(j);
}

/* ---- a live restore ---- */

static void test_live(void)
{
	_cleanup_free_ char *copy = paths_get(&paths, COPY);
	struct journal *j = begin("freeze: 1\nlock: create\nscsi0: " DISK "\n", JOURNAL_IMAGE);

	put(COPY, "cores: 1\n");
	journal_add(j, JOURNAL_CONFIG, copy, NULL);
	journal_add(j, JOURNAL_STARTED, NULL, NULL);
	ok(recover_rest(&host, j, &keep, NULL) == 0 && quits == 1 && holds(CONFIG, "cores: 1\n") &&
		   access(copy, F_OK) < 0 && !is_there(IMAGE) && journal_finish(j),
	   "a guest that was started to be filled is ended, its old configuration is back, images go");
	end(j);
	j = begin("cores: 4\n", JOURNAL_IMAGE);
	put(COPY, "cores: 1\n");
	journal_add(j, JOURNAL_CONFIG, copy, NULL);
	journal_add(j, JOURNAL_STARTED, NULL, NULL);
	ok(recover_rest(&host, j, &keep, NULL) == 0 && quits == 0 && holds(CONFIG, "cores: 4\n") &&
		   access(copy, F_OK) == 0,
	   "what an administrator has put right since is left alone: %s", buf_str(&said));
	end(j);
	j = begin("lock: create\n", JOURNAL_STARTED);
	ok(recover_rest(&host, j, &keep, NULL) == 0 && quits == 0,
	   "a guest that we did not start is not ended");
	end(j);
}

static void test_config_back(void)
{
	_cleanup_free_ char *copy = paths_get(&paths, COPY);
	struct journal *j = begin("lock: create\n", JOURNAL_LOCK);

	unlink(copy);
	journal_add(j, JOURNAL_CONFIG, copy, NULL);
	ok(recover_rest(&host, j, &keep, NULL) == 0 && is_there(CONFIG) && journal_finish(j),
	   "without a copy of the old configuration nothing was replaced yet");
	end(j);
	j = begin("cores: 1\n", JOURNAL_IMAGE);
	put(COPY, "cores: 1\n");
	journal_add(j, JOURNAL_CONFIG, copy, NULL);
	fsync_fails = true;
	ok(recover_rest(&host, j, &keep, NULL) < 0 && is_there(COPY) && is_there(IMAGE),
	   "one that is back is not trusted before it is on disk");
	fsync_fails = false;
	ok(recover_rest(&host, j, &keep, NULL) == 0 && !is_there(COPY) && holds(CONFIG, "cores: 1\n") &&
		   !is_there(IMAGE),
	   "then its copy goes");
	end(j);
}

int main(void)
{
	_cleanup_free_ char *local = NULL;

	root_make();
	local = paths_get(&paths, "/var/lib/vz");
	storage_config_parse("", "storage.cfg", "node", local, NULL, &storages);
	test_images();
	test_elsewhere();
	test_replaced();
	test_firewall();
	test_live();
	test_config_back();
	storage_config_clear(&storages);
	root_remove();
	buf_clear(&said);
	return done_testing();
}
