/*
 * What the fuzzers feed, one function a parser.  tests/unit/test-vma-corpus.c replays tests/fuzz/corpus
 * through the same.  Checksums are put right first, or nothing would get past them.
 */
#ifndef VZDUMP_TESTS_FUZZ_TARGETS_H
#define VZDUMP_TESTS_FUZZ_TARGETS_H

#include <fcntl.h>
#include <md5.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strv.h"
#include "libvirt/domain-config.h"
#include "libvirt/xml.h"
#include "notify/answer.h"
#include "notify/config.h"
#include "notify/mail.h"
#include "notify/smtp-talk.h"
#include "notify/template.h"
#include "restore/libvirt-rewrite.h"
#include "restore/plan.h"
#include "stream/bytes.h"
#include "vma/base.h"
#include "vma/format-internal.h"
#include "vma/index.h"
#include "vma/random.h"
#include "vma/reader.h"

#include "base-recipe.h"

#define FUZZ_MAX ((size_t)1 << 20)

static inline void fuzz_fix_md5(uint8_t *p, size_t len, size_t field)
{
	MD5_CTX md5;

	memset(p + field, 0, VMA_MD5_SIZE);
	MD5Init(&md5);
	MD5Update(&md5, p, len);
	MD5Final(p + field, &md5);
}

static inline uint8_t *fuzz_copy(const uint8_t *data, size_t len)
{
	uint8_t *copy = xmalloc(len + 1);

	if (len)
		memcpy(copy, data, len);
	return copy;
}

static inline void fuzz_header(const uint8_t *data, size_t len)
{
	_cleanup_free_ uint8_t *copy = fuzz_copy(data, len);
	_cleanup_vma_header_ struct vma_header h = { 0 };
	size_t size = 0;

	if (len >= VMA_HEADER_SIZE && vma_header_size(copy, &size, NULL) == 0 && size <= len)
		fuzz_fix_md5(copy, size, VMA_H_MD5);
	(void)vma_header_decode(copy, len, &h, NULL);
}

static inline void fuzz_extent(const uint8_t *data, size_t len)
{
	uint8_t raw[VMA_EXTENT_HEADER_SIZE] = { 0 };
	uint8_t uuid[VMA_UUID_SIZE];
	size_t size = 0;

	memcpy(raw, data, len < sizeof(raw) ? len : sizeof(raw));
	memcpy(uuid, raw + VMA_E_UUID, sizeof(uuid));
	fuzz_fix_md5(raw, sizeof(raw), VMA_E_MD5);
	if (vma_extent_header_decode(raw, uuid, &size, NULL) == 0 && size > VMA_EXTENT_MAX_SIZE)
		abort();
}

/* A part of the index, unpacked; and the same bytes as a packed one. */
static inline void fuzz_index(const uint8_t *data, size_t len)
{
	static const uint8_t uuid[VMA_UUID_SIZE];
	struct vma_index_cursor c = { .at = data, .end = data + len };
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct vma_index_run run;

	while (vma_index_next(&c, &run, NULL) > 0)
		if (!run.n || run.first + run.n > UINT32_MAX)
			abort();
	(void)vma_index_unpack(data, len, uuid, VMA_INDEX_PART, &out, NULL);
}

struct fuzz_disks {
	uint64_t sizes[VMA_MAX_DEVICES + 1];
};

static inline int fuzz_data(void *opaque, uint8_t dev, uint64_t offset, const void *data, size_t len,
			    struct error **err)
{
	const struct fuzz_disks *d = opaque;
	volatile uint8_t last = ((const uint8_t *)data)[len - 1];

	(void)last;
	(void)err;
	if (offset > d->sizes[dev] || len > d->sizes[dev] - offset)
		abort();
	return 0;
}

static inline void fuzz_damage(void *opaque, const char *text)
{
	(void)opaque;
	(void)text;
}

static inline void fuzz_read(int fd, bool tolerant)
{
	const struct vma_receiver receiver = { .data = fuzz_data, .damage = tolerant ? fuzz_damage : NULL };
	_cleanup_(vma_reader_freep) struct vma_reader *reader = NULL;
	struct fuzz_disks d = { 0 };
	bool index;

	lseek(fd, 0, SEEK_SET);
	if (vma_reader_new(fd, 1, NULL, &reader, NULL) < 0)
		return;
	for (unsigned i = 1; i <= VMA_MAX_DEVICES; i++)
		if (vma_reader_header(reader)->devices[i].name)
			d.sizes[i] = vma_reader_header(reader)->devices[i].size;
	if (vma_reader_run(reader, &receiver, &d, NULL) == 0)
		(void)vma_index_check(fd, reader, &index, NULL);
}

