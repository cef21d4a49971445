#include "restore/libvirt-restore.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "libvirt/connection.h"
#include "libvirt/domain-xml.h"
#include "libvirt/xml.h"
#include "restore/fill.h"
#include "restore/libvirt-images.h"
#include "restore/libvirt-make.h"
#include "restore/libvirt-rewrite.h"
#include "restore/plan.h"
#include "restore/stuck.h"

enum {
	MAX_NAME = 200, /* bytes: it is a part of file names */
};

struct restore {
	struct restore_context context;
	const struct libvirt_restore *to;
	struct vma_reader *reader;
	struct plan plan;
	struct targets targets;
	struct libvirt_images images;
	char *xml;            /* of the archive, NULL: none */
	struct domain domain; /* of that XML, empty without one */
};

/* ---- before anything is made ---- */

static int check_name(const char *name, struct error **err)
{
	bool good = *name && *name != '.' && *name != '-' && strlen(name) <= MAX_NAME &&
		    xmlCheckUTF8((const xmlChar *)name);

	for (const char *at = name; good && *at; at++)
		good = (unsigned char)*at >= ' ' && *at != 0x7f && *at != '/';
	if (good)
		return 0;
	return error_set(
		err, ERR_INVALID,
		"option --libvirt: '%s' cannot be a guest's name, which has no slash, does not begin with a "
		"dot or dash, and is short",
		name);
}

/* The guest of that name in libvirt is left alone, whatever it is. */
static int check_absent(const struct restore *x, struct error **err)
{
	_cleanup_error_ struct error *mine = NULL;
	struct libvirt_state state;
	int r = libvirt_get_state(x->to->uri, x->to->name, x->context.host->cancel, &state, &mine);

	if (r == 0)
		return error_set(
			err, -EEXIST,
			"libvirt has a guest '%s' already: give another name, or see 'virsh undefine'",
			x->to->name);
	if (r == ERR_NOT_FOUND)
		return 0;
	error_keep_first(err, &mine);
	return r;
}

static int read_xml(struct restore *x, const struct vma_header *h, struct error **err)
{
	for (unsigned i = 0; i < h->n_configs; i++) {
		const struct vma_config *c = &h->configs[i];

		if (!strcmp(c->name, LIBVIRT_XML_NAME) && !memchr(c->data, 0, c->len))
			x->xml = xstrndup((const char *)c->data, c->len);
	}
	return x->xml ? domain_parse(x->xml, &x->domain, err) : 0;
}

static int read_archive(struct restore *x, struct error **err)
{
	const struct restore_params *p = x->context.params;
	const struct host *host = x->context.host;
	int r = vma_reader_new(p->fd, vma_reader_threads(), host->cancel, &x->reader, err);

	if (r < 0)
		return error_wrap(err, r, "cannot read archive '%s'", p->archive);
	r = plan_read(vma_reader_header(x->reader), PLAN_WHOLE_GUEST, host->log, &x->plan, err);
	if (r == 0)
		r = read_xml(x, vma_reader_header(x->reader), err);
	if (r == 0 && p->begin)
		p->begin(p->opaque, vma_reader_header(x->reader));
	return r;
}

/* ---- the disks ---- */

/* "vda"; the key if libvirt has no name for it. */
static const char *part_of(const struct restore *x, const struct plan_disk *d)
{
	const struct domain_disk *disk = domain_find_disk(&x->domain, d->key);

	if (!strcmp(d->key, "efidisk0"))
		return "nvram";
	return disk ? disk->target : d->key;
}

/* libvirt keeps the state of its emulated TPM in another form. */
static bool is_left_out(const struct restore *x, const struct plan_disk *d)
{
	if (strcmp(d->key, "tpmstate0") != 0)
		return false;
	log_warn(x->context.host->log, "the state of the TPM is left out, and the new guest has no TPM");
	return true;
}

