/* When the output fails or the user stops, the writer says why at once, and nothing hangs. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "vma/writer.h"

#include "tap.h"
#include "vma-disks.h"

#define DISK_SIZE (24u << 20)

static struct disk disk = { .name = "drive-scsi0", .size = DISK_SIZE };

static bool says(const struct error *err, const char *text)
{
	if (err && strstr(err->message, text))
		return true;
	diag("got: %s", error_message(err));
	return false;
}

static const struct kind {
	const char *name;
	enum vma_compression compression;
	unsigned threads;
	struct vma_writer_options o;
} kinds[] = {
	{ "zstd", VMA_COMPRESS_ZSTD, 2, { .ionice = -1 } },
	{ "none", VMA_COMPRESS_NONE, 0, { .ionice = 8 } },
	{ "gzip", VMA_COMPRESS_GZIP, 0, { .ionice = -1 } },
	{ "pigz", VMA_COMPRESS_GZIP, 2, { .ionice = -1 } },
	{ "lzop", VMA_COMPRESS_LZO, 0, { .ionice = -1 } },
};

static struct vma_writer *start(const struct kind *k, int fd, struct error **err)
{
	_cleanup_vma_header_ struct vma_header h = { 0 };
	struct vma_writer *w = NULL;

	if (vma_header_init(&h, err) < 0 || vma_header_add_device(&h, disk.name, disk.size, NULL, err) < 0)
		return NULL;
	disk_writer(k->compression, k->threads, &k->o, fd, &h, &w, err);
	return w;
}

/* Writes the disk to fd, and returns what finish says. */
static int write_to(const struct kind *k, int fd, struct error **err)
{
	_cleanup_(vma_writer_freep) struct vma_writer *w = start(k, fd, err);
	struct feed f;
	bool good;
	int r;

	if (!w)
		return -1;
	feed_init(&f, &disk, 1, false);
	good = feed_run(&f, w, 2);
	free(f.keys);
	r = vma_writer_finish(w, NULL, err);
	if (!good && r == 0)
		r = error_set(err, -1, "the feed failed, finish did not");
	return r;
}

static void full_device(const struct kind *k)
{
	_cleanup_close_ int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	_cleanup_error_ struct error *err = NULL;

	ok(write_to(k, fd, &err) == -ENOSPC && says(err, "No space left on device") &&
		   says(err, "choose another storage"),
	   "%s: a full device is named as the cause", k->name);
}

static void broken_pipe(const struct kind *k)
{
	_cleanup_error_ struct error *err = NULL;
	int fds[2] = { -1, -1 };

	if (pipe(fds) == 0)
		close(fds[0]);
	ok(write_to(k, fds[1], &err) == -EPIPE && says(err, "broken pipe"),
	   "%s: a reader that went away is named as the cause", k->name);
	close(fds[1]);
}

/* The file system takes a part and is full then. */
static void full_file_system(void)
{
	char folder[] = "/tmp/test-vma-faults.XXXXXX";
	_cleanup_free_ char *path = NULL;
	_cleanup_error_ struct error *err = NULL;
	int fd;

	if (!mkdtemp(folder) || mount("tmpfs", folder, "tmpfs", 0, "size=2M") < 0) {
		ok(true, "a full file system # SKIP needs root");
		rmdir(folder);
		return;
	}
	path = xasprintf("%s/archive", folder);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ok(write_to(&kinds[1], fd, &err) == -ENOSPC && says(err, "after 2.0 MiB"),
	   "a full file system is named as the cause, with how much it took");
	close(fd);
	umount(folder);
	rmdir(folder);
}

struct reader {
	int fd;
	uint64_t bytes;
};

static void *read_slowly(void *arg)
{
	struct reader *r = arg;
	char data[8192];
	ssize_t n;

	while ((n = read(r->fd, data, sizeof(data))) > 0)
		r->bytes += (uint64_t)n;
	return NULL;
}

/* A pipe takes little at a time; a shared description must not become non-blocking. */
static void live_pipe(void)
{
	struct vma_writer_stats stats = { 0 };
	_cleanup_error_ struct error *err = NULL;
	struct vma_writer *w;
	struct reader r = { 0 };
	struct feed f;
	pthread_t id;
	int fds[2];

	if (pipe(fds) < 0)
		return;
	r.fd = fds[0];
	pthread_create(&id, NULL, read_slowly, &r);
	w = start(&kinds[0], fds[1], &err);
	feed_init(&f, &disk, 1, false);
	ok(w && feed_run(&f, w, 1) && vma_writer_finish(w, &stats, &err) == 0, "an archive goes into a pipe");
	ok(!(fcntl(fds[1], F_GETFL) & O_NONBLOCK), "which stays as it was");
	vma_writer_free(w);
	free(f.keys);
	close(fds[1]);
	pthread_join(id, NULL);
	ok(r.bytes && r.bytes == stats.file_bytes, "and all of it arrives");
	close(fds[0]);
}

/* A pipe whose reader sleeps: the writer waits for ever, unless told not to. */
static struct vma_writer *stuck_writer(const struct kind *k, int fds[2], struct error **err)
{
	struct vma_writer *w = NULL;

