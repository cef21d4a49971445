#include "vma/chain.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>

#include "base/io.h"
#include "base/mem.h"
#include "stream/bytes.h"

#define CONTENT   32 /* before the zstd frame */
#define HEAD      (FRAME_SKIPPABLE_HEADER_SIZE + CONTENT)
#define BODY_SIZE 258u /* without the name */
#define NAME_CAP  255u /* as file names are */

static bool align_is_valid(uint32_t align)
{
	return align >= VMA_CHAIN_MIN_ALIGN && align <= VMA_CHAIN_MAX_ALIGN && !(align & (align - 1));
}

/* It goes to terminals, and is the last component of a path. */
static bool name_is_valid(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (name[i] == '/' || iscntrl((unsigned char)name[i]))
			return false;
	return len <= NAME_CAP;
}

static int draw_gen(struct vma_chain *c, struct error **err)
{
	/* so few bytes come whole */
	if (getrandom(c->gen, sizeof(c->gen), 0) != (ssize_t)sizeof(c->gen))
		return error_errno(err, errno, "cannot get random bytes for a generation");
	return 0;
}

int vma_chain_begin(struct vma_chain *c, int64_t ctime, uint32_t align, struct error **err)
{
	int r;

	*c = (struct vma_chain){ .align = align, .started = ctime, .base_name = xstrdup("") };
	if (!align_is_valid(align))
		return error_set(err, ERR_INVALID, "frames cannot begin at multiples of %" PRIu32 " bytes",
				 align);
	r = draw_gen(c, err);
	return r < 0 ? r : vma_secret_random(&c->secret, err);
}

int vma_chain_next(struct vma_chain *c, const struct vma_chain *base, const char *base_name,
		   struct error **err)
{
	*c = (struct vma_chain){ .generation = base->generation + 1,
				 .align = base->align,
				 .started = base->started,
				 .secret = base->secret,
				 .base_name = xstrdup(base_name) };
	memcpy(c->base_gen, base->gen, VMA_GEN_SIZE);
	if (!c->generation)
		return error_set(err, ERR_UNSUPPORTED, "no generation comes after number %" PRIu32,
				 base->generation);
	if (!name_is_valid(base_name, strlen(base_name)))
		return error_set(err, ERR_INVALID, "'%s' is no name of an archive", base_name);
	return draw_gen(c, err);
}

void vma_chain_clear(struct vma_chain *c)
{
	free(c->base_name);
	*c = (struct vma_chain){ 0 };
}

/* ---- writing ---- */

static void add_le16(struct buf *b, uint16_t value)
{
	uint8_t raw[2];

	put_le16(raw, value);
	buf_add(b, raw, sizeof(raw));
}

static void add_le32(struct buf *b, uint32_t value)
{
	uint8_t raw[4];

	put_le32(raw, value);
	buf_add(b, raw, sizeof(raw));
}

static void add_le64(struct buf *b, uint64_t value)
{
	uint8_t raw[8];

	put_le64(raw, value);
	buf_add(b, raw, sizeof(raw));
}

static void add_body(const struct vma_chain *c, struct buf *b)
{
	size_t len = strlen(c->base_name);

	buf_add(b, c->gen, VMA_GEN_SIZE);
	buf_add(b, c->base_gen, VMA_GEN_SIZE);
	add_le32(b, c->generation);
	add_le32(b, c->align);
	add_le64(b, (uint64_t)c->started);
	add_le64(b, c->new_bytes);
	add_le32(b, c->kept_frames);
	add_le32(b, c->kept_clusters);
	buf_add(b, c->secret.bytes, VMA_SECRET_SIZE);
	add_le16(b, (uint16_t)len);
	buf_add(b, c->base_name, len);
}

int vma_chain_encode(const struct vma_chain *c, const uint8_t uuid[VMA_UUID_SIZE], struct frame_encoder *e,
		     struct buf *ret, struct error **err)
{
	_cleanup_buf_ struct buf body = BUF_INIT, packed = BUF_INIT;
	uint8_t head[HEAD] = { 0 };
	int r;

	add_body(c, &body);
	r = frame_append(e, body.data, body.len, &packed, err);
	if (r < 0)
		return r;
	frame_skippable_header(head, FRAME_SKIPPABLE_VMA_CHAIN, (uint32_t)(CONTENT + packed.len));
	memcpy(head + 8, VMA_CHAIN_TEXT, 8);
	put_le16(head + 16, VMA_CHAIN_VERSION);
	memcpy(head + 24, uuid, VMA_UUID_SIZE);
	buf_add(ret, head, sizeof(head));
	buf_add(ret, packed.data, packed.len);
	return 0;
}

