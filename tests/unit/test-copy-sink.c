/* The NBD server that QEMU pushes to, lib/copy/sink.h, over a disk in memory; its client is libnbd. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <libnbd.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/unix-socket.h"
#include "copy/sink.h"
#include "tap.h"

#define ALIGN 4096u
#define SIZE  (100 * ALIGN + 512u)

/* What the owner of a sink does. */
struct owner {
	uint8_t disk[SIZE];
	uint32_t piece;      /* bytes that get() takes at once */
	uint64_t unwanted;   /* get() wants nothing of the piece at this offset */
	uint64_t refused;    /* get() fails at this offset */
	bool refuses_zeroes; /* zero() fails */
	atomic_uint asked, puts, drops;
};

static int get(void *opaque, uint64_t offset, uint32_t length, struct sink_buffer *ret)
{
	struct owner *o = opaque;

	atomic_fetch_add(&o->asked, 1);
	if (offset == o->refused)
		return -EIO;
	*ret = (struct sink_buffer){ .data = offset == o->unwanted ? NULL : o->disk + offset,
				     .length = length < o->piece ? length : o->piece,
				     .owner = o,
				     .slot = (unsigned)(offset / ALIGN) };
	return 0;
}

static void put(void *opaque, uint64_t offset, const struct sink_buffer *b)
{
	struct owner *o = opaque;

	if (b->owner == o && b->slot == offset / ALIGN && b->data == o->disk + offset)
		atomic_fetch_add(&o->puts, 1);
}

static void drop(void *opaque, const struct sink_buffer *b)
{
	struct owner *o = opaque;

	(void)b;
	atomic_fetch_add(&o->drops, 1);
}

static int zero(void *opaque, uint64_t offset, uint32_t length)
{
	struct owner *o = opaque;

	if (o->refuses_zeroes)
		return -EIO;
	memset(o->disk + offset, 0, length);
	return 0;
}

static const struct sink_ops ops = { .get = get, .put = put, .drop = drop, .zero = zero };

struct fixture {
	char folder[64];
	char *path;
	struct owner owner;
	struct sink *sink;
	struct nbd_handle *nbd;
};

static struct fixture *open_sink(void)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	_cleanup_error_ struct error *err = NULL;

	f->owner.piece = 3 * ALIGN;
	f->owner.unwanted = f->owner.refused = UINT64_MAX;
	snprintf(f->folder, sizeof(f->folder), "/tmp/test-copy-sink.XXXXXX");
	if (!mkdtemp(f->folder))
		abort();
	f->path = xasprintf("%s/sock", f->folder);
	if (sink_new(f->path,
		     &(struct sink_options){ .size = SIZE, .align = ALIGN, .ops = &ops, .opaque = &f->owner },
		     &f->sink, &err) < 0)
		ok(false, "a sink listens: %s", error_message(err));
	return f;
}

static void connect_nbd(struct fixture *f)
{
	f->nbd = nbd_create();
	nbd_set_strict_mode(f->nbd, 0);
	nbd_set_export_name(f->nbd, "any name");
	if (nbd_connect_unix(f->nbd, f->path) == -1)
		ok(false, "libnbd connects: %s", nbd_get_error());
}

static void close_sink(struct fixture *f)
{
	if (f->nbd)
		nbd_close(f->nbd);
	sink_free(f->sink);
	free(f->path);
	rmdir(f->folder);
	free(f);
}

static void fill(uint8_t *data, size_t len, uint32_t seed)
{
	for (size_t i = 0; i < len; i++) {
		seed = seed * 1664525u + 1013904223u;
		data[i] = (uint8_t)(seed >> 24);
	}
}

