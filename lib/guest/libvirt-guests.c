#include "guest/libvirt-guests.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include <xxhash.h>

#include "base/mem.h"
#include "base/strv.h"
#include "guest/guest-list.h"
#include "guest/mirror.h"
#include "libvirt/connection.h"
#include "libvirt/domain-config.h"

#define ALL_DOMAINS "*"

enum {
	FIRST_ID = 100000000,
	N_IDS = 899999999,
};

void libvirt_guests_clear(struct libvirt_guests *g)
{
	free(g->vmids);
	strv_free(g->failed);
	*g = (struct libvirt_guests){ 0 };
}

static bool is_among(const uint32_t *list, size_t n, uint32_t vmid)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == vmid)
			return true;
	return false;
}

static void add(uint32_t **vmids, size_t *n, uint32_t vmid)
{
	*vmids = xreallocarray(*vmids, *n + 1, sizeof(**vmids));
	(*vmids)[(*n)++] = vmid;
}

static void add_once(uint32_t **vmids, size_t *n, uint32_t vmid)
{
	if (!is_among(*vmids, *n, vmid))
		add(vmids, n, vmid);
}

static uint32_t derive_id(const char *uuid)
{
	return (uint32_t)(FIRST_ID + XXH64(uuid, strlen(uuid), 0) % N_IDS);
}

/* ---- the id ---- */

static int refuse_id(const struct domain *d, uint32_t vmid, const char *who, struct error **err)
{
	_cleanup_free_ char *name = str_shellquote(d->name);

	return error_set(err, -EEXIST,
			 "its id %" PRIu32 " is that of %s, too: give it another: virsh metadata %s "
			 "--config --uri " DOMAIN_METADATA_URI
			 " --key vzdump --set '<guest vmid=\"NUMBER\"/>'",
			 vmid, who, name);
}

/* The domain that the mirror was made of may be gone; then the id is free. */
static int check_mirror(const struct libvirt_guests_request *q, const struct domain *d, uint32_t vmid,
			struct error **err)
{
	_cleanup_mirror_ struct mirror other = { 0 };
	_cleanup_free_ char *who = NULL;
	struct libvirt_state state;

	if (mirror_load(q->paths, vmid, &other, NULL) < 0 || !strcmp(other.uuid, d->uuid))
		return 0;
	if (libvirt_get_state(other.uri, other.uuid, q->cancel, &state, NULL) == ERR_NOT_FOUND &&
	    mirror_drop(q->paths, vmid, NULL) == 0 && !mirror_has(q->paths, vmid))
		return 0;
	who = xasprintf("libvirt domain '%s' (%s)", other.domain, other.uri);
	return refuse_id(d, vmid, who, err);
}

static int check_id(const struct libvirt_guests_request *q, const struct domain *d, uint32_t vmid,
		    struct error **err)
{
	_cleanup_guest_entry_ struct guest_entry e = { 0 };
	_cleanup_free_ char *who = NULL;
	int r = guest_entry_find(q->paths, vmid, &e, err);

	if (r < 0)
		return r;
	if (r == 0 || e.kind == GUEST_LIBVIRT)
		return check_mirror(q, d, vmid, err);
	who = guest_entry_describe(q->paths, &e);
	return refuse_id(d, vmid, who, err);
}

/* It had another id before. */
static void drop_others(const struct libvirt_guests_request *q, const struct domain *d, uint32_t vmid)
{
	_cleanup_free_ uint32_t *list = NULL;
	size_t n = 0;

	mirror_list(q->paths, &list, &n, NULL);
	for (size_t i = 0; i < n; i++) {
		_cleanup_mirror_ struct mirror m = { 0 };

		if (list[i] != vmid && mirror_load(q->paths, list[i], &m, NULL) == 0 &&
		    !strcmp(m.uuid, d->uuid))
			mirror_drop(q->paths, list[i], NULL);
	}
}

/* ---- a domain's mirror ---- */

