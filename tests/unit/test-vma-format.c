/* The header: what fits in, what does not, and how it looks to another reader. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/strv.h"
#include "vma/format.h"

#include "tap.h"

static bool says(const struct error *err, const char *text)
{
	if (err && strstr(err->message, text))
		return true;
	diag("got: %s", error_message(err));
	return false;
}

static void fresh_headers(void)
{
	_cleanup_vma_header_ struct vma_header a, b;

	ok(vma_header_init(&a, NULL) == 0 && vma_header_init(&b, NULL) == 0, "headers start");
	ok(memcmp(a.uuid, b.uuid, sizeof(a.uuid)) != 0, "each with a uuid of its own");
	ok(a.ctime > 1700000000, "and the time");
}

static void device_limits(void)
{
	_cleanup_vma_header_ struct vma_header h;
	_cleanup_error_ struct error *err = NULL, *twice = NULL, *huge = NULL;
	_cleanup_error_ struct error *none = NULL;
	uint8_t id = 0;
	bool good = vma_header_init(&h, NULL) == 0;

	for (unsigned i = 1; i <= VMA_MAX_DEVICES; i++) {
		_cleanup_free_ char *name = xasprintf("drive-scsi%u", i);

		good = good && vma_header_add_device(&h, name, 512, &id, NULL) == 0 && id == i;
	}
	ok(good, "255 devices fit, with ids from 1 to 255");
	ok(vma_header_add_device(&h, "one-more", 512, NULL, &err) == ERR_INVALID &&
		   says(err, "device 'one-more': an archive holds 255 devices at most"),
	   "the next one does not, and is named");
	ok(vma_header_add_device(&h, "drive-scsi7", 512, NULL, &twice) == ERR_INVALID &&
		   says(twice, "'drive-scsi7' is given twice"),
	   "a name comes once");
	ok(vma_header_add_device(&h, "none", 0, NULL, &none) == ERR_INVALID &&
		   says(none, "'none' has 0 bytes"),
	   "a device without content is refused, as readers take it for none");
	ok(vma_header_add_device(&h, "huge", VMA_MAX_DEVICE_SIZE + 1, NULL, &huge) == ERR_INVALID &&
		   says(huge, "256 TiB"),
	   "a device over 256 TiB is refused");
}

/* Each device of the list is added; returns its id, or 0. */
static uint8_t add_along(struct vma_header *h, const struct vma_header *base, const char *name)
{
	uint8_t id = 0;

	return vma_header_add_device_along(h, base, name, 512, &id, NULL) == 0 ? id : 0;
}

static void device_ids(void)
{
	_cleanup_vma_header_ struct vma_header a = { 0 }, b = { 0 }, c = { 0 }, full = { 0 }, after = { 0 };
	_cleanup_error_ struct error *err = NULL, *twice = NULL;
	bool good = true;

	ok(add_along(&a, NULL, "x") == 1 && add_along(&a, NULL, "y") == 2 && add_along(&a, NULL, "z") == 3,
	   "without a base, devices have ids in order");
	ok(add_along(&b, &a, "new") == 4 && add_along(&b, &a, "z") == 3 && add_along(&b, &a, "x") == 1 &&
		   add_along(&b, &a, "more") == 5,
	   "along a chain devices keep their ids, and a new one gets none that the base uses");
	ok(add_along(&c, &b, "last") == 2 && add_along(&c, &b, "new") == 4,
	   "an id that the base does not use can be given again");
	ok(vma_header_add_device_along(&c, &b, "new", 512, NULL, &twice) == ERR_INVALID &&
		   says(twice, "'new' is given twice"),
	   "a name comes once there too");
	for (unsigned i = 1; i <= VMA_MAX_DEVICES; i++) {
		_cleanup_free_ char *name = xasprintf("drive-scsi%u", i);

		good = good && add_along(&full, NULL, name) == i;
	}
	ok(good && vma_header_add_device_along(&after, &full, "one-more", 512, NULL, &err) == ERR_INVALID &&
		   says(err, "device 'one-more'") && add_along(&after, &full, "drive-scsi255") == 255,
	   "if the base uses all ids, there is none for a new device");
}

static void config_limits(void)
{
	_cleanup_vma_header_ struct vma_header h;
	_cleanup_error_ struct error *err = NULL, *slash = NULL, *large = NULL;
	_cleanup_free_ char *data = xcalloc(1, VMA_MAX_BLOB + 1);
	bool good = vma_header_init(&h, NULL) == 0;

	ok(vma_header_add_config(&h, "../x", "", 0, &slash) == ERR_INVALID && says(slash, "'../x'"),
	   "a config name with a slash is refused");
	ok(vma_header_add_config(&h, "large", data, VMA_MAX_BLOB + 1, &large) == ERR_INVALID &&
		   says(large, "65535"),
	   "a config over 65535 bytes is refused");
	for (unsigned i = 0; i < VMA_MAX_CONFIGS; i++) {
		_cleanup_free_ char *name = xasprintf("config-%u", i);

		good = good && vma_header_add_config(&h, name, data, i, NULL) == 0;
	}
	ok(good, "256 configs fit");
	ok(vma_header_add_config(&h, "one-more", "", 0, &err) == ERR_INVALID &&
		   says(err, "256 configs at most"),
	   "the next one does not");
}

static char *list(const struct buf *b)
{
	char path[] = "/tmp/test-vma-format.XXXXXX";
	_cleanup_close_ int fd = mkstemp(path);
	const char *argv[] = { "tests/lib/vma_reader.py", "list", path, NULL };
	struct process_result result = { 0 };
	_cleanup_error_ struct error *err = NULL;
	char *out = NULL;

	if (fd >= 0 && io_write_all(fd, b->data, b->len) == 0) {
		if (process_run_ok(argv, NULL, &result, &err) < 0)
			diag("%s", error_message(err));
		out = xstrdup(result.out ? result.out : "");
	}
	process_result_clear(&result);
	unlink(path);
	return out;
}

static void another_reader(void)
{
	static const char wanted[] = "CFG: size: 12 name: qemu-server.conf\n"
				     "CFG: size: 0 name: empty\n"
				     "VMSTATE: dev_id=1 memory: 2098688\n"
				     "DEV: dev_id=2 size: 1099511627776 devname: drive-scsi0\n"
				     "CTIME: ";
	_cleanup_vma_header_ struct vma_header h;
	_cleanup_buf_ struct buf b = BUF_INIT;
	_cleanup_free_ char *text = NULL;

	vma_header_init(&h, NULL);
	vma_header_add_config(&h, "qemu-server.conf", "memory: 512\n", 12, NULL);
	vma_header_add_config(&h, "empty", "", 0, NULL);
	vma_header_add_device(&h, "vmstate", 2098688, NULL, NULL);
	vma_header_add_device(&h, "drive-scsi0", UINT64_C(1) << 40, NULL, NULL);
	vma_header_encode(&h, &b);
	ok(b.len % 512 == 0, "an encoded header is a multiple of 512 bytes");
	text = list(&b);
	ok(text && str_prefix(text, wanted, NULL), "another reader finds in the header what was put in");
}

int main(void)
{
	fresh_headers();
	device_limits();
	device_ids();
	config_limits();
	another_reader();
	return done_testing();
}