static void check_handshake(void)
{
	struct fixture *f = open_sink();
	struct stat st;

	ok(stat(f->path, &st) == 0 && (st.st_mode & 07777) == 0600, "only its owner may connect");
	connect_nbd(f);
	ok(nbd_get_size(f->nbd) == SIZE, "the export has its size");
	ok(nbd_can_trim(f->nbd) == 1 && nbd_can_zero(f->nbd) == 1 && nbd_can_flush(f->nbd) == 1 &&
		   nbd_can_fua(f->nbd) == 1 && nbd_is_read_only(f->nbd) == 0,
	   "it takes writes, zeroes, TRIMs and flushes");
	ok(nbd_get_block_size(f->nbd, LIBNBD_SIZE_PREFERRED) == ALIGN, "it prefers blocks of its alignment");
	nbd_close(f->nbd);
	f->nbd = NULL;
	sink_free(f->sink);
	f->sink = NULL;
	ok(access(f->path, F_OK) < 0 && errno == ENOENT, "the socket goes with the sink");
	close_sink(f);

	f = open_sink();
	sink_free(f->sink);
	f->sink = NULL;
	ok(true, "a sink that nobody has connected to ends");
	close_sink(f);

	f = open_sink();
	connect_nbd(f);
	sink_free(f->sink);
	f->sink = NULL;
	ok(nbd_flush(f->nbd, 0) == -1, "one that has a client ends, too");
	close_sink(f);
}

static void check_writes(void)
{
	struct fixture *f = open_sink();
	uint8_t *expected = xcalloc(1, SIZE);
	bool good = true;
	uint32_t seed = 1;

	connect_nbd(f);
	for (unsigned i = 0; i < 200; i++) {
		uint32_t first = (seed = seed * 1664525u + 1013904223u) % 101, n = 1 + (seed >> 8) % 20;
		uint32_t len = (first + n) * ALIGN > SIZE ? SIZE - first * ALIGN : n * ALIGN;

		if (i % 5 == 4) {
			memset(expected + first * ALIGN, 0, len);
			good &= nbd_zero(f->nbd, len, first * ALIGN, 0) == 0;
			continue;
		}
		fill(expected + first * ALIGN, len, i);
		good &= nbd_pwrite(f->nbd, expected + first * ALIGN, len, first * ALIGN, 0) == 0;
	}
	ok(good && !memcmp(expected, f->owner.disk, SIZE), "writes and zeroes arrive, also at the odd end");
	ok(atomic_load(&f->owner.puts) == atomic_load(&f->owner.asked) && !atomic_load(&f->owner.drops),
	   "each buffer comes back once");
	free(expected);
	close_sink(f);
}

static void check_answers(void)
{
	struct fixture *f = open_sink();
	uint8_t data[6 * ALIGN];

	connect_nbd(f);
	fill(data, sizeof(data), 7);
	ok(nbd_pwrite(f->nbd, data, ALIGN, 100, 0) == -1 && nbd_get_errno() == EINVAL &&
		   nbd_pwrite(f->nbd, data, 100, 0, 0) == -1 && nbd_get_errno() == EINVAL,
	   "writes that are not aligned are refused");
	ok(nbd_pwrite(f->nbd, data, 2 * ALIGN, 100 * ALIGN, 0) == -1 && nbd_get_errno() == EINVAL &&
		   nbd_pwrite(f->nbd, data, ALIGN, UINT64_C(1) << 62, 0) == -1 && nbd_get_errno() == EINVAL &&
		   nbd_zero(f->nbd, 2 * ALIGN, 100 * ALIGN, 0) == -1 && nbd_get_errno() == EINVAL,
	   "and those beyond the end");
	ok(nbd_pread(f->nbd, data + ALIGN, ALIGN, 0, 0) == -1 && nbd_get_errno() == EIO, "reads fail");
	ok(nbd_trim(f->nbd, ALIGN, 0, 0) == 0 && nbd_flush(f->nbd, 0) == 0, "TRIMs and flushes succeed");
	ok(atomic_load(&f->owner.asked) == 0, "the owner hears of none of them");

	fill(data, sizeof(data), 8);
	f->owner.unwanted = 3 * ALIGN;
	ok(nbd_pwrite(f->nbd, data, sizeof(data), 0, 0) == 0 && !memcmp(f->owner.disk, data, 3 * ALIGN) &&
		   f->owner.disk[3 * ALIGN + 1] == 0,
	   "a piece that nobody wants is dropped");
	ok(atomic_load(&f->owner.puts) == 1, "and not given back");
	f->owner.refused = 9 * ALIGN;
	ok(nbd_pwrite(f->nbd, data, sizeof(data), 6 * ALIGN, 0) == -1 && nbd_get_errno() == EIO,
	   "a write that the owner refuses in the middle fails");
	ok(nbd_pwrite(f->nbd, data, ALIGN, 50 * ALIGN, 0) == 0, "the connection goes on after all that");
	f->owner.refuses_zeroes = true;
	ok(nbd_zero(f->nbd, ALIGN, 0, 0) == -1 && nbd_get_errno() == EIO, "zeroes can be refused, too");
	close_sink(f);
}

