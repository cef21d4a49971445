/*
 * The copy engine, lib/copy/copy.h, without a QEMU: disks in memory, read from a small NBD server that
 * fails as it is told, and pushed to a sink by libnbd at the same time.  A second server has block status.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <libnbd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/unix-socket.h"
#include "copy/copy.h"
#include "copy/fill.h"
#include "tap.h"
#include "vma-disks.h"
#include "vma/reader.h"

#define CLUSTER ((uint64_t)VMA_CLUSTER_SIZE)

static char folder[] = "/tmp/test-copy.XXXXXX";

/* ---- an NBD server: fixed newstyle, simple replies, no block status but where has_status says so ---- */

struct server {
	const struct disk *disk;
	char path[64];
	int listen_fd, fd;
	pthread_t thread;
	bool fails_runs;    /* reads of more than a cluster fail */
	uint64_t fails_at;  /* reads of this cluster fail */
	uint64_t closes_at; /* reads of this cluster end the connection */
	uint64_t trimmed;   /* bytes */
	bool has_status;    /* it offers structured replies and block status, for status_thread() */
	/* called before the first read is answered, if it is set: from then on it answers zeroes */
	void *(*before_read)(void *opaque);
	void *opaque;
	uint8_t *zeroes;
};

static bool take(const struct server *s, void *data, size_t len)
{
	return !len || recv(s->fd, data, len, MSG_WAITALL) == (ssize_t)len;
}