/* Puts right the checksums of a plain archive as far as it is one. */
static inline void fuzz_fix_archive(uint8_t *p, size_t len)
{
	size_t at = 0;

	if (len < VMA_HEADER_SIZE || vma_header_size(p, &at, NULL) < 0 || at > len)
		return;
	fuzz_fix_md5(p, at, VMA_H_MD5);
	while (len - at >= VMA_EXTENT_HEADER_SIZE) {
		size_t size = VMA_EXTENT_HEADER_SIZE +
			      (size_t)get_be16(p + at + VMA_E_BLOCK_COUNT) * VMA_BLOCK_SIZE;

		fuzz_fix_md5(p + at, VMA_EXTENT_HEADER_SIZE, VMA_E_MD5);
		if (size > len - at)
			return;
		at += size;
	}
}

static inline void fuzz_archive(const uint8_t *data, size_t len)
{
	_cleanup_free_ uint8_t *copy = fuzz_copy(data, len);
	_cleanup_close_ int fd = memfd_create("fuzz", MFD_CLOEXEC);

	fuzz_fix_archive(copy, len);
	if (len > FUZZ_MAX || io_pwrite_all(fd, copy, len, 0) < 0)
		return;
	fuzz_read(fd, false);
	fuzz_read(fd, true);
}

/* Seek table, index and frames of a file, read at a few places of each disk. */
static inline void fuzz_random(const uint8_t *data, size_t len)
{
	_cleanup_(vma_random_freep) struct vma_random *r = NULL;
	_cleanup_close_ int fd = memfd_create("fuzz", MFD_CLOEXEC);
	_cleanup_free_ char *path = xasprintf("/proc/self/fd/%d", fd);
	uint8_t out[3 * VMA_CLUSTER_SIZE];

	if (len > FUZZ_MAX || io_pwrite_all(fd, data, len, 0) < 0 || vma_random_open(path, 1, &r, NULL) < 0)
		return;
	for (unsigned i = 1; i <= VMA_MAX_DEVICES; i++) {
		const struct vma_device *d = &vma_random_header(r)->devices[i];
		uint64_t n, at = 0;

		for (unsigned k = 0; d->name && k < 8 && at < d->size; k++, at += n) {
			size_t part = d->size - at < sizeof(out) ? (size_t)(d->size - at) : sizeof(out);

			(void)vma_random_read(r, (uint8_t)i, at, out, part, NULL);
			(void)vma_random_is_zero(r, (uint8_t)i, at, d->size - at, &n);
			if (!n || n > d->size - at)
				abort();
		}
	}
}

/* All that can be asked of a base; what it says must fit together. */
static inline void fuzz_ask_base(struct vma_base *b)
{
	_cleanup_(vma_base_walk_freep) struct vma_base_walk *w = vma_base_walk_new(b, 0);
	uint64_t keys[VMA_CLUSTERS_PER_EXTENT];
	struct vma_base_unpacked u;
	struct vma_trailer t;
	unsigned n, asked = 0;
	uint32_t frame, row;

	if (vma_base_unpacked_init(&u, NULL) < 0)
		abort();
	while (vma_base_walk_next(w, &frame, keys, &n) && asked++ < 64) {
		struct vma_base_span p;

		vma_base_span(b, frame, &p);
		if (!n || n > VMA_CLUSTERS_PER_EXTENT || n != vma_base_frame_clusters(b, frame) ||
		    p.offset + p.frame + p.trailer > vma_base_file_size(b))
			abort();
		for (unsigned i = 0; i < n; i++)
			if (vma_base_find(b, (uint8_t)(keys[i] >> 32), (uint32_t)keys[i], &row) != frame ||
			    !row)
				abort();
		if (vma_base_trailer(b, frame, &t, NULL) == 0 &&
		    (t.n != n || t.entries[n - 1].key != keys[n - 1]))
			abort();
		if (vma_base_unpack(b, frame, &u, NULL) < 0)
			continue;
		for (unsigned i = 0; i < n; i++)
			if (u.blocks[i] < u.content || u.blocks[i] >= u.content + VMA_EXTENT_MAX_SIZE)
				abort();
	}
	for (frame = 0; frame < vma_base_frames(b) && frame < 64; frame++)
		if (!vma_base_frame_dev(b, frame) && vma_base_unpack(b, frame, &u, NULL) == 0)
			abort();
	vma_base_unpacked_clear(&u);
}

static inline void fuzz_open_base(const void *data, size_t len)
{
	_cleanup_(vma_base_freep) struct vma_base *b = NULL;
	_cleanup_vma_header_ struct vma_header h = { 0 };
	_cleanup_vma_chain_ struct vma_chain c = { 0 };
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	if (io_pwrite_all(fd, data, len, 0) < 0)
		abort();
	(void)vma_chain_read(fd, &h, &c, NULL);
	if (vma_base_open(fd, "base", &b, NULL) == 0)
		fuzz_ask_base(b);
}

