#include "boot/config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/strv.h"

#define DEFAULT_MEMORY_MIB UINT64_C(512) /* PVE's */

/* Keys that end with a number, which is not written here; the others are whole. */
static const char *const numbered[] = { "net",   "hostpci", "usb",  "serial",   "parallel",
					"audio", "rng",     "numa", "virtiofs", "ipconfig" };
static const char *const dropped[] = { "agent",      "args",      "affinity", "balloon",
				       "cpu",        "cpulimit",  "cpuunits", "freeze",
				       "hookscript", "hugepages", "ivshmem",  "keephugepages",
				       "kvm",        "lock",      "memory",   "numa",
				       "onboot",     "rng0",      "shares",   "spice_enhancements",
				       "template",   "tpmstate0", "vga",      "watchdog" };

static bool is_numbered(const char *key, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(numbered); i++) {
		const size_t n = strlen(numbered[i]);

		if (len > n && !strncmp(key, numbered[i], n) && strspn(key + n, "0123456789") == len - n)
			return true;
	}
	return false;
}

static bool is_dropped(const char *key, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(dropped); i++)
		if (strlen(dropped[i]) == len && !strncmp(key, dropped[i], len))
			return true;
	return is_numbered(key, len);
}

static bool drop_line(const void *opaque, const char *line)
{
	(void)opaque;
	return is_dropped(line, strcspn(line, ":"));
}

/* ---- memory ---- */

/* 0 if /proc does not tell. */
static uint64_t free_memory_mib(void)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	const char *at;

	if (io_read_file("/proc/meminfo", 65536, &text, NULL) < 0)
		return 0;
	at = strstr(buf_str(&text), "MemAvailable:");
	return at ? strtoull(at + strlen("MemAvailable:"), NULL, 10) / 1024 : 0;
}

/* "4096", "current=4096", "current=4096,..." */
static uint64_t configured_memory_mib(const struct guest_config *c)
{
	const char *value = guest_config_get(c, "memory");
	uint64_t mib;

	if (!value)
		return DEFAULT_MEMORY_MIB;
	str_prefix(value, "current=", &value);
	mib = strtoull(value, NULL, 10);
	return mib ? mib : DEFAULT_MEMORY_MIB;
}

static int choose_memory(const struct guest_config *c, const struct boot_config_options *o, uint64_t *ret,
			 struct error **err)
{
	const uint64_t avail = free_memory_mib();
	const uint64_t most = avail > BOOT_MEMORY_LEFT_MIB ? avail - BOOT_MEMORY_LEFT_MIB : 0;

	*ret = o->memory_mib ? o->memory_mib : configured_memory_mib(c);
	if (!avail || *ret <= most)
		return 0;
	if (most < BOOT_MEMORY_MIN_MIB || o->memory_mib)
		return error_set(err, -ENOMEM,
				 "the guest needs %" PRIu64
				 " MiB of memory to be tried, but the host has only "
				 "%" PRIu64 " MiB free: end something, or give less with --memory",
				 o->memory_mib ? o->memory_mib : BOOT_MEMORY_MIN_MIB, most);
	log_warn(o->log,
		 "the guest is configured with %" PRIu64 " MiB of memory, but the host has only %" PRIu64
		 " MiB free for it: it is tried with these",
		 *ret, most);
	*ret = most;
	return 0;
}

/* ---- all of it ---- */

/* Each other kind needs something of the host, or shows nothing that a screenshot could keep. */
static const char *graphics(const struct guest_config *c)
{
	static const char *const good[] = { "std", "cirrus", "vmware", "virtio" };
	const char *value = guest_config_get(c, "vga");
	size_t len;

	if (value)
		str_prefix(value, "type=", &value);
	len = value ? strcspn(value, ",") : 0;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		if (len == strlen(good[i]) && !strncmp(value, good[i], len))
			return good[i];
	return "std";
}

int boot_config_make(const char *text, const struct boot_config_options *o, struct guest_config *ret,
		     struct error **err)
{
	_cleanup_guest_config_ struct guest_config own = { 0 };
	_cleanup_buf_ struct buf kept = BUF_INIT, more = BUF_INIT, all = BUF_INIT;
	const char *cpu;
	uint64_t mib;
	int r;

	guest_config_parse(o->vmid, text, NULL, &own);
	r = choose_memory(&own, o, &mib, err);
	if (r < 0)
		return r;
	cpu = o->kvm ? guest_config_get(&own, "cpu") : "max";
	guest_config_drop_lines(text, drop_line, NULL, &kept);
	buf_addf(&more, "memory: %" PRIu64 "\nballoon: 0\nvga: %s\n", mib, graphics(&own));
	if (cpu)
		buf_addf(&more, "cpu: %s\n", cpu);
	if (!o->kvm)
		buf_adds(&more, "kvm: 0\n");
	guest_config_add_lines(buf_str(&kept), buf_str(&more), &all);
	guest_config_parse(o->vmid, buf_str(&all), o->log, ret);
	return 0;
}
