/* Chain frames, trailers and hashes: what is written is read back, and nothing that is read is trusted. */
#include <inttypes.h>

#include "tap.h"
#include "vma-pieces.h"

static const uint8_t uuid[VMA_UUID_SIZE] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };
static struct frame_encoder *encoder;

static bool says(const struct error *err, const char *text)
{
	if (err && strstr(err->message, text))
		return true;
	diag("got: %s", error_message(err));
	return false;
}

/* ---- generations ---- */

static bool same_chain(const struct vma_chain *a, const struct vma_chain *b)
{
	return !memcmp(a->gen, b->gen, VMA_GEN_SIZE) && !memcmp(a->base_gen, b->base_gen, VMA_GEN_SIZE) &&
	       a->generation == b->generation && a->align == b->align && a->started == b->started &&
	       a->new_bytes == b->new_bytes && a->kept_frames == b->kept_frames &&
	       a->kept_clusters == b->kept_clusters && !memcmp(&a->secret, &b->secret, sizeof(a->secret)) &&
	       !strcmp(a->base_name, b->base_name);
}

/* Encoded and decoded again. */
static int again(const struct vma_chain *c, struct vma_chain *ret, struct error **err)
{
	_cleanup_buf_ struct buf frame = BUF_INIT;

	if (vma_chain_encode(c, uuid, encoder, &frame, NULL) < 0)
		return -1;
	return vma_chain_decode((const uint8_t *)frame.data, frame.len, uuid, ret, err);
}

static void generations(void)
{
	_cleanup_vma_chain_ struct vma_chain first = { 0 }, other = { 0 }, second = { 0 }, third = { 0 };
	_cleanup_vma_chain_ struct vma_chain read = { 0 };
	char text[VMA_GEN_TEXT_SIZE];
	bool good = vma_chain_begin(&first, 1700000000, 8192, NULL) == 0 &&
		    vma_chain_begin(&other, 1700000000, 8192, NULL) == 0;

	ok(good && memcmp(first.gen, other.gen, VMA_GEN_SIZE) != 0 &&
		   memcmp(&first.secret, &other.secret, sizeof(first.secret)) != 0 && !first.generation &&
		   io_is_zero(first.base_gen, VMA_GEN_SIZE) && !*first.base_name,
	   "a chain begins with a generation and a secret of its own, and without a base");
	ok(again(&first, &read, NULL) == 0 && same_chain(&first, &read), "the first one is read back");
	vma_chain_clear(&read);
	ok(vma_chain_next(&second, &first, "one.vma.zst", NULL) == 0 &&
		   vma_chain_next(&third, &second, "two.vma.zst", NULL) == 0 && third.generation == 2 &&
		   !memcmp(third.base_gen, second.gen, VMA_GEN_SIZE) &&
		   memcmp(third.gen, second.gen, VMA_GEN_SIZE) != 0 &&
		   !memcmp(&third.secret, &first.secret, sizeof(first.secret)) &&
		   third.started == first.started && third.align == 8192,
	   "the next ones know their base, and keep secret, start and boundaries");
	third.new_bytes = UINT64_C(1) << 40;
	third.kept_frames = 77;
	third.kept_clusters = UINT32_MAX;
	ok(again(&third, &read, NULL) == 0 && same_chain(&third, &read) &&
		   !strcmp(read.base_name, "two.vma.zst"),
	   "they are read back");
	vma_gen_text(text, (const uint8_t[]){ 0, 1, 2, 0xab, 0xff, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0x1f });
	ok(!strcmp(text, "000102abff05060708090a0b0c0d0e1f"), "a generation as text: %s", text);
}