/* The base of an incremental backup: a file, or a recipe for one behind a first byte of 0. */
static inline void fuzz_base(const uint8_t *data, size_t len)
{
	struct chained c;

	if (!len || len > FUZZ_MAX)
		return;
	if (*data) {
		fuzz_open_base(data, len);
		return;
	}
	recipe_cook(data + 1, len - 1, &c);
	fuzz_open_base(c.file.data, c.file.len);
	chained_clear(&c);
}

/* A line of a restored configuration: a comment, our disk, or a key that names nothing of this host. */
static inline bool fuzz_is_harmless(const char *line)
{
	static const char *const host[] = { "args",     "hookscript", "hostpci",  "parallel",
					    "virtiofs", "ivshmem",    "cicustom", "vmstate",
					    "lock",     "parent",     "unused",   "[" };

	for (size_t i = 0; i < ARRAY_SIZE(host); i++)
		if (str_prefix(line, host[i], NULL))
			return false;
	if (str_prefix(line, "serial", NULL))
		return str_suffix(line, ": socket");
	return *line == '#' || str_prefix(line, "scsi0: local:100/x", NULL) || strchr(line, ':') != NULL;
}

/* The configuration of an archive, whose one disk is scsi0. */
static inline void fuzz_plan(const uint8_t *data, size_t len)
{
	static const struct plan_guest guest = { .vmid = 100, .unique = true };
	_cleanup_vma_header_ struct vma_header h = { 0 };
	_cleanup_plan_ struct plan plan = { 0 };
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct plan_disk *disk;

	if (len > 65535 || vma_header_add_config(&h, "qemu-server.conf", data, len, NULL) < 0)
		return;
	h.devices[1] = (struct vma_device){ .name = xstrdup("drive-scsi0"), .size = 65536 };
	if (plan_read(&h, PLAN_WHOLE_GUEST, NULL, &plan, NULL) < 0)
		return;
	disk = plan_find(&plan, "drive-scsi0");
	if (!disk)
		abort();
	disk->volid = xstrdup("local:100/x");
	if (plan_config(&plan, &guest, NULL, &out, NULL) < 0)
		return;
	for (char *rest = out.data, *line; rest && (line = strsep(&rest, "\n")) != NULL;)
		if (*line && !fuzz_is_harmless(line))
			abort();
}

/* No attribute that names a file or socket of this host is left, but those of the restored disk. */
static inline void fuzz_check_attributes(const xmlNode *n)
{
	static const char *const names[] = { "file",  "path", "dir",   "socket",  "rendernode",
					     "evdev", "tap",  "vhost", "logFile", "audioDev" };

	for (const xmlAttr *a = n->type == XML_ELEMENT_NODE ? n->properties : NULL; a; a = a->next)
		for (size_t i = 0; i < ARRAY_SIZE(names); i++)
			if (!strcmp((const char *)a->name, names[i]) && a->children && a->children->content &&
			    strcmp((const char *)a->children->content, "/new/x") != 0)
				abort();
	for (const xmlNode *child = xmlFirstElementChild((xmlNode *)n); child;
	     child = xmlNextElementSibling((xmlNode *)child))
		fuzz_check_attributes(child);
}

/* libvirt's XML of a guest, from an archive or from a guest's owner. */
static inline void fuzz_domain(const uint8_t *data, size_t len)
{
	static const struct libvirt_file file = { .key = "virtio0", .path = "/new/x" };
	static const struct libvirt_new guest = { .name = "new", .unique = true, .files = &file, .n = 1 };
	_cleanup_free_ char *text = xstrndup(len ? (const char *)data : "", len);
	_cleanup_buf_ struct buf config = BUF_INIT, xml = BUF_INIT;
	_cleanup_domain_ struct domain d = { 0 }, rewritten = { 0 };
	_cleanup_strv_ char **warnings = NULL;

	if (domain_parse(text, &d, NULL) < 0)
		return;
	(void)domain_to_config(&d, &warnings, &config, NULL);
	if (libvirt_rewrite(text, &guest, NULL, &xml, NULL) < 0)
		return;
	if (domain_parse(buf_str(&xml), &rewritten, NULL) < 0)
		abort();
	if (xml_find(rewritten.node, "devices"))
		fuzz_check_attributes(xml_find(rewritten.node, "devices"));
}

