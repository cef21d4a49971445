#include "storage/ceph.h"

#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/strv.h"
#include "storage/block.h"
#include "storage/key.h"

/* Path of a file beside storage.cfg; NULL if there is none.  Caller frees. */
static char *config_file(const struct storage *s, const char *name)
{
	char *path = xasprintf("%s/%s", s->config_dir ? s->config_dir : "/etc/pve", name);

	if (access(path, F_OK) == 0)
		return path;
	free(path);
	return NULL;
}

char *ceph_file(const struct storage *s, const char *suffix)
{
	_cleanup_free_ char *name = xasprintf("priv/ceph/%s.%s", s->id, suffix);

	return config_file(s, name);
}

char *ceph_conf(const struct storage *s)
{
	return storage_key(s, "monhost") ? ceph_file(s, "conf") : config_file(s, "ceph.conf");
}

void ceph_split_host(const char *text, char **ret_host, char **ret_port)
{
	const char *end = *text == '[' ? strchr(text, ']') : NULL;
	const char *colon = strchr(text, ':');

	if (end) {
		*ret_host = xstrndup(text + 1, (size_t)(end - text - 1));
		colon = end[1] == ':' ? end + 1 : NULL;
	} else {
		if (colon && strchr(colon + 1, ':'))
			colon = NULL; /* a bare IPv6 address */
		*ret_host = colon ? xstrndup(text, (size_t)(colon - text)) : xstrdup(text);
	}
	*ret_port = colon ? xstrdup(colon + 1) : NULL;
}

char *ceph_hosts(const char *monhost, char separator)
{
	_cleanup_strv_ char **hosts = strv_split_list(monhost);
	_cleanup_buf_ struct buf list = BUF_INIT;

	for (size_t i = 0; hosts && hosts[i]; i++) {
		_cleanup_free_ char *host = NULL, *port = NULL;
		bool v6;

		ceph_split_host(hosts[i], &host, &port);
		v6 = strchr(host, ':') != NULL;
		if (i)
			buf_addf(&list, "%c", separator);
		buf_addf(&list, "%s%s%s%s%s", v6 ? "[" : "", host, v6 ? "]" : "", port ? ":" : "",
			 port ? port : "");
	}
	return buf_steal(&list);
}

int ceph_check_word(const struct storage *s, const char *key, struct error **err)
{
	const char *value = storage_key(s, key);

	if (!value || block_word_valid(value))
		return 0;
	return error_set(err, ERR_INVALID, "storage '%s': %s '%s' is not a valid Ceph name", s->id, key,
			 value);
}
