/*
 * qmrestore: restores a guest, or single disks of one, from an archive, as PVE's command of that name does.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "base/trace.h"
#include "base/units.h"
#include "command.h"
#include "config/settings.h"
#include "config/vzdump-options.h"
#include "guest/guest-ops.h"
#include "guest/pool.h"
#include "journal-kinds.h"
#include "output.h"
#include "place/backup-path.h"
#include "qmrestore-libvirt.h"
#include "restore/restore.h"
#include "signals.h"
#include "vma-commands.h"

static const char *const args[] = { "archive", "vmid", NULL };

static const struct option rows[] = {
	{ .name = "archive",
	  .flags = OPTION_REQUIRED,
	  .complete = COMPLETE_BACKUP,
	  .description = "The archive: a path, <storage>:backup/<file>, or - for standard input." },
	{ .name = "vmid",
	  .value = { .type = VALUE_VMID },
	  .complete = COMPLETE_VMID,
	  .description = "The id that the guest gets; with --libvirt there is none." },
	{ .name = "bwlimit",
	  .value = { .type = VALUE_INT, .min = 0 },
	  .description = "Write at most this many KiB per second; 0 sets no limit. Default: the "
			 "smallest that the bwlimit of a disk's storage says for restores." },
	{ .name = "connect",
	  .requires = "libvirt",
	  .description = "The URI of libvirt. Default: that of vzdump.conf, or libvirt's own "
			 "('virsh uri')." },
	{ .name = "directory",
	  .requires = "libvirt",
	  .complete = COMPLETE_DIRECTORY,
	  .description = "An existing folder for the disks of a libvirt guest." },
	{ .name = "disk",
	  .flags = OPTION_ARRAY,
	  .complete = COMPLETE_ARCHIVE_DISKS,
	  .description = "Only this disk (scsi0), into a guest that exists and is stopped. The disk in its "
			 "place stays as an unused disk." },
	{ .name = "force",
	  .value = { .type = VALUE_BOOL },
	  .fallback = "0",
	  .complete = COMPLETE_BOOL,
	  .description = "Replace an existing guest. Its disks are removed once the new ones are "
			 "complete." },
	{ .name = "ha-managed",
	  .value = { .type = VALUE_BOOL },
	  .fallback = "0",
	  .flags = OPTION_LATER,
	  .complete = COMPLETE_BOOL,
	  .description = "Let the cluster's HA manager look after the guest." },
	{ .name = "keep-host-lines",
	  .value = { .type = VALUE_BOOL },
	  .fallback = "0",
	  .complete = COMPLETE_BOOL,
	  .description = "The archive is your own: keep lines of its configuration that reach out of the "
			 "guest (args, hookscript, hostpci0, ...) instead of commenting them out." },
	{ .name = "libvirt",
	  .description =
		  "Restore to libvirt, as a guest of this name, which must be new. Its disks become raw "
		  "files <name>-<disk>.raw in --directory." },
	{ .name = "live-restore",
	  .value = { .type = VALUE_BOOL },
	  .fallback = "0",
	  .complete = COMPLETE_BOOL,
	  .description = "Start the guest at once, by the start-command of vzdump.conf, and restore its "
			 "disks while it runs. Needs an archive with an index." },
	{ .name = "pool", .description = "Add the guest to this pool." },
	{ .name = "start",
	  .value = { .type = VALUE_BOOL },
	  .fallback = "0",
	  .complete = COMPLETE_BOOL,
	  .description = "Start the guest when it is restored, by the start-command of vzdump.conf, or in "
			 "libvirt." },
	{ .name = "storage",
	  .value = { .type = VALUE_STORAGE_ID },
	  .complete = COMPLETE_STORAGE_IMAGES,
	  .description = "Where the disks go. Default: to the storages they came from." },
	{ .name = "unique",
	  .value = { .type = VALUE_BOOL },
	  .fallback = "0",
	  .complete = COMPLETE_BOOL,
	  .description = "Give the guest new MAC addresses and a new system uuid. With --libvirt that is the "
			 "default." },
};

static const struct option_table table = {
	.command = "qmrestore",
	.summary = "restore a guest from an archive",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.args = args,
};

/* PVE's qmrestore prints lines without time and level. */
static void on_line(const struct log *log, enum log_level level, const char *line)
{
	struct vma_progress *progress = log->opaque;

	vma_progress_off(progress);
	printf("%s%s\n",
	       level == LOG_LEVEL_DEBUG   ? "DEBUG: "
	       : level == LOG_LEVEL_WARN  ? "WARN: "
	       : level == LOG_LEVEL_ERROR ? "ERROR: "
					  : "",
	       line);
	fflush(stdout);
}

