/* Values from the tables and the configuration: enums, guests, storages, property strings. */
#include <dirent.h>
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "base/strv.h"
#include "complete.h"
#include "guest/guest.h"
#include "schedule/jobs.h"

static void offer_bool(struct completion *c, const char *head)
{
	complete_add(c, head, "0", "no");
	complete_add(c, head, "1", "yes");
}

static void offer_node(struct completion *c, const char *head)
{
	_cleanup_free_ char *dir = paths_get(&c->paths, "/etc/pve/nodes");
	_cleanup_free_ char *own = paths_nodename(&c->paths);
	DIR *nodes = opendir(dir);
	struct dirent *entry;

	complete_add(c, head, own, "this host");
	while (nodes && (entry = readdir(nodes)))
		if (node_name_valid(entry->d_name) && strcmp(entry->d_name, own) != 0)
			complete_add(c, head, entry->d_name, "");
	if (nodes)
		closedir(nodes);
}

static void offer_jobs(struct completion *c, const char *head)
{
	_cleanup_jobs_ struct jobs jobs = { 0 };

	if (jobs_load(&c->paths, NULL, NULL, &jobs, NULL) < 0)
		return;
	for (size_t i = 0; i < jobs.n; i++)
		complete_add(c, head, jobs.entries[i].id, jobs.entries[i].schedule);
}

/* need: one flag of enum storage_content; 0: any storage */
static void offer_storage(struct completion *c, const char *head, unsigned need)
{
	for (size_t i = 0; i < c->storages.n; i++) {
		const struct storage *s = &c->storages.storages[i];

		if (!s->ops || !storage_enabled(&c->storages, s) || storage_find(&c->storages, s->id) != s)
			continue;
		if ((need && !(s->content & need)) || (need == STORAGE_BACKUP && !s->ops->dir) ||
		    (need == STORAGE_IMAGES && !s->ops->alloc))
			continue;
		complete_add(c, head, s->id, s->type);
	}
}

static void offer_content(struct completion *c, const char *head)
{
	for (unsigned bit = STORAGE_IMAGES; bit <= STORAGE_IMPORT; bit <<= 1)
		complete_add(c, head, storage_content_name((enum storage_content)bit), "");
}

/* ---- guests ---- */

static void offer_guest(struct completion *c, const char *head, uint32_t vmid)
{
	struct guest_config guest = { 0 };
	_cleanup_free_ char *id = xasprintf("%" PRIu32, vmid);

	if (guest_config_load(&c->paths, vmid, NULL, &guest, NULL) < 0) {
		complete_add(c, head, id, "");
		return;
	}
	complete_add(c, head, id, guest_config_get(&guest, "name"));
	guest_config_clear(&guest);
}

static void offer_guests(struct completion *c, const char *head, char *const *used)
{
	_cleanup_free_ uint32_t *ids = NULL;
	size_t n = 0;

	if (guest_config_list(&c->paths, &ids, &n, NULL) < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		_cleanup_free_ char *id = xasprintf("%" PRIu32, ids[i]);

		if (!strv_contains(used, id))
			offer_guest(c, head, ids[i]);
	}
}

/* A sole candidate may be followed by more: it is offered with a comma, too. */
static void offer_comma(struct completion *c, size_t before)
{
	_cleanup_free_ char *text = NULL, *description = NULL;

	if (c->n != before + 1 || str_suffix(c->list[before].text, "="))
		return;
	text = xasprintf("%s,", c->list[before].text);
	description = xasprintf("%s, and more", c->list[before].description);
	complete_add(c, text, "", *c->list[before].description ? description : "and more");
}

/* "100,101,..." */
static void offer_guest_list(struct completion *c, const char *head, char *const *before)
{
	_cleanup_strv_ char **used = NULL;
	_cleanup_free_ char *whole = NULL;
	const char *text = c->word + strlen(head);
	size_t at = strlen(text), n = c->n;

	while (at && !strchr(",; ", text[at - 1]))
		at--;
	whole = xstrndup(c->word, strlen(head) + at);
	used = strv_split_list(whole + strlen(head));
	for (; before && *before; before++) {
		_cleanup_strv_ char **ids = strv_split_list(*before);

		for (char **id = ids; id && *id; id++)
			strv_add(&used, *id);
	}
	offer_guests(c, whole, used);
	offer_comma(c, n);
}

/* ---- property strings ---- */

static void offer_schema(struct completion *c, const struct value_schema *s, enum option_complete kind,
			 const char *head);

static const struct propstr_key *find_key(const struct propstr_format *f, const char *part)
{
	size_t len = strcspn(part, "=");

	for (size_t i = 0; i < f->n_keys; i++) {
		const struct propstr_key *k = &f->keys[i];
		bool hit = part[len] ? strlen(k->name) == len && !strncmp(k->name, part, len) : k->is_default;

		if (!hit)
			continue;
		if (!k->alias)
			return k;
		for (size_t j = 0; j < f->n_keys; j++)
			if (!strcmp(f->keys[j].name, k->alias))
				return &f->keys[j];
	}
	return NULL;
}

static void offer_keys(struct completion *c, const struct propstr_format *f, const bool *used,
		       const char *head)
{
	for (size_t i = 0; i < f->n_keys; i++) {
		const struct propstr_key *k = &f->keys[i];
		_cleanup_free_ char *text = xasprintf("%s=", k->name);

		if (!used[i] && !k->alias)
			complete_add(c, head, text, k->description);
	}
}

