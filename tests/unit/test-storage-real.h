/* What every storage with a directory must do, on a real one; and the small programs this takes. */
#ifndef VZDUMP_TESTS_STORAGE_REAL_H
#define VZDUMP_TESTS_STORAGE_REAL_H

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <json-c/json.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/units.h"
#include "storage/storage.h"
#include "test-config-util.h"

#define REAL_SIZE (8 * MIB + 512)

/* Runs a program to its end; false, with what it said, if it fails. */
__attribute__((unused)) static bool run_tool(const char *const argv[])
{
	struct error *err = NULL;
	struct process_result result = { 0 };
	bool good = process_run_ok(argv, NULL, &result, &err) == 0;

	if (!good)
		diag("%s", error_message(err));
	error_free(err);
	process_result_clear(&result);
	return good;
}
#define RUN(...) run_tool((const char *const[]){ __VA_ARGS__, NULL })

/*
 * True once the image takes from min to max bytes: the file system counts with its next transaction,
 * and clients of a network remember for some seconds.
 */
static bool takes(const struct volume *v, uint64_t min, uint64_t max)
{
	uint64_t used = 0;

	for (int i = 0; i < 50; i++) {
		sync();
		if (volume_used(v, &used, NULL) == 0 && used >= min && used <= max)
			return true;
		usleep(100000);
	}
	diag("it takes %" PRIu64, used);
	return false;
}

/* 4 MiB that no file system can make small. */
static bool fill(const struct volume *v)
{
	_cleanup_free_ char *data = xmalloc(4 * MIB);
	uint64_t x = 88172645463325252;
	int fd = open(v->path, O_RDWR | O_CLOEXEC);
	bool good;

	for (size_t i = 0; i < 4 * MIB; i += sizeof(x)) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		memcpy(data + i, &x, sizeof(x));
	}
	good = fd >= 0 && io_pwrite_all(fd, data, 4 * MIB, 0) == 0 && fsync(fd) == 0;
	if (fd >= 0)
		close(fd);
	return good;
}

static bool punch(const struct volume *v)
{
	int fd = open(v->path, O_RDWR | O_CLOEXEC);
	bool good = fd >= 0 && fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4 * MIB) == 0;

	if (fd >= 0)
		close(fd);
	return good;
}

static void check_listed(const struct storage *s, const struct volume *v, bool want)
{
	struct storage_image *images = NULL;
	struct error *err = NULL;
	size_t n = 0, found = 0;

	works(storage_list(s, v->vmid, &images, &n, &err), &err, "  images are listed");
	for (size_t i = 0; i < n; i++)
		found += strcmp(images[i].volname, v->volname) == 0 && images[i].format == v->format;
	ok(found == want, "  %s among them", want ? "it is once" : "it is not");
	storage_images_free(images, n);
}

/* QEMU writes the whole of the image's first 64 KiB through the node it is given. */
__attribute__((unused)) static bool qemu_writes(const struct volume *v)
{
	struct json_object *node = NULL;
	struct error *err = NULL;
	_cleanup_free_ char *name = NULL;
	bool good;

	if (volume_blockdev(v, &node, &err) < 0) {
		diag("%s", error_message(err));
		error_free(err);
		return false;
	}
	name = xasprintf("json:{\"driver\":\"%s\",\"file\":%s}", image_format_name(v->format),
			 json_object_to_json_string(node));
	good = RUN("qemu-io", "-c", "write -P 85 0 64k", "-c", "read -P 85 0 64k", name);
	json_object_put(node);
	return good;
}

static void check_fleecing_image(const struct storage *s, enum image_format format)
{
	_cleanup_free_ char *name = xasprintf("vm-123-fleece-%d", (int)format);
	struct volume_alloc a = { .vmid = 123, .name = name, .format = format, .size = REAL_SIZE };
	struct volume v = { 0 }, again = { 0 };
	struct image_traits traits;
	struct error *err = NULL;
	uint64_t size = 0;

	if (!works(volume_alloc(s, &a, &v, &err), &err, image_format_name(format)))
		return;
	works(volume_size(&v, &size, &err), &err, "  its size");
	ok(size == REAL_SIZE, "  is exact (%" PRIu64 ")", size);
	storage_traits(s, format, &traits);
	ok(traits.thin ? takes(&v, 0, MIB) : takes(&v, REAL_SIZE, UINT64_MAX), "  at first it takes %s",
	   traits.thin ? "next to nothing" : "all");
	check_listed(s, &v, true);
	ok(volume_alloc(s, &a, &again, &err) == -EEXIST, "  its name is taken");
	error_free(err);
	err = NULL;
	if (format == IMAGE_RAW) {
		ok(fill(&v), "  it can be written");
		ok(takes(&v, 4 * MIB, 5 * MIB), "  and takes as much");
		ok(punch(&v), "  and punched");
		ok(takes(&v, 0, MIB), "  and takes nothing any more");
	}
	ok(qemu_writes(&v), "  QEMU can use it");
	works(volume_free(&v, &err), &err, "  it can be removed");
	check_listed(s, &v, false);
	ok(volume_free(&v, &err) == ERR_NOT_FOUND, "  once");
	error_free(err);
	volume_clear(&v);
}

/* The storage is made usable, and is, for images in raw and qcow2. */
__attribute__((unused)) static void check_real_storage(const struct storage_config *c, const char *id)
{
	const struct storage *s = NULL;
	struct storage_status st = { 0 };
	struct error *err = NULL;
	bool active = false;
	_cleanup_free_ char *guest = NULL;

	works(storage_get(c, id, STORAGE_IMAGES, &s, &err), &err, id);
	works(storage_activate(s, NULL, &err), &err, "it is made usable");
	works(storage_activate(s, NULL, &err), &err, "twice does no harm");
	ok(storage_is_active(s, &active, NULL) == 0 && active, "which can be seen");
	works(storage_status(s, &st, &err), &err, "it tells its space");
	ok(st.total > 0 && st.used <= st.total && st.avail <= st.total,
	   "which makes sense: %" PRIu64 " of %" PRIu64, st.used, st.total);
	check_fleecing_image(s, IMAGE_RAW);
	check_fleecing_image(s, IMAGE_QCOW2);
	guest = xasprintf("%s/images/123", s->path);
	ok(access(guest, F_OK) != 0, "the guest's directory goes with its last image");
}

#endif
