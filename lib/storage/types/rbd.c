/*
 * Type "rbd": images in a Ceph pool, through librbd in QEMU or, with krbd, as block devices.
 * Facts: PVE::Storage::RBDPlugin.
 */
#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/open-files.h"
#include "base/strv.h"
#include "base/units.h"
#include "storage/block.h"
#include "storage/ceph.h"
#include "storage/in-use-process.h"
#include "storage/tool.h"
#include "storage/key.h"
#include "storage/image-list.h"
#include "storage/types.h"

#define MAP_TIMEOUT      30
#define DEFAULT_OBJECT   (4 * MIB)
#define DEFAULT_MON_PORT "3300"

static const char *const bases[] = { "base", NULL };
static const char *const prefixes[] = { "vm", "base", NULL };

static const struct tool_meaning meanings[] = {
	{ "(17) File exists", -EEXIST },
	{ "(2) No such file or directory", ERR_NOT_FOUND },
	{ "(28) No space left on device", -ENOSPC },
	{ "(16) Device or resource busy", -EBUSY },
	{ NULL, 0 },
};

static const char *pool_of(const struct storage *s)
{
	const char *pool = section_get(&s->section, "pool");

	return pool ? pool : "rbd";
}

static int rbd_check(const struct storage *s, struct error **err)
{
	static const char *const words[] = { "pool", "namespace", "data-pool", "username" };
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(words) && r == 0; i++)
		r = ceph_check_word(s, words[i], err);
	return r;
}

/* Behind the base of a linked clone. */
static const char *image_of(const char *volname)
{
	const char *slash = strchr(volname, '/');

	return slash ? slash + 1 : volname;
}

/* The device of a mapped image: by PVE's udev rule if it is there, else by Ceph's.  Caller frees. */
static char *device_of(const struct storage *s, const char *image)
{
	const char *ns = section_get(&s->section, "namespace");
	_cleanup_free_ char *name = xasprintf("%s%s%s/%s", pool_of(s), ns ? "/" : "", ns ? ns : "", image);
	_cleanup_free_ char *pattern = xasprintf("/dev/rbd-pve/*/%s", name);
	glob_t found = { 0 };
	char *path = NULL;

	/* two clusters may have an image of that name; then nothing tells which is meant */
	if (glob(pattern, GLOB_NOSORT, NULL, &found) == 0 && found.gl_pathc == 1)
		path = xstrdup(found.gl_pathv[0]);
	globfree(&found);
	return path ? path : xasprintf("/dev/rbd/%s", name);
}

static int rbd_parse(struct volume *v, struct error **err)
{
	const char *name;

	v->vmid = block_clone_owner(v->volname, bases, prefixes, &name);
	if (!v->vmid)
		return error_set(err, ERR_INVALID,
				 "volume '%s': unable to parse rbd volume name '%s' (not "
				 "vm-<vmid>-...)",
				 v->volid, v->volname);
	v->content = STORAGE_IMAGES;
	v->format = IMAGE_RAW;
	if (storage_key_flag(v->storage, "krbd"))
		v->path = device_of(v->storage, name);
	return 0;
}

/* ---- how to reach the cluster ---- */

static char *keyring_of(const struct storage *s)
{
	return ceph_file(s, "keyring");
}

