/* storage.cfg to struct storage.  Facts: PVE::Storage::Plugin::parse_config and decode_value. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/strv.h"
#include "base/units.h"
#include "storage/storage.h"

#define CONF_MAX (1024 * 1024)

static const char *const content_names[] = {
	"images", "rootdir", "iso", "vztmpl", "backup", "snippets", "import", NULL,
};
static const char *const format_names[IMAGE_FORMATS] = { "raw", "qcow2", "vmdk", "subvol" };

const char *storage_content_name(enum storage_content c)
{
	for (size_t i = 0; content_names[i]; i++)
		if ((unsigned)c == 1U << i)
			return content_names[i];
	return "none";
}

const char *image_format_name(enum image_format f)
{
	return format_names[f];
}

int image_format_parse(const char *name)
{
	for (int i = 0; i < IMAGE_FORMATS; i++)
		if (strcmp(format_names[i], name) == 0)
			return i;
	return -1;
}

/* ---- one section ---- */

/* One section being read: where warnings go, and what about. */
struct reader {
	const char *file;
	const struct log *log;
	struct storage *s;
};

static const char *const common_keys = "nodes disable content";

static bool has_word(const char *words, const char *word)
{
	const size_t len = strlen(word);

	for (const char *at = words; (at = strstr(at, word)); at += len)
		if ((at == words || at[-1] == ' ') && (at[len] == ' ' || !at[len]))
			return true;
	return false;
}

static bool is_unknown(const struct reader *r, const char *key)
{
	return r->s->ops && !has_word(common_keys, key) && !has_word(r->s->ops->keys, key);
}

static const char *get(const struct reader *r, const char *key)
{
	return is_unknown(r, key) ? NULL : section_get(&r->s->section, key);
}

static void warn_line(const struct reader *r, const struct section_property *p, const char *what,
		      const char *hint)
{
	log_warn(r->log, "file %s line %u (section '%s') - unable to parse value of '%s': %s%s", r->file,
		 p->line, r->s->id, p->key, what, hint);
}

static void warn_value(const struct reader *r, const char *key, const char *what)
{
	warn_line(r, section_property(&r->s->section, key), what, "");
}

static bool get_bool(const struct reader *r, const char *key, bool fallback)
{
	const char *value = get(r, key);
	bool on;

	if (!value)
		return fallback;
	if (units_parse_bool(value, &on))
		return on;
	warn_value(r, key, "not a boolean (use 1 or 0)");
	return fallback;
}

static void warn_content(const struct reader *r, const char *name)
{
	struct nearest n = nearest_begin(name);
	_cleanup_free_ char *hint = NULL, *text = NULL;

	nearest_offer_all(&n, content_names);
	hint = nearest_hint(&n);
	text = xasprintf("storage does not support content type '%s'%s", name, hint);
	warn_value(r, "content", text);
}

static unsigned read_content(const struct reader *r)
{
	const struct storage_ops *ops = r->s->ops;
	const char *value = get(r, "content");
	_cleanup_strv_ char **names = value ? strv_split_list(value) : NULL;
	unsigned all = ops ? ops->content : ~0U;
	unsigned set = 0;

	if (!value)
		return ops ? ops->content_default : 0;
	for (size_t i = 0; names && names[i]; i++) {
		unsigned bit = 0;

		for (size_t k = 0; content_names[k]; k++)
			if (strcmp(content_names[k], names[i]) == 0)
				bit = 1U << k;
		if (bit & all)
			set |= bit;
		else if (strcmp(names[i], "none") != 0)
			warn_content(r, names[i]);
	}
	return set;
}

static enum preallocation read_preallocation(const struct reader *r)
{
	static const char *const names[] = { NULL, "off", "metadata", "falloc", "full" };
	const char *value = get(r, "preallocation");

	for (size_t i = 1; value && i < ARRAY_SIZE(names); i++)
		if (strcmp(names[i], value) == 0)
			return (enum preallocation)i;
	if (value)
		warn_value(r, "preallocation", "not one of off, metadata, falloc, full");
	return PREALLOC_DEFAULT;
}

static enum image_format read_format(const struct reader *r)
{
	const struct storage_ops *ops = r->s->ops;
	const char *value = get(r, "format");
	int format = value ? image_format_parse(value) : -1;

	if (!ops)
		return IMAGE_RAW;
	if (format >= 0 && (ops->formats & (1U << format)))
		return (enum image_format)format;
	if (value)
		warn_value(r, "format", "not a format of this storage type");
	return ops->format_default;
}