/* Marks the keys of all parts but the last; returns how many keys are left. */
static size_t mark_used(const struct propstr_format *f, const char *text, size_t len, bool *used)
{
	_cleanup_free_ char *copy = xstrndup(text, len);
	size_t left = 0;
	char *save = NULL;

	for (char *part = strtok_r(copy, ",", &save); part; part = strtok_r(NULL, ",", &save)) {
		const struct propstr_key *k = find_key(f, part);

		if (k)
			used[k - f->keys] = true;
	}
	for (size_t i = 0; i < f->n_keys; i++)
		left += !used[i] && !f->keys[i].alias;
	return left;
}

static void offer_propstr(struct completion *c, const struct propstr_format *f, enum option_complete kind,
			  const char *head)
{
	const char *text = c->word + strlen(head);
	const char *comma = strrchr(text, ',');
	const char *part = comma ? comma + 1 : text;
	const char *equal = strchr(part, '=');
	const struct propstr_key *k = *part ? find_key(f, part) : NULL;
	_cleanup_free_ bool *used = xcalloc(f->n_keys + 1, sizeof(*used));
	_cleanup_free_ char *front = xstrndup(c->word, (size_t)((equal ? equal + 1 : part) - c->word));
	size_t left = mark_used(f, text, (size_t)(part - text), used), before;

	if (!equal)
		offer_keys(c, f, used, front);
	before = c->n;
	if (k && !used[k - f->keys])
		offer_schema(c, &k->value,
			     kind == COMPLETE_FLEECING ? COMPLETE_STORAGE_IMAGES : COMPLETE_NONE, front);
	if (left > 1)
		offer_comma(c, before);
}

/* ---- by kind, else by type ---- */

/* kind is COMPLETE_NONE, or the storages that fit */
static void offer_schema(struct completion *c, const struct value_schema *s, enum option_complete kind,
			 const char *head)
{
	switch (s->type) {
	case VALUE_BOOL:
		offer_bool(c, head);
		break;
	case VALUE_ENUM:
		for (size_t i = 0; s->values[i]; i++)
			if (*s->values[i])
				complete_add(c, head, s->values[i], "");
		break;
	case VALUE_STORAGE_ID:
		offer_storage(c, head, kind == COMPLETE_STORAGE_IMAGES ? STORAGE_IMAGES : 0);
		break;
	case VALUE_NODE:
		offer_node(c, head);
		break;
	case VALUE_VMID:
		offer_guests(c, head, NULL);
		break;
	case VALUE_VMID_LIST:
		offer_guest_list(c, head, NULL);
		break;
	case VALUE_PROPSTR:
		offer_propstr(c, s->propstr, kind, head);
		break;
	default:
		break;
	}
}

/* "<name>=<path>" */
static void offer_named_path(struct completion *c, const char *head)
{
	const char *equal = strchr(c->word + strlen(head), '=');
	_cleanup_free_ char *front = equal ? xstrndup(c->word, (size_t)(equal + 1 - c->word)) : NULL;

	if (front)
		complete_files(c, front, COMPLETE_FILE);
}

/* "<archive>:<disk>:" */
static void offer_place(struct completion *c, const char *head)
{
	const char *text = c->word + strlen(head), *colon = strchr(text, ':');
	_cleanup_free_ char *front = colon ? xstrndup(c->word, (size_t)(colon + 1 - c->word)) : NULL;

	complete_files(c, head, COMPLETE_ARCHIVE);
	if (!colon || c->archive)
		return;
	c->archive = xstrndup(text, (size_t)(colon - text));
	complete_archive(c, front, COMPLETE_ARCHIVE_PLACE);
}

void complete_value(struct completion *c, const struct option *row, const char *head, char *const *used)
{
	switch (row->complete) {
	case COMPLETE_STORAGE:
		offer_storage(c, head, 0);
		break;
	case COMPLETE_STORAGE_BACKUP:
		offer_storage(c, head, STORAGE_BACKUP);
		break;
	case COMPLETE_STORAGE_IMAGES:
		offer_storage(c, head, STORAGE_IMAGES);
		break;
	case COMPLETE_JOB:
		offer_jobs(c, head);
		break;
	case COMPLETE_CONTENT:
		offer_content(c, head);
		break;
	case COMPLETE_FILE:
	case COMPLETE_DIRECTORY:
	case COMPLETE_ARCHIVE:
		complete_files(c, head, row->complete);
		break;
	case COMPLETE_BACKUP:
	case COMPLETE_VOLUME:
		complete_volumes(c, head, row->complete);
		break;
	case COMPLETE_ARCHIVE_PLACE:
		offer_place(c, head);
		break;
	case COMPLETE_ARCHIVE_DISK_TO:
		offer_named_path(c, head);
		complete_archive(c, head, row->complete);
		break;
	case COMPLETE_ARCHIVE_DISKS:
	case COMPLETE_ARCHIVE_CONFIG:
		complete_archive(c, head, row->complete);
		break;
	case COMPLETE_NAME_IS_PATH:
		offer_named_path(c, head);
		break;
	default:
		if (row->value.type == VALUE_VMID_LIST)
			offer_guest_list(c, head, used);
		else
			offer_schema(c, &row->value, row->complete, head);
		break;
	}
}
