/* Programs that backups and restores of this host need. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/process.h"
#include "base/strv.h"
#include "check/rows.h"
#include "restore/serve.h"
#include "storage/mount.h"
#include "storage/tool.h"

#define VERSION_MS 10000

static char *install(const char *package)
{
	return package ? xasprintf("apt-get install %s", package) : xstrdup("install it or correct PATH");
}

/* The first line that it prints. */
static char *version_of(const struct check *c, const char *program)
{
	const char *const argv[] = { program, "--version", NULL };
	const struct process_options o = { .timeout_ms = VERSION_MS,
					   .group = true,
					   .cancel = c->host->cancel };
	struct process_result result = { 0 };
	char *line = NULL;

	if (process_run(argv, &o, &result, NULL) == 0 && result.status == 0 && result.out)
		line = xstrndup(result.out, strcspn(result.out, "\n"));
	process_result_clear(&result);
	return line;
}

static void look_for(struct check *c, const char *program, const char *package, const char *use,
		     enum finding_level without)
{
	_cleanup_free_ char *path = process_find(program), *version = path ? version_of(c, program) : NULL;

	if (!path)
		row_add(c, without, 0, xasprintf("program '%s'", program),
			xasprintf("it is missing: %s", use), install(package));
	else if (version)
		row_add(c, FINDING_OK, 0, xasprintf("program '%s'", program), xstrdup(version), NULL);
	else
		row_add(c, without, 0, xasprintf("program '%s'", program),
			xasprintf("'%s --version' does not work: %s", path, use), install(package));
}

/* nbdkit, and our plugin for it. */
static void look_for_plugin(struct check *c)
{
	_cleanup_free_ char *nbdkit = process_find("nbdkit"), *plugin = serve_plugin();
	const char *const argv[] = { "nbdkit", "--dump-plugin", plugin, NULL };
	const struct process_options o = { .timeout_ms = VERSION_MS,
					   .group = true,
					   .cancel = c->host->cancel };
	struct process_result result = { 0 };

	look_for(c, "nbdkit", "nbdkit", "vma serve and live restores need it, backups do not",
		 FINDING_REMARK);
	if (nbdkit && (process_run(argv, &o, &result, NULL) < 0 || result.status != 0))
		row_add(c, FINDING_REMARK, 0, xstrdup("program 'nbdkit'"),
			xasprintf(
				"it cannot load the plugin '%s': vma serve and live restores need it, backups do "
				"not",
				plugin),
			install("nbdkit-vma-plugin"));
	process_result_clear(&result);
}

/* ---- compressors ---- */

static bool is_used(const struct check *c, enum settings_compression kind, bool needs_threads)
{
	bool used = c->has_settings && c->settings.archive.compression == kind &&
		    (!needs_threads || c->settings.archive.threads);

	for (size_t i = 0; i < c->planned.n; i++) {
		const struct settings_archive *a = &c->planned.list[i].settings.archive;

		used = used || (a->compression == kind && (!needs_threads || a->threads));
	}
	return used;
}

static void look_for_compressors(struct check *c)
{
	if (is_used(c, SETTINGS_COMPRESS_LZO, false))
		look_for(c, "lzop", "lzop", "vzdump.conf or a job has 'compress: lzo'", FINDING_FAULT);
	if (is_used(c, SETTINGS_COMPRESS_GZIP, true))
		look_for(c, "pigz", "pigz", "vzdump.conf or a job has 'compress: gzip' with 'pigz'",
			 FINDING_FAULT);
}

/* ---- storages ---- */

static void look_for_tools_of(struct check *c, const struct storage *s)
{
	_cleanup_strv_ char **tools = s->ops && s->ops->tools ? strv_split_list(s->ops->tools) : NULL;

	for (char **tool = tools; tool && *tool; tool++) {
		_cleanup_free_ char *path = process_find(*tool);

		if (path)
			row_add(c, FINDING_OK, 0, xasprintf("storage '%s'", s->id),
				xasprintf("type %s needs '%s', which is there", s->type, path), NULL);
		else
			row_add(c, FINDING_FAULT, 0, xasprintf("storage '%s'", s->id),
				xasprintf("type %s needs the program '%s', which is missing", s->type, *tool),
				install(tool_package(*tool)));
	}
}

/* mount(8) looks for it in this folder alone. */
static void look_for_helper_of(struct check *c, const struct storage *s)
{
	const struct mount_type *m = s->ops ? s->ops->mount : NULL;
	_cleanup_free_ char *path = m && m->helper ? xasprintf("/sbin/%s", m->helper) : NULL;

	if (path && access(path, X_OK) < 0)
		row_add(c, FINDING_FAULT, 0, xasprintf("storage '%s'", s->id),
			xasprintf("type %s needs '%s', which is missing", s->type, path),
			install(m->package));
}

int check_tools(struct check *c, struct error **err)
{
	(void)err;
	look_for(c, "qemu-storage-daemon", tool_package("qemu-storage-daemon"),
		 "guests that are off, and the state of a TPM, are read by it", FINDING_FAULT);
	look_for(c, "qemu-img", tool_package("qemu-img"),
		 "images that are not raw are made and looked at by it", FINDING_WARNING);
	look_for_plugin(c);
	look_for_compressors(c);
	for (size_t i = 0; i < c->storages.n; i++) {
		if (!storage_enabled(&c->storages, &c->storages.storages[i]))
			continue;
		look_for_tools_of(c, &c->storages.storages[i]);
		look_for_helper_of(c, &c->storages.storages[i]);
	}
	return 0;
}
