/*
 * vzdump-qemu-args: the options of QEMU for a guest on a host without Proxmox VE; starts it with them, and
 * shuts it down.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/strv.h"
#include "command.h"
#include "guest/guest-ops.h"
#include "guest/mirror.h"
#include "guest/qemu-args.h"
#include "qemu/version.h"
#include "json-out.h"
#include "output.h"
#include "show.h"
#include "signals.h"

#define DEFAULT_QEMU "qemu-system-x86_64"

static const char *const formats[] = { "lines", "shell", "json", NULL };
static const char *const args[] = { "vmid", NULL };

static const struct option rows[] = {
	{ .name = "vmid",
	  .value = { .type = VALUE_VMID },
	  .flags = OPTION_REQUIRED,
	  .complete = COMPLETE_VMID,
	  .description = "The guest." },
	{ .name = "daemonize",
	  .value = { .type = VALUE_BOOL },
	  .fallback = "0",
	  .requires = "exec",
	  .complete = COMPLETE_BOOL,
	  .description = "Come back when QEMU has opened all disks, while it runs on." },
	{ .name = "exec",
	  .value = { .type = VALUE_BOOL },
	  .fallback = "0",
	  .complete = COMPLETE_BOOL,
	  .description = "Start the guest: become that QEMU instead of printing its options." },
	{ .name = "firmware",
	  .complete = COMPLETE_FILE,
	  .description = "File with OVMF's code, for a guest with 'bios: ovmf'. Default: where distributions "
			 "have it." },
	{ .name = "format",
	  .value = { .type = VALUE_ENUM, .values = formats },
	  .fallback = "lines",
	  .complete = COMPLETE_ENUM,
	  .description = "How to print the options: one word on a line, for a shell, or as a list of JSON." },
	{ .name = "own-args",
	  .value = { .type = VALUE_BOOL },
	  .fallback = "0",
	  .complete = COMPLETE_BOOL,
	  .description = "Append the options of the line 'args:' of the guest's configuration." },
	{ .name = "qemu",
	  .fallback = DEFAULT_QEMU,
	  .complete = COMPLETE_FILE,
	  .description = "The QEMU that the options are for." },
	{ .name = "stop",
	  .value = { .type = VALUE_BOOL },
	  .fallback = "0",
	  .complete = COMPLETE_BOOL,
	  .description = "Shut the guest down, by its agent or by ACPI, and wait until it is off." },
	{ .name = "stopwait",
	  .value = { .type = VALUE_INT, .min = 0, .max = 7 * 24 * 60 },
	  .fallback = "3",
	  .requires = "stop",
	  .description = "Minutes that --stop waits." },
};

static const struct option_table table = {
	.command = "vzdump-qemu-args",
	.summary = "print the options of QEMU for a guest, start it with them, or shut it down",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.args = args,
};

static void on_line(const struct log *log, enum log_level level, const char *line)
{
	static const char *const names[] = { "DEBUG: ", "", "WARN: ", "ERROR: " };

	(void)log;
	if (output_ready(stderr))
		fprintf(stderr, "%s%s\n", names[level], line);
}

/* ---- the words ---- */

static int make_words(const struct options *o, const struct host *host, const struct guest_config *c,
		      char ***ret, struct error **err)
{
	struct qemu_args_options q = {
		.paths = host->paths,
		.storages = host->storages,
		.log = host->log,
		.firmware = options_get(o, "firmware"),
		.flags = (options_bool(o, "own-args") ? QEMU_ARGS_OWN_WORDS : 0U) |
			 (options_bool(o, "exec") ? QEMU_ARGS_ACTIVATE : 0U) |
			 (access("/dev/kvm", R_OK | W_OK) < 0 ? QEMU_ARGS_NO_KVM : 0U),
	};

	/* a QEMU that cannot be asked is taken for one that has all; it will say itself what is wrong */
	qemu_version_ask(options_get(o, "qemu"), &q.qemu_major, &q.qemu_minor);
	return qemu_args_make(c, &q, ret, err);
}

static int print_lines(char *const *words, struct error **err)
{
	for (size_t i = 0; words[i]; i++) {
		if (strchr(words[i], '\n'))
			return error_set(err, ERR_INVALID,
					 "an option has a newline in it: use --format shell or json");
		show("%s\n", words[i]);
	}
	return 0;
}

static int print_words(const struct options *o, char *const *words, struct error **err)
{
	const char *format = options_get(o, "format");

	if (!strcmp(format, "lines"))
		return print_lines(words, err);
	if (!strcmp(format, "json")) {
		json_out_print(json_new_texts(words), JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
							      JSON_C_TO_STRING_NOSLASHESCAPE);
		return 0;
	}
	for (size_t i = 0; words[i]; i++) {
		_cleanup_free_ char *quoted = str_shellquote(words[i]);

		show("%s%s", i ? " " : "", quoted);
	}
	show("\n");
	return 0;
}

