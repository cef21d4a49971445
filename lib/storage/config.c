/* storage.cfg to struct storage_config.  Facts: PVE::Storage::Plugin::parse_config. */
#include <ctype.h>
#include <string.h>

#include "base/mem.h"
#include "base/strv.h"
#include "storage/config.h"
#include "storage/config-section.h"

const struct storage *storage_find(const struct storage_config *c, const char *id)
{
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->storages[i].id, id) == 0)
			return &c->storages[i];
	return NULL;
}

static const struct storage_ops *find_type(const struct storage_config *c, const char *type)
{
	for (size_t i = 0; c->types[i]; i++)
		if (strcmp(c->types[i]->type, type) == 0)
			return c->types[i];
	return NULL;
}

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

/* The last of several sections with one id counts. */
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

/* Takes over what the section owns. */
static void add_section(struct storage_config *c, struct section *section, const char *file,
			const struct log *log)
{
	struct storage *s;

	if (!storage_id_valid(section->id)) {
		log_warn(log, "file %s line %u (skip section '%s'): not a storage id (" STORAGE_ID_RULE ")",
			 file, section->line, section->id);
		return;
	}
	drop_storage(c, section->id);
	s = new_storage(c);
	s->id = xstrdup(section->id);
	s->type = xstrdup(section->type);
	for (char *p = s->type; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	s->ops = find_type(c, s->type);
	s->section = *section;
	*section = (struct section){ 0 };
	s->config_dir = parent_dir(file);
	storage_read_section(s, file, log);
}

/* PVE's storage "local" for hosts whose storage.cfg has none. */
static void add_local(struct storage_config *c, const char *file, const char *path)
{
	struct storage *s = new_storage(c);

	*s = (struct storage){
		.id = xstrdup("local"),
		.type = xstrdup("dir"),
		.ops = find_type(c, "dir"),
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

/* As in PVE, there always is a "local": the default replaces one that cannot be used. */
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

void storage_config_read(const char *text, const struct storage_config_source *source,
			 const struct storage_ops *const *types, const struct log *log,
			 struct storage_config *ret)
{
	_cleanup_section_config_ struct section_config sections = { 0 };

	*ret = (struct storage_config){ .types = types, .node = xstrdup(source->node) };
	section_config_parse(text, source->file, log, &sections);
	for (size_t i = 0; i < sections.n; i++)
		add_section(ret, &sections.sections[i], source->file, log);
	check_local(ret, source->file, source->local_path, log);
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