static bool give(const struct server *s, const void *data, size_t len)
{
	return send(s->fd, data, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static bool reply_option(const struct server *s, uint32_t option, uint32_t type, const void *data,
			 uint32_t len)
{
	const struct __attribute__((packed)) {
		uint64_t magic;
		uint32_t option, type, len;
	} r = { htobe64(UINT64_C(0x0003e889045565a9)), option, htobe32(type), htobe32(len) };

	return give(s, &r, sizeof(r)) && (!len || give(s, data, len));
}

/* Answers an option before GO: the context of block status gets the number 1. */
static bool serve_option(const struct server *s, uint32_t option)
{
	static const char context[] = "\0\0\0\1base:allocation";

	if (s->has_status && option == htobe32(8))
		return reply_option(s, option, 1, NULL, 0);
	if (s->has_status && option == htobe32(10))
		return reply_option(s, option, 4, context, sizeof(context) - 1) &&
		       reply_option(s, option, 1, NULL, 0);
	return reply_option(s, option, UINT32_C(1) << 31 | 1, NULL, 0);
}

static bool handshake(const struct server *s)
{
	const struct __attribute__((packed)) {
		uint64_t magic, option;
		uint16_t flags;
	} hello = { htobe64(UINT64_C(0x4e42444d41474943)), htobe64(UINT64_C(0x49484156454f5054)),
		    htobe16(3) };
	const struct __attribute__((packed)) {
		uint16_t type;
		uint64_t size;
		uint16_t flags;
	} info = { 0, htobe64(s->disk->size), htobe16(1 | 1 << 5) };
	struct __attribute__((packed)) {
		uint64_t magic;
		uint32_t option, len;
	} o;
	uint8_t data[4096];

	if (!give(s, &hello, sizeof(hello)) || !take(s, data, 4))
		return false;
	while (take(s, &o, sizeof(o)) && be32toh(o.len) <= sizeof(data) && take(s, data, be32toh(o.len))) {
		if (o.option != htobe32(7)) {
			serve_option(s, o.option);
			continue;
		}
		return reply_option(s, o.option, 3, &info, sizeof(info)) &&
		       reply_option(s, o.option, 1, NULL, 0);
	}
	return false;
}

/* What a client sends, in network byte order. */
struct __attribute__((packed)) nbd_request {
	uint32_t magic;
	uint16_t flags, type;
	uint64_t handle, offset;
	uint32_t len;
};

static bool holds(uint64_t cluster, uint64_t offset, uint32_t len)
{
	return offset <= cluster * CLUSTER && cluster * CLUSTER < offset + len;
}

static const uint8_t *data_now(struct server *s)
{
	if (!s->before_read)
		return s->disk->data;
	if (!s->zeroes) {
		s->zeroes = xcalloc(1, s->disk->size);
		s->before_read(s->opaque);
	}
	return s->zeroes;
}

static bool serve(struct server *s)
{
	struct nbd_request q;
	struct __attribute__((packed)) {
		uint32_t magic, error;
		uint64_t handle;
	} r = { .magic = htobe32(0x67446698u) };
	uint64_t offset;
	uint32_t len;

	if (!take(s, &q, sizeof(q)) || q.type == htobe16(2))
		return false;
	offset = be64toh(q.offset);
	len = be32toh(q.len);
	r.handle = q.handle;
	if (q.type == htobe16(4)) {
		s->trimmed += len;
		return give(s, &r, sizeof(r));
	}
	if (holds(s->closes_at, offset, len))
		return false;
	if ((s->fails_runs && len > CLUSTER) || holds(s->fails_at, offset, len))
		r.error = htobe32(5);
	return give(s, &r, sizeof(r)) && (r.error || give(s, data_now(s) + offset, len));
}

static void *server_thread(void *opaque)
{
	struct server *s = opaque;

	s->fd = accept(s->listen_fd, NULL, NULL);
	if (s->fd >= 0 && handshake(s)) {
		while (serve(s))
			;
	}
	close(s->fd);
	return NULL;
}

static void start_server(struct server *s, const struct disk *d)
{
	s->disk = d;
	snprintf(s->path, sizeof(s->path), "%s/%s", folder, d->name);
	s->listen_fd = unix_socket_listen(s->path, 1, NULL);
	pthread_create(&s->thread, NULL, server_thread, s);
}

static void end_server(struct server *s)
{
	shutdown(s->listen_fd, SHUT_RDWR); /* for one that nobody has connected to */
	pthread_join(s->thread, NULL);
	close(s->listen_fd);
	unlink(s->path);
	free(s->zeroes);
}

/* ---- what is pushed ---- */

struct pusher {
	const struct disk *disk;
	char path[64];
	uint32_t step; /* a write begins at every how many-th cluster */
	uint32_t run;  /* and is of so many */
	bool failed;
};

/* One write of QEMU's filter: data, or zeroes. */
static int push_range(struct nbd_handle *h, const struct disk *d, uint64_t offset, uint64_t len)
{
	if (io_is_zero(d->data + offset, len))
		return nbd_zero(h, len, offset, 0);
	return nbd_pwrite(h, d->data + offset, len, offset, 0);
}

static void *push(void *opaque)
{
	struct pusher *p = opaque;
	struct nbd_handle *h = nbd_create();

	p->failed = nbd_connect_unix(h, p->path) == -1;
	for (uint32_t i = 0; i < vma_clusters(p->disk->size) && !p->failed; i += p->step) {
		const uint64_t at = i * CLUSTER, left = p->disk->size - at, most = p->run * CLUSTER;

		/* the copy may have ended meanwhile */
		if (push_range(h, p->disk, at, left < most ? left : most) == -1)
			break;
	}
	nbd_close(h);
	return NULL;
}

/* ---- a copy of some disks into an archive ---- */

#define DISKS 3

struct fixture {
	struct disk disks[DISKS];
	struct server servers[DISKS];
	struct pusher pusher; /* of disks[2] */
	struct budget budget;
	struct vma_writer *writer;
	struct copy *copy;
	struct error *err;
	unsigned ticks;
	bool fails_tick;
	int fd;
};

static int on_tick(void *opaque, struct error **err)
{
	struct fixture *f = opaque;
	_cleanup_buf_ struct buf b = BUF_INIT;

	if (++f->ticks > 1500) /* five minutes */
		return error_set(err, ERR_TIMEOUT, "it does not end");
	for (unsigned i = 0; i < DISKS; i++)
		copy_describe(f->copy, i, &b);
	return f->fails_tick ? error_set(err, -EBUSY, "drive-scsi0: somebody writes") : 0;
}

static void open_fixture(struct fixture *f)
{
	static const uint64_t sizes[DISKS] = { 100 * CLUSTER, 7 * CLUSTER + 512, 60 * CLUSTER + 1 };
	static const char *const names[DISKS] = { "drive-scsi0", "drive-efidisk0", "drive-virtio1" };
	const struct vma_writer_options o = { .ionice = -1 };
	_cleanup_free_ char *path = xasprintf("%s/archive", folder);
	_cleanup_vma_header_ struct vma_header h = { 0 };
	uint8_t dev;

	memset(f, 0, sizeof(*f));
	f->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	vma_header_init(&h, NULL);
	budget_init(&f->budget, &(struct budget_limits){ .workers = 3 });
	for (unsigned i = 0; i < DISKS; i++) {
		f->disks[i] = (struct disk){ .name = names[i], .size = sizes[i] };
		disk_fill(&f->disks[i], i + 1);
		vma_header_add_device(&h, names[i], sizes[i], &dev, NULL);
		f->servers[i].fails_at = f->servers[i].closes_at = UINT64_MAX / CLUSTER;
	}
	disk_writer(VMA_COMPRESS_NONE, 1, &o, f->fd, &h, &f->writer, NULL);
	copy_new(
		&(struct copy_options){
			.writer = f->writer, .budget = &f->budget, .tick = on_tick, .opaque = f },
		&f->copy, NULL);
	for (unsigned i = 0; i < DISKS; i++)
		copy_add_disk(f->copy, names[i], (uint8_t)(i + 1), sizes[i], NULL);
}

static int connect_disk(struct fixture *f, unsigned i)
{
	const struct source_endpoint e = { .socket = f->servers[i].path, .export = "", .trim = true };

	return copy_connect(f->copy, i, &e, &f->err);
}

static void start_servers(struct fixture *f)
{
	for (unsigned i = 0; i < DISKS; i++)
		start_server(&f->servers[i], &f->disks[i]);
}

static void listen_sink(struct fixture *f)
{
	f->pusher.disk = &f->disks[2];
	snprintf(f->pusher.path, sizeof(f->pusher.path), "%s/sink", folder);
	copy_listen(f->copy, 2, f->pusher.path, &f->err);
}

static void close_fixture(struct fixture *f)
{
	copy_free(f->copy);
	for (unsigned i = 0; i < DISKS; i++) {
		if (f->servers[i].disk)
			end_server(&f->servers[i]);
		free(f->disks[i].data);
	}
	vma_writer_free(f->writer);
	close(f->fd);
	error_free(f->err);
}

static int compare(void *opaque, uint8_t dev, uint64_t offset, const void *data, size_t len,
		   struct error **err)
{
	const struct fixture *f = opaque;

	if (memcmp(f->disks[dev - 1].data + offset, data, len) != 0)
		return error_set(err, ERR_CORRUPT, "other data");
	return 0;
}

static int compare_zero(void *opaque, uint8_t dev, uint64_t offset, uint64_t len, struct error **err)
{
	const struct fixture *f = opaque;

	return io_is_zero(f->disks[dev - 1].data + offset, len) ? 0
								: error_set(err, ERR_CORRUPT, "no zeroes");
}

/* The reader refuses clusters that are missing or come twice. */
static bool archive_is_good(struct fixture *f)
{
	const struct vma_receiver receiver = { .data = compare, .zero = compare_zero };
	_cleanup_error_ struct error *err = NULL;
	struct vma_writer_stats stats;
	struct vma_reader *reader = NULL;
	int r = vma_writer_finish(f->writer, &stats, &err);

	if (r == 0) {
		lseek(f->fd, 0, SEEK_SET);
		r = vma_reader_new(f->fd, 1, NULL, &reader, &err);
	}
	if (r == 0)
		r = vma_reader_run(reader, &receiver, f, &err);
	if (r < 0)
		diag("%s", error_message(err));
	vma_reader_free(reader);
	return r >= 0;
}

static bool progress_is_whole(struct fixture *f, unsigned disk)
{
	struct copy_progress p;

	copy_get_progress(f->copy, disk, &p);
	return p.done == p.size && p.read == p.size && p.to_read == p.size && p.size == f->disks[disk].size;
}

static void check_read(void)
{
	struct copy_base_state state;
	struct fixture f;

	open_fixture(&f);
	start_servers(&f);
	f.servers[0].fails_runs = true;
	for (unsigned i = 0; i < DISKS; i++)
		connect_disk(&f, i);
	ok(copy_run(f.copy, &f.err) == 0, "disks are copied; runs that fail are read cluster by cluster");
	ok(archive_is_good(&f), "each cluster is in the archive once");
	ok(progress_is_whole(&f, 0) && progress_is_whole(&f, 1) && progress_is_whole(&f, 2),
	   "the progress says that all was read");
	ok(f.ticks > 0, "tick is called");
	ok(atomic_load(&f.budget.workers) == 0, "all workers are given back");
	ok(copy_failed_disk(f.copy) == -1, "no disk has failed");
	copy_get_base_state(f.copy, 0, &state);
	ok(!state.known, "of a base nothing is known");
	close_fixture(&f);
}

static void check_pushed_alone(uint32_t step, uint32_t run)
{
	struct fixture f;
	struct copy_progress p;
	pthread_t thread;

	open_fixture(&f);
	start_servers(&f);
	listen_sink(&f);
	f.pusher.step = step;
	f.pusher.run = run;
	for (unsigned i = 0; i < 2; i++)
		connect_disk(&f, i);
	pthread_create(&thread, NULL, push, &f.pusher);
	ok(copy_run(f.copy, &f.err) == 0, "a disk may come through its sink alone, in writes of %u clusters",
	   run);
	pthread_join(thread, NULL);
	copy_get_progress(f.copy, 2, &p);
	ok(p.pushed == p.size, "all of it was pushed");
	ok(archive_is_good(&f), "and is in the archive once");
	ok(!f.pusher.failed, "the client was let in");
	close_fixture(&f);
}

/* As with QEMU before 10.0: it may read from the disk what it has pushed, as the guest has made it since. */
static void check_pushed_before_zeroes(void)
{
	struct fixture f;

	open_fixture(&f);
	start_servers(&f);
	listen_sink(&f);
	f.pusher.step = f.pusher.run = 1;
	f.servers[2].before_read = push;
	f.servers[2].opaque = &f.pusher;
	for (unsigned i = 0; i < DISKS; i++)
		connect_disk(&f, i);
	ok(copy_run(f.copy, &f.err) == 0, "reads may bring zeroes for what was pushed before they ended");
	ok(archive_is_good(&f), "what was pushed is in the archive, once");
	close_fixture(&f);
}

static void check_push(void)
{
	struct fixture f;
	pthread_t thread;

	check_pushed_alone(1, 1);
	/* what a write has in common with the one before it is done already */
	check_pushed_alone(3, 7);
	check_pushed_before_zeroes();

	open_fixture(&f);
	start_servers(&f);
	listen_sink(&f);
	f.pusher.step = 2;
	f.pusher.run = 1;
	for (unsigned i = 0; i < DISKS; i++)
		connect_disk(&f, i);
	pthread_create(&thread, NULL, push, &f.pusher);
	ok(copy_run(f.copy, &f.err) == 0, "clusters may come both ways at once");
	pthread_join(thread, NULL);
	ok(archive_is_good(&f), "each is in the archive once");
	close_fixture(&f);
}

static void check_failures(void)
{
	struct fixture f;

	open_fixture(&f);
	start_servers(&f);
	f.servers[0].fails_at = 42;
	for (unsigned i = 0; i < DISKS; i++)
		connect_disk(&f, i);
	ok(copy_run(f.copy, &f.err) == -EIO &&
		   !strcmp(error_message(f.err),
			   "drive-scsi0: reading 64 KiB at offset 2752512 failed: Input/output error"),
	   "a cluster that cannot be read ends the copy");
	ok(copy_failed_disk(f.copy) == 0, "its disk has failed");
	ok(atomic_load(&f.budget.workers) == 0, "all workers are given back");
	close_fixture(&f);

	open_fixture(&f);
	start_servers(&f);
	f.servers[2].closes_at = 30;
	for (unsigned i = 0; i < DISKS; i++)
		connect_disk(&f, i);
	ok(copy_run(f.copy, &f.err) == ERR_GONE, "so does a server that ends");
	ok(copy_failed_disk(f.copy) == 2, "its disk has failed");
	diag("%s", error_message(f.err));
	close_fixture(&f);

	open_fixture(&f);
	f.fails_tick = true;
	start_servers(&f);
	for (unsigned i = 0; i < DISKS; i++)
		connect_disk(&f, i);
	ok(copy_run(f.copy, &f.err) == -EBUSY && copy_failed_disk(f.copy) == -1,
	   "an error of tick ends the copy and is no disk's, whatever it says");
	close_fixture(&f);

	open_fixture(&f);
	f.disks[1].size -= 512;
	start_servers(&f);
	ok(connect_disk(&f, 1) == ERR_PEER, "an export of another size is refused");
	ok(copy_failed_disk(f.copy) == 1, "its disk has failed");
	diag("%s", error_message(f.err));
	close_fixture(&f);
}

/* ---- extents run out ---- */

struct taker {
	struct fill fill;
	struct vma_extent *extent;
	int got;
};

static void *take_slots(void *opaque)
{
	struct taker *t = opaque;
	unsigned slot;

	t->got = fill_take(&t->fill, VMA_CLUSTERS_PER_EXTENT, &t->extent, &slot, NULL);
	return NULL;
}

static void check_extents_run_out(void)
{
	struct vma_extent *all[1000];
	struct taker t = { 0 };
	struct fixture f;
	pthread_t thread;
	unsigned n = 0, slot;

	open_fixture(&f);
	fill_init(&t.fill, f.writer, 0);
	while (n < ARRAY_SIZE(all) &&
	       fill_try_take(&t.fill, VMA_CLUSTERS_PER_EXTENT, &all[n], &slot, NULL) > 0)
		n++;
	ok(n > 1 && n < ARRAY_SIZE(all), "there are so many extents and no more");
	pthread_create(&thread, NULL, take_slots, &t);
	usleep(20000); /* most often it waits by then */
	fill_settle(&t.fill, all[0], VMA_CLUSTERS_PER_EXTENT);
	pthread_join(thread, NULL);
	ok(t.got == VMA_CLUSTERS_PER_EXTENT && t.extent == all[0],
	   "who waits for one lets others settle theirs, and gets it");
	for (unsigned i = 0; i < n; i++)
		fill_settle(&t.fill, all[i], VMA_CLUSTERS_PER_EXTENT);
	fill_clear(&t.fill);
	close_fixture(&f);
}

/* ---- an archive that takes nothing, while block status says that zeroes are in many short runs ---- */

/* Clusters: first those that are one extent, so that the question becomes long, then every other is zero. */
#define LONG_ZERO 65536u
#define FRAGMENTS 65536u

struct __attribute__((packed)) chunk {
	uint32_t magic;
	uint16_t flags, type;
	uint64_t handle;
	uint32_t len;
};

static struct chunk last_chunk(uint16_t type, uint64_t handle, uint32_t len)
{
	return (struct chunk){ htobe32(0x668e33efu), htobe16(1), htobe16(type), handle, htobe32(len) };
}

/* Answers a question about block status, which is about whole clusters. */
static bool give_status(const struct server *s, uint64_t handle, uint64_t offset, uint64_t len)
{
	const uint64_t end = offset + len;
	uint32_t n = 0, *answer = calloc(1 + 2 * (len / CLUSTER + 1), sizeof(*answer));
	struct chunk c;
	bool good;

	answer[n++] = htobe32(1); /* the context */
	while (offset < end) {
		const uint64_t at = offset / CLUSTER;
		const uint64_t zeroes = LONG_ZERO * CLUSTER - offset;
		uint64_t now = at < LONG_ZERO ? zeroes : CLUSTER;

		now = now < end - offset ? now : end - offset;
		answer[n++] = htobe32((uint32_t)now);
		answer[n++] = htobe32(at < LONG_ZERO || at % 2 ? 3 : 0);
		offset += now;
	}
	c = last_chunk(5, handle, n * (uint32_t)sizeof(*answer));
	good = give(s, &c, sizeof(c)) && give(s, answer, n * sizeof(*answer));
	free(answer);
	return good;
}

static bool give_zeroes(const struct server *s, uint64_t handle, uint64_t offset, uint32_t len)
{
	static const uint8_t zeroes[8 * VMA_CLUSTER_SIZE];
	const uint64_t at = htobe64(offset);
	const struct chunk c = last_chunk(1, handle, len + (uint32_t)sizeof(at));

	return len <= sizeof(zeroes) && give(s, &c, sizeof(c)) && give(s, &at, sizeof(at)) &&
	       give(s, zeroes, len);
}

static bool serve_status(const struct server *s)
{
	struct nbd_request q;

	if (!take(s, &q, sizeof(q)))
		return false;
	if (q.type == htobe16(7))
		return give_status(s, q.handle, be64toh(q.offset), be32toh(q.len));
	return q.type == 0 && give_zeroes(s, q.handle, be64toh(q.offset), be32toh(q.len));
}

static void *status_thread(void *opaque)
{
	struct server *s = opaque;

	s->has_status = true;
	s->fd = accept(s->listen_fd, NULL, NULL);
	if (s->fd >= 0 && handshake(s)) {
		while (serve_status(s))
			;
	}
	close(s->fd);
	return NULL;
}

struct stalled {
	struct vma_writer *writer;
	unsigned ticks;
	atomic_bool is_over;
};

static int on_stalled_tick(void *opaque, struct error **err)
{
	struct stalled *x = opaque;

	return ++x->ticks < 10 ? 0 : error_set(err, -EBUSY, "enough");
}

/* Ends a copy that waits for the archive. */
static void *rescue(void *opaque)
{
	struct stalled *x = opaque;

	for (unsigned i = 0; i < 1200 && !x->is_over; i++)
		usleep(100000);
	vma_writer_abort(x->writer);
	return NULL;
}

static void check_stalled_archive(void)
{
	static const uint8_t junk[4096];
	const struct disk d = { .name = "drive-scsi0", .size = (LONG_ZERO + FRAGMENTS) * CLUSTER };
	const struct vma_writer_options o = { .ionice = -1 };
	_cleanup_vma_header_ struct vma_header h = { 0 };
	_cleanup_error_ struct error *err = NULL;
	struct stalled x = { 0 };
	struct server s = { .disk = &d };
	struct copy_progress p;
	struct budget budget;
	struct copy *copy;
	pthread_t rescuer;
	uint8_t dev;
	int ends[2], r;

	socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends);
	while (send(ends[0], junk, sizeof(junk), MSG_DONTWAIT) > 0)
		;
	vma_header_init(&h, NULL);
	vma_header_add_device(&h, d.name, d.size, &dev, NULL);
	budget_init(&budget, &(struct budget_limits){ .workers = 3 });
	disk_writer(VMA_COMPRESS_NONE, 1, &o, ends[0], &h, &x.writer, NULL);
	copy_new(
		&(struct copy_options){
			.writer = x.writer, .budget = &budget, .tick = on_stalled_tick, .opaque = &x },
		&copy, NULL);
	copy_add_disk(copy, d.name, dev, d.size, NULL);
	snprintf(s.path, sizeof(s.path), "%s/%s", folder, d.name);
	s.listen_fd = unix_socket_listen(s.path, 1, NULL);
	pthread_create(&s.thread, NULL, status_thread, &s);
	pthread_create(&rescuer, NULL, rescue, &x);
	r = copy_connect(copy, 0, &(struct source_endpoint){ .socket = s.path, .export = "" }, &err);
	if (r == 0)
		r = copy_run(copy, &err);
	x.is_over = true;
	copy_get_progress(copy, 0, &p);
	ok(r == -EBUSY, "while the archive takes nothing, many short runs of zeroes do not stop the loop");
	ok(p.done >= (LONG_ZERO + 4096) * CLUSTER, "some of them were handed to the writer");
	diag("%s; %lu clusters done", error_message(err), (unsigned long)(p.done / CLUSTER));
	pthread_join(rescuer, NULL);
	copy_free(copy);
	vma_writer_free(x.writer);
	end_server(&s);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	_cleanup_free_ char *path = NULL;

	if (!mkdtemp(folder))
		return 1;
	check_read();
	check_push();
	check_failures();
	check_extents_run_out();
	check_stalled_archive();
	path = xasprintf("%s/archive", folder);
	unlink(path);
	rmdir(folder);
	return done_testing();
}