/* ---- start ---- */

/*
 * "create" with `freeze` is a live restore, which starts the guest itself, and so does a backup of mode stop.
 */
static int check_lock(const struct host *host, const struct guest_config *c, struct error **err)
{
	const char *lock = guest_config_lock(c);

	if (!lock || !strcmp(lock, "backup") || (!strcmp(lock, "create") && guest_config_get(c, "freeze")))
		return 0;
	return guest_config_locked(host->paths, c->vmid, lock, err);
}

static int check_startable(const struct host *host, const struct guest_config *c, struct error **err)
{
	const struct guest guest = guest_of(host, c->vmid);
	struct guest_status status;
	int r = check_lock(host, c, err);

	if (r == 0 && guest_config_is_template(c))
		r = error_set(err, ERR_INVALID, "VM %" PRIu32 " is a template, which does not start",
			      c->vmid);
	/* another QEMU would take the sockets away from the one that runs */
	if (r == 0)
		r = guest_status(&guest, &status, err);
	if (r == 0 && status.running)
		r = error_set(err, -EEXIST, "VM %" PRIu32 " already running", c->vmid);
	return r;
}

static int become_qemu(const struct options *o, const struct host *host, char *const *words,
		       struct error **err)
{
	const char *qemu = options_get(o, "qemu");
	_cleanup_free_ char *folder = paths_get(host->paths, "/run/qemu-server");
	_cleanup_strv_ char **argv = NULL;
	int r = io_mkdir_p(folder, 0755, err);

	if (r < 0)
		return r;
	strv_add(&argv, qemu);
	for (size_t i = 0; words[i]; i++)
		strv_add(&argv, words[i]);
	if (options_bool(o, "daemonize"))
		strv_add(&argv, "-daemonize");
	fflush(stdout);
	execvp(qemu, argv);
	return error_errno(err, errno, "cannot run '%s' (package qemu-system-x86)", qemu);
}

static int start_or_print(const struct options *o, const struct host *host, const struct guest_config *c,
			  struct error **err)
{
	_cleanup_strv_ char **words = NULL;
	const bool exec = options_bool(o, "exec");
	int r = exec ? check_startable(host, c, err) : 0;

	if (r == 0)
		r = make_words(o, host, c, &words, err);
	if (r < 0)
		return r;
	return exec ? become_qemu(o, host, words, err) : print_words(o, words, err);
}

/* ---- stop ---- */

static int stop(const struct options *o, struct host *host, const struct guest_config *c, struct error **err)
{
	const struct guest guest = guest_of(host, c->vmid);
	struct guest_status status;
	struct cancel *cancel;
	int r = signals_catch(&cancel, err);

	if (r < 0)
		return r;
	r = guest_status(&guest, &status, err);
	if (r == 0 && status.running)
		r = guest_shutdown(&guest, c, (uint64_t)options_int(o, "stopwait"), cancel, host->log, err);
	cancel_clear(cancel);
	return r;
}

static int run_on_host(const struct options *o, struct host *host, struct error **err)
{
	const uint32_t vmid = (uint32_t)options_int(o, "vmid");
	_cleanup_guest_config_ struct guest_config c = { 0 };
	int r = guest_config_load(host->paths, vmid, host->log, &c, err);

	if (r == 0 && mirror_has(host->paths, vmid))
		r = error_set(err, ERR_INVALID, "guest %" PRIu32 " is libvirt's: 'virsh' starts and stops it",
			      vmid);
	if (r < 0)
		return r;
	return options_bool(o, "stop") ? stop(o, host, &c, err) : start_or_print(o, host, &c, err);
}

static int run(struct options *o, struct error **err)
{
	const struct log log = { .line = on_line };
	struct storage_config storages = { 0 };
	struct paths paths;
	struct host host = {
		.paths = &paths, .storages = &storages, .log = &log, .guest_ops = &guest_ops_pve
	};
	int r;

	if (options_bool(o, "stop") && options_bool(o, "exec"))
		return error_set(err, ERR_INVALID, "vzdump-qemu-args: give only one of --exec and --stop");
	paths_init(&paths, getenv("VZDUMP_ROOT"));
	r = storage_config_load(&paths, &log, &storages, err);
	if (r == 0)
		r = run_on_host(o, &host, err);
	storage_config_clear(&storages);
	paths_clear(&paths);
	return r;
}

static const struct command qemu_args = { .table = &table, .run = run };

int main(int argc, char *argv[])
{
	const struct command *const commands[] = { &qemu_args, NULL };

	return command_main(&(struct command_set){ .tool = "vzdump-qemu-args", .commands = commands }, argc,
			    argv);
}