static void generations_refused(void)
{
	static const uint32_t aligns[] = { 0, 1, 2048, 12288, 4097, VMA_CHAIN_MAX_ALIGN * 2, UINT32_MAX };
	_cleanup_vma_chain_ struct vma_chain last = { 0 }, next = { 0 };
	_cleanup_error_ struct error *err = NULL, *name = NULL;
	_cleanup_free_ char *long_name = xcalloc(1, 257);
	bool good = true;

	for (size_t i = 0; i < ARRAY_SIZE(aligns); i++) {
		_cleanup_vma_chain_ struct vma_chain c = { 0 };

		good = good && vma_chain_begin(&c, 0, aligns[i], NULL) == ERR_INVALID;
	}
	ok(good && vma_chain_begin(&last, 0, VMA_CHAIN_MAX_ALIGN, NULL) == 0,
	   "frames begin at multiples of a power of two from 4 KiB to 128 KiB");
	last.generation = UINT32_MAX;
	ok(vma_chain_next(&next, &last, "x", &err) == ERR_UNSUPPORTED &&
		   says(err, "no generation comes after"),
	   "no generation comes after the last number");
	vma_chain_clear(&next);
	last.generation = 0;
	memset(long_name, 'x', 256);
	ok(vma_chain_next(&next, &last, "a/b", &name) == ERR_INVALID && says(name, "'a/b' is no name"),
	   "a path is no name of a base");
	vma_chain_clear(&next);
	ok(vma_chain_next(&next, &last, long_name, NULL) == ERR_INVALID, "nor are 256 bytes");
}

/* ---- chain frames that lie ---- */

#define CHAIN_HEAD 40u /* bytes before the zstd frame */

struct body_lie {
	const char *name, *text;
	size_t at; /* in the body */
	size_t len;
	uint8_t value; /* of these bytes */
};

static const struct body_lie body_lies[] = {
	{ "a generation that is all zero", "is not told from others", 0, 16, 0 },
	{ "a base that it does not have", "does not fit its base", 16, 16, 0 },
	{ "a number without a base", "does not fit its base", 32, 4, 0 },
	{ "boundaries at 0", "multiples of no valid number", 36, 4, 0 },
	{ "boundaries that are no power of two", "multiples of no valid number", 36, 4, 0x11 },
	{ "a name with a slash", "its name of the base is not valid", 260, 1, '/' },
	{ "a name with a line break", "its name of the base is not valid", 260, 1, '\n' },
	{ "a name with an end in it", "its name of the base is not valid", 260, 1, 0 },
	{ "a longer name", "or has another length", 256, 1, 13 },
	{ "a shorter name", "or has another length", 256, 1, 10 },
};

/* A second generation, whose base is one.vma.zst. */
static void make_frame(struct buf *frame)
{
	_cleanup_vma_chain_ struct vma_chain first = { 0 }, c = { 0 };

	if (vma_chain_begin(&first, 1700000000, 4096, NULL) < 0 ||
	    vma_chain_next(&c, &first, "one.vma.zst", NULL) < 0 ||
	    vma_chain_encode(&c, uuid, encoder, frame, NULL) < 0)
		abort();
}

/* The same frame with another body. */
static void replace_body(struct buf *frame, const void *body, size_t len)
{
	frame->len = CHAIN_HEAD;
	if (frame_append(encoder, body, len, frame, NULL) < 0)
		abort();
	put_le32((uint8_t *)frame->data + 4, (uint32_t)(frame->len - 8));
}

static int decode(const struct buf *frame, struct error **err)
{
	_cleanup_vma_chain_ struct vma_chain c = { 0 };

	return vma_chain_decode((const uint8_t *)frame->data, frame->len, uuid, &c, err);
}

static void bodies_that_lie(void)
{
	_cleanup_buf_ struct buf frame = BUF_INIT;
	uint8_t body[1000] = { 0 }, hurt[1000];
	_cleanup_error_ struct error *err = NULL;
	size_t n;

	make_frame(&frame);
	ok(decode(&frame, NULL) == 0, "a chain frame");
	if (frame_decode(NULL, body, sizeof(body), (const uint8_t *)frame.data + CHAIN_HEAD,
			 frame.len - CHAIN_HEAD, &n, NULL) < 0)
		abort();
	ok(n == 258 + 11, "has a body of %zu bytes", n);
	for (size_t i = 0; i < ARRAY_SIZE(body_lies); i++) {
		const struct body_lie *lie = &body_lies[i];
		_cleanup_error_ struct error *e = NULL;

		memcpy(hurt, body, sizeof(body));
		memset(hurt + lie->at, lie->value, lie->len);
		replace_body(&frame, hurt, n);
		ok(decode(&frame, &e) == ERR_CORRUPT && says(e, "chain: ") && says(e, lie->text), "%s: %s",
		   lie->name, lie->text);
	}
	memcpy(hurt, body, sizeof(body));
	memcpy(hurt + 16, hurt, 16);
	replace_body(&frame, hurt, n);
	ok(decode(&frame, &err) == ERR_CORRUPT && says(err, "is not told from others"),
	   "a base that is itself");
	for (size_t len = 0; len < 258; len += 257) {
		replace_body(&frame, body, len);
		ok(decode(&frame, NULL) == ERR_CORRUPT, "a body of %zu bytes", len);
	}
	replace_body(&frame, body, 258 + 256);
	ok(decode(&frame, NULL) == ERR_CORRUPT, "a body with a name of 256 bytes");
	replace_body(&frame, body, n);
	ok(decode(&frame, NULL) == 0, "the right one again");
}