/* ---- reading ---- */

bool vma_chain_looks_like(const uint8_t *frame, size_t len)
{
	return len >= HEAD && get_le32(frame) == FRAME_SKIPPABLE_VMA_CHAIN &&
	       memcmp(frame + 8, VMA_CHAIN_TEXT, 8) == 0;
}

static int chain_is_malformed(const char *text, struct error **err)
{
	return error_set(err, ERR_CORRUPT, "chain: %s", text);
}

static int unpack_body(const uint8_t *frame, size_t len, uint8_t body[BODY_SIZE + NAME_CAP], size_t *ret_len,
		       struct error **err)
{
	uint64_t size = frame_content(frame + HEAD, len - HEAD), packed = 0;
	int r;

	if (size < BODY_SIZE || size > BODY_SIZE + NAME_CAP) /* also if it does not say */
		return chain_is_malformed("it has another size than it should", err);
	if (frame_length(frame + HEAD, len - HEAD, &packed) != 1 || packed != len - HEAD)
		return chain_is_malformed("it is not one frame", err);
	r = frame_decode(NULL, body, BODY_SIZE + NAME_CAP, frame + HEAD, len - HEAD, ret_len, err);
	return r < 0 ? error_wrap(err, r, "chain") : 0;
}

static int take_body(const uint8_t *body, size_t len, struct vma_chain *c, struct error **err)
{
	const char *name = (const char *)body + BODY_SIZE;

	memcpy(c->gen, body, VMA_GEN_SIZE);
	memcpy(c->base_gen, body + 16, VMA_GEN_SIZE);
	c->generation = get_le32(body + 32);
	c->align = get_le32(body + 36);
	c->started = (int64_t)get_le64(body + 40);
	c->new_bytes = get_le64(body + 48);
	c->kept_frames = get_le32(body + 56);
	c->kept_clusters = get_le32(body + 60);
	memcpy(c->secret.bytes, body + 64, VMA_SECRET_SIZE);
	if (get_le16(body + 256) != len - BODY_SIZE || !name_is_valid(name, len - BODY_SIZE))
		return chain_is_malformed("its name of the base is not valid, or has another length", err);
	c->base_name = xstrndup(name, len - BODY_SIZE);
	return 0;
}

static int check_chain(const struct vma_chain *c, struct error **err)
{
	if (!align_is_valid(c->align))
		return chain_is_malformed("its frames begin at multiples of no valid number", err);
	if (io_is_zero(c->gen, VMA_GEN_SIZE) || !memcmp(c->gen, c->base_gen, VMA_GEN_SIZE))
		return chain_is_malformed("its generation is not told from others", err);
	if (io_is_zero(c->base_gen, VMA_GEN_SIZE) != !c->generation || (!c->generation && *c->base_name))
		return chain_is_malformed("the number of its generation does not fit its base", err);
	return 0;
}

int vma_chain_decode(const uint8_t *frame, size_t len, const uint8_t uuid[VMA_UUID_SIZE],
		     struct vma_chain *ret, struct error **err)
{
	uint8_t body[BODY_SIZE + NAME_CAP];
	size_t n;
	int r;

	*ret = (struct vma_chain){ 0 };
	if (!vma_chain_looks_like(frame, len) || get_le32(frame + 4) != len - FRAME_SKIPPABLE_HEADER_SIZE)
		return chain_is_malformed("it does not begin as one, or has another length", err);
	if (get_le16(frame + 16) != VMA_CHAIN_VERSION)
		return error_set(err, ERR_UNSUPPORTED, "chain: version %u; this program reads version %u",
				 get_le16(frame + 16), VMA_CHAIN_VERSION);
	if (memcmp(frame + 24, uuid, VMA_UUID_SIZE) != 0)
		return chain_is_malformed("its uuid is that of another archive", err);
	r = unpack_body(frame, len, body, &n, err);
	if (r == 0)
		r = take_body(body, n, ret, err);
	return r < 0 ? r : check_chain(ret, err);
}

void vma_gen_text(char ret[VMA_GEN_TEXT_SIZE], const uint8_t gen[VMA_GEN_SIZE])
{
	static const char digits[] = "0123456789abcdef";

	for (unsigned i = 0; i < VMA_GEN_SIZE; i++) {
		ret[2 * i] = digits[gen[i] >> 4];
		ret[2 * i + 1] = digits[gen[i] & 15];
	}
	ret[2 * VMA_GEN_SIZE] = '\0';
}