/* Without slashes at the end; PVE's own place for what is mounted. */
static char *read_path(const struct reader *r)
{
	const char *value = get(r, "path");
	size_t len;

	if (!value)
		return r->s->ops && r->s->ops->mounts ? xasprintf("/mnt/pve/%s", r->s->id) : NULL;
	if (value[0] != '/' || strpbrk(value, ";()")) {
		warn_value(r, "path", "not an absolute path");
		return NULL;
	}
	len = strlen(value);
	while (len > 1 && value[len - 1] == '/')
		len--;
	return xstrndup(value, len);
}

static char *read_mountpoint(const struct reader *r)
{
	const char *value = get(r, "is_mountpoint");
	bool on;

	if (!value)
		return NULL;
	if (units_parse_bool(value, &on))
		return on ? xstrdup_null(r->s->path) : NULL;
	return xstrdup(value);
}

static char *read_prune(const struct reader *r)
{
	const char *value = get(r, "prune-backups");
	struct prune_keep keep;
	_cleanup_error_ struct error *err = NULL;

	if (value && prune_keep_parse(value, &keep, &err) < 0) {
		warn_value(r, "prune-backups", error_message(err));
		return NULL;
	}
	return xstrdup_null(value);
}

static int read_max_protected(const struct reader *r)
{
	const char *value = get(r, "max-protected-backups");
	uint64_t n;

	if (!value || strcmp(value, "-1") == 0)
		return -1;
	if (units_parse_u64(value, 0, INT32_MAX, "max-protected-backups", &n, NULL) < 0) {
		warn_value(r, "max-protected-backups", "not a number from -1 on");
		return -1;
	}
	return (int)n;
}

static const struct storage_ops *find_type(const char *type)
{
	for (size_t i = 0; storage_types[i]; i++)
		if (strcmp(storage_types[i]->type, type) == 0)
			return storage_types[i];
	return NULL;
}

static char **read_list(const struct reader *r, const char *key)
{
	const char *value = get(r, key);

	return value ? strv_split_list(value) : NULL;
}

static void warn_unexpected(const struct reader *r, const struct section_property *p)
{
	_cleanup_free_ char *words = xasprintf("%s %s", common_keys, r->s->ops->keys);
	_cleanup_strv_ char **keys = strv_split_list(words);
	struct nearest n = nearest_begin(p->key);
	_cleanup_free_ char *hint = NULL;

	nearest_offer_all(&n, (const char *const *)(const void *)keys);
	hint = nearest_hint(&n);
	warn_line(r, p, "unexpected property", hint);
}

/* Of a key that comes twice the first counts; often a head between the two was not taken for one. */
static void warn_properties(const struct reader *r)
{
	const struct section *section = &r->s->section;

	for (size_t i = 0; i < section->n; i++) {
		const struct section_property *p = &section->properties[i];

		if (is_unknown(r, p->key))
			warn_unexpected(r, p);
		else if (section_property(section, p->key) != p)
			warn_line(r, p, "duplicate attribute", "");
	}
}

static void read_section(const struct reader *r)
{
	struct storage *s = r->s;
	bool mkdir;

	s->ops = find_type(s->type);
	warn_properties(r);
	s->content = read_content(r);
	s->nodes = strcmp(s->id, "local") == 0 ? NULL : read_list(r, "nodes");
	s->disabled = get_bool(r, "disable", false);
	s->shared = get_bool(r, "shared", false) || (s->ops && s->ops->shared);
	s->path = read_path(r);
	s->content_dirs = read_list(r, "content-dirs");
	s->format = read_format(r);
	s->preallocation = read_preallocation(r);
	s->prune_backups = read_prune(r);
	s->max_protected_backups = read_max_protected(r);
	s->bwlimit = xstrdup_null(get(r, "bwlimit"));
	s->mountpoint = read_mountpoint(r);
	mkdir = get_bool(r, "mkdir", true);
	s->create_base = get_bool(r, "create-base-path", mkdir);
	s->create_subdirs = get_bool(r, "create-subdirs", true) && mkdir;
}

/* ---- the whole ---- */

static void clear_storage(struct storage *s)
{
	section_clear(&s->section);
	free(s->id);
	free(s->type);
	strv_free(s->nodes);
	free(s->path);
	strv_free(s->content_dirs);
	free(s->prune_backups);
	free(s->bwlimit);
	free(s->mountpoint);
	free(s->config_dir);
}

static struct storage *new_storage(struct storage_config *c)
{
	struct storage *s;

