/* Which guests a job saves. */
#include "backup/select.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strv.h"
#include "config/settings.h"
#include "config/vzdump-options.h"
#include "test-config-util.h"
#include "test-root.h"

static const char pools[] = "pool:mixed::101,105,201,999,103:::\n"
			    "pool:away::201,202:::\n"
			    "pool:empty:::::\n";

/* "101 105(container) 999(nobody's) external: 201, 202" */
static char *describe(const struct selection *s)
{
	_cleanup_free_ char *external = selection_external_text(s);
	_cleanup_buf_ struct buf out = BUF_INIT;

	for (size_t i = 0; i < s->n; i++)
		buf_addf(&out, "%u%s%s ", s->guests[i].vmid, s->guests[i].container ? "(container)" : "",
			 s->guests[i].path ? "" : "(nobody's)");
	if (*external)
		buf_addf(&out, "external: %s", external);
	return buf_steal(&out);
}

/* line: options that are split at blanks. */
static void read_options(const char *line, struct settings *ret)
{
	_cleanup_options_ struct options o = { 0 };
	_cleanup_free_ char *all = xasprintf("vzdump %s", line);
	_cleanup_strv_ char **argv = strv_split_args(all);
	struct error *err = NULL;

	if (options_parse(&vzdump_options, (int)strv_len(argv), argv, &o, &err) < 0 ||
	    vzdump_options_verify(&o, &err) < 0)
		diag("%s", error_message(err));
	settings_init(ret, &o);
	error_free(err);
}

static void selects(const struct paths *p, const char *line, const char *want)
{
	_cleanup_settings_ struct settings o = { 0 };
	_cleanup_selection_ struct selection s = { 0 };
	const struct host host = { .paths = p };
	_cleanup_free_ char *got = NULL;
	struct error *err = NULL;

	read_options(line, &o);
	works(selection_make(&host, &o.request, &s, &err), &err, line);
	got = describe(&s);
	same(got, want, line);
}

static void cleans(const struct paths *p, const char *line, const char *want)
{
	_cleanup_settings_ struct settings o = { 0 };
	const struct host host = { .paths = p };
	_cleanup_buf_ struct buf got = BUF_INIT;
	_cleanup_free_ uint32_t *ids = NULL;
	struct error *err = NULL;
	size_t n = 0;
	bool all;

	read_options(line, &o);
	works(selection_for_cleanup(&host, &o.request, &ids, &n, &all, &err), &err, line);
	if (all)
		buf_adds(&got, "all");
	for (size_t i = 0; i < n; i++)
		buf_addf(&got, "%s%u", i ? " " : "", ids[i]);
	same(buf_str(&got), want, line);
}

static void test_selection(const struct paths *p)
{
	_cleanup_settings_ struct settings o = { 0 };
	_cleanup_selection_ struct selection s = { 0 };
	const struct host host = { .paths = p };
	struct error *err = NULL;

	selects(p, "--all", "101 103 105(container) 1000 external: 201, 202");
	selects(p, "--exclude 105;202 --exclude 1000", "101 103 external: 201");
	selects(p, "1000 101", "101 1000 ");
	selects(p, "999 105", "105(container) 999(nobody's) ");
	selects(p, "202 201", "external: 201, 202");
	selects(p, "101,201 101", "101 101 external: 201");
	selects(p, "101 201 --node here", "101 ");
	selects(p, "--pool mixed", "101 103 105(container) external: 201");
	selects(p, "--pool mixed --exclude 101", "101 103 105(container) external: 201");
	selects(p, "--pool away", "external: 201, 202");
	selects(p, "--pool empty", "");
	selects(p, "--pool empty --all", "");
	selects(p, "--stop", "");
	read_options("--pool nope", &o);
	fails(selection_make(&host, &o.request, &s, &err), &err, "pool 'nope' does not exist",
	      "an unknown pool is an error");
}

/* /etc/pve is not mounted */
static void test_no_folder(const struct paths *p)
{
	_cleanup_free_ char *folder = paths_get(p, "/etc/pve/qemu-server");
	_cleanup_settings_ struct settings o = { 0 };
	_cleanup_selection_ struct selection s = { 0 };
	const struct host host = { .paths = p };
	struct error *err = NULL;

	io_remove_tree(folder, NULL);
	selects(p, "101", "101(nobody's) ");
	read_options("--all", &o);
	fails(selection_make(&host, &o.request, &s, &err), &err, "/etc/pve/qemu-server",
	      "all guests of a host without their folder are an error");
}

int main(void)
{
	root_make();
	put("/etc/hostname", "here\n");
	put("/etc/pve/user.cfg", pools);
	put("/etc/pve/qemu-server/1000.conf", "");
	put("/etc/pve/qemu-server/103.conf", "");
	put("/etc/pve/qemu-server/101.conf", "");
	put("/etc/pve/lxc/105.conf", "");
	put("/etc/pve/nodes/here/qemu-server/101.conf", "");
	put("/etc/pve/nodes/pve2/qemu-server/201.conf", "");
	put("/etc/pve/nodes/pve2/lxc/202.conf", "");
	test_selection(&paths);
	cleans(&paths, "--cleanup", "all");
	cleans(&paths, "--cleanup --all", "all");
	cleans(&paths, "--cleanup 201 101", "101 201");
	cleans(&paths, "--cleanup --pool empty", "");
	cleans(&paths, "--cleanup --pool away", "201 202");
	cleans(&paths, "--cleanup --exclude 101", "103 105 1000");
	test_no_folder(&paths);
	root_remove();
	return done_testing();
}