/* A template that somebody has written, over data of each kind. */
static inline void fuzz_template(const uint8_t *data, size_t len)
{
	static const char json[] =
		"{\"a\":1,\"s\":\"<b>&'\",\"t\":true,\"n\":null,\"d\":1.5,\"arr\":[1,[2,3],{\"x\":4}],"
		"\"o\":{\"p\":\"P\",\"q-r\":[]},\"tab\":{\"schema\":{\"columns\":[{\"label\":\"L\","
		"\"id\":\"x\",\"renderer\":\"human-bytes\"}]},\"data\":[{\"x\":1024},{\"x\":null}]}}";
	_cleanup_json_ struct json_object *values = json_tokener_parse(json);
	_cleanup_free_ char *text = xstrndup(len ? (const char *)data : "", len);

	for (unsigned i = 0; i < 2; i++) {
		_cleanup_buf_ struct buf out = BUF_INIT;
		_cleanup_error_ struct error *err = NULL;
		int r = template_render(text, values, i ? TEMPLATE_HTML : TEMPLATE_TEXT, &out, &err);

		if (r < 0 && (out.len || !err || !str_prefix(err->message, "line ", NULL)))
			abort();
	}
}

static inline void fuzz_put(const struct paths *p, const char *name, const char *text, size_t len)
{
	_cleanup_free_ char *path = paths_get(p, "%s", name), *folder = io_parent(path);
	_cleanup_close_ int fd = -1;

	if (io_mkdir_p(folder, 0700, NULL) < 0)
		abort();
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || io_write_all(fd, text, len) < 0)
		abort();
}

/* The headers of its mails are there and in order, whatever the names in them are. */
static inline void fuzz_mail(const struct notify_config *c, const struct notification *n)
{
	for (size_t i = 0; i < c->n_endpoints; i++) {
		const struct notify_endpoint *e = &c->endpoints[i];
		const struct mail_head head = { e->author ? e->author : "",
						e->from_address ? e->from_address : "",
						(const char *const *)e->mailto };
		const struct notify_message m = { .time = n->time, .title = e->name, .text = "" };
		_cleanup_buf_ struct buf mail = BUF_INIT;
		const char *at;

		if (!e->mailto)
			continue;
		mail_compose(&head, &m, MAIL_LF, &mail);
		at = strstr(buf_str(&mail), "\nFrom: ");
		at = at ? strstr(at, "\nTo: ") : NULL;
		at = at ? strstr(at, "\nDate: ") : NULL;
		if (!at || !strstr(at, "\nAuto-Submitted: auto-generated;\n\n"))
			abort();
	}
}

/* Both files of notifications, with a line "%%" between. */
static inline void fuzz_notifications(const uint8_t *data, size_t len)
{
	static const struct notify_field field = { "type", "vzdump" };
	const struct notification n = { .time = 1796002200, .fields = &field, .n_fields = 1 };
	char dir[] = "/tmp/vzdump-fuzz-XXXXXX";
	_cleanup_free_ char *text = (char *)fuzz_copy(data, len);
	_cleanup_notify_config_ struct notify_config c = { 0 };
	_cleanup_error_ struct error *err = NULL;
	const char *second = len ? memmem(text, len, "\n%%\n", 4) : NULL;
	const size_t first = second ? (size_t)(second - text) + 1 : len;
	struct paths p;

	if (!mkdtemp(dir))
		abort();
	paths_init(&p, dir);
	fuzz_put(&p, "/etc/pve/notifications.cfg", text, first);
	fuzz_put(&p, "/etc/pve/priv/notifications.cfg", second ? second + 4 : "",
		 second ? len - first - 3 : 0);
	if (notify_config_load(&p, NULL, &c, &err) < 0 &&
	    (c.n_endpoints || !err || strchr(err->message, '\n')))
		abort();
	for (size_t i = 0; i < c.n_matchers; i++)
		(void)matcher_matches(&c.matchers[i], &n, NULL);
	fuzz_mail(&c, &n);
	io_remove_tree(dir, NULL);
	paths_clear(&p);
}

/* What a mail server says, as lines: those that begin with ">" are ours.  No error has the secret in it. */
static inline void fuzz_smtp(const uint8_t *data, size_t len)
{
	static const char *const recipients[] = { "a@x", "b@x", NULL }, *const secrets[] = { "hunter2!",
											     NULL };
	_cleanup_free_ char *text = (char *)fuzz_copy(data, len), *excerpt = NULL;
	struct smtp_talk t;

	smtp_talk_init(&t, recipients, secrets);
	for (size_t at = 0, n; at < len; at += n) {
		const char *line = text + at, *end = memchr(line, '\n', len - at);

		n = end ? (size_t)(end - line) + 1 : len - at;
		if (*line == '>')
			smtp_talk_sent(&t, line + 1, n - 1);
		else
			smtp_talk_heard(&t, line, n);
	}
	if (t.refused > t.asked || (t.failed && !t.why.len) || strcasestr(buf_str(&t.why), "hunter2") ||
	    strcasestr(buf_str(&t.names), "hunter2") || !smtp_step_name(t.failed_step))
		abort();
	smtp_talk_clear(&t);
	excerpt = answer_excerpt(text, len, secrets);
	if (excerpt && (strcasestr(excerpt, "hunter2") || strchr(excerpt, '\n')))
		abort();
}

#endif