/* libvirt knows where the volumes of its pools are. */
static int find_volumes(const struct libvirt_guests_request *q, const char *uri, struct domain *d,
			struct error **err)
{
	for (size_t i = 0; i < d->n; i++) {
		struct domain_disk *disk = &d->disks[i];
		int r;

		if (disk->source != DOMAIN_SOURCE_VOLUME || disk->path || disk->excluded || !disk->pool ||
		    !disk->volume)
			continue;
		r = libvirt_get_volume_path(uri, disk->pool, disk->volume, q->cancel, &disk->path, err);
		if (r < 0)
			return error_wrap(err, r, "disk '%s'", disk->target);
	}
	return 0;
}

static int write_mirror(const struct libvirt_guests_request *q, const char *uri, const struct domain *d,
			uint32_t vmid, struct error **err)
{
	_cleanup_mirror_ struct mirror m = { .uuid = xstrdup(d->uuid),
					     .uri = xstrdup(uri),
					     .domain = xstrdup(d->name) };
	_cleanup_strv_ char **warnings = NULL;
	_cleanup_buf_ struct buf config = BUF_INIT;
	int r = domain_to_config(d, &warnings, &config, err);

	for (char **w = warnings; w && *w; w++)
		log_warn(q->log, "libvirt domain '%s': %s", d->name, *w);
	return r == 0 ? mirror_write(q->paths, vmid, &m, buf_str(&config), q->cancel, err) : r;
}

/*
 * 1 if the id is among those that are excluded. *ret_name: the domain's name, if it is known; caller frees.
 */
static int renew(const struct libvirt_guests_request *q, const char *uri, const struct libvirt_found *found,
		 bool may_exclude, uint32_t *ret, char **ret_name, struct error **err)
{
	_cleanup_domain_ struct domain d = { 0 };
	uint32_t vmid;
	int r = domain_parse(found->xml, &d, err);

	if (r < 0)
		return r;
	*ret_name = xstrdup(d.name);
	vmid = d.vmid ? d.vmid : derive_id(d.uuid);
	if (may_exclude && is_among(q->excluded, q->n_excluded, vmid))
		return 1;
	r = check_id(q, &d, vmid, err);
	if (r == 0)
		r = find_volumes(q, uri, &d, err);
	if (r == 0)
		r = write_mirror(q, uri, &d, vmid, err);
	if (r == 0)
		drop_others(q, &d, vmid);
	*ret = vmid;
	return r;
}

static void fail(struct libvirt_guests *ret, const char *name, const struct error *err)
{
	strv_addf(&ret->failed, "libvirt domain '%s': %s", name, error_message(err));
}

static void take_found(const struct libvirt_guests_request *q, const char *uri,
		       const struct libvirt_found *found, bool may_exclude, struct libvirt_guests *ret)
{
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *name = NULL;
	uint32_t vmid = 0;
	int r = found->error ? error_set(&err, ERR_NOT_FOUND, "%s", found->error)
			     : renew(q, uri, found, may_exclude, &vmid, &name, &err);

	if (r < 0)
		fail(ret, name ? name : found->name, err);
	else if (r == 0)
		add_once(&ret->vmids, &ret->n, vmid);
}

/* Those of domains that libvirt does not know any more. */
static void drop_gone(const struct libvirt_guests_request *q, const struct libvirt_finds *finds)
{
	_cleanup_free_ uint32_t *list = NULL;
	size_t n = 0;

	mirror_list(q->paths, &list, &n, NULL);
	for (size_t i = 0; i < n; i++) {
		_cleanup_mirror_ struct mirror m = { 0 };
		struct libvirt_state state;
		bool found = false;

		if (mirror_load(q->paths, list[i], &m, NULL) < 0 || strcmp(m.uri, finds->uri) != 0)
			continue;
		for (size_t k = 0; k < finds->n && !found; k++)
			found = !strcmp(finds->list[k].uuid, m.uuid);
		if (!found && libvirt_get_state(m.uri, m.uuid, q->cancel, &state, NULL) == ERR_NOT_FOUND)
			mirror_drop(q->paths, list[i], NULL);
	}
}