static void on_begin(void *opaque, const struct vma_header *h)
{
	struct vma_progress *progress = opaque;

	vma_print_content(h);
	vma_progress_init(progress, h, stdout, progress->fd);
}

static int open_archive(const char *path, struct error **err)
{
	int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC)
				   : fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);

	if (fd < 0 && errno == ENOENT && !strchr(path, '/'))
		return error_set(
			err, ERR_NOT_FOUND,
			"there is no archive '%s' in this folder: one on a storage is named "
			"<storage>:backup/<file>, as 'pvesm list <storage> --content backup' shows it",
			path);
	return fd < 0 ? error_errno(err, errno, "cannot open archive '%s'", path) : fd;
}

static void on_end(void *opaque, const struct vma_reader_stats *stats)
{
	vma_progress_off(opaque);
	vma_print_totals(stats);
	fflush(stdout);
}

/*
 * Only the end of the process ends a thread that hangs in the kernel.  Output that is still buffered is lost.
 */
static void on_stuck(void *opaque)
{
	(void)opaque;
	if (output_ready(stderr))
		fprintf(stderr,
			"interrupted by signal: a target's file system does not answer, so nothing is "
			"cleaned up; 'vzdump --cleanup' does that when it answers again\n");
	_exit(EXIT_FAILED);
}

/* Fails before anything is begun if the pool does not exist. */
static int check_pool(const struct host *host, const struct options *o, struct error **err)
{
	_cleanup_free_ uint32_t *guests = NULL;
	size_t n;

	return options_given(o, "pool") ? pool_guests(host->paths, options_get(o, "pool"), &guests, &n, err)
					: 0;
}

static int add_to_pool(const struct host *host, const char *pool, uint32_t vmid, struct error **err)
{
	_cleanup_error_ struct error *not_synced = NULL;
	int r = pool_add_guest(host->paths, pool, vmid, &not_synced, err);

	if (r < 0)
		return error_wrap(err, r, "VM %" PRIu32 " is restored, but not in its pool", vmid);
	if (not_synced)
		log_warn(host->log,
			 "VM %" PRIu32 " is in its pool, but a power cut may take it out again: %s", vmid,
			 error_message(not_synced));
	return r;
}

static int start_restored(const struct host *host, uint32_t vmid, struct error **err)
{
	const struct guest guest = guest_of(host, vmid);
	int r;

	puts("starting VM");
	r = guest_start(&guest, GUEST_START, host->cancel, host->log, err);
	return r < 0 ? error_wrap(err, r, "VM %" PRIu32 " is restored, but does not start", vmid) : 0;
}

/* ---- how it starts ---- */

static bool has_unit(const struct host *host)
{
	static const char *const folders[] = { "/etc/systemd/system", "/usr/local/lib/systemd/system",
					       "/usr/lib/systemd/system", "/lib/systemd/system" };
	_cleanup_free_ char *systemd = paths_get(host->paths, "/run/systemd/system");

	if (access(systemd, F_OK) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		_cleanup_free_ char *unit = paths_get(host->paths, "%s/guest@.service", folders[i]);

		if (access(unit, F_OK) == 0)
			return true;
	}
	return false;
}

