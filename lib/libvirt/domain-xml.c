/* What a backup has to know of a libvirt guest, from its XML. */
#include "libvirt/domain-xml.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "libvirt/disk-keys.h"
#include "libvirt/xml.h"

enum {
	MIN_VMID = 100,
	MAX_VMID = 999999999,
};

static void clear_disk(struct domain_disk *d)
{
	free(d->target);
	free(d->bus);
	free(d->device);
	free(d->path);
	free(d->pool);
	free(d->volume);
	free(d->remote);
	free(d->format);
	free(d->alias);
}

void domain_clear(struct domain *d)
{
	for (size_t i = 0; i < d->n; i++)
		clear_disk(&d->disks[i]);
	free(d->disks);
	free(d->name);
	free(d->nvram);
	free(d->nvram_format);
	strv_free(d->unknown);
	xmlFreeDoc(d->doc);
	*d = (struct domain){ 0 };
}

/* ---- one disk ---- */

/* "rbd:pool/image", "nfs:", "nvme" */
static char *remote_name(const xmlNode *disk, const char *type)
{
	_cleanup_free_ char *protocol = xml_get(disk, "source/@protocol");
	_cleanup_free_ char *name = xml_get(disk, "source/@name");

	if (!protocol)
		return xstrdup(type);
	return name ? xasprintf("%s:%s", protocol, name) : xstrdup(protocol);
}

static void read_source(const xmlNode *node, struct domain_disk *d)
{
	_cleanup_free_ char *type = xml_get(node, "@type");

	if (!xml_find(node, "source")) {
		d->source = DOMAIN_SOURCE_NONE;
	} else if (!type || !strcmp(type, "file")) {
		d->path = xml_get(node, "source/@file");
		d->source = d->path ? DOMAIN_SOURCE_FILE : DOMAIN_SOURCE_NONE;
	} else if (!strcmp(type, "block")) {
		d->path = xml_get(node, "source/@dev");
		d->source = d->path ? DOMAIN_SOURCE_BLOCK : DOMAIN_SOURCE_NONE;
	} else if (!strcmp(type, "volume")) {
		d->source = DOMAIN_SOURCE_VOLUME;
		d->pool = xml_get(node, "source/@pool");
		d->volume = xml_get(node, "source/@volume");
	} else {
		d->source = !strcmp(type, "network") ? DOMAIN_SOURCE_NETWORK : DOMAIN_SOURCE_OTHER;
		d->remote = remote_name(node, type);
	}
}

static void read_disk(xmlNode *node, struct domain_disk *d)
{
	d->node = node;
	d->bus = xml_get(node, "target/@bus");
	d->device = xml_get(node, "@device");
	if (!d->device)
		d->device = xstrdup("disk");
	d->format = xml_get(node, "driver/@type");
	d->alias = xml_get(node, "alias/@name");
	d->readonly = xml_find(node, "readonly");
	d->shareable = xml_find(node, "shareable");
	d->transient = xml_find(node, "transient");
	read_source(node, d);
}

struct domain_disk *domain_find_disk(const struct domain *d, const char *name)
{
	for (size_t i = 0; i < d->n; i++)
		if (!strcmp(d->disks[i].target, name) || !strcmp(d->disks[i].key, name))
			return &d->disks[i];
	return NULL;
}

/* A target becomes a part of file names, too. */
static bool is_target(const char *s)
{
	size_t n = 0;

	while (isascii(s[n]) && isalnum((unsigned char)s[n]))
		n++;
	return n && n <= 16 && !s[n];
}

static int add_disk(struct domain *d, xmlNode *node, struct error **err)
{
	_cleanup_free_ char *target = xml_get(node, "target/@dev");

	if (!target || !is_target(target))
		return error_set(err, ERR_INVALID, "a disk of the XML has no target, or none like 'vda'");
	if (domain_find_disk(d, target))
		return error_set(err, ERR_INVALID, "two disks of the XML have the target '%s'", target);
	d->disks = xreallocarray(d->disks, d->n + 1, sizeof(*d->disks));
	d->disks[d->n] = (struct domain_disk){ .target = TAKE_PTR(target) };
	read_disk(node, &d->disks[d->n++]);
	return 0;
}

/* ---- the guest ---- */

/* Our element, or NULL. */
static const xmlNode *find_metadata(const xmlNode *domain)
{
	const xmlNode *metadata = xml_find(domain, "metadata");

	for (const xmlNode *n = metadata ? metadata->children : NULL; n; n = n->next)
		if (n->type == XML_ELEMENT_NODE && n->ns && n->ns->href &&
		    !strcmp((const char *)n->ns->href, DOMAIN_METADATA_URI) &&
		    !strcmp((const char *)n->name, "guest"))
			return n;
	return NULL;
}