static void frames_that_lie(void)
{
	_cleanup_buf_ struct buf frame = BUF_INIT;
	_cleanup_error_ struct error *err = NULL, *version = NULL, *other = NULL, *checksum = NULL;
	uint8_t *p;
	bool good = true;

	make_frame(&frame);
	p = (uint8_t *)frame.data;
	for (size_t len = 0; len < frame.len; len++) {
		_cleanup_vma_chain_ struct vma_chain c = { 0 };
		_cleanup_free_ uint8_t *cut = xmalloc(len + 1);

		memcpy(cut, p, len);
		good = good && vma_chain_decode(cut, len, uuid, &c, NULL) == ERR_CORRUPT &&
		       vma_chain_looks_like(cut, len) == (len >= CHAIN_HEAD);
		if (len >= 8)
			put_le32(cut + 4, (uint32_t)len - 8);
		good = good && vma_chain_decode(cut, len, uuid, &c, NULL) == ERR_CORRUPT;
	}
	ok(good, "a chain frame that is cut anywhere, also one that says so");
	p[16] = 2;
	ok(decode(&frame, &version) == ERR_UNSUPPORTED && says(version, "version 2"), "another version");
	p[16] = 1;
	p[24] ^= 1;
	ok(decode(&frame, &other) == ERR_CORRUPT && says(other, "its uuid is that of another archive"),
	   "another uuid");
	p[24] ^= 1;
	p[frame.len - 1] ^= 1;
	ok(decode(&frame, &checksum) == ERR_CORRUPT && says(checksum, "chain: "), "a wrong checksum");
	p[frame.len - 1] ^= 1;
	for (unsigned i = 0; i < 16; i++) {
		p[i] ^= 1;
		good = good && decode(&frame, NULL) == ERR_CORRUPT;
		p[i] ^= 1;
	}
	ok(good, "another magic, length or text");
	buf_adds(&frame, "more");
	put_le32((uint8_t *)frame.data + 4, (uint32_t)(frame.len - 8));
	ok(decode(&frame, &err) == ERR_CORRUPT && says(err, "it is not one frame"),
	   "more behind its content");
}

/* ---- reading it from an archive ---- */

static struct disk disk = { .name = "drive-scsi0", .size = 700000 };

static int read_from(const struct buf *file, struct vma_header *h, struct vma_chain *c, struct error **err)
{
	_cleanup_close_ int fd = chained_open(file->data, file->len);

	return vma_chain_read(fd, h, c, err);
}

static void check_read_error(const struct buf *file, int code, const char *text, const char *name)
{
	_cleanup_error_ struct error *err = NULL;
	_cleanup_vma_header_ struct vma_header h = { 0 };
	_cleanup_vma_chain_ struct vma_chain c = { 0 };
	int r = read_from(file, &h, &c, &err);

	ok(r == code && says(err, text) && !h.devices[1].name, "%s: %s", name, text);
}

static void reading(void)
{
	_cleanup_vma_header_ struct vma_header h = { 0 };
	_cleanup_vma_chain_ struct vma_chain read = { 0 }, without = { 0 };
	_cleanup_(chained_clear) struct chained c;

	chained_begin(&c, &disk, 1, 4096);
	chained_disk(&c, 1, 4);
	chained_finish(&c);
	ok(read_from(&c.file, &h, &read, NULL) == 0 && same_chain(&c.chain, &read) &&
		   !strcmp(h.devices[1].name, "drive-scsi0") &&
		   read_from(&c.file, NULL, &without, NULL) == 0 && same_chain(&c.chain, &without),
	   "the chain of an archive is read from its end, with the header and without");
}

