/* How QEMU and its tools open an image of an rbd storage. */
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/strv.h"
#include "storage/ceph.h"
#include "storage/key.h"
#include "storage/rbd.h"

#define DEFAULT_MON_PORT "3300"

static void add_servers(struct json_object *o, const char *monhost)
{
	_cleanup_strv_ char **hosts = strv_split_list(monhost);
	struct json_object *servers = json_new_array();

	for (size_t i = 0; hosts && hosts[i]; i++) {
		_cleanup_free_ char *host = NULL, *port = NULL;
		struct json_object *server;

		ceph_split_host(hosts[i], &host, &port);
		server = json_new_str("host", host);
		json_append(servers, json_put_str(server, "port", port ? port : DEFAULT_MON_PORT));
	}
	json_put_obj(o, "server", servers);
}

/* QEMU finds the keyring only through a configuration file. */
static int check_keyring(const struct storage *s, const char *keyring, const char *conf, struct error **err)
{
	if (!keyring || conf)
		return 0;
	return error_set(err, ERR_INVALID,
			 "storage '%s': QEMU finds '%s' only through a configuration: make "
			 "'%s/priv/ceph/%s.conf' with the lines '[global]' and 'keyring = %s'",
			 s->id, keyring, s->config_dir, s->id, keyring);
}

int rbd_blockdev(const struct volume *v, struct json_object **ret, struct error **err)
{
	const struct storage *s = v->storage;
	const char *monhost = storage_key(s, "monhost");
	const char *user = storage_key(s, "username");
	_cleanup_free_ char *conf = ceph_conf(s), *keyring = rbd_keyring(s);
	struct json_object *o;
	int r;

	if (v->path) {
		*ret = json_new_str("driver", "host_device");
		json_put_str(*ret, "filename", v->path);
		return 0;
	}
	r = check_keyring(s, keyring, conf, err);
	if (r < 0)
		return r;
	o = json_new_str("driver", "rbd");
	json_put_str(o, "pool", rbd_pool(s));
	json_put_str(o, "namespace", storage_key(s, "namespace"));
	json_put_str(o, "image", rbd_image(v->volname));
	json_put_str(o, "conf", conf);
	if (monhost) {
		add_servers(o, monhost);
		json_put_obj(o, "auth-client-required",
			     json_append_str(json_new_array(), keyring ? "cephx" : "none"));
	}
	if (user || keyring)
		json_put_str(o, "user", user ? user : "admin");
	*ret = o;
	return 0;
}

/* Adds ":<key>=<value>", with special characters escaped, unless value is NULL. */
static void add_name_part(struct buf *b, const char *key, const char *value)
{
	if (!value)
		return;
	buf_addf(b, ":%s=", key);
	for (; *value; value++)
		buf_addf(b, "%s%c", strchr(":@=\\", *value) ? "\\" : "", *value);
}

char *rbd_qemu_name(const struct volume *v)
{
	const struct storage *s = v->storage;
	const char *ns = storage_key(s, "namespace"), *monhost = storage_key(s, "monhost");
	const char *user = storage_key(s, "username");
	_cleanup_free_ char *conf = ceph_conf(s), *keyring = rbd_keyring(s);
	struct buf b = BUF_INIT;

	buf_addf(&b, "rbd:%s%s%s/%s", rbd_pool(s), ns ? "/" : "", ns ? ns : "", rbd_image(v->volname));
	add_name_part(&b, "conf", conf);
	if (monhost) {
		_cleanup_free_ char *hosts = ceph_hosts(monhost, ';');

		add_name_part(&b, "mon_host", hosts);
		add_name_part(&b, "auth_supported", keyring ? "cephx" : "none");
	}
	add_name_part(&b, "id", user ? user : keyring ? "admin" : NULL);
	add_name_part(&b, "keyring", keyring);
	return buf_steal(&b);
}
