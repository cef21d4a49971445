/* vzdump: backs up guests, as PVE's command of that name. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backup/hook.h"
#include "backup/job.h"
#include "backup/plan.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/strv.h"
#include "boot/folder.h"
#include "boot/verify.h"
#include "config/settings.h"
#include "config/vzdump-options.h"
#include "guest/guest-ops.h"
#include "guest/libvirt-guests.h"
#include "report/record.h"
#include "report/report-log.h"
#include "report/report-notify.h"
#include "schedule/job-options.h"
#include "status/after-run.h"
#include "command.h"
#include "journal-kinds.h"
#include "report-out.h"
#include "signals.h"
#include "system-log.h"
#include "ui.h"
#include "vzdump-commands.h"

/* "vzdump 123 --mode snapshot", as PVE logs it. */
static char *command_line(const struct options *o)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	buf_adds(&b, "vzdump");
	if (options_given(o, "vmid")) {
		_cleanup_strv_ char **ids = strv_split_list(options_get(o, "vmid"));

		for (char **id = ids; *id; id++)
			buf_addf(&b, " %s", *id);
	}
	for (size_t i = 0; i < o->table->n_rows; i++) {
		const char *name = o->table->rows[i].name;

		if (!strcmp(name, "vmid") || !strcmp(name, "stdout") || !strcmp(name, "job-id") ||
		    !strcmp(name, "job"))
			continue;
		for (char **v = o->values[i]; v && *v; v++) {
			_cleanup_free_ char *quoted = str_shellquote(*v);

			if (**v)
				buf_addf(&b, " --%s %s", name, quoted);
		}
	}
	return buf_steal(&b);
}

/* One run of this command. */
struct vzdump {
	struct paths paths;
	struct settings settings;
	struct options *cli;
	char **early; /* warnings of the time before there was a log */
	bool begun;   /* guests were chosen and settings are right: whoever should hear of the run does */
	struct host host;
	struct ui ui;
	struct report_log report_log; /* in front of ui's */
	struct job_report report;
	struct system_log system_log;
};

static int run_job(struct vzdump *v, const struct selection *selection, struct error **err)
{
	_cleanup_free_ char *line = command_line(v->cli);
	struct hook hook = { .settings = &v->settings, .cancel = v->host.cancel };
	const struct observer list[] = { hook_observer(&hook), system_log_observer(&v->system_log),
					 report_out_observer(v->settings.request.output),
					 ui_observer(&v->ui) };
	const struct observers observers = { .list = list, .n = ARRAY_SIZE(list) };
	const struct job_params params = { .settings = &v->settings,
					   .selection = selection,
					   .command_line = line,
					   .stdout_fd = STDOUT_FILENO,
					   .observers = &observers,
					   .boot = boot_verify,
					   .report = &v->report };
	int r = settings_load(&v->settings, v->cli, v->host.paths, v->host.log, err);

	v->begun = r == 0;
	return r == 0 ? job_run(&v->host, &params, err) : r;
}

#define EXIT_WARNINGS 1 /* --strict */

/* What a run has come to, r and *err, if its report could not be printed. */
static int keep_first(int r, int printed, struct error **unprinted, struct error **err)
{
	error_keep_first(err, unprinted);
	return r < 0 ? r : printed;
}

/*
 * Everything that is made of the report, also if there was nothing to do.  Warnings about notifications are
 * no part of it.
 */
static int tell(struct vzdump *v, int r, struct error **err)
{
	_cleanup_error_ struct error *mine = NULL;
	int printed;

	if (v->begun)
		report_notify(&v->report, &v->settings.notify, &v->paths, v->host.cancel, &v->ui.log);
	printed = report_out(v->settings.request.output, &v->report, &mine);
	return keep_first(r, printed, &mine, err);
}

static int end_status(const struct vzdump *v, int r, unsigned warnings)
{
	if (r < 0 || !warnings)
		return r;
	fprintf(stderr, "Task finished with %u warning(s)!\n", warnings);
	return v->settings.request.strict ? EXIT_WARNINGS : 0;
}

/* --connect, or what vzdump.conf has for it; the rest of that file is read later.  Caller frees. */
static char *libvirt_uri(const struct vzdump *v)
{
	_cleanup_settings_ struct settings conf = { 0 };
	const struct log silent = { 0 };

	if (v->settings.request.connect)
		return xstrdup(v->settings.request.connect);
	settings_load_conf(&conf, &v->paths, &silent, NULL);
	return xstrdup_null(conf.connect);
}

/* Replaces names of libvirt guests by ids. */
static int find_guests_of_libvirt(struct vzdump *v, struct error **err)
{
	struct settings_request *request = &v->settings.request;
	_cleanup_free_ char *uri = request->libvirt ? libvirt_uri(v) : NULL;
	const struct libvirt_guests_request q = { .paths = &v->paths,
						  .log = v->host.log,
						  .cancel = v->host.cancel,
						  .uri = uri,
						  .names = request->libvirt,
						  .vmids = request->vmids,
						  .n_vmids = request->n_vmids,
						  .excluded = request->excluded,
						  .n_excluded = request->n_excluded };
	_cleanup_libvirt_guests_ struct libvirt_guests found = { 0 };
	int r = libvirt_guests_find(&q, &found, err);

	if (r < 0)
		return r;
	free(request->vmids);
	request->vmids = TAKE_PTR(found.vmids);
	request->n_vmids = found.n;
	request->unresolved = TAKE_PTR(found.failed);
	strv_free(TAKE_PTR(request->libvirt));
	return 0;
}

static int choose(struct vzdump *v, job_stop_fn *stop, struct selection *ret, struct error **err)
{
	int r = find_guests_of_libvirt(v, err);

	return r == 0 ? job_choose(&v->host, &v->settings.request, stop, ret, err) : r;
}

