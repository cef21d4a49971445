#include "backup/hook.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/process.h"
#include "base/strv.h"

static int check_script(const char *script, struct error **err)
{
	struct stat st;

	if (stat(script, &st) < 0 || !S_ISREG(st.st_mode))
		return error_set(err, ERR_NOT_FOUND, "Error: The hook script '%s' does not exist.", script);
	if (access(script, X_OK) < 0)
		return error_set(err, ERR_INVALID, "Error: The hook script '%s' is not executable.", script);
	return 0;
}

static void add_env(char ***env, const char *name, const char *value)
{
	if (value)
		strv_addf(env, "%s=%s", name, value);
}

/* As PVE takes what the administrator wrote: without slashes at its end, not resolved. */
static void add_dumpdir(char ***env, const char *dumpdir)
{
	size_t len = dumpdir ? strlen(dumpdir) : 0;

	while (len > 1 && dumpdir[len - 1] == '/')
		len--;
	if (len)
		strv_addf(env, "DUMPDIR=%.*s", (int)len, dumpdir);
}

static char **environment(const struct settings_place *place, const struct hook_guest *guest,
			  const char *dumpdir)
{
	char **vars = NULL;

	add_env(&vars, "STOREID", place->storage);
	add_dumpdir(&vars, dumpdir ? dumpdir : place->dumpdir);
	if (guest && guest->known) {
		add_env(&vars, "VMTYPE", "qemu");
		add_env(&vars, "HOSTNAME", guest->hostname);
		add_env(&vars, "TARGET", guest->target);
		add_env(&vars, "LOGFILE", guest->logfile);
	}
	return vars;
}

static char **command(const char *script, const char *phase, const struct hook_guest *guest)
{
	char **argv = NULL;

	strv_add(&argv, script);
	strv_add(&argv, phase);
	if (guest) {
		strv_add(&argv, guest->mode);
		strv_addf(&argv, "%u", guest->vmid);
	}
	return argv;
}

/* How it ended, in the words of PVE. */
static int judge(const char *const argv[], int r, const struct process_result *result, struct error **err)
{
	_cleanup_free_ char *words = process_describe(argv);

	if (r == ERR_TIMEOUT)
		return error_set(err, r, "command '%s' failed: got timeout (hook-timeout)", words);
	if (r < 0 || !result->status)
		return r;
	if (result->signal)
		return error_set(err, ERR_PEER, "command '%s' failed: got signal %d", words, result->signal);
	return error_set(err, ERR_PEER, "command '%s' failed: exit code %d", words, result->status);
}

static int run(const struct host *host, const struct settings *s, const char *phase,
	       const struct hook_guest *guest, const char *dumpdir, unsigned cancel_ignored,
	       const struct log *log, struct error **err)
{
	const char *script = s->hook.script;
	_cleanup_strv_ char **argv = NULL, **vars = NULL;
	struct process_result result = { 0 };
	int r;

	if (!script)
		return 0;
	r = check_script(script, err);
	if (r < 0)
		return r;
	argv = command(script, phase, guest);
	vars = environment(&s->place, guest, dumpdir);
	r = process_run((const char *const *)(const void *)argv,
			&(struct process_options){
				.env = (const char *const *)(const void *)vars,
				.clean_env = true,
				.group = true,
				.timeout_ms = (int)s->hook.timeout_s * 1000,
				.cancel = host->cancel,
				.cancel_ignored = cancel_ignored,
				.log_output = log,
			},
			&result, err);
	r = judge((const char *const *)(const void *)argv, r, &result, err);
	process_result_clear(&result);
	return r;
}

int hook_run(const struct host *host, const struct settings *s, const char *phase,
	     const struct hook_guest *guest, const char *dumpdir, const struct log *log, struct error **err)
{
	return run(host, s, phase, guest, dumpdir, 0, log, err);
}

int hook_run_after(const struct host *host, const struct settings *s, const char *phase,
		   const struct hook_guest *guest, const char *dumpdir, const struct log *log,
		   struct error **err)
{
	return run(host, s, phase, guest, dumpdir, cancel_count(host->cancel), log, err);
}