	c->storages = xreallocarray(c->storages, c->n + 1, sizeof(*c->storages));
	s = &c->storages[c->n++];
	*s = (struct storage){ 0 };
	return s;
}

/* Of sections with one id the last counts. */
static void drop_storage(struct storage_config *c, const char *id)
{
	for (size_t i = 0; i < c->n; i++) {
		if (strcmp(c->storages[i].id, id) != 0)
			continue;
		clear_storage(&c->storages[i]);
		c->n--;
		memmove(&c->storages[i], &c->storages[i + 1], (c->n - i) * sizeof(*c->storages));
		return;
	}
}

static char *parent_dir(const char *file)
{
	const char *slash = strrchr(file, '/');

	return slash ? xstrndup(file, (size_t)(slash - file)) : xstrdup(".");
}

/* Takes the section's content over. */
static void add_section(struct storage_config *c, struct section *section, const char *file,
			const struct log *log)
{
	struct reader r = { .file = file, .log = log };

	if (!storage_id_valid(section->id)) {
		log_warn(log, "file %s line %u (skip section '%s'): not a storage id (" STORAGE_ID_RULE ")",
			 file, section->line, section->id);
		return;
	}
	drop_storage(c, section->id);
	r.s = new_storage(c);
	r.s->id = xstrdup(section->id);
	r.s->type = xstrdup(section->type);
	for (char *p = r.s->type; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	r.s->section = *section;
	*section = (struct section){ 0 };
	r.s->config_dir = parent_dir(file);
	read_section(&r);
}

/* PVE's storage "local" for hosts whose storage.cfg has none. */
static void add_local(struct storage_config *c, const char *file, const char *path)
{
	struct storage *s = new_storage(c);

	*s = (struct storage){
		.id = xstrdup("local"),
		.type = xstrdup("dir"),
		.ops = find_type("dir"),
		.section = { .type = xstrdup("dir"), .id = xstrdup("local") },
		.content = STORAGE_BACKUP | STORAGE_IMAGES | STORAGE_ISO | STORAGE_ROOTDIR |
			   STORAGE_SNIPPETS | STORAGE_VZTMPL,
		.path = xstrdup(path),
		.format = IMAGE_RAW,
		.prune_backups = xstrdup("keep-all=1"),
		.max_protected_backups = -1,
		.create_base = true,
		.create_subdirs = true,
		.config_dir = parent_dir(file),
	};
}

/* As PVE: what it cannot use as "local" is no reason to have none. */
static void check_local(struct storage_config *c, const char *file, const char *path, const struct log *log)
{
	const struct storage *s = storage_find(c, "local");

	if (s && s->ops && s->ops->has_path && !s->path) {
		log_warn(log, "file %s line %u (skip section 'local'): it has no path", file,
			 s->section.line);
		drop_storage(c, "local");
		s = NULL;
	}
	if (!s)
		add_local(c, file, path);
}

void storage_config_parse(const char *text, const char *file, const char *node, const char *local_path,
			  const struct log *log, struct storage_config *ret)
{
	_cleanup_section_config_ struct section_config sections = { 0 };

	*ret = (struct storage_config){ .node = xstrdup(node) };
	section_config_parse(text, file, log, &sections);
	for (size_t i = 0; i < sections.n; i++)
		add_section(ret, &sections.sections[i], file, log);
	check_local(ret, file, local_path, log);
}

int storage_config_load(const struct paths *p, const struct log *log, struct storage_config *ret,
			struct error **err)
{
	_cleanup_free_ char *file = paths_get(p, "/etc/pve/storage.cfg");
	_cleanup_free_ char *local = paths_get(p, "/var/lib/vz");
	_cleanup_free_ char *node = paths_nodename(p);
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_error_ struct error *e = NULL;
	int r = io_read_file(file, CONF_MAX, &text, &e);

	if (r < 0 && r != -ENOENT) {
		error_keep_first(err, &e);
		return r;
	}
	storage_config_parse(buf_str(&text), file, node, local, log, ret);
	return 0;
}

void storage_config_set_cancel(struct storage_config *c, const struct cancel *cancel)
{
	for (size_t i = 0; i < c->n; i++)
		c->storages[i].cancel = cancel;
}

void storage_config_clear(struct storage_config *c)
{
	for (size_t i = 0; i < c->n; i++)
		clear_storage(&c->storages[i]);
	free(c->storages);
	free(c->node);
	*c = (struct storage_config){ 0 };
}
