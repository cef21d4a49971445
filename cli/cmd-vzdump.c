/* vzdump: backs up guests, as PVE's command of that name. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backup/job.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/strv.h"
#include "config/settings.h"
#include "config/vzdump-options.h"
#include "command.h"
#include "signals.h"
#include "system-log.h"
#include "ui.h"

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

		if (!strcmp(name, "vmid") || !strcmp(name, "stdout") || !strcmp(name, "job-id"))
			continue;
		for (char **v = o->values[i]; v && *v; v++) {
			_cleanup_free_ char *quoted = str_shellquote(*v);

			if (**v)
				buf_addf(&b, " --%s %s", name, quoted);
		}
	}
	return buf_steal(&b);
}

static int run_job(const struct host *host, struct settings *settings, struct options *cli, struct ui *ui,
		   const struct selection *selection, struct error **err)
{
	_cleanup_free_ char *line = command_line(cli);
	const struct job_params params = { .settings = settings,
					   .selection = selection,
					   .command_line = line,
					   .stdout_fd = STDOUT_FILENO,
					   .progress = ui_progress,
					   .shows_progress = ui->live.on,
					   .opaque = ui };
	int r = settings_load(settings, cli, host->paths, host->log, err);

	return r == 0 ? job_run(host, &params, err) : r;
}

static int run_backup(const struct host *host, struct settings *settings, struct options *cli, struct ui *ui,
		      struct error **err)
{
	_cleanup_selection_ struct selection selection = { 0 };
	int r = job_choose(host, &settings->request, &selection, err);

	if (r <= 0)
		return r;
	r = run_job(host, settings, cli, ui, &selection, err);
	if (r == 0 && ui->warnings)
		fprintf(stderr, "Task finished with %u warning(s)!\n", ui->warnings);
	return r;
}

static int run_cleanup(const struct host *base, struct settings *settings, struct options *cli,
		       struct error **err)
{
	struct storage_config storages = { 0 };
	struct host host = *base;
	int r = storage_config_load(host.paths, host.log, &storages, err);

	host.storages = &storages;
	if (r == 0)
		r = settings_load(settings, cli, host.paths, host.log, err);
	if (r == 0)
		r = job_cleanup(&host, settings, err);
	storage_config_clear(&storages);
	return r;
}

static int run(struct options *cli, struct error **err)
{
	_cleanup_settings_ struct settings settings = { 0 };
	const struct settings_request *request = &settings.request;
	struct ui ui;
	struct paths paths;
	struct system_log syslog;
	struct host host = { .paths = &paths, .log = &ui.log, .syslog = &syslog.log };
	struct cancel *stop;
	int r;

	r = vzdump_options_verify(cli, err);
	if (r < 0)
		return r;
	settings_init(&settings, cli);
	if (request->to_stdout && isatty(STDOUT_FILENO))
		return error_set(
			err, ERR_INVALID,
			"vzdump: option --stdout: standard output is a terminal: send it to a file or "
			"another program (vzdump ... --stdout > FILE)");
	/* with --stdout the archive owns standard output */
	ui_init(&ui, request->to_stdout ? stderr : stdout, request->quiet);
	paths_init(&paths, getenv("VZDUMP_ROOT"));
	system_log_open(&syslog, &paths);
	r = signals_catch(&stop, err);
	host.cancel = stop;
	if (r == 0)
		r = request->cleanup ? run_cleanup(&host, &settings, cli, err)
				     : run_backup(&host, &settings, cli, &ui, err);
	ui_clear(&ui);
	system_log_close(&syslog);
	paths_clear(&paths);
	cancel_clear(stop);
	return r;
}

static const struct command vzdump = { .table = &vzdump_options, .run = run };

int main(int argc, char *argv[])
{
	const struct command *const commands[] = { &vzdump, NULL };

	return command_main(&(struct command_set){ .tool = "vzdump", .commands = commands }, argc, argv);
}