static int run_backup(struct vzdump *v, struct error **err)
{
	_cleanup_selection_ struct selection selection = { 0 };
	int r = choose(v, job_stop_running, &selection, err);
	unsigned warnings;

	if (r > 0)
		r = run_job(v, &selection, err);
	if (r < 0 && report_is_good(&v->report))
		report_add_error(&v->report, error_message(err ? *err : NULL));
	after_run(&v->host, v->settings.metrics, &v->report);
	warnings = v->ui.warnings;
	r = tell(v, r, err);
	return end_status(v, r, warnings);
}

/* --dry-run: nothing is made of the report, and nobody is told. */
static int run_plan(struct vzdump *v, struct error **err)
{
	_cleanup_selection_ struct selection selection = { 0 };
	_cleanup_free_ char *line = command_line(v->cli);
	_cleanup_job_plan_ struct job_plan plan = { 0 };
	const struct job_params params = { .settings = &v->settings,
					   .selection = &selection,
					   .command_line = line,
					   .stdout_fd = -1,
					   .report = &v->report };
	_cleanup_error_ struct error *mine = NULL;
	int printed, r = choose(v, plan_stop, &selection, err);

	if (r > 0) {
		r = settings_load(&v->settings, v->cli, v->host.paths, v->host.log, err);
		r = r == 0 ? plan_job(&v->host, &params, &plan, err) : r;
	}
	if (r < 0 && job_plan_is_good(&v->report))
		report_add_error(&v->report, error_message(err ? *err : NULL));
	printed = plan_out(v->settings.request.output, &plan, &v->report, &mine);
	return end_status(v, keep_first(r, printed, &mine, err), v->ui.warnings);
}

static int run_cleanup(struct vzdump *v, struct error **err)
{
	const struct observer list[] = { system_log_observer(&v->system_log) };
	const struct observers observers = { .list = list, .n = ARRAY_SIZE(list) };
	struct storage_config storages = { 0 };
	int r = storage_config_load(v->host.paths, v->host.log, &storages, err);

	v->host.storages = &storages;
	if (r == 0)
		r = settings_load(&v->settings, v->cli, v->host.paths, v->host.log, err);
	if (r == 0)
		r = job_cleanup(&v->host, &v->settings, &observers, err);
	record_clean(&v->paths);
	boot_folder_clean(v->host.log);
	v->host.storages = NULL;
	storage_config_clear(&storages);
	return r;
}

static int run_request(struct vzdump *v, struct error **err)
{
	const struct settings_request *request = &v->settings.request;
	struct cancel *stop;
	int r;

	signals_keep_usr1();
	/* standard output may belong to the archive or the report */
	ui_init(&v->ui, request->to_stdout || request->output != OUTPUT_TEXT ? stderr : stdout,
		request->quiet ? UI_WARNINGS : UI_ALL_LINES);
	report_log_init(&v->report_log, &v->report, &v->ui.log);
	for (char **line = v->early; line && *line; line++)
		log_warn(&v->report_log.log, "%s", *line);
	system_log_open(&v->system_log, &v->paths);
	v->system_log.job = request->job_id;
	r = signals_catch(&stop, err);
	v->host = (struct host){ .paths = &v->paths,
				 .log = &v->report_log.log,
				 .cancel = stop,
				 .guest_ops = &guest_ops_pve,
				 .commands = &v->settings.commands,
				 .kinds = journal_kinds };
	if (r == 0)
		r = request->cleanup   ? run_cleanup(v, err)
		    : request->dry_run ? run_plan(v, err)
				       : run_backup(v, err);
	report_clear(&v->report);
	report_log_clear(&v->report_log);
	ui_clear(&v->ui);
	system_log_close(&v->system_log);
	cancel_clear(stop);
	return r;
}

static void keep_warning(const struct log *log, enum log_level level, const char *line)
{
	if (level == LOG_LEVEL_WARN)
		strv_add(log->opaque, line);
}

/* The archive, the report and a person cannot share standard output. */
static int check_output(const struct settings_request *q, struct error **err)
{
	if (q->to_stdout && isatty(STDOUT_FILENO))
		return error_set(
			err, ERR_INVALID,
			"vzdump: option --stdout: standard output is a terminal: send it to a file or "
			"another program (vzdump ... --stdout > FILE)");
	if (q->to_stdout && q->output != OUTPUT_TEXT)
		return error_set(
			err, ERR_INVALID,
			"vzdump: option --output-format: both the report and the archive of --stdout "
			"would go to standard output: leave one of them out");
	return 0;
}

/* How much is logged, and where, may depend on the job's options. */
static int read_request(struct vzdump *v, struct error **err)
{
	const struct log early = { .line = keep_warning, .opaque = &v->early };
	int r = job_options_fill(v->cli, &v->paths, &early, err);

	if (r == 0)
		r = vzdump_options_verify(v->cli, err);
	if (r < 0)
		return r;
	settings_init(&v->settings, v->cli);
	return check_output(&v->settings.request, err);
}

static int run(struct options *cli, struct error **err)
{
	struct vzdump v = { .cli = cli };
	int r;

	paths_init(&v.paths, getenv("VZDUMP_ROOT"));
	r = read_request(&v, err);
	if (r == 0)
		r = run_request(&v, err);
	settings_clear(&v.settings);
	strv_free(v.early);
	paths_clear(&v.paths);
	return r;
}

static const struct command vzdump = { .table = &vzdump_options, .run = run };

int main(int argc, char *argv[])
{
	const struct command *const commands[] = { &vzdump, &vzdump_command_check, &vzdump_command_status,
						   NULL };

	return command_main(&(struct command_set){ .tool = "vzdump", .commands = commands }, argc, argv);
}