static int read_metadata(struct domain *d, struct error **err)
{
	const xmlNode *ours = find_metadata(d->node);
	_cleanup_free_ char *vmid = xml_get(ours, "@vmid");
	_cleanup_free_ char *exclude = xml_get(ours, "@exclude");
	_cleanup_strv_ char **names = strv_split_list(exclude ? exclude : "");
	uint64_t number;
	int r;

	if (vmid) {
		r = units_parse_u64(vmid, MIN_VMID, MAX_VMID, "vmid in the guest's metadata", &number, err);
		if (r < 0)
			return r;
		d->vmid = (uint32_t)number;
	}
	for (size_t i = 0; names[i]; i++) {
		struct domain_disk *disk = domain_find_disk(d, names[i]);

		if (disk)
			disk->excluded = true;
		else
			strv_add(&d->unknown, names[i]);
	}
	return 0;
}

/* Since libvirt 8.5 the file may stand in an element of its own. */
static void read_nvram(struct domain *d)
{
	d->nvram = xml_get(d->node, "os/nvram/source/@file");
	if (!d->nvram)
		d->nvram = xml_get(d->node, "os/nvram/source/@dev");
	if (!d->nvram && !xml_find(d->node, "os/nvram/source"))
		d->nvram = xml_get(d->node, "os/nvram");
	if (d->nvram && *d->nvram != '/') {
		free(d->nvram);
		d->nvram = NULL;
	}
	if (!d->nvram)
		return;
	d->nvram_format = xml_get(d->node, "os/nvram/@format");
	if (!d->nvram_format)
		d->nvram_format = xstrdup("raw");
}

static bool find_agent(const xmlNode *domain)
{
	for (const xmlNode *n = xml_find(domain, "devices/channel"); n; n = xml_next(n))
		if (xml_equals(n, "target/@name", "org.qemu.guest_agent.0"))
			return true;
	return false;
}

static int read_uuid(struct domain *d, struct error **err)
{
	_cleanup_free_ char *uuid = xml_get(d->node, "uuid");

	if (!uuid)
		return 0;
	if (strlen(uuid) != UUID_TEXT_SIZE - 1 ||
	    strspn(uuid, "0123456789abcdefABCDEF-") != UUID_TEXT_SIZE - 1)
		return error_set(err, ERR_INVALID, "the uuid '%s' of the XML is none", uuid);
	for (size_t i = 0; i < UUID_TEXT_SIZE; i++)
		d->uuid[i] = (char)tolower((unsigned char)uuid[i]);
	return 0;
}

/* libvirt would read the elements of both, but libvirt never writes two. */
static int check_single(const struct domain *d, struct error **err)
{
	static const char *const names[] = { "name", "uuid", "metadata", "os", "devices" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const xmlNode *first = xml_find(d->node, names[i]);

		if (first && xml_next(first))
			return error_set(err, ERR_INVALID, "the XML has two elements <%s>", names[i]);
	}
	return 0;
}

static int read_domain(struct domain *d, struct error **err)
{
	int r;

	d->node = xmlDocGetRootElement(d->doc);
	r = check_single(d, err);
	if (r < 0)
		return r;
	d->name = xml_get(d->node, "name");
	if (!d->name || !*d->name)
		return error_set(err, ERR_INVALID, "the XML has no name of a guest");
	d->running = xmlHasProp(d->node, (const xmlChar *)"id");
	d->has_agent = find_agent(d->node);
	d->has_tpm = xml_equals(d->node, "devices/tpm/backend/@type", "emulator");
	read_nvram(d);
	r = read_uuid(d, err);
	for (xmlNode *n = xml_find(d->node, "devices/disk"); r == 0 && n; n = xml_next(n))
		r = add_disk(d, n, err);
	if (r == 0)
		r = read_metadata(d, err);
	if (r == 0)
		r = disk_keys_assign(d->disks, d->n, err);
	return r;
}

int domain_parse(const char *text, struct domain *ret, struct error **err)
{
	_cleanup_domain_ struct domain d = { 0 };
	int r = xml_parse(text, "domain", &d.doc, err);

	if (r == 0)
		r = read_domain(&d, err);
	if (r < 0)
		return error_wrap(err, r, "XML of a libvirt guest");
	*ret = d;
	d = (struct domain){ 0 };
	return 0;
}

char *domain_exclude_command(const struct domain *d, const struct domain_disk *disk)
{
	_cleanup_free_ char *name = str_shellquote(d->name);
	_cleanup_free_ char *id = d->vmid ? xasprintf("vmid=\"%" PRIu32 "\" ", d->vmid) : xstrdup("");
	_cleanup_strv_ char **targets = NULL;
	_cleanup_free_ char *list = NULL;

	for (size_t i = 0; i < d->n; i++)
		if (d->disks[i].excluded || &d->disks[i] == disk)
			strv_add(&targets, d->disks[i].target);
	list = strv_join(targets, ",");
	return xasprintf("virsh metadata %s " DOMAIN_METADATA_URI
			 " --key vzdump --set '<guest %sexclude=\"%s\"/>' "
			 "--config%s",
			 name, id, list, d->running ? " --live" : "");
}
