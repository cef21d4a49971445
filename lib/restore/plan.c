#include "restore/plan.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/nearest.h"
#include "base/strv.h"
#include "base/units.h"
#include "guest/guest.h"
#include "restore/plan-internal.h"

#define CLOUDINIT_SIZE (UINT64_C(4) << 20)
#define MAX_CONFIG     (1u << 20)

bool plan_is_disk_key(const char *key)
{
	bool exists = false;

	return guest_bus_of(key, &exists) && exists;
}

void plan_clear(struct plan *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->disks[i].device);
		free(p->disks[i].storage);
		free(p->disks[i].format);
		free(p->disks[i].volid);
	}
	free(p->disks);
	free(p->chosen);
	free(p->config);
	free(p->firewall);
	*p = (struct plan){ 0 };
}

struct plan_disk *plan_find(const struct plan *p, const char *name)
{
	for (size_t i = 0; i < p->n; i++)
		if (!strcmp(p->disks[i].key, name) ||
		    (p->disks[i].device && !strcmp(p->disks[i].device, name)))
			return &p->disks[i];
	return NULL;
}

static struct plan_disk *add_plan_disk(struct plan *p, const char *key)
{
	struct plan_disk *d;

	p->disks = xreallocarray(p->disks, p->n + 1, sizeof(*p->disks));
	d = &p->disks[p->n++];
	*d = (struct plan_disk){ 0 };
	snprintf(d->key, sizeof(d->key), "%s", key);
	return d;
}

/* ---- lines ---- */

bool plan_split_line(const char *line, char **ret_key, char **ret_value)
{
	const char *colon = strchr(line, ':');
	_cleanup_free_ char *key = NULL;

	if (*line == '#' || *line == '[' || !colon || colon == line)
		return false;
	key = xstrndup(line, (size_t)(colon - line));
	*ret_key = xstrdup(strcmp(key, "cdrom") == 0 ? "ide2" : key);
	*ret_value = xstrdup(colon + 1 + strspn(colon + 1, " \t"));
	str_strip(*ret_value);
	return true;
}

/* ---- reading ---- */

/* "scsi0:drive-scsi0:local-zfs:raw:"; fields after the second may be empty. */
static int read_map(struct plan *p, const char *text, struct error **err)
{
	_cleanup_free_ char *copy = xstrdup(text);
	char *fields[4], *at = copy;
	struct plan_disk *d;

	for (unsigned i = 0; i < 4; i++) {
		fields[i] = at;
		at = strchr(at, ':');
		if (!at)
			return error_set(err, ERR_CORRUPT,
					 "the archive's configuration has a bad line '#qmdump#map:%s'", text);
		*at++ = '\0';
	}
	if (!plan_is_disk_key(fields[0]) || plan_find(p, fields[0]) || plan_find(p, fields[1]))
		return error_set(err, ERR_CORRUPT,
				 "the archive's configuration maps '%s' to '%s': no disk has that "
				 "name, or it is mapped twice",
				 fields[1], fields[0]);
	d = add_plan_disk(p, fields[0]);
	d->device = xstrdup(fields[1]);
	d->storage = *fields[2] ? xstrdup(fields[2]) : NULL;
	d->format = *fields[3] ? xstrdup(fields[3]) : NULL;
	return 0;
}

static void read_cloudinit(struct plan *p, const char *key, const char *value)
{
	_cleanup_guest_drive_ struct guest_drive drive = { 0 };
	struct plan_disk *d;
	const char *colon;

	if (!plan_is_disk_key(key) || plan_find(p, key) || guest_drive_parse(value, &drive, NULL) < 0 ||
	    !drive.cloudinit)
		return;
	d = add_plan_disk(p, key);
	d->cloudinit = true;
	d->size = CLOUDINIT_SIZE;
	colon = strchr(drive.file, ':');
	d->storage = colon ? xstrndup(drive.file, (size_t)(colon - drive.file)) : NULL;
}

static int read_line(struct plan *p, const char *line, bool maps, struct error **err)
{
	_cleanup_free_ char *key = NULL, *value = NULL;
	const char *rest;

	if (maps)
		return str_prefix(line, "#qmdump#map:", &rest) ? read_map(p, rest, err) : 0;
	if (plan_split_line(line, &key, &value))
		read_cloudinit(p, key, value);
	return 0;
}

static int read_lines(struct plan *p, bool maps, struct error **err)
{
	_cleanup_free_ char *copy = xstrdup(p->config);
	char *save = NULL;
	int r = 0;

	for (char *line = strtok_r(copy, "\n", &save); r == 0 && line; line = strtok_r(NULL, "\n", &save))
		r = read_line(p, line, maps, err);
	return r;
}

