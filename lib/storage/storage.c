/* Choosing a storage, and calling the callbacks of its type. */
#include "storage/storage.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/strv.h"
#include "base/units.h"

static bool on_node(const struct storage_config *c, const struct storage *s)
{
	return !s->nodes || strv_contains(s->nodes, c->node);
}

bool storage_enabled(const struct storage_config *c, const struct storage *s)
{
	return !s->disabled && on_node(c, s);
}

static int unknown_type(const struct storage_config *c, const struct storage *s, struct error **err)
{
	_cleanup_buf_ struct buf known = BUF_INIT;
	struct nearest n = nearest_begin(s->type);
	_cleanup_free_ char *hint = NULL;

	for (size_t i = 0; c->types[i]; i++) {
		buf_addf(&known, "%s%s", i ? ", " : "", c->types[i]->type);
		nearest_offer(&n, c->types[i]->type);
	}
	hint = nearest_hint(&n);
	return error_set(err, ERR_UNSUPPORTED,
			 "storage '%s' is of type '%s', which is not supported (supported: %s)%s", s->id,
			 s->type, buf_str(&known), hint);
}

static int wrong_content(const struct storage *s, unsigned content, struct error **err)
{
	_cleanup_buf_ struct buf has = BUF_INIT;

	for (unsigned bit = STORAGE_IMAGES; bit <= STORAGE_IMPORT; bit <<= 1)
		if (s->content & bit)
			buf_addf(&has, "%s%s", has.len ? "," : "",
				 storage_content_name((enum storage_content)bit));
	return error_set(err, ERR_INVALID,
			 "can't use storage '%s' for %s - wrong content type (it has '%s' in storage.cfg): "
			 "add '%s' to its content there or name another storage",
			 s->id, storage_content_name((enum storage_content)content),
			 has.len ? buf_str(&has) : "none",
			 storage_content_name((enum storage_content)content));
}

/* " (storage.cfg has backup, local)".  Caller frees. */
static char *list_ids(const struct storage_config *c)
{
	_cleanup_buf_ struct buf text = BUF_INIT;

	for (size_t i = 0; i < c->n; i++)
		buf_addf(&text, "%s%s", i ? ", " : " (storage.cfg has ", c->storages[i].id);
	buf_adds(&text, c->n ? ")" : "");
	return buf_steal(&text);
}

int storage_unknown(const struct storage_config *c, const char *id, struct error **err)
{
	struct nearest n = nearest_begin(id);
	_cleanup_free_ char *hint = NULL;

	for (size_t i = 0; i < c->n; i++)
		nearest_offer(&n, c->storages[i].id);
	hint = nearest_hint(&n);
	if (!*hint) {
		free(hint);
		hint = list_ids(c);
	}
	return error_set(err, ERR_NOT_FOUND, "storage '%s' does not exist%s", id, hint);
}

int storage_get(const struct storage_config *c, const char *id, unsigned content, const struct storage **ret,
		struct error **err)
{
	const struct storage *s = storage_find(c, id);

	if (!s)
		return storage_unknown(c, id, err);
	if (s->disabled)
		return error_set(err, ERR_INVALID, "storage '%s' is disabled", id);
	if (!on_node(c, s))
		return error_set(err, ERR_INVALID, "storage '%s' is not available on node '%s'", id, c->node);
	if (!s->ops)
		return unknown_type(c, s, err);
	if (s->ops->has_path && !s->path)
		return error_set(
			err, ERR_INVALID,
			"storage '%s' has no path in storage.cfg: add 'path /some/folder' below its first "
			"line, with a tab in front",
			id);
	if (content && !(s->content & content))
		return wrong_content(s, content, err);
	if (s->ops->check) {
		int r = s->ops->check(s, err);

		if (r < 0)
			return r;
	}
	*ret = s;
	return 0;
}

uint64_t storage_restore_bwlimit(const struct storage *s)
{
	_cleanup_free_ char *file = s->config_dir ? xasprintf("%s/datacenter.cfg", s->config_dir) : NULL;
	_cleanup_free_ char *limits = s->bwlimit ? xstrdup(s->bwlimit)
				      : file     ? config_file_value(file, "bwlimit")
						 : NULL;
	_cleanup_strv_ char **parts = limits ? strv_split_list(limits) : NULL;
	uint64_t any = 0, own = 0;
	bool has_own = false;

	for (size_t i = 0; parts && parts[i]; i++) {
		const char *value;

		if (str_prefix(parts[i], "restore=", &value))
			has_own = units_parse_u64(value, 0, UINT32_MAX, "limit", &own, NULL) == 0;
		else if (str_prefix(parts[i], "default=", &value) || !strchr(parts[i], '='))
			units_parse_u64(strchr(parts[i], '=') ? value : parts[i], 0, UINT32_MAX, "limit",
					&any, NULL);
	}
	return has_own ? own : any;
}

int storage_activate(const struct storage *s, const struct log *log, struct error **err)
{
	return s->ops->activate ? s->ops->activate(s, log, err) : 0;
}

int storage_is_active(const struct storage *s, bool *ret, struct error **err)
{
	*ret = true;
	return s->ops->is_active ? s->ops->is_active(s, ret, err) : 0;
}

int storage_look(const struct storage *s, const struct log *log, struct error **err)
{
	bool active;
	int r = storage_is_active(s, &active, err);

	if (r == 0 && !active)
		log_info(log,
			 "storage '%s' is not active: a run activates it; what is on it cannot be seen now",
			 s->id);
	return r;
}

int storage_status(const struct storage *s, struct storage_status *ret, struct error **err)
{
	return s->ops->status(s, ret, err);
}

int storage_dir(const struct storage *s, enum storage_content content, char **ret, struct error **err)
{
	if (!s->ops->dir)
		return error_set(err, ERR_UNSUPPORTED, "storage '%s' of type '%s' has no directory for %s",
				 s->id, s->type, storage_content_name(content));
	return s->ops->dir(s, content, ret, err);
}

int storage_list(const struct storage *s, uint32_t vmid, struct storage_image **ret, size_t *ret_n,
		 struct error **err)
{
	*ret = NULL;
	*ret_n = 0;
	return s->ops->list(s, vmid, ret, ret_n, err);
}

void storage_traits(const struct storage *s, enum image_format format, struct image_traits *ret)
{
	s->ops->traits(s, format, ret);
}

enum image_format storage_fleecing_format(const struct storage *s)
{
	return s->ops->fleecing_format(s);
}

unsigned storage_ask_interval_ms(const struct storage *s)
{
	return s->ops->ask_interval_ms;
}
