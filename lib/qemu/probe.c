#include "qemu/probe.h"

/* query-qmp-schema as a list of entities that refer to each other by name. */
struct schema {
	struct json_object *entities; /* array */
	struct json_object *by_name;  /* object: name -> entity */
};

static void schema_clear(struct schema *s)
{
	json_object_put(s->entities);
	json_object_put(s->by_name);
}

static int schema_load(struct qmp *q, struct schema *s, struct error **err)
{
	int r;

	r = qmp_execute(q, "query-qmp-schema", NULL, &s->entities, err);
	if (r < 0)
		return r;
	s->by_name = json_new_obj();
	for (size_t i = 0; i < json_array_len(s->entities); i++) {
		struct json_object *entity = json_array_at(s->entities, i);
		const char *name = json_get_str(entity, "name");

		if (name)
			json_put_obj(s->by_name, name, json_object_get(entity));
	}
	return 0;
}

/* The entity whose name is the value of entity[key], such as a command's "arg-type". */
static struct json_object *schema_follow(const struct schema *s, struct json_object *entity, const char *key)
{
	const char *name = json_get_str(entity, key);

	return name ? json_get_obj(s->by_name, name) : NULL;
}

static struct json_object *schema_args(const struct schema *s, const char *command)
{
	return schema_follow(s, json_get_obj(s->by_name, command), "arg-type");
}

/* The element of list `key` whose `id_key` is `id`. */
static struct json_object *find_in(struct json_object *entity, const char *key, const char *id_key,
				   const char *id)
{
	struct json_object *list = json_get_array(entity, key);

	for (size_t i = 0; i < json_array_len(list); i++) {
		struct json_object *o = json_array_at(list, i);
		const char *value = json_get_str(o, id_key);

		if (value && !strcmp(value, id))
			return o;
	}
	return NULL;
}

/* The branch of a union for one value of its tag; NULL if there is no such branch. */
static struct json_object *schema_variant(const struct schema *s, struct json_object *entity,
					  const char *value)
{
	return schema_follow(s, find_in(entity, "variants", "case", value), "type");
}

static bool has_member(struct json_object *entity, const char *name)
{
	return find_in(entity, "members", "name", name) != NULL;
}

static void probe_drivers(const struct schema *s, struct qemu_features *f)
{
	struct json_object *add = schema_args(s, "blockdev-add");
	struct json_object *cbw = schema_variant(s, add, "copy-before-write");

	f->copy_before_write = cbw != NULL;
	f->on_cbw_error = has_member(cbw, "on-cbw-error");
	f->cbw_timeout = has_member(cbw, "cbw-timeout");
	f->snapshot_access = schema_variant(s, add, "snapshot-access") != NULL;
}

/*
 * True if an element may be {node, name}: then the bitmap may belong to another node than the exported one.
 */
static bool has_bitmaps_by_node(const struct schema *s, struct json_object *nbd)
{
	struct json_object *list = schema_follow(s, find_in(nbd, "members", "name", "bitmaps"), "type");
	struct json_object *element = schema_follow(s, list, "element-type");
	const char *meta = json_get_str(element, "meta-type");

	return meta && !strcmp(meta, "alternate");
}

static void probe_commands(const struct schema *s, struct qemu_features *f)
{
	struct json_object *export = schema_args(s, "block-export-add");

	f->blockdev_reopen = json_get_obj(s->by_name, "blockdev-reopen") != NULL;
	f->nbd_server_start = json_get_obj(s->by_name, "nbd-server-start") != NULL;
	f->block_export_add = export != NULL;
	f->export_bitmaps = has_bitmaps_by_node(s, schema_variant(s, export, "nbd"));
}

static int version_part(struct json_object *version, const char *key)
{
	uint64_t value;

	return json_get_u64(version, key, &value) && value < 100000 ? (int)value : 0;
}

static int probe_version(struct qmp *q, struct qemu_features *f, struct error **err)
{
	_cleanup_json_ struct json_object *answer = NULL;
	struct json_object *version;
	int r;

	r = qmp_execute(q, "query-version", NULL, &answer, err);
	if (r < 0)
		return r;
	version = json_get_obj(answer, "qemu");
	f->major = version_part(version, "major");
	f->minor = version_part(version, "minor");
	f->micro = version_part(version, "micro");
	return 0;
}

int qemu_probe(struct qmp *q, struct qemu_features *ret, struct error **err)
{
	_cleanup_(schema_clear) struct schema s = { 0 };
	struct qemu_features f = { 0 };
	int r;

	r = probe_version(q, &f, err);
	if (r < 0)
		return r;
	r = schema_load(q, &s, err);
	if (r < 0)
		return r;
	probe_drivers(&s, &f);
	probe_commands(&s, &f);
	*ret = f;
	return 0;
}

static bool qemu_version_at_least(const struct qemu_features *f, int major, int minor, int micro)
{
	if (f->major != major)
		return f->major > major;
	if (f->minor != minor)
		return f->minor > minor;
	return f->micro >= micro;
}

int qemu_require_filter(const struct qemu_features *f, struct error **err)
{
	const struct {
		bool present;
		const char *what, *since;
	} needs[] = {
		{ f->block_export_add, "command block-export-add", "5.2" },
		{ f->nbd_server_start, "command nbd-server-start", "1.3" },
		{ f->blockdev_reopen, "command blockdev-reopen", "6.1" },
		{ f->copy_before_write, "driver copy-before-write", "6.2" },
		{ f->snapshot_access, "driver snapshot-access", "7.0" },
		{ f->export_bitmaps, "exports with the bitmap of another node", "7.0" },
		{ f->on_cbw_error, "copy-before-write option on-cbw-error", "7.1" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(needs); i++)
		if (!needs[i].present)
			return error_set(err, ERR_UNSUPPORTED,
					 "QEMU %d.%d.%d lacks what the backup of a running guest "
					 "needs: %s (QEMU has it since %s; 7.1 is the oldest that "
					 "has all, use that or mode 'stop')",
					 f->major, f->minor, f->micro, needs[i].what, needs[i].since);
	return 0;
}

/* The time in nanoseconds that is left if it is cut to 32 bits. */
static uint32_t truncated_ns(unsigned seconds)
{
	return (uint32_t)(seconds * UINT64_C(1000000000));
}

unsigned qemu_cbw_timeout(const struct qemu_features *f, unsigned seconds)
{
	unsigned best = seconds;

	if (qemu_version_at_least(f, 9, 1, 0))
		return seconds;
	/*
	 * stable branches may have the fix, so do not go below 4 s: choose a time that is long with and
	 * without it
	 */
	for (unsigned s = seconds; s > 4; s--)
		if (truncated_ns(s) > truncated_ns(best))
			best = s;
	return best;
}

bool qemu_reads_mixed_ranges(const struct qemu_features *f)
{
	return qemu_version_at_least(f, 10, 0, 0);
}
