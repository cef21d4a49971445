#include "backup/hook.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/process.h"
#include "base/strv.h"

static int check_script(const char *script, struct error **err)
{
	struct stat st;

	if (stat(script, &st) < 0 || !S_ISREG(st.st_mode))
		return error_set(err, ERR_NOT_FOUND, "The hook script '%s' does not exist.", script);
	if (access(script, X_OK) < 0)
		return error_set(err, ERR_INVALID, "The hook script '%s' is not executable.", script);
	return 0;
}

static void add_env(char ***env, const char *name, const char *value)
{
	if (value)
		strv_addf(env, "%s=%s", name, value);
}

int hook_run(const struct backup_env *env, const char *phase, const struct hook_guest *guest,
	     const char *dumpdir, const struct log *log, struct error **err)
{
	const char *script = options_get(env->options, "script");
	_cleanup_strv_ char **argv = NULL, **vars = NULL;
	struct process_result result = { 0 };
	int r;

	if (!script)
		return 0;
	r = check_script(script, err);
	if (r < 0)
		return r;
	strv_add(&argv, script);
	strv_add(&argv, phase);
	add_env(&vars, "STOREID", options_get(env->options, "storage"));
	add_env(&vars, "DUMPDIR", dumpdir);
	if (guest) {
		strv_add(&argv, guest->mode);
		strv_addf(&argv, "%u", guest->vmid);
		add_env(&vars, "VMTYPE", "qemu");
		add_env(&vars, "HOSTNAME", guest->hostname);
		add_env(&vars, "TARGET", guest->target);
		add_env(&vars, "LOGFILE", guest->logfile);
	}
	r = process_run((const char *const *)(const void *)argv,
			&(struct process_options){ .env = (const char *const *)(const void *)vars,
						   .clean_env = true,
						   .log_output = log },
			&result, err);
	if (r == 0 && result.status != 0)
		r = error_set(err, ERR_PEER, "hook script '%s' failed in phase '%s' with exit status %d",
			      script, phase, result.status);
	process_result_clear(&result);
	return r;
}
