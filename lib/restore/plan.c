#include "restore/plan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"

#define CLOUDINIT_SIZE (UINT64_C(4) << 20)
#define MAX_CONFIG     (1u << 20)

bool plan_is_disk_key(const char *key)
{
	static const struct {
		const char *bus;
		uint64_t n;
	} buses[] = { { "ide", 4 }, { "scsi", 31 }, { "virtio", 16 }, { "sata", 6 },
		      { "efidisk", 1 }, { "tpmstate", 1 } };

	for (size_t i = 0; i < ARRAY_SIZE(buses); i++) {
		const char *number;
		uint64_t n;

		if (str_prefix(key, buses[i].bus, &number) && (number[0] != '0' || !number[1]) &&
		    units_parse_u64(number, 0, buses[i].n - 1, "number", &n, NULL) == 0)
			return true;
	}
	return false;
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

static struct plan_disk *add_disk(struct plan *p, const char *key)
{
	struct plan_disk *d;

	p->disks = xreallocarray(p->disks, p->n + 1, sizeof(*p->disks));
	d = &p->disks[p->n++];
	*d = (struct plan_disk){ 0 };
	snprintf(d->key, sizeof(d->key), "%s", key);
	return d;
}

/* ---- lines ---- */

/* "key: value" of a line, both copies; false for comments and all else. */
static bool split_line(const char *line, char **ret_key, char **ret_value)
{
	const char *colon = strchr(line, ':');

	if (*line == '#' || *line == '[' || !colon || colon == line)
		return false;
	*ret_key = xstrndup(line, (size_t)(colon - line));
	*ret_value = xstrdup(colon + 1 + strspn(colon + 1, " \t"));
	return true;
}

/* "local:100/x.raw" of "local:100/x.raw,size=8M" or "file=local:...".  Caller frees. */
static char *volume_of(const char *value)
{
	str_prefix(value, "file=", &value);
	return xstrndup(value, strcspn(value, ","));
}

/* True if the comma list has the word. */
bool plan_has_option(const char *value, const char *word)
{
	_cleanup_free_ char *copy = xstrdup(value);
	char *save = NULL;

	for (char *part = strtok_r(copy, ",", &save); part; part = strtok_r(NULL, ",", &save))
		if (!strcmp(part, word))
			return true;
	return false;
}

static bool is_cloudinit(const char *value)
{
	_cleanup_free_ char *volume = volume_of(value);

	return plan_has_option(value, "media=cdrom") && strstr(volume, "cloudinit");
}

/* ---- reading ---- */

/* "scsi0:drive-scsi0:local-zfs:raw:", empty fields allowed behind the second. */
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
					 "the archive's configuration has a bad line '#qmdump#map:%s'",
					 text);
		*at++ = '\0';
	}
	if (!plan_is_disk_key(fields[0]) || plan_find(p, fields[0]) || plan_find(p, fields[1]))
		return error_set(err, ERR_CORRUPT,
				 "the archive's configuration maps '%s' to '%s': no disk is called so, "
				 "or twice",
				 fields[1], fields[0]);
	d = add_disk(p, fields[0]);
	d->device = xstrdup(fields[1]);
	d->storage = *fields[2] ? xstrdup(fields[2]) : NULL;
	d->format = *fields[3] ? xstrdup(fields[3]) : NULL;
	return 0;
}

static void read_cloudinit(struct plan *p, const char *key, const char *value)
{
	struct plan_disk *d;
	const char *colon;

	if (!plan_is_disk_key(key) || !is_cloudinit(value) || plan_find(p, key))
		return;
	d = add_disk(p, key);
	d->cloudinit = true;
	d->size = CLOUDINIT_SIZE;
	str_prefix(value, "file=", &value);
	colon = strchr(value, ':');
	d->storage = colon ? xstrndup(value, (size_t)(colon - value)) : NULL;
}

static int read_line(struct plan *p, const char *line, bool maps, struct error **err)
{
	_cleanup_free_ char *key = NULL, *value = NULL;
	const char *rest;

	if (maps)
		return str_prefix(line, "#qmdump#map:", &rest) ? read_map(p, rest, err) : 0;
	if (split_line(line, &key, &value))
		read_cloudinit(p, key, value);
	return 0;
}

static int read_lines(struct plan *p, bool maps, struct error **err)
{
	_cleanup_free_ char *copy = xstrdup(p->config);
	char *save = NULL;
	int r = 0;

	for (char *line = strtok_r(copy, "\n", &save); r == 0 && line;
	     line = strtok_r(NULL, "\n", &save))
		r = read_line(p, line, maps, err);
	return r;
}

static int find_device(struct plan *p, const struct vma_header *h, unsigned dev,
		       const struct log *log, struct error **err)
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
					 "the archive does not tell what its disk '%s' belongs to; "
					 "vma extract gets it out",
					 name);
		d = add_disk(p, key);
		d->device = xstrdup(name);
	}
	d->dev = (uint8_t)dev;
	d->size = h->devices[dev].size;
	return 0;
}

/* Mapped, but not there: not restored then. */
static void drop_absent(struct plan *p, const struct log *log)
{
	for (size_t i = 0; i < p->n;) {
		struct plan_disk *d = &p->disks[i];

		if (d->dev || d->cloudinit) {
			i++;
			continue;
		}
		log_warn(log, "the archive has no data for '%s'", d->key);
		free(d->device);
		free(d->storage);
		free(d->format);
		memmove(d, d + 1, (--p->n - i) * sizeof(*d));
	}
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

int plan_read(const struct vma_header *h, const struct log *log, struct plan *ret,
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
	if (r < 0)
		return r;
	drop_absent(&p, log);
	r = read_lines(&p, false, err);
	if (r == 0) {
		*ret = p;
		p = (struct plan){ 0 };
	}
	return r;
}
