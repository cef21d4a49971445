/* lib/restore/restore: whatever fails, what was there before is there afterwards, and nothing else. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "backup/undo.h"
#include "base/buf.h"
#include "base/io.h"
#include "base/mem.h"
#include "guest/guest-ops.h"
#include "journal/recover.h"
#include "restore/restore.h"
#include "restore/undo.h"
#include "tap.h"
#include "test-root.h"
#include "vma-disks.h"

#define CONFIG  "/etc/pve/qemu-server/123.conf"
#define COPY    "/var/lib/vzdump/123.conf"
#define IMAGES  "/var/lib/vz/images/123"
#define JOURNAL "/var/lib/vzdump/123.journal"

static const struct journal_kind *const kinds[] = {
	&journal_kind_pid,      &journal_kind_qemu,     &journal_kind_graph,
	&journal_kind_server,   &journal_kind_stopped,  &journal_kind_frozen,
	&journal_kind_started,  &journal_kind_config,   &journal_kind_image,
	&journal_kind_guest,    &journal_kind_replaced, &journal_kind_commit,
	&journal_kind_firewall, &journal_kind_file,     &journal_kind_dir,
	&journal_kind_lock,     &journal_kind_down,     NULL,
};

/* ---- a guest that does not start ---- */

static int starts, quits;

static int fake_status(const struct guest *g, struct guest_status *ret, struct error **err)
{
	(void)g, (void)ret, (void)err;
	return 0;
}

static int fake_start(const struct guest *g, enum guest_start how, const struct cancel *cancel,
		      const struct log *log, struct error **err)
{
	(void)g, (void)how, (void)cancel, (void)log;
	starts++;
	return error_set(err, ERR_PEER, "it does not start");
}

static int fake_quit(const struct guest *g, struct error **err)
{
	(void)g, (void)err;
	quits++;
	return 0;
}

static const struct guest_ops fake_guest = { .status = fake_status, .start = fake_start, .quit = fake_quit };

/* ---- the host ---- */

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

/* ---- the archive: one disk of one cluster ---- */

static const char archived[] = "cores: 2\n"
			       "scsi0: local:123/vm-123-disk-0.raw,size=64K\n"
			       "#qmdump#map:scsi0:drive-scsi0:local:raw:\n";

static bool write_archive(const char *path)
{
	struct disk disk = { .name = "drive-scsi0", .size = VMA_CLUSTER_SIZE };
	const struct vma_writer_options o = { .ionice = -1 };
	_cleanup_vma_header_ struct vma_header h = { 0 };
	_cleanup_(vma_writer_freep) struct vma_writer *w = NULL;
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct feed f;
	bool good = vma_header_init(&h, NULL) == 0 &&
		    vma_header_add_config(&h, "qemu-server.conf", archived, strlen(archived), NULL) == 0 &&
		    vma_header_add_device(&h, disk.name, disk.size, NULL, NULL) == 0 &&
		    disk_writer(VMA_COMPRESS_ZSTD, 1, &o, fd, &h, &w, NULL) == 0;

	if (!good)
		return false;
	disk_fill(&disk, 5);
	memset(disk.data, 'x', disk.size);
	feed_init(&f, &disk, 1, false);
	good = feed_run(&f, w, 1);
	free(f.keys);
	free(disk.data);
	return vma_writer_finish(w, NULL, NULL) == 0 && good;
}

static int restore(const char *archive, struct restore_params p, struct error **err)
{
	_cleanup_close_ int fd = open(archive, O_RDONLY | O_CLOEXEC);

	buf_reset(&said);
	starts = quits = 0;
	p.archive = archive;
	p.fd = fd;
	p.vmid = 123;
	return restore_run(&host, &p, err);
}

/* ---- */

static void test_start_fails(const char *archive)
{
	static const char old[] = "name: old\nscsi0: local:123/vm-123-disk-7.raw,size=1K\n";
	_cleanup_error_ struct error *err = NULL, *again = NULL;
	int r = restore(archive, (struct restore_params){ .live = true }, &err);

	ok(r == ERR_PEER && starts == 1 && strstr(err->message, "it does not start"),
	   "a live restore whose guest does not start: %s", error_message(err));
	ok(quits == 1, "a QEMU that may be there all the same is ended");
	ok(!is_there(CONFIG) && !is_there(JOURNAL) && !is_there(IMAGES "/vm-123-disk-0.raw") &&
		   !is_there(IMAGES "/vm-123-overlay-0.raw"),
	   "nothing is left of it: %s", buf_str(&said));
	put(CONFIG, old);
	put(IMAGES "/vm-123-disk-7.raw", "old");
	r = restore(archive, (struct restore_params){ .live = true, .force = true }, &again);
	ok(r == ERR_PEER && quits == 1 && holds(CONFIG, old) && !is_there(COPY) && !is_there(JOURNAL) &&
		   is_there(IMAGES "/vm-123-disk-7.raw") && !is_there(IMAGES "/vm-123-disk-0.raw"),
	   "a guest that was to be replaced is as it was: %s", error_message(again));
}

static void test_restored(const char *archive)
{
	_cleanup_error_ struct error *err = NULL;
	int r = restore(archive, (struct restore_params){ .force = true }, &err);

	ok(r == 0 && !starts && !quits, "a restore that ends well starts and ends no QEMU: %s",
	   error_message(err));
	ok(holds(CONFIG, "cores: 2\nscsi0: local:123/vm-123-disk-0.raw,size=64K\n") && !is_there(JOURNAL),
	   "its configuration is in place");
	ok(is_there(IMAGES "/vm-123-disk-0.raw") && !is_there(IMAGES "/vm-123-disk-7.raw"),
	   "its disk is there, and that of the guest that was replaced is gone: %s", buf_str(&said));
}

/* What a kind looks for in others comes after them, and the guest is locked until all else is undone. */
static void test_order(void)
{
	static const char order[] = "started config image replaced firewall guest commit file dir lock down ";
	_cleanup_buf_ struct buf ranks = BUF_INIT;
	bool shared = false;

	for (unsigned rank = 1; rank < 1000; rank++) {
		unsigned n = 0;

		for (size_t i = 0; kinds[i]; i++) {
			if (!kinds[i]->undo || kinds[i]->rank != rank)
				continue;
			buf_addf(&ranks, "%s ", kinds[i]->name);
			shared = shared || n++;
		}
	}
	ok(!strcmp(buf_str(&ranks), order), "the order of undoing: %s", buf_str(&ranks));
	ok(!shared, "no two kinds have one rank, as the second would not be undone");
}

int main(void)
{
	_cleanup_free_ char *archive = NULL, *storage = NULL;

	root_make();
	storage = xasprintf("dir: local\n\tpath %s/var/lib/vz\n\tcontent images\n", paths.root);
	put("/etc/pve/storage.cfg", storage);
	storage_config_load(&paths, NULL, &storages, NULL);
	archive = xasprintf("%s/a.vma.zst", paths.root);
	ok(write_archive(archive), "an archive");
	test_order();
	test_start_fails(archive);
	test_restored(archive);
	storage_config_clear(&storages);
	buf_clear(&said);
	root_remove();
	return done_testing();
}
