/* How a storage of type rbd reaches its cluster, and running Ceph's tools. */
#include <errno.h>
#include <string.h>

#include "base/strv.h"
#include "storage/ceph.h"
#include "storage/key.h"
#include "storage/rbd.h"
#include "storage/tool.h"

/* The first of these texts that rbd has printed counts. */
static const struct tool_meaning meanings[] = {
	/* a missing keyring or configuration is a "No such file", too, but says nothing about the image */
	/* clang-format off */
	{ "couldn't connect to the cluster", ERR_PEER },
	{ "(17) File exists", -EEXIST },
	{ "(2) No such file or directory", ERR_NOT_FOUND },
	{ "(28) No space left on device", -ENOSPC },
	{ "(16) Device or resource busy", -EBUSY },
	{ NULL, 0 },
	/* clang-format on */
};

const char *rbd_pool(const struct storage *s)
{
	const char *pool = storage_key(s, "pool");

	return pool ? pool : "rbd";
}

const char *rbd_image(const char *volname)
{
	const char *slash = strchr(volname, '/');

	return slash ? slash + 1 : volname;
}

char *rbd_keyring(const struct storage *s)
{
	return ceph_file(s, "keyring");
}

void rbd_add_connection(char ***argv, const struct storage *s)
{
	const char *user = storage_key(s, "username");
	const char *monhost = storage_key(s, "monhost");
	_cleanup_free_ char *conf = ceph_conf(s), *keyring = rbd_keyring(s);

	/* ceph, unlike rbd, does not start without a configuration file */
	if (conf || monhost) {
		strv_add(argv, "-c");
		strv_add(argv, conf ? conf : "/dev/null");
	}
	if (monhost) {
		_cleanup_free_ char *hosts = ceph_hosts(monhost, ',');

		strv_add(argv, "-m");
		strv_add(argv, hosts);
		strv_add(argv, "--auth_supported");
		strv_add(argv, keyring ? "cephx" : "none");
	}
	strv_add(argv, "-n");
	strv_addf(argv, "client.%s", user ? user : "admin");
	if (keyring) {
		strv_add(argv, "--keyring");
		strv_add(argv, keyring);
	}
}

/* `rbd <connection> args...`; args is NULL-terminated.  Caller frees. */
static char **rbd_argv(const struct storage *s, const char *const args[])
{
	const char *ns = storage_key(s, "namespace");
	char **argv = NULL;

	strv_add(&argv, "rbd");
	strv_add(&argv, "-p");
	strv_add(&argv, rbd_pool(s));
	/* unmap refuses this option */
	if (ns && strcmp(args[0], "unmap") != 0) {
		strv_add(&argv, "--namespace");
		strv_add(&argv, ns);
	}
	rbd_add_connection(&argv, s);
	for (; *args; args++)
		strv_add(&argv, *args);
	return argv;
}

int rbd_run(const struct storage *s, const char *const args[], int timeout_s, struct error **err)
{
	_cleanup_strv_ char **argv = rbd_argv(s, args);

	return tool_run(
		&(struct tool){ .storage = s,
				.argv = (const char *const *)(const void *)argv,
				.timeout_s = timeout_s,
				.meanings = meanings,
				.busy_tries = 35 }, /* Ceph forgets a watcher that has died after 30 s */
		NULL, err);
}

int rbd_run_json(const struct storage *s, const char *const args[], struct json_object **ret,
		 struct error **err)
{
	_cleanup_strv_ char **argv = rbd_argv(s, args);

	return tool_run_json(&(struct tool){ .storage = s,
					     .argv = (const char *const *)(const void *)argv,
					     .timeout_s = TOOL_ASK,
					     .meanings = meanings },
			     ret, err);
}