	if (pipe(fds) == 0)
		w = start(k, fds[1], err);
	for (int r = 1; w && r == 1;) {
		struct vma_extent *e = NULL;
		struct pollfd p = { .fd = vma_writer_event_fd(w), .events = POLLIN };
		uint64_t n;

		r = vma_writer_extent_try_get(w, 0, &e, err);
		if (r == 0) {
			r = poll(&p, 1, 500) == 1 && read(p.fd, &n, sizeof(n)) > 0;
			continue;
		}
		/* noise, so that the pipe fills */
		for (uint32_t seed = 1, i = 0; e && i < VMA_CLUSTER_SIZE; i++)
			e->data[i] = (uint8_t)disk_random(&seed);
		for (unsigned i = 1; e && i < VMA_CLUSTERS_PER_EXTENT; i++)
			memcpy(vma_extent_slot(e, i), e->data + i, VMA_CLUSTER_SIZE - i);
		for (unsigned i = 0; e && i < VMA_CLUSTERS_PER_EXTENT; i++)
			vma_extent_set(e, i, 1, i, VMA_CLUSTER_SIZE);
		if (e)
			vma_writer_extent_put(w, e);
	}
	return w;
}

static void *abort_soon(void *w)
{
	usleep(100 * 1000);
	vma_writer_abort(w);
	return NULL;
}

static void stuck_then_aborted(const struct kind *k)
{
	_cleanup_error_ struct error *err = NULL;
	struct vma_extent *e = NULL;
	int fds[2];
	struct vma_writer *w = stuck_writer(k, fds, &err);
	struct pollfd p = { .events = POLLIN };
	pthread_t id;

	if (!ok(w && !err, "%s: with a reader that sleeps, extents run out", k->name))
		return;
	pthread_create(&id, NULL, abort_soon, w);
	ok(vma_writer_extent_get(w, 0, &e, &err) == ERR_CANCELED && says(err, "canceled"),
	   "%s: an abort ends the wait for one", k->name);
	pthread_join(id, NULL);
	p.fd = vma_writer_event_fd(w);
	ok(poll(&p, 1, 0) == 1, "%s: and wakes who polls", k->name);
	vma_writer_free(w);
	ok(true, "%s: and the threads end", k->name);
	close(fds[0]);
	close(fds[1]);
}

static void *cancel_soon(void *c)
{
	usleep(100 * 1000);
	cancel_request(c);
	return NULL;
}

static void stuck_then_signaled(void)
{
	struct kind k = kinds[0];
	_cleanup_error_ struct error *err = NULL;
	struct cancel c;
	struct vma_writer *w;
	pthread_t id;
	int fds[2];

	cancel_init(&c, NULL);
	k.o.cancel = &c;
	w = stuck_writer(&k, fds, &err);
	pthread_create(&id, NULL, cancel_soon, &c);
	ok(w && vma_writer_finish(w, NULL, &err) == ERR_CANCELED && says(err, "signal"),
	   "a signal ends a finish that waits for a sleeping reader");
	pthread_join(id, NULL);
	vma_writer_free(w);
	cancel_clear(&c);
	close(fds[0]);
	close(fds[1]);
}

static void wrong_slots(void)
{
	_cleanup_close_ int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	_cleanup_error_ struct error *err = NULL, *zero = NULL;
	_cleanup_(vma_writer_freep) struct vma_writer *w = start(&kinds[0], fd, &err);
	struct vma_extent *e = NULL;

	ok(vma_writer_zero(w, 1, DISK_SIZE / VMA_CLUSTER_SIZE, 1, &zero) == ERR_INVALID &&
		   says(zero, "internal error: clusters 384+1"),
	   "zero clusters behind the end of a disk are refused");
	vma_writer_extent_get(w, 0, &e, NULL);
	vma_extent_set(e, 0, 2, 0, VMA_CLUSTER_SIZE);
	vma_writer_extent_put(w, e);
	ok(vma_writer_finish(w, NULL, &err) == ERR_INVALID && says(err, "cluster 0 of device 2"),
	   "a slot of a device that is not there fails the archive");
}

static void missing_program(void)
{
	_cleanup_close_ int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	_cleanup_free_ char *path = xstrdup(getenv("PATH"));
	_cleanup_error_ struct error *err = NULL;

	setenv("PATH", "/nonexistent", 1);
	ok(!start(&kinds[4], fd, &err) && says(err, "install the package lzop"),
	   "a missing compressor is named, with its package");
	setenv("PATH", path, 1);
}

static void wrong_level(void)
{
	struct kind k = kinds[0];
	_cleanup_close_ int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	_cleanup_error_ struct error *err = NULL;

	k.o.level = 99;
	ok(!start(&k, fd, &err) && says(err, "zstd level 99"), "a level zstd has not is refused");
}

int main(void)
{
	alarm(120); /* a hang is a failure */
	disk_fill(&disk, 5);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		full_device(&kinds[i]);
		broken_pipe(&kinds[i]);
		stuck_then_aborted(&kinds[i]);
	}
	full_file_system();
	live_pipe();
	stuck_then_signaled();
	wrong_slots();
	missing_program();
	wrong_level();
	free(disk.data);
	return done_testing();
}