static int make_files(struct restore *x, struct error **err)
{
	int r = libvirt_images_init(&x->images, x->to->folder, x->to->name, err);

	for (size_t i = 0; r == 0 && i < x->plan.n; i++) {
		const struct plan_disk *d = &x->plan.disks[i];

		if (!d->dev || is_left_out(x, d))
			continue;
		r = libvirt_images_add(&x->images, d->key, part_of(x, d), d->size, &x->targets.of[d->dev],
				       err);
		if (r == 0)
			log_info(x->context.host->log, "map '%s' to '%s'", d->device,
				 x->images.files[x->images.n - 1].path);
	}
	return r;
}

static int finish_targets(struct targets *t, struct error **err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(t->of); i++)
		if (target_is_open(&t->of[i]))
			r = target_finish(&t->of[i], err);
	return r;
}

static int fill_files(struct restore *x, struct error **err)
{
	const struct restore_params *p = x->context.params;
	const uint64_t bwlimit = p->bwlimit == RESTORE_BWLIMIT_OF_STORAGES ? 0 : p->bwlimit;
	struct stuck stuck;
	int r;

	stuck_watch(&stuck, x->context.host->cancel, p->stuck, p->opaque);
	r = fill_targets(&x->context, x->reader, &x->targets, bwlimit, err);
	if (r == 0 && p->end)
		p->end(p->opaque, vma_reader_stats(x->reader));
	if (r == 0)
		r = finish_targets(&x->targets, err);
	if (r == 0)
		r = libvirt_images_place(&x->images, err);
	stuck_unwatch(&stuck);
	return r;
}

/* ---- the guest ---- */

static int find_kvm(const struct restore *x, bool *ret, struct error **err)
{
	_cleanup_xml_doc_ xmlDoc *doc = NULL;
	_cleanup_free_ char *text = NULL;
	int r = libvirt_get_capabilities(x->to->uri, x->context.host->cancel, &text, err);

	if (r == 0)
		r = xml_parse(text, "domainCapabilities", &doc, err);
	if (r == 0)
		*ret = xml_equals(xmlDocGetRootElement(doc), "domain", "kvm");
	return r;
}

static int define(struct restore *x, struct error **err)
{
	const struct restore_params *p = x->context.params;
	const struct host *host = x->context.host;
	struct libvirt_new guest = { .name = x->to->name,
				     .unique = p->unique,
				     .keep_host_lines = p->keep_host_lines,
				     .files = x->images.files,
				     .n = x->images.n };
	_cleanup_buf_ struct buf xml = BUF_INIT;
	int r = 0;

	if (x->xml)
		r = libvirt_rewrite(x->xml, &guest, host->log, &xml, err);
	else
		r = find_kvm(x, &guest.kvm, err);
	if (r == 0 && !x->xml)
		r = libvirt_make(x->plan.config, &guest, host->log, &xml, err);
	if (r == 0)
		r = libvirt_define(x->to->uri, buf_str(&xml), host->cancel, err);
	return r < 0 ? error_wrap(err, r, "cannot define guest '%s'", x->to->name) : 0;
}

static int do_restore(struct restore *x, struct error **err)
{
	int r = check_name(x->to->name, err);

	if (r == 0)
		r = read_archive(x, err);
	if (r == 0)
		r = check_absent(x, err);
	if (r == 0)
		r = make_files(x, err);
	if (r == 0)
		r = fill_files(x, err);
	if (r == 0)
		r = define(x, err);
	if (r == 0)
		libvirt_images_keep(&x->images);
	return r;
}

int libvirt_restore(const struct host *host, const struct restore_params *p, const struct libvirt_restore *to,
		    struct error **err)
{
	struct restore *x = xcalloc(1, sizeof(*x));
	int r;

	x->context = (struct restore_context){ .host = host, .params = p };
	x->to = to;
	targets_init(&x->targets, host->cancel);
	r = do_restore(x, err);
	targets_clear(&x->targets);
	libvirt_images_clear(&x->images);
	plan_clear(&x->plan);
	domain_clear(&x->domain);
	vma_reader_free(x->reader);
	free(x->xml);
	free(x);
	return r;
}