static uint8_t *table_entry(struct chained *c, uint32_t frame)
{
	return (uint8_t *)c->table.data + (size_t)frame * SEEKTABLE_ENTRY_SIZE;
}

/* An archive whose end is changed: `change` gets the seek table and what is before it, not yet together. */
static void change_end(void (*change)(struct chained *c), bool chain, int code, const char *text,
		       const char *name)
{
	_cleanup_(chained_clear) struct chained c;

	chained_begin(&c, &disk, 1, 4096);
	chained_disk(&c, 1, 4);
	c.no_chain = !chain;
	chained_finish(&c);
	c.file.len -= c.table.len + SEEKTABLE_FOOTER_SIZE + FRAME_SKIPPABLE_HEADER_SIZE;
	change(&c);
	chained_table(&c);
	check_read_error(&c.file, code, text, name);
}

static void change_nothing(struct chained *c)
{
	(void)c;
}

static void root_too_long(struct chained *c)
{
	put_le32(table_entry(c, c->n_frames - 1), 19u << 20);
}

static void chain_too_long(struct chained *c)
{
	put_le32(table_entry(c, c->n_frames - 2), UINT32_MAX);
}

static void root_is_none(struct chained *c)
{
	uint32_t len = get_le32(table_entry(c, c->n_frames - 1));

	c->file.data[c->file.len - len] ^= 8;
}

static void root_is_hurt(struct chained *c)
{
	c->file.data[c->file.len - 1] ^= 8;
}

static void one_more_frame(struct chained *c)
{
	uint8_t pad[64];

	vma_pad_encode(pad, sizeof(pad));
	chained_frame(c, pad, sizeof(pad), 0);
}

static void more_behind_chain(struct chained *c)
{
	put_le32(table_entry(c, c->n_frames - 2), get_le32(table_entry(c, c->n_frames - 2)) - 1);
}

static void one_frame_only(struct chained *c)
{
	c->n_frames = 1;
	c->table.len = 8;
}

static void reading_others(void)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_vma_chain_ struct vma_chain c = { 0 };
	_cleanup_error_ struct error *err = NULL;
	int fds[2];

	check_read_error(&text, ERR_NOT_FOUND, "it belongs to no chain", "an empty file");
	for (unsigned i = 0; i < 50; i++)
		buf_adds(&text, "text ");
	check_read_error(&text, ERR_NOT_FOUND, "it has no seek table", "a text");
	if (pipe(fds) < 0)
		abort();
	ok(vma_chain_read(fds[0], NULL, &c, &err) == ERR_NOT_FOUND && says(err, "it is not a file"),
	   "a pipe");
	close(fds[0]);
	close(fds[1]);
	change_end(change_nothing, false, ERR_NOT_FOUND, "no such frame is before its index",
		   "an archive of no chain");
	change_end(root_too_long, true, ERR_CORRUPT, "its frames do not fill the file",
		   "a root longer than the file");
	change_end(chain_too_long, true, ERR_CORRUPT, "its frames do not fill the file",
		   "a chain frame longer than the file");
	change_end(root_is_none, true, ERR_NOT_FOUND, "it has no index", "an index that is none");
	change_end(root_is_hurt, true, ERR_CORRUPT, "index: ", "a damaged index");
	change_end(one_more_frame, true, ERR_NOT_FOUND, "it has no index", "another frame behind the index");
	change_end(more_behind_chain, true, ERR_NOT_FOUND, "no such frame is before its index",
		   "a chain frame that begins elsewhere");
	change_end(one_frame_only, true, ERR_NOT_FOUND, "it has no seek table", "a seek table of one frame");
}

/* ---- trailers ---- */

static struct vma_trailer a_trailer(unsigned n)
{
	struct vma_trailer t = { .n = n };

	for (unsigned i = 0; i < n; i++) {
		t.entries[i].key = vma_cluster_key(i < 20 ? 1 : 255, UINT32_MAX - 200 + 3 * i);
		t.entries[i].mask = (uint16_t)(0x8001 + i);
		memset(t.entries[i].hash, (int)i, VMA_HASH_SIZE);
	}
	return t;
}

static bool same_trailer(const struct vma_trailer *a, const struct vma_trailer *b)
{
	bool good = a->n == b->n;

	for (unsigned i = 0; good && i < a->n; i++)
		good = a->entries[i].key == b->entries[i].key && a->entries[i].mask == b->entries[i].mask &&
		       !memcmp(a->entries[i].hash, b->entries[i].hash, VMA_HASH_SIZE);
	return good;
}