/* ---- a client that does as it likes ---- */

struct __attribute__((packed)) request {
	uint32_t magic;
	uint16_t flags, type;
	uint64_t handle, offset;
	uint32_t len;
};

static int connect_raw(const struct fixture *f)
{
	const int fd = unix_socket_connect(f->path, SOCK_STREAM, NULL);

	fcntl(fd, F_SETFL, 0); /* blocking */
	return fd;
}

static void send_all(int fd, const void *data, size_t len)
{
	if (send(fd, data, len, MSG_NOSIGNAL) != (ssize_t)len)
		diag("the sink took only a part of what was sent");
}

/* Waits for so many bytes, or the end; returns how many came. */
static size_t receive(int fd, void *data, size_t len)
{
	const ssize_t n = recv(fd, data, len, MSG_WAITALL);

	return n < 0 ? 0 : (size_t)n;
}

static void check_end_within_write(void)
{
	struct fixture *f = open_sink();
	const struct __attribute__((packed)) {
		uint32_t flags;
		uint64_t magic;
		uint32_t option, len;
	} hello = { htobe32(3), htobe64(UINT64_C(0x49484156454f5054)), htobe32(1), 0 };
	const struct request write = { .magic = htobe32(0x25609513u),
				       .type = htobe16(1),
				       .len = htobe32(6 * ALIGN) };
	uint8_t data[4 * ALIGN] = { 0 };
	const int fd = connect_raw(f);

	ok(fd >= 0 && receive(fd, data, 18) == 18, "the old handshake begins");
	send_all(fd, &hello, sizeof(hello));
	ok(receive(fd, data, 10) == 10, "and ends with size and flags");
	send_all(fd, &write, sizeof(write));
	send_all(fd, data, sizeof(data));
	close(fd);
	/* which its thread sees before it is told to stop, or not: both end the write */
	while (atomic_load(&f->owner.puts) + atomic_load(&f->owner.drops) < 2)
		usleep(1000);
	sink_free(f->sink);
	f->sink = NULL;
	ok(atomic_load(&f->owner.asked) == 2 && atomic_load(&f->owner.puts) == 1 &&
		   atomic_load(&f->owner.drops) == 1,
	   "a client that ends within a write: what was whole is put, the rest dropped");
	close_sink(f);
}

static bool is_refused(const void *data, size_t len)
{
	struct fixture *f = open_sink();
	uint8_t hello[18];
	const int fd = connect_raw(f);
	bool refused;

	receive(fd, hello, sizeof(hello));
	send_all(fd, data, len);
	refused = receive(fd, hello, 1) == 0;
	close(fd);
	close_sink(f);
	return refused;
}

static void check_hostile(void)
{
	const struct __attribute__((packed)) {
		uint32_t flags;
		uint64_t magic;
		uint32_t option, len;
	} long_option = { htobe32(3), htobe64(UINT64_C(0x49484156454f5054)), htobe32(7), htobe32(70000) };
	const struct __attribute__((packed)) {
		uint32_t flags;
		uint64_t magic;
		uint32_t option, len;
	} no_option = { htobe32(3), 1, htobe32(7), 0 };

	ok(is_refused(&long_option, sizeof(long_option)), "an option of 70000 bytes ends the connection");
	ok(is_refused(&no_option, sizeof(no_option)), "what is no option, too");
}

static bool fails(const char *path, int code)
{
	const struct sink_options o = { .size = SIZE, .align = ALIGN, .ops = &ops };
	_cleanup_error_ struct error *err = NULL;
	struct sink *sink = NULL;
	const int r = sink_new(path, &o, &sink, &err);

	diag("%s", error_message(err));
	return r == code && err && err->code == code && !sink;
}

static void check_errors(void)
{
	char path[300];

	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	ok(fails(path, ERR_INVALID), "a path that is too long for a socket is an error");
	ok(fails("/nonexistent/sock", -ENOENT), "so is a folder that does not exist");
	sink_free(NULL);
}

int main(void)
{
	check_handshake();
	check_writes();
	check_answers();
	check_end_within_write();
	check_hostile();
	check_errors();
	return done_testing();
}