static int find_device(struct plan *p, const struct vma_header *h, unsigned dev, const struct log *log,
		       struct error **err)
{
	const char *name = h->devices[dev].name, *key;
	struct plan_disk *d;

	if (!strcmp(name, VMA_VMSTATE)) {
		log_warn(log, "the archive holds the memory of a running guest, which is not restored");
		return 0;
	}
	d = plan_find(p, name);
	if (!d) {
		if (!str_prefix(name, "drive-", &key) || !plan_is_disk_key(key) || plan_find(p, key))
			return error_set(err, ERR_CORRUPT,
					 "the archive does not say what its disk '%s' belongs to; "
					 "vma extract gets it out",
					 name);
		d = add_plan_disk(p, key);
		d->device = xstrdup(name);
	}
	d->dev = (uint8_t)dev;
	d->size = h->devices[dev].size;
	return 0;
}

static void drop_disk(struct plan *p, size_t i)
{
	struct plan_disk *d = &p->disks[i];

	free(d->device);
	free(d->storage);
	free(d->format);
	memmove(d, d + 1, (--p->n - i) * sizeof(*d));
}

/* Finds mapped disks that have no data.  A whole guest is not restored without one of its disks. */
static int check_absent(struct plan *p, enum plan_scope scope, struct error **err)
{
	for (size_t i = 0; i < p->n;) {
		if (p->disks[i].dev)
			i++;
		else if (scope == PLAN_SINGLE_DISKS)
			drop_disk(p, i);
		else
			return error_set(err, ERR_CORRUPT,
					 "the archive has no data for disk '%s', which its configuration "
					 "says it has; --disk restores the others into a guest that "
					 "exists",
					 p->disks[i].key);
	}
	return 0;
}

static char *config_text(const struct vma_header *h, const char *name)
{
	for (unsigned i = 0; i < h->n_configs; i++) {
		const struct vma_config *c = &h->configs[i];

		if (!strcmp(c->name, name) && c->len <= MAX_CONFIG && !memchr(c->data, 0, c->len))
			return xstrndup((const char *)c->data, c->len);
	}
	return NULL;
}

int plan_read(const struct vma_header *h, enum plan_scope scope, const struct log *log, struct plan *ret,
	      struct error **err)
{
	_cleanup_plan_ struct plan p = { 0 };
	int r;

	p.config = config_text(h, "qemu-server.conf");
	p.firewall = config_text(h, "qemu-server.fw");
	if (!p.config)
		return error_set(err, ERR_CORRUPT,
				 "the archive has no guest's configuration 'qemu-server.conf'; vma "
				 "extract gets its disks out");
	r = read_lines(&p, true, err);
	for (unsigned i = 1; r == 0 && i <= VMA_MAX_DEVICES; i++)
		if (h->devices[i].name)
			r = find_device(&p, h, i, log, err);
	if (r == 0)
		r = check_absent(&p, scope, err);
	if (r == 0)
		r = read_lines(&p, false, err);
	if (r == 0) {
		*ret = p;
		p = (struct plan){ 0 };
	}
	return r;
}

/* ---- choosing ---- */

static void choose_disk(struct plan *p, struct plan_disk *d)
{
	for (size_t i = 0; i < p->n_chosen; i++)
		if (p->chosen[i] == d)
			return;
	p->chosen = xreallocarray(p->chosen, p->n_chosen + 1, sizeof(struct plan_disk *));
	p->chosen[p->n_chosen++] = d;
}

static int unknown_disk(const struct plan *p, const char *name, struct error **err)
{
	struct nearest n = nearest_begin(name);
	_cleanup_free_ char *hint = NULL;

	for (size_t i = 0; i < p->n; i++)
		if (p->disks[i].dev)
			nearest_offer(&n, p->disks[i].key);
	hint = nearest_hint(&n);
	return error_set(err, ERR_NOT_FOUND, "disk '%s' is not in the archive%s%s", name, hint,
			 *hint ? "" : " (vma list shows what there is)");
}

int plan_choose(struct plan *p, char *const *keys, struct error **err)
{
	for (size_t i = 0; !keys && i < p->n; i++)
		choose_disk(p, &p->disks[i]);
	for (size_t i = 0; keys && keys[i]; i++) {
		struct plan_disk *d = plan_find(p, keys[i]);

		if (!d || !d->dev)
			return unknown_disk(p, keys[i], err);
		choose_disk(p, d);
	}
	return 0;
}

uint64_t plan_volume_size(const struct plan_disk *d)
{
	return (d->size + KIB - 1) / KIB * KIB;
}
