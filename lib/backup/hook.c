#include "backup/hook.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/process.h"
#include "base/strv.h"

int hook_check(const char *script, struct error **err)
{
	struct stat st;

	if (!script)
		return 0;
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

/* As PVE does: as the administrator wrote it, not resolved, but without slashes at the end. */
static void add_dumpdir(char ***env, const char *dumpdir)
{
	size_t len = dumpdir ? strlen(dumpdir) : 0;

	while (len > 1 && dumpdir[len - 1] == '/')
		len--;
	if (len)
		strv_addf(env, "DUMPDIR=%.*s", (int)len, dumpdir);
}

static char **build_environment(const struct settings_place *place, const struct phase *p)
{
	const struct phase_guest *guest = p->guest;
	char **vars = NULL;

	add_env(&vars, "STOREID", place->storage);
	add_dumpdir(&vars, p->dumpdir ? p->dumpdir : place->dumpdir);
	if (guest && guest->known) {
		add_env(&vars, "VMTYPE", "qemu");
		add_env(&vars, "HOSTNAME", guest->hostname);
		add_env(&vars, "TARGET", guest->archive);
		add_env(&vars, "LOGFILE", guest->logfile);
	}
	return vars;
}

static char **build_command(const char *script, const struct phase *p)
{
	char **argv = NULL;

	strv_add(&argv, script);
	strv_add(&argv, p->name);
	if (p->guest) {
		strv_add(&argv, p->guest->mode);
		strv_addf(&argv, "%u", p->guest->vmid);
	}
	return argv;
}

/* The result of the script, with PVE's messages. */
static int check_result(const char *const argv[], int r, const struct process_result *result,
			struct error **err)
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

static int on_phase(void *opaque, const struct phase *p, struct error **err)
{
	const struct hook *h = opaque;
	const struct settings_hook *s = &h->settings->hook;
	_cleanup_strv_ char **argv = NULL, **vars = NULL;
	struct process_result result = { 0 };
	int r;

	if (!s->script)
		return 0;
	r = hook_check(s->script, err);
	if (r < 0)
		return r;
	argv = build_command(s->script, p);
	vars = build_environment(&h->settings->place, p);
	r = process_run((const char *const *)(const void *)argv,
			&(struct process_options){
				.env = (const char *const *)(const void *)vars,
				.clean_env = true,
				.group = true,
				.timeout_ms = (int)s->timeout_s * 1000,
				.cancel = h->cancel,
				.cancel_ignored = p->rule == PHASE_ALWAYS ? cancel_count(h->cancel) : 0,
				.log_output = p->log,
			},
			&result, err);
	r = check_result((const char *const *)(const void *)argv, r, &result, err);
	process_result_clear(&result);
	return r;
}

struct observer hook_observer(struct hook *h)
{
	return (struct observer){ .phase = on_phase, .opaque = h };
}