static void fail_all(const struct libvirt_guests_request *q, const struct error *err,
		     struct libvirt_guests *ret)
{
	for (char *const *name = q->names; *name; name++)
		fail(ret, *name, err);
}

static int find_named(const struct libvirt_guests_request *q, struct libvirt_guests *ret, struct error **err)
{
	const bool all = strv_contains(q->names, ALL_DOMAINS);
	_cleanup_libvirt_finds_ struct libvirt_finds finds = { 0 };
	_cleanup_error_ struct error *mine = NULL;
	int r = libvirt_find(q->uri, q->names, q->cancel, &finds, &mine);

	if (r == ERR_CANCELED) {
		error_keep_first(err, &mine);
		return r;
	}
	if (r < 0) {
		fail_all(q, mine, ret);
		return 0;
	}
	for (size_t i = 0; i < finds.n; i++)
		take_found(q, finds.uri, &finds.list[i], all, ret);
	drop_gone(q, &finds);
	return cancel_check(q->cancel, err);
}

/* An id that was given, of a guest of libvirt. */
static int find_known(const struct libvirt_guests_request *q, uint32_t vmid, struct libvirt_guests *ret,
		      struct error **err)
{
	_cleanup_mirror_ struct mirror m = { 0 };
	_cleanup_error_ struct error *mine = NULL;
	_cleanup_libvirt_finds_ struct libvirt_finds finds = { 0 };
	_cleanup_free_ char *name = NULL;
	char *names[2] = { 0 };
	uint32_t now = vmid;
	int r = mirror_load(q->paths, vmid, &m, &mine);

	names[0] = m.uuid;
	if (r == 0)
		r = libvirt_find(m.uri, names, q->cancel, &finds, &mine);
	if (r == 0 && finds.list[0].error)
		r = error_set(&mine, ERR_NOT_FOUND, "%s", finds.list[0].error);
	if (r == 0)
		r = renew(q, m.uri, &finds.list[0], false, &now, &name, &mine);
	if (finds.uri)
		drop_gone(q, &finds);
	if (r < 0)
		fail(ret, m.domain ? m.domain : "", mine);
	else
		add_once(&ret->vmids, &ret->n, now);
	return cancel_check(q->cancel, err);
}

int libvirt_guests_find(const struct libvirt_guests_request *q, struct libvirt_guests *ret,
			struct error **err)
{
	int r;

	*ret = (struct libvirt_guests){ 0 };
	r = q->names && *q->names ? find_named(q, ret, err) : 0;
	for (size_t i = 0; i < q->n_vmids && r == 0; i++) {
		if (!mirror_has(q->paths, q->vmids[i]))
			add(&ret->vmids, &ret->n, q->vmids[i]);
		else if (!is_among(ret->vmids, ret->n, q->vmids[i]))
			r = find_known(q, q->vmids[i], ret, err);
	}
	return r;
}

/* ---- without libvirt ---- */

static bool is_named(const struct mirror *m, uint32_t vmid, char *const *names, const uint32_t *excluded,
		     size_t n_excluded)
{
	for (; names && *names; names++) {
		if (!strcmp(*names, m->domain) || !strcasecmp(*names, m->uuid))
			return true;
		if (!strcmp(*names, ALL_DOMAINS) && !is_among(excluded, n_excluded, vmid))
			return true;
	}
	return false;
}

void libvirt_guests_known(const struct paths *p, const char *uri, char *const *names,
			  const uint32_t *excluded, size_t n_excluded, uint32_t **vmids, size_t *n)
{
	_cleanup_free_ uint32_t *list = NULL;
	size_t n_list = 0;

	mirror_list(p, &list, &n_list, NULL);
	for (size_t i = 0; i < n_list; i++) {
		_cleanup_mirror_ struct mirror m = { 0 };

		if (mirror_load(p, list[i], &m, NULL) == 0 && (!uri || !strcmp(uri, m.uri)) &&
		    is_named(&m, list[i], names, excluded, n_excluded))
			add_once(vmids, n, list[i]);
	}
}