/* The command of vzdump.conf, unless that is the default, which is Proxmox VE's. */
static void print_start(const struct host *host, uint32_t vmid)
{
	static const char hole[] = "{vmid}";
	const char *command = host->commands->start;
	_cleanup_free_ char *qm = paths_get(host->paths, "/usr/sbin/qm"), *shown = NULL;
	const char *at;

	if (access(qm, F_OK) == 0)
		return;
	printf("VM %" PRIu32 " starts with: ", vmid);
	if (strcmp(command, option_find(&vzdump_options, "start-command")->fallback) != 0) {
		shown = text_cleaned(command);
		at = strstr(shown, hole);
		if (at)
			printf("%.*s%" PRIu32 "%s\n", (int)(at - shown), shown, vmid, at + strlen(hole));
		else
			puts(shown);
	} else {
		printf(has_unit(host) ? "systemctl start guest@%" PRIu32 "\n"
				      : "vzdump-qemu-args %" PRIu32 " --exec\n",
		       vmid);
	}
}

/* connect: of vzdump.conf, or NULL. */
static int restore(const struct host *host, const struct options *o, const char *path, const char *connect,
		   struct vma_progress *progress, struct error **err)
{
	_cleanup_close_ int fd = open_archive(path, err);
	_cleanup_free_ char *shown = text_cleaned(path);
	const bool to_libvirt = options_given(o, "libvirt");
	const uint32_t vmid = to_libvirt ? 0 : (uint32_t)options_int(o, "vmid");
	struct restore_params p = {
		.archive = path,
		.fd = fd,
		.vmid = vmid,
		.storage = options_get(o, "storage"),
		.force = options_bool(o, "force"),
		.unique = options_bool(o, "unique"),
		.keep_host_lines = options_bool(o, "keep-host-lines"),
		.starts = options_bool(o, "start"),
		.live = options_bool(o, "live-restore"),
		.bwlimit = options_given(o, "bwlimit") ? (uint64_t)options_int(o, "bwlimit") * KIB
						       : RESTORE_BWLIMIT_OF_STORAGES,
		.disks = options_array(o, "disk"),
		.begin = on_begin,
		.progress = vma_print_progress,
		.end = on_end,
		.stuck = on_stuck,
		.opaque = progress,
	};
	int r;

	if (fd < 0)
		return fd;
	progress->fd = fd;
	printf("restore vma archive: %s\n", shown);
	if (to_libvirt) {
		r = qmrestore_libvirt(host, o, connect, &p, err);
		vma_progress_off(progress);
		return r;
	}
	r = check_pool(host, o, err);
	if (r == 0)
		r = restore_run(host, &p, err);
	vma_progress_off(progress);
	if (r == 0 && options_given(o, "pool"))
		r = add_to_pool(host, options_get(o, "pool"), vmid, err);
	if (r < 0 || p.live)
		return r;
	if (p.starts)
		return start_restored(host, vmid, err);
	if (!p.disks)
		print_start(host, vmid);
	return 0;
}

static int run(struct options *o, struct error **err)
{
	struct vma_progress progress = { 0 };
	const struct log log = { .line = on_line, .opaque = &progress, .debug = trace_is_on(TRACE_DEBUG) };
	_cleanup_settings_ struct settings settings = { 0 };
	struct storage_config storages = { 0 };
	struct paths paths;
	struct cancel *stop;
	_cleanup_free_ char *path = NULL;
	struct host host = { .paths = &paths,
			     .storages = &storages,
			     .log = &log,
			     .guest_ops = &guest_ops_pve,
			     .commands = &settings.commands,
			     .kinds = journal_kinds };
	int r;

	r = qmrestore_check_kind(o, err);
	if (r < 0)
		return r;
	paths_init(&paths, getenv("VZDUMP_ROOT"));
	r = signals_catch(&stop, err);
	host.cancel = stop;
	if (r == 0)
		r = settings_load_conf(&settings, &paths, &log, err);
	if (r == 0)
		r = storage_config_load(&paths, &log, &storages, err);
	if (r == 0)
		r = backup_path(&storages, options_get(o, "archive"), &log, &path, err);
	if (r == 0)
		r = restore(&host, o, path, settings.connect, &progress, err);
	storage_config_clear(&storages);
	paths_clear(&paths);
	cancel_clear(stop);
	return r;
}

static const struct command qmrestore = { .table = &table, .run = run };

int main(int argc, char *argv[])
{
	const struct command *const commands[] = { &qmrestore, NULL };

	return command_main(&(struct command_set){ .tool = "qmrestore", .commands = commands }, argc, argv);
}
