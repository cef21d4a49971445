/* vma boot: does the guest of an archive start? */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "boot/boot.h"
#include "json-out.h"
#include "output.h"
#include "signals.h"
#include "vma-commands.h"

/* Exit status beside 0 (it has started) and EXIT_FAILED (it could not be tried). */
enum {
	EXIT_BOOT_FAILED = 1,
	EXIT_BOOT_UNPROVEN = 2,
};

static const char *const formats[] = { "text", "json", NULL };
static const char *const accels[] = { "auto", "kvm", "tcg", NULL };
static const char *const args[] = { "archive", NULL };

static const struct option rows[] = {
	{ .name = "archive",
	  .flags = OPTION_REQUIRED,
	  .complete = COMPLETE_ARCHIVE,
	  .description = "The archive: .vma.zst with an index, or .vma." },
	{ .name = "accel",
	  .value = { .type = VALUE_ENUM, .values = accels },
	  .fallback = "auto",
	  .complete = COMPLETE_ENUM,
	  .description = "KVM, TCG, which needs none and is slow, or KVM where it works (auto)." },
	{ .name = "agent",
	  .value = { .type = VALUE_BOOL },
	  .complete = COMPLETE_BOOL,
	  .description = "Whether the guest has an agent, whose answer proves the start. Without it the "
			 "guest's configuration tells." },
	{ .name = "display",
	  .value = { .type = VALUE_STRING },
	  .fallback = "none",
	  .description = "Show the guest's screen meanwhile: a value of QEMU's -display, such as gtk." },
	{ .name = "expect",
	  .value = { .type = VALUE_STRING },
	  .description =
		  "A text on the serial console or text screen that proves the start; between slashes a "
		  "regular expression." },
	{ .name = "keep",
	  .value = { .type = VALUE_STRING },
	  .complete = COMPLETE_DIRECTORY,
	  .description = "Keep a screenshot and the log of the console in this directory." },
	{ .name = "memory",
	  .value = { .type = VALUE_INT, .min = 64, .max = 16777216 },
	  .description =
		  "Memory of the guest in MiB. Without it as configured, but no more than the host has "
		  "free." },
	{ .name = "output-format",
	  .value = { .type = VALUE_ENUM, .values = formats },
	  .fallback = "text",
	  .complete = COMPLETE_ENUM,
	  .description = "How to print the result." },
	{ .name = "timeout",
	  .value = { .type = VALUE_INT, .min = 1, .max = 86400 },
	  .fallback = "300",
	  .description = "Seconds that the guest has." },
};

static const struct option_table table = {
	.command = "vma boot",
	.summary = "try whether the guest of an archive starts",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.args = args,
};

static void on_line(const struct log *log, enum log_level level, const char *line)
{
	(void)log;
	if (output_ready(stderr))
		fprintf(stderr, "%s%s\n", level == LOG_LEVEL_WARN ? "WARN: " : "", line);
}

/* ---- options ---- */

static enum boot_agent parse_agent(const struct options *o)
{
	if (!options_given(o, "agent"))
		return BOOT_AGENT_AS_CONFIGURED;
	return options_bool(o, "agent") ? BOOT_AGENT_ON : BOOT_AGENT_OFF;
}

/* "<dir>/vzdump-qemu-123-2026_11_22-20_15_00.boot"; NULL: nothing is kept.  Caller frees. */
static char *keep_path(const struct options *o, const char *archive)
{
	const char *dir = options_get(o, "keep"), *slash = strrchr(archive, '/');
	const char *name = slash ? slash + 1 : archive;
	const char *end = strstr(name, ".vma");

	if (!dir)
		return NULL;
	return xasprintf("%s/%.*s.boot", dir, (int)(end ? (size_t)(end - name) : strlen(name)), name);
}

/* ---- the result ---- */

static void print_text(const struct boot_report *r)
{
	static const char *const titles[] = {
		[BOOT_STARTED] = "started",
		[BOOT_UNPROVEN] = "not proven",
		[BOOT_FAILED] = "does not start",
		[BOOT_NOT_TRIED] = "not tried",
	};

	printf("%s: %s\n", titles[r->state], r->words);
	if (r->screenshot)
		printf("screenshot: %s\n", r->screenshot);
	if (r->console)
		printf("console: %s\n", r->console);
}

static void print_json(const char *archive, const struct boot_report *r)
{
	struct json_object *o = json_new_str("state", boot_state_name(r->state));

	json_put_text(o, "archive", archive);
	json_put_text(o, "reason", r->words);
	json_put_u64(o, "seconds", r->ns / 1000000000u);
	json_put_text(o, "screenshot", r->screenshot);
	json_put_text(o, "console", r->console);
	json_out_print(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE);
}

static int exit_status(enum boot_state state)
{
	if (state == BOOT_STARTED)
		return 0;
	return state == BOOT_UNPROVEN ? EXIT_BOOT_UNPROVEN : EXIT_BOOT_FAILED;
}

/* ---- the command ---- */

static int boot(const struct options *o, const struct paths *paths, struct error **err)
{
	const struct log log = { .line = on_line };
	const char *archive = options_get(o, "archive"), *display = options_get(o, "display");
	_cleanup_free_ char *keep = keep_path(o, archive);
	struct boot_options bo = { .archive = archive,
				   .paths = paths,
				   .log = &log,
				   .timeout_s = (unsigned)options_int(o, "timeout"),
				   .expect = options_get(o, "expect"),
				   .agent = parse_agent(o),
				   .accel = boot_accel_parse(options_get(o, "accel")),
				   .max_written = BOOT_MAX_WRITTEN,
				   .display = display,
				   .keep = keep };
	struct boot_report result = { 0 };
	struct cancel *stop;
	int r = signals_catch(&stop, err);

	if (options_given(o, "memory"))
		bo.memory_mib = (uint64_t)options_int(o, "memory");
	bo.cancel = stop;
	if (r == 0)
		r = boot_run(&bo, &result, err);
	if (r == 0 && !strcmp(options_get(o, "output-format"), "json"))
		print_json(archive, &result);
	else if (r == 0)
		print_text(&result);
	if (r == 0)
		r = exit_status(result.state);
	boot_report_clear(&result);
	return r;
}

static int run(struct options *o, struct error **err)
{
	struct paths paths;
	int r;

	paths_init(&paths, getenv("VZDUMP_ROOT"));
	r = boot(o, &paths, err);
	paths_clear(&paths);
	return r;
}

const struct command vma_command_boot = {
	.name = "boot",
	.table = &table,
	.run = run,
};
