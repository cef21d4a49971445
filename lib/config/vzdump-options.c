/* The table.  Names, types, ranges and defaults: PVE::VZDump::Common (PVE 9). */
#include "config/vzdump-options.h"

#include "config/formats.h"

static const char *const compress_values[] = { "0", "1", "gzip", "lzo", "zstd", NULL };
static const char *const mode_values[] = { "snapshot", "suspend", "stop", NULL };
static const char *const mailnotification_values[] = { "always", "failure", NULL };
static const char *const notification_mode_values[] = { "auto", "legacy-sendmail", "notification-system",
							NULL };
static const char *const change_detection_values[] = { "legacy", "data", "metadata", NULL };
static const char *const output_values[] = { "text", "json", "json-lines", NULL };

static const struct option rows[] = {
	{
		.name = "vmid",
		.value = { .type = VALUE_VMID_LIST },
		.complete = COMPLETE_VMID,
		.description = "The guests to back up.",
	},
	{
		.name = "libvirt",
		.value = { .type = VALUE_STRING },
		.description = "The guests of libvirt to back up, by name or uuid; '*' is all of them.",
	},
	{
		.name = "connect",
		.value = { .type = VALUE_STRING },
		.description = "Where --libvirt finds its guests: qemu:///system, qemu:///session. Default: "
			       "libvirt's own choice, as of 'virsh uri'.",
	},
	{
		.name = "all",
		.value = { .type = VALUE_BOOL },
		.fallback = "0",
		.complete = COMPLETE_BOOL,
		.description = "Back up every guest of this host.",
	},
	{
		.name = "bwlimit",
		.value = { .type = VALUE_INT, .min = 0 },
		.fallback = "0",
		.description = "Read at most this many KiB per second. 0 sets no limit.",
	},
	{
		.name = "cleanup",
		.value = { .type = VALUE_BOOL },
		.fallback = "0",
		.flags = OPTION_CLI_ONLY,
		.complete = COMPLETE_BOOL,
		.description = "Make no backup, only undo what a killed run left behind (of the given "
			       "guests, or of all).",
	},
	{
		.name = "compress",
		.value = { .type = VALUE_ENUM, .values = compress_values },
		.fallback = "0",
		.complete = COMPLETE_ENUM,
		.description = "How to compress the archive. 0 means not at all, 1 means lzo.",
	},
	{
		.name = "dumpdir",
		.value = { .type = VALUE_STRING },
		.complete = COMPLETE_DIRECTORY,
		.description = "Put the archive and its log into this directory instead of a storage.",
	},
	{
		.name = "exclude",
		.value = { .type = VALUE_VMID_LIST },
		.complete = COMPLETE_VMID,
		.description = "Leave these guests out; means --all for the others.",
	},
	{
		.name = "exclude-path",
		.value = { .type = VALUE_STRING },
		.flags = OPTION_ARRAY | OPTION_CONTAINERS,
		.description = "Leave out files that match this shell pattern; with a leading slash it "
			       "starts at the root of the container, otherwise in any directory.",
	},
	{
		.name = "fleecing",
		.value = { .type = VALUE_PROPSTR, .propstr = &fleecing_format },
		.complete = COMPLETE_FLEECING,
		.description = "Keep what the guest overwrites in a fleecing image until it is "
			       "archived, so that "
			       "the guest never waits for the backup target. Without storage= each "
			       "image goes "
			       "to the storage of its disk.",
	},
	{
		.name = "ionice",
		.value = { .type = VALUE_INT, .min = 0, .max = 8 },
		.fallback = "7",
		.description = "I/O priority for the BFQ scheduler: 0 to 7 within best effort, 8 "
			       "for idle.",
	},
	{
		.name = "job-id",
		.value = { .type = VALUE_STRING, .max_length = 50 },
		.flags = OPTION_CLI_ONLY,
		.description = "Name of the backup job this run belongs to; goes into notifications.",
	},
	{
		.name = "lockwait",
		.value = { .type = VALUE_INT, .min = 0 },
		.fallback = "180",
		.description = "Wait at most this many minutes for another vzdump to end.",
	},
	{
		.name = "mailnotification",
		.value = { .type = VALUE_ENUM, .values = mailnotification_values },
		.fallback = "always",
		.complete = COMPLETE_ENUM,
		.description = "Send mail after each run or only after a failed one.",
	},
	{
		.name = "mailto",
		.value = { .type = VALUE_MAIL_LIST },
		.description = "Mail addresses or users that get a report.",
	},
	{
		.name = "mode",
		.value = { .type = VALUE_ENUM, .values = mode_values },
		.fallback = "snapshot",
		.complete = COMPLETE_ENUM,
		.description = "Back up while the guest runs (snapshot), with the guest paused at "
			       "the start "
			       "(suspend), or after a clean shutdown (stop).",
	},
	{
		.name = "node",
		.value = { .type = VALUE_NODE },
		.complete = COMPLETE_NODE,
		.description = "Do nothing unless this host has that name.",
	},
	{
		.name = "notes-template",
		.value = { .type = VALUE_STRING, .max_length = 1024 },
		.requires = "storage",
		.description = "Notes for the backup. {{cluster}}, {{guestname}}, {{node}} and "
			       "{{vmid}} are "
			       "filled in; \\n and \\\\ stand for newline and backslash.",
	},
	{
		.name = "notification-mode",
		.value = { .type = VALUE_ENUM, .values = notification_mode_values },
		.fallback = "auto",
		.complete = COMPLETE_ENUM,
		.description = "Which way notifications take.",
	},
	{
		.name = "pbs-change-detection-mode",
		.value = { .type = VALUE_ENUM, .values = change_detection_values },
		.flags = OPTION_CONTAINERS,
		.complete = COMPLETE_ENUM,
		.description = "How container backups to a Proxmox Backup Server find changed files.",
	},
	{
		.name = "performance",
		.value = { .type = VALUE_PROPSTR, .propstr = &performance_format },
		.complete = COMPLETE_PROPSTR,
		.description = "Finer settings of speed.",
	},
	{
		.name = "pigz",
		.value = { .type = VALUE_INT, .min = VALUE_ANY },
		.fallback = "0",
		.description = "Compress gzip on several threads if above 0: 1 takes half of the cores, "
			       "more is the number of threads.",
	},
	{
		.name = "pool",
		.value = { .type = VALUE_STRING },
		.description = "Back up the guests of this pool that are on this host.",
	},
	{
		.name = "protected",
		.value = { .type = VALUE_BOOL },
		.requires = "storage",
		.complete = COMPLETE_BOOL,
		.description = "Protect the backup from removal.",
	},
	{
		.name = "prune-backups",
		.value = { .type = VALUE_PROPSTR, .propstr = &prune_format },
		.fallback = "keep-all=1",
		.complete = COMPLETE_PROPSTR,
		.description = "Which backups of the guest to keep, instead of what the storage says.",
	},
	{
		.name = "quiet",
		.value = { .type = VALUE_BOOL },
		.fallback = "0",
		.complete = COMPLETE_BOOL,
		.description = "Print only warnings and errors, each with its guest.",
	},
	{
		.name = "remove",
		.value = { .type = VALUE_BOOL },
		.fallback = "1",
		.complete = COMPLETE_BOOL,
		.description = "Remove the backups that prune-backups does not keep.",
	},
	{
		.name = "script",
		.value = { .type = VALUE_STRING },
		.complete = COMPLETE_FILE,
		.description = "Hook script that is called at each phase.",
	},
	{
		.name = "stdexcludes",
		.value = { .type = VALUE_BOOL },
		.fallback = "1",
		.flags = OPTION_CONTAINERS,
		.complete = COMPLETE_BOOL,
		.description = "Leave out temporary files and logs.",
	},
	{
		.name = "stdout",
		.value = { .type = VALUE_BOOL },
		.flags = OPTION_CLI_ONLY,
		.complete = COMPLETE_BOOL,
		.description = "Write the archive of one guest to standard output instead of a file.",
	},
	{
		.name = "stop",
		.value = { .type = VALUE_BOOL },
		.fallback = "0",
		.complete = COMPLETE_BOOL,
		.description = "Stop the backup that runs on this host.",
	},
	{
		.name = "stopwait",
		.value = { .type = VALUE_INT, .min = 0 },
		.fallback = "10",
		.description = "Wait at most this many minutes for a guest to shut down (mode stop).",
	},
	{
		.name = "storage",
		.value = { .type = VALUE_STORAGE_ID },
		.complete = COMPLETE_STORAGE_BACKUP,
		.description = "Put the archive on this storage.",
	},
	{
		.name = "tmpdir",
		.value = { .type = VALUE_STRING },
		.complete = COMPLETE_DIRECTORY,
		.description = "Directory for temporary files.",
	},
	{
		.name = "zstd",
		.value = { .type = VALUE_INT, .min = VALUE_ANY },
		.fallback = "1",
		.description = "Threads that compress zstd; 0 takes half of the cores.",
	},

	/* Ours */
	{
		.name = "zstd-level",
		.value = { .type = VALUE_INT, .min = 1, .max = 19 },
		.fallback = "3",
		.description = "Compression level of zstd: higher is smaller and slower.",
	},
	{
		.name = "fleecing-limit",
		.value = { .type = VALUE_DISK_SIZE, .min = FLEECING_LIMIT_MIN },
		.fallback = "0",
		.description = "What the fleecing images of a guest may take together, such as 10G, if "
			       "limit= of --fleecing is not less. 0 sets no limit.",
	},
	{
		.name = "hook-timeout",
		.value = { .type = VALUE_INT, .min = 0, .max = 604800 },
		.fallback = "0",
		.description = "End a hook script that takes longer than this many seconds. 0 sets no "
			       "limit.",
	},
	{
		.name = "incremental",
		.value = { .type = VALUE_PROPSTR, .propstr = &incremental_format },
		.complete = COMPLETE_PROPSTR,
		.description =
			"Read only what has changed since the guest's newest archive on the target, and "
			"share the rest with it. Each archive is complete all the same. Needs "
			"--compress zstd.",
	},
	{
		.name = "verify-boot",
		.value = { .type = VALUE_PROPSTR, .propstr = &verify_boot_format },
		.complete = COMPLETE_PROPSTR,
		.description =
			"Try after each backup whether the guest starts from the archive, without network "
			"and on a copy. If it does not, its backup has failed and no older one is "
			"removed.",
	},
	{
		.name = "forget",
		.value = { .type = VALUE_BOOL },
		.fallback = "0",
		.flags = OPTION_CLI_ONLY,
		.complete = COMPLETE_BOOL,
		.description = "With --cleanup: also remove what --incremental keeps in the guests' QEMU, so "
			       "that the next backup of each reads everything.",
	},
	{
		.name = "job",
		.value = { .type = VALUE_STRING, .max_length = 50 },
		.flags = OPTION_CLI_ONLY,
		.complete = COMPLETE_JOB,
		.description =
			"Run this job of /etc/pve/jobs.cfg now. Other options take precedence over the "
			"job's.",
	},
	{
		.name = "metrics",
		.value = { .type = VALUE_STRING },
		.complete = COMPLETE_FILE,
		.description = "Write figures for monitoring to this file, in the text format of Prometheus.",
	},
	{
		.name = "dry-run",
		.value = { .type = VALUE_BOOL },
		.fallback = "0",
		.flags = OPTION_CLI_ONLY,
		.complete = COMPLETE_BOOL,
		.description = "Make no backup and change nothing, only say what would be done, and what "
			       "would fail.",
	},
	{
		.name = "output-format",
		.value = { .type = VALUE_ENUM, .values = output_values },
		.fallback = "text",
		.flags = OPTION_CLI_ONLY,
		.complete = COMPLETE_ENUM,
		.description = "What standard output gets: the log (text), a report at the end (json), or an "
			       "object per event and the report (json-lines). The log goes to standard error "
			       "then.",
	},
	{
		.name = "strict",
		.value = { .type = VALUE_BOOL },
		.fallback = "0",
		.flags = OPTION_CLI_ONLY,
		.complete = COMPLETE_BOOL,
		.description = "Exit with 1 if all guests were saved, but with warnings.",
	},
	{
		.name = "start-command",
		.value = { .type = VALUE_STRING },
		.fallback = "qm start {vmid} --skiplock",
		.flags = OPTION_CONF_ONLY,
		.description = "Command that starts a guest again after a backup of mode stop. "
			       "{vmid} stands "
			       "for its id.",
	},
	{
		.name = "start-paused-command",
		.value = { .type = VALUE_STRING },
		.flags = OPTION_CONF_ONLY,
		.description = "Command that starts a guest paused. If set, a backup of mode stop "
			       "begins right "
			       "after the start; otherwise it is made while the guest is off.",
	},
};

const struct option_table vzdump_options = {
	.command = "vzdump",
	.summary = "Back up running virtual machines. Defaults of all options come from "
		   "/etc/vzdump.conf, then from here.",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.list_arg = "vmid",
};