static void trailers(void)
{
	const unsigned extra[] = { 0, 1, 7, 100, 131071 };
	uint8_t *out = xmalloc(200000);
	bool good = vma_trailer_size(1) == 8 + 16 + 23 && vma_trailer_size(59) == 8 + 16 + 59 * 23,
	     found = true;

	for (unsigned n = 1; n <= VMA_CLUSTERS_PER_EXTENT; n++) {
		const struct vma_trailer t = a_trailer(n);

		for (size_t i = 0; i < ARRAY_SIZE(extra); i++) {
			const size_t len = vma_trailer_size(n) + extra[i];
			struct vma_trailer read = { 0 };
			uint64_t frame = 0;

			memset(out, 0xee, 200000);
			vma_trailer_encode(out, len, &t);
			good = good && out[len] == 0xee && vma_trailer_decode(out, len, &read, NULL) == 0 &&
			       same_trailer(&t, &read) && frame_length(out, len, &frame) == 1 &&
			       frame == len && !vma_chain_looks_like(out, len);
		}
		for (unsigned i = 0; i < n; i++)
			found = found && vma_trailer_find(&t, t.entries[i].key) == &t.entries[i] &&
				!vma_trailer_find(&t, t.entries[i].key + 1) &&
				!vma_trailer_find(&t, t.entries[i].key - 1);
	}
	ok(good, "trailers of 1 to 59 clusters and any length are skippable frames, and are read back");
	ok(found, "entries are found by their cluster, and no others");
	free(out);
}

static int decode_trailer(const uint8_t *raw, size_t len, const char *text)
{
	_cleanup_error_ struct error *err = NULL;
	struct vma_trailer t;
	int r = vma_trailer_decode(raw, len, &t, &err);

	return r == 0 || says(err, text) ? r : -1;
}

static void trailers_that_lie(void)
{
	const size_t len = 4096;
	struct vma_trailer t = a_trailer(59);
	_cleanup_free_ uint8_t *out = xmalloc(len);
	bool good = true;

	vma_trailer_encode(out, len, &t);
	for (size_t cut = 0; cut < vma_trailer_size(59); cut++) {
		_cleanup_free_ uint8_t *part = xmalloc(cut + 1);

		memcpy(part, out, cut);
		if (cut >= 8)
			put_le32(part + 4, (uint32_t)cut - 8);
		good = good && decode_trailer(part, cut, "trailer: ") == ERR_CORRUPT;
	}
	ok(good, "a trailer that is cut anywhere, though it says so");
	for (unsigned i = 0; i < 16; i++) {
		out[i] ^= 1;
		good = good && decode_trailer(out, len, "it does not begin as one, or has another length") ==
				       ERR_CORRUPT;
		out[i] ^= 1;
	}
	ok(good, "another magic, length or text");
	out[16] = 2;
	ok(decode_trailer(out, len, "unknown version") == ERR_CORRUPT, "another version");
	out[16] = 1;
	out[18] = 60;
	ok(decode_trailer(out, len, "no entries, or too many") == ERR_CORRUPT, "60 entries");
	out[18] = 0;
	ok(decode_trailer(out, len, "no entries, or too many") == ERR_CORRUPT, "no entry");
	out[18] = 58;
	ok(decode_trailer(out, len, "something follows its entries") == ERR_CORRUPT, "an entry too few");
	out[18] = 59;
	out[len - 1] = 1;
	ok(decode_trailer(out, len, "something follows its entries") == ERR_CORRUPT,
	   "something behind its entries");
	out[len - 1] = 0;
	t.entries[7].mask = 0;
	vma_trailer_encode(out, len, &t);
	ok(decode_trailer(out, len, "no device or no blocks") == ERR_CORRUPT, "an entry without blocks");
	t = a_trailer(59);
	t.entries[0].key &= UINT32_MAX;
	vma_trailer_encode(out, len, &t);
	ok(decode_trailer(out, len, "no device or no blocks") == ERR_CORRUPT, "an entry without a device");
	t = a_trailer(59);
	t.entries[58].key = t.entries[57].key;
	vma_trailer_encode(out, len, &t);
	ok(decode_trailer(out, len, "do not ascend") == ERR_CORRUPT, "a cluster twice");
	t.entries[58].key = t.entries[3].key;
	vma_trailer_encode(out, len, &t);
	ok(decode_trailer(out, len, "do not ascend") == ERR_CORRUPT, "clusters in no order");
}

