/* vzdump: backs up guests, as PVE's command of that name. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backup/job.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/strv.h"
#include "config/vzdump-options.h"
#include "ui.h"

#define EXIT_FAILED 255

/* What the signal handler sees. */
static struct cancel stop_request;

static void on_signal(int sig)
{
	(void)sig;
	cancel_request(&stop_request);
}

static int catch_signals(struct error **err)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGQUIT, SIGHUP };
	struct sigaction catch = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	int r = cancel_init(&stop_request, err);

	for (size_t i = 0; i < ARRAY_SIZE(signals) && r == 0; i++)
		sigaction(signals[i], &catch, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	/* stopped by Ctrl-Z, we would leave QEMU's answers lying and so stall the guest's reset */
	sigaction(SIGTSTP, &ignore, NULL);
	return r;
}

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

			buf_addf(&b, " --%s %s", name, quoted);
		}
	}
	return buf_steal(&b);
}

static int print_help(void)
{
	_cleanup_buf_ struct buf help = BUF_INIT;

	options_help(&vzdump_options, &help);
	fputs(buf_str(&help), stdout);
	return fflush(stdout) ? EXIT_FAILED : 0;
}

static int run_job(struct backup_env *env, struct options *cli, struct ui *ui, struct error **err)
{
	_cleanup_options_ struct options conf = { 0 };
	_cleanup_free_ char *line = command_line(cli);
	struct job_params params = { .command_line = line,
				     .target_from_cli = options_given(cli, "storage"),
				     .stdout_fd = STDOUT_FILENO,
				     .progress = ui_progress,
				     .opaque = ui };
	int r;

	r = vzdump_conf_load(env->paths, &conf, env->log, err);
	if (r == 0)
		r = vzdump_options_merge(cli, &conf, err);
	if (r < 0)
		return r;
	env->options = cli;
	params.conf_prune_backups = options_get(&conf, "prune-backups");
	return options_bool(cli, "cleanup") ? job_cleanup(env, err) : job_run(env, &params, err);
}

static int run(struct options *cli, struct error **err)
{
	const bool to_stdout = options_bool(cli, "stdout");
	struct ui ui;
	struct paths paths;
	struct storage_config storages = { 0 };
	struct backup_env env = { .paths = &paths, .storages = &storages, .log = &ui.log,
				  .cancel = &stop_request };
	int r;

	/* with --stdout the archive owns standard output */
	ui_init(&ui, to_stdout ? stderr : stdout, options_bool(cli, "quiet"));
	paths_init(&paths, getenv("VZDUMP_ROOT"));
	r = catch_signals(err);
	if (r == 0)
		r = storage_config_load(&paths, env.log, &storages, err);
	if (r == 0)
		r = run_job(&env, cli, &ui, err);
	ui_clear(&ui);
	storage_config_clear(&storages);
	paths_clear(&paths);
	cancel_clear(&stop_request);
	return r;
}

int main(int argc, char *argv[])
{
	_cleanup_options_ struct options cli = { 0 };
	_cleanup_error_ struct error *err = NULL;
	int r = options_parse(&vzdump_options, argc, argv, &cli, &err);

	if (r == 0 && cli.help)
		return print_help();
	if (r == 0 && cli.version) {
		puts("vzdump " VZDUMP_VERSION);
		return 0;
	}
	if (r == 0)
		r = vzdump_options_verify(&cli, &err);
	if (r == 0)
		r = run(&cli, &err);
	if (r < 0)
		fprintf(stderr, "%s\n", error_message(err));
	return r < 0 ? EXIT_FAILED : 0;
}