static void add_connection(char ***argv, const struct storage *s)
{
	const char *user = section_get(&s->section, "username");
	const char *monhost = section_get(&s->section, "monhost");
	_cleanup_free_ char *conf = ceph_conf(s), *keyring = keyring_of(s);

	/* ceph, unlike rbd, does not start without a file */
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

/* `rbd <how to connect> args...`; args end with NULL.  Caller frees. */
static char **rbd_argv(const struct storage *s, const char *const args[])
{
	const char *ns = section_get(&s->section, "namespace");
	char **argv = NULL;

	strv_add(&argv, "rbd");
	strv_add(&argv, "-p");
	strv_add(&argv, pool_of(s));
	/* unmap refuses it */
	if (ns && strcmp(args[0], "unmap") != 0) {
		strv_add(&argv, "--namespace");
		strv_add(&argv, ns);
	}
	add_connection(&argv, s);
	for (; *args; args++)
		strv_add(&argv, *args);
	return argv;
}

static int rbd(const struct storage *s, const char *const args[], int timeout_s, struct error **err)
{
	_cleanup_strv_ char **argv = rbd_argv(s, args);

	return tool_run(&(struct tool){ .storage = s,
					.argv = (const char *const *)(const void *)argv,
					.timeout_s = timeout_s,
					.meanings = meanings,
					.busy_tries = 35 }, /* a watcher that died: 30 s */
			NULL, err);
}

static int rbd_json(const struct storage *s, const char *const args[], struct json_object **ret,
		    struct error **err)
{
	_cleanup_strv_ char **argv = rbd_argv(s, args);

	return tool_run_json(&(struct tool){ .storage = s,
					     .argv = (const char *const *)(const void *)argv,
					     .timeout_s = TOOL_ASK,
					     .meanings = meanings },
			     ret, err);
}

/* ---- the storage ---- */

static int rbd_status(const struct storage *s, struct storage_status *ret, struct error **err)
{
	const char *data_pool = section_get(&s->section, "data-pool");
	_cleanup_tool_json_ struct json_object *root = NULL;
	_cleanup_strv_ char **argv = NULL;
	struct json_object *pools, *stats = NULL;
	int r;

	strv_add(&argv, "ceph");
	add_connection(&argv, s);
	strv_add(&argv, "df");
	strv_add(&argv, "--format");
	strv_add(&argv, "json");
	r = tool_run_json(&(struct tool){ .storage = s,
					  .argv = (const char *const *)(const void *)argv,
					  .timeout_s = TOOL_ASK },
			  &root, err);
	if (r < 0)
		return r;
	pools = tool_json_get(root, "pools");
	for (size_t i = 0; i < tool_json_len(pools) && !stats; i++) {
		struct json_object *pool = json_object_array_get_idx(pools, i);

		if (str_equal_null(tool_json_str(pool, "name"), data_pool ? data_pool : pool_of(s)))
			stats = tool_json_get(pool, "stats");
	}
	*ret = (struct storage_status){ 0 };
	if (!tool_json_u64(stats, "max_avail", &ret->avail) ||
	    (!tool_json_u64(stats, "stored", &ret->used) && !tool_json_u64(stats, "bytes_used", &ret->used)))
		return error_set(err, ERR_NOT_FOUND, "storage '%s': could not get usage stats for pool '%s'",
				 s->id, data_pool ? data_pool : pool_of(s));
	ret->total = ret->used + ret->avail;
	return 0;
}

static int rbd_activate(const struct storage *s, const struct log *log, struct error **err)
{
	(void)s;
	(void)log;
	(void)err;
	return 0;
}

static void add_image(struct image_list *list, uint32_t vmid, struct json_object *o)
{
	const char *name = tool_json_str(o, "image");
	struct json_object *parent = tool_json_get(o, "parent");
	const char *base = tool_json_str(parent, "image"), *snapshot = tool_json_str(parent, "snapshot");
	uint32_t owner = name ? block_name_owner(name, prefixes) : 0;
	uint64_t size = 0;
	struct storage_image *added;
	bool clone;

	if (!owner || (vmid && owner != vmid) || tool_json_get(o, "snapshot"))
		return;
	clone = base && block_name_owner(base, bases) && str_equal_null(snapshot, "__base__");
	tool_json_u64(o, "size", &size);
	added = image_list_add(list, (struct storage_image){ .volname = clone ? xasprintf("%s/%s", base, name)
									      : xstrdup(name),
							     .vmid = owner,
							     .format = IMAGE_RAW,
							     .size = size });
	if (base && snapshot)
		added->parent = xasprintf("%s@%s", base, snapshot);
}

static int rbd_list(const struct storage *s, uint32_t vmid, struct storage_image **ret, size_t *ret_n,
		    struct error **err)
{
	_cleanup_tool_json_ struct json_object *root = NULL;
	struct image_list list = { 0 };
	int r = rbd_json(s, (const char *const[]){ "ls", "-l", "--format", "json", NULL }, &root, err);

	for (size_t i = 0; r == 0 && i < tool_json_len(root); i++)
		add_image(&list, vmid, json_object_array_get_idx(root, i));
	image_list_finish(&list, ret, ret_n);
	return r;
}

/* ---- volumes ---- */

static int rbd_volume_activate(const struct volume *v, struct error **err)
{
	const char *const args[] = { "map", image_of(v->volname), NULL };
	int r;

	if (!v->path || access(v->path, F_OK) == 0)
		return 0;
	r = rbd(v->storage, args, TOOL_CHANGE, err);
	return r < 0 ? r : block_wait(v, MAP_TIMEOUT, err);
}

static int rbd_volume_deactivate(const struct volume *v, struct error **err)
{
	const char *const args[] = { "unmap", v->path, NULL };

	if (!v->path || access(v->path, F_OK) < 0)
		return 0;
	return rbd(v->storage, args, TOOL_CHANGE, err);
}

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

/* QEMU takes the keyring's place from the configuration file alone. */
static int check_keyring(const struct storage *s, const char *keyring, const char *conf, struct error **err)
{
	if (!keyring || conf)
		return 0;
	return error_set(err, ERR_INVALID,
			 "storage '%s': QEMU finds '%s' only through a configuration: make "
			 "'%s/priv/ceph/%s.conf' with the lines '[global]' and 'keyring = %s'",
			 s->id, keyring, s->config_dir, s->id, keyring);
}

static int rbd_blockdev(const struct volume *v, struct json_object **ret, struct error **err)
{
	const struct storage *s = v->storage;
	const char *monhost = section_get(&s->section, "monhost");
	const char *user = section_get(&s->section, "username");
	_cleanup_free_ char *conf = ceph_conf(s), *keyring = keyring_of(s);
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
	json_put_str(o, "pool", pool_of(s));
	json_put_str(o, "namespace", section_get(&s->section, "namespace"));
	json_put_str(o, "image", image_of(v->volname));
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

static int ask_info(const struct volume *v, const char *key, uint64_t *ret, struct error **err)
{
	const char *const args[] = { "info", image_of(v->volname), "--format", "json", NULL };
	_cleanup_tool_json_ struct json_object *info = NULL;
	int r = rbd_json(v->storage, args, &info, err);

	if (r == 0 && !tool_json_u64(info, key, ret))
		r = error_set(err, ERR_PEER, "storage '%s': rbd info gives no %s of '%s'", v->storage->id,
			      key, v->volname);
	return r;
}

static int rbd_size(const struct volume *v, uint64_t *ret, struct error **err)
{
	return ask_info(v, "size", ret, err);
}

static int rbd_used(const struct volume *v, uint64_t *ret, struct error **err)
{
	const char *const args[] = { "du", image_of(v->volname), "--format", "json", NULL };
	_cleanup_tool_json_ struct json_object *root = NULL;
	struct json_object *images;
	int r = rbd_json(v->storage, args, &root, err);

	if (r < 0)
		return r;
	images = tool_json_get(root, "images");
	for (size_t i = 0; i < tool_json_len(images); i++) {
		struct json_object *o = json_object_array_get_idx(images, i);

		if (!tool_json_get(o, "snapshot") &&
		    str_equal_null(tool_json_str(o, "name"), image_of(v->volname)) &&
		    tool_json_u64(o, "used_size", ret))
			return 0;
	}
	return error_set(err, ERR_PEER, "storage '%s': got no matching image from rbd du", v->storage->id);
}

/* ---- who has it ---- */

/* Address of the kernel's client, if the image is mapped here; "" if the kernel does not tell it. */
static char *own_address(const struct volume *v)
{
	_cleanup_free_ char *device = v->path ? realpath(v->path, NULL) : NULL, *path = NULL;
	_cleanup_buf_ struct buf text = BUF_INIT;
	const char *number;

	if (!device || !str_prefix(device, "/dev/rbd", &number))
		return NULL;
	path = xasprintf("/sys/bus/rbd/devices/%.*s/client_addr", (int)strspn(number, "0123456789"), number);
	if (io_read_file(path, 256, &text, NULL) < 0 || !text.len)
		return xstrdup("");
	return xstrdup(str_strip(text.data));
}

/* True if the text stands there and no longer name begins with it. */
static bool has_whole(const char *command, const char *text)
{
	for (const char *at = command; (at = strstr(at, text)); at++)
		if (!at[strlen(text)] || strchr(" ,:\"", at[strlen(text)]))
			return true;
	return false;
}

/* As a name, a JSON node, or a node's options. */
static bool names_image(const char *command, const void *opaque)
{
	const struct volume *v = opaque;
	const char *image = image_of(v->volname), *ns = section_get(&v->storage->section, "namespace");
	_cleanup_free_ char *name =
		xasprintf("rbd:%s%s%s/%s", pool_of(v->storage), ns ? "/" : "", ns ? ns : "", image);
	_cleanup_free_ char *json = xasprintf("\"image\":\"%s", image),
			    *option = xasprintf("image=%s", image);

	return has_whole(command, name) ||
	       (strstr(command, "rbd") && (has_whole(command, json) || has_whole(command, option)));
}

/*
 * Address of a watcher that is none of ours, NULL if there is none: the kernel's client has the address
 * `own` (NULL: it has none), and each of our tools one that nobody tells.
 */
static const char *find_watcher(struct json_object *watchers, const char *own, unsigned n_tools)
{
	const char *found = NULL;
	unsigned n = 0;

	for (size_t i = 0; i < tool_json_len(watchers); i++) {
		const char *address = tool_json_str(json_object_array_get_idx(watchers, i), "address");

		/* "" is whichever comes first; the image is mapped once */
		if (own && (!*own || (address && str_suffix(address, own)))) {
			own = NULL;
			continue;
		}
		found = address ? address : "an unknown address";
		n++;
	}
	return n > n_tools ? found : NULL;
}

/*
 * Whoever has an image open watches it, on whatever host: librbd lets readers alone, but QEMU opens all of
 * its images for writing.  A mapped image has the kernel for a watcher, which is not the one who writes.
 */
static int rbd_user(const struct volume *v, char **ret, struct error **err)
{
	const char *const args[] = { "status", image_of(v->volname), "--format", "json", NULL };
	_cleanup_free_ char *own = own_address(v), *qemu = NULL;
	_cleanup_tool_json_ struct json_object *root = NULL;
	_cleanup_error_ struct error *mine = NULL;
	const char *address;
	int r = rbd_json(v->storage, args, &root, &mine);

	if (r == ERR_NOT_FOUND)
		return USER_NONE;
	error_keep_first(err, &mine);
	if (r < 0)
		return r;
	address = find_watcher(tool_json_get(root, "watchers"), own, open_files_children(names_image, v));
	if (!address)
		return USER_NONE;
	qemu = in_use_command(names_image, v);
	if (qemu)
		*ret = xasprintf("%s has '%s' open for writing", qemu, v->volid);
	else
		*ret = xasprintf("a client at %s has '%s' open, as 'rbd status' says", address, v->volid);
	return qemu ? USER_PROCESS : USER_NAMELESS;
}

static void rbd_traits(const struct storage *s, enum image_format format, struct image_traits *ret)
{
	(void)s;
	(void)format;
	*ret = (struct image_traits){
		.thin = true,
		.punches_holes = true,
		.discard_granularity = DEFAULT_OBJECT,
		.size_granularity = MIB,
	};
}

static int rbd_volume_traits(const struct volume *v, struct image_traits *ret, struct error **err)
{
	return ask_info(v, "object_size", &ret->discard_granularity, err);
}

static int rbd_alloc(const struct volume *v, uint64_t size, const struct cancel *cancel, struct error **err)
{
	const char *data_pool = section_get(&v->storage->section, "data-pool");
	_cleanup_free_ char *mib = xasprintf("%" PRIu64, (size + MIB - 1) / MIB);
	const char *const plain[] = { "create", "--image-format",     "2", "--size",
				      mib,      image_of(v->volname), NULL };
	const char *const erasure[] = { "create",  "--image-format",     "2", "--size", mib, "--data-pool",
					data_pool, image_of(v->volname), NULL };
	int r = cancel_check(cancel, err);

	return r < 0 ? r : rbd(v->storage, data_pool ? erasure : plain, TOOL_CHANGE, err);
}

/* ---- snapshots ---- */

static int list_snapshots(const struct volume *v, struct json_object **ret, struct error **err)
{
	const char *const args[] = { "snap", "ls", image_of(v->volname), "--format", "json", NULL };

	return rbd_json(v->storage, args, ret, err);
}

static int rbd_snapshots(const struct volume *v, char ***ret, struct error **err)
{
	_cleanup_tool_json_ struct json_object *root = NULL;
	int r = list_snapshots(v, &root, err);

	for (size_t i = 0; r == 0 && i < tool_json_len(root); i++) {
		const char *name = tool_json_str(json_object_array_get_idx(root, i), "name");

		if (name)
			strv_add(ret, name);
	}
	return r;
}

/* A string up to Ceph 19 at least. */
static bool is_protected(struct json_object *snapshot)
{
	struct json_object *value = tool_json_get(snapshot, "protected");

	return str_equal_null(tool_json_str(snapshot, "protected"), "true") ||
	       (json_object_is_type(value, json_type_boolean) && json_object_get_boolean(value));
}

/* Protected ones cannot be removed.  name: that one alone; NULL: all. */
static int unprotect(const struct volume *v, const char *name, struct error **err)
{
	_cleanup_tool_json_ struct json_object *root = NULL;
	int r = list_snapshots(v, &root, err);

	for (size_t i = 0; r == 0 && i < tool_json_len(root); i++) {
		struct json_object *snapshot = json_object_array_get_idx(root, i);
		const char *one = tool_json_str(snapshot, "name");

		if (!one || (name && strcmp(one, name) != 0) || !is_protected(snapshot))
			continue;
		r = rbd(v->storage,
			(const char *const[]){ "snap", "unprotect", "--snap", one, image_of(v->volname),
					       NULL },
			TOOL_CHANGE, err);
	}
	return r;
}

static int rbd_snapshot_delete(const struct volume *v, const char *name, struct error **err)
{
	const char *const args[] = { "snap", "rm", "--snap", name, image_of(v->volname), NULL };
	int r = unprotect(v, name, err);

	return r < 0 ? r : rbd(v->storage, args, TOOL_CHANGE, err);
}

static int rbd_free(const struct volume *v, struct error **err)
{
	const char *name = image_of(v->volname);
	int r = rbd_volume_deactivate(v, err);

	if (r == 0)
		r = unprotect(v, NULL, err);
	if (r == 0)
		r = rbd(v->storage, (const char *const[]){ "snap", "purge", name, NULL }, TOOL_REMOVE, err);
	if (r == 0)
		r = rbd(v->storage, (const char *const[]){ "rm", name, NULL }, TOOL_REMOVE, err);
	return r;
}

/* In such a name colons and the like are escaped. */
static void add_name_part(struct buf *b, const char *key, const char *value)
{
	if (!value)
		return;
	buf_addf(b, ":%s=", key);
	for (; *value; value++)
		buf_addf(b, "%s%c", strchr(":@=\\", *value) ? "\\" : "", *value);
}

static char *rbd_qemu_name(const struct volume *v)
{
	const struct storage *s = v->storage;
	const char *ns = section_get(&s->section, "namespace"),
		   *monhost = section_get(&s->section, "monhost");
	const char *user = section_get(&s->section, "username");
	_cleanup_free_ char *conf = ceph_conf(s), *keyring = keyring_of(s);
	struct buf b = BUF_INIT;

	buf_addf(&b, "rbd:%s%s%s/%s", pool_of(s), ns ? "/" : "", ns ? ns : "", image_of(v->volname));
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

const struct storage_ops storage_rbd_ops = {
	.type = "rbd",
	.keys = "monhost pool data-pool namespace username krbd keyring bwlimit",
	.content = STORAGE_IMAGES | STORAGE_ROOTDIR,
	.content_default = STORAGE_IMAGES,
	.formats = 1U << IMAGE_RAW,
	.format_default = IMAGE_RAW,
	.shared = true,
	.ask_interval_ms = 2000,
	.check = rbd_check,
	.activate = rbd_activate,
	.status = rbd_status,
	.list = rbd_list,
	.traits = rbd_traits,
	.fleecing_format = block_fleecing_format,
	.parse = rbd_parse,
	.volume_activate = rbd_volume_activate,
	.volume_deactivate = rbd_volume_deactivate,
	.volume_traits = rbd_volume_traits,
	.blockdev = rbd_blockdev,
	.qemu_name = rbd_qemu_name,
	.size = rbd_size,
	.used = rbd_used,
	.user = rbd_user,
	.volname = block_volname,
	.alloc = rbd_alloc,
	.free = rbd_free,
	.snapshots = rbd_snapshots,
	.snapshot_delete = rbd_snapshot_delete,
};