static void pads(void)
{
	static const uint32_t aligns[] = { 4096, 8192, 131072 };
	uint8_t *out = xmalloc(300000);
	bool good = true, written = true;

	for (size_t i = 0; i < ARRAY_SIZE(aligns); i++) {
		const uint32_t align = aligns[i];

		for (uint64_t pos = (uint64_t)align << 25, k = 0; k < 2u * align; k += 1 + k / 100) {
			for (size_t min = 8; min < 3000; min += 997) {
				const size_t n = vma_pad_size(pos + k, min, align);

				good = good && n >= min && n < min + align && (pos + k + n) % align == 0;
			}
		}
	}
	ok(good, "a pad has room for what it must hold, and ends at the next boundary");
	for (size_t len = 8; len < 300000; len += 1 + len / 3) {
		uint64_t frame = 0;

		memset(out, 0xee, 300000);
		vma_pad_encode(out, len);
		written = written && get_le32(out) == FRAME_SKIPPABLE_VMA_PAD &&
			  io_is_zero(out + 8, len - 8) && out[len] == 0xee &&
			  frame_length(out, len, &frame) == 1 && frame == len;
	}
	ok(written, "a pad is a skippable frame of zeroes");
	free(out);
}

/* ---- hashes ---- */

static void hashes(void)
{
	/* made by xxHash's header, which holds the algorithm itself */
	static const uint8_t of_text[VMA_HASH_SIZE] = { 0x5a, 0x38, 0xf5, 0x8f, 0x9f, 0x7c, 0x6d, 0x4d,
							0xe3, 0x89, 0xca, 0xa9, 0x06, 0xff, 0x6d, 0xf5 },
			     of_zero[VMA_HASH_SIZE] = { 0xa0, 0xc6, 0xee, 0x40, 0xac, 0x98, 0x8a, 0xaa,
							0xe9, 0xb3, 0x7a, 0xc3, 0x15, 0x3d, 0xc6, 0x75 };
	_cleanup_free_ uint8_t *data = xcalloc(1, VMA_CLUSTER_SIZE);
	struct vma_secret secret, drawn, other;
	uint8_t hash[VMA_HASH_SIZE], again_hash[VMA_HASH_SIZE];
	bool good = true;

	for (unsigned i = 0; i < VMA_SECRET_SIZE; i++)
		secret.bytes[i] = (uint8_t)(i * 37 + 11);
	vma_hash_cluster(&secret, data, hash);
	good = !memcmp(hash, of_zero, sizeof(hash));
	for (unsigned i = 0; i < VMA_CLUSTER_SIZE; i++)
		data[i] = (uint8_t)(i * 7 + i / 256);
	vma_hash_cluster(&secret, data, hash);
	ok(good && !memcmp(hash, of_text, sizeof(hash)), "hashes are XXH3's, as bytes from the highest on");
	good = vma_secret_random(&drawn, NULL) == 0 && vma_secret_random(&other, NULL) == 0;
	vma_hash_cluster(&drawn, data, hash);
	vma_hash_cluster(&other, data, again_hash);
	ok(good && memcmp(&drawn, &other, sizeof(drawn)) != 0 && memcmp(hash, again_hash, sizeof(hash)) != 0,
	   "another secret gives another hash");
	for (unsigned i = 0; i < VMA_CLUSTER_SIZE; i += 511) {
		data[i] ^= 1;
		vma_hash_cluster(&drawn, data, again_hash);
		good = good && memcmp(hash, again_hash, sizeof(hash)) != 0;
		data[i] ^= 1;
	}
	ok(good, "so does one bit, wherever it is");
}

int main(void)
{
	if (frame_encoder_new(0, &encoder, NULL) < 0)
		abort();
	disk_fill(&disk, 9);
	generations();
	generations_refused();
	bodies_that_lie();
	frames_that_lie();
	reading();
	reading_others();
	trailers();
	trailers_that_lie();
	pads();
	hashes();
	free(disk.data);
	frame_encoder_free(encoder);
	return done_testing();
}
