#include "boot/config.h"

#include "tap.h"

static const char given[] = "#a note with net0: in it\n"
			    "agent: 1\n"
			    "args: -device evil\n"
			    "boot: order=scsi0\n"
			    "cpu: host\n"
			    "hostpci0: 01:00\n"
			    "memory: 128\n"
			    "net0: virtio=AA:BB:CC:DD:EE:FF,bridge=vmbr0\n"
			    "netmask: odd\n"
			    "scsi0: local:100/vm-100-disk-0.raw,size=1G\n"
			    "serial0: socket\n"
			    "tpmstate0: local:100/vm-100-disk-1.raw\n"
			    "usb3: host=1234:5678\n"
			    "vga: serial0\n";

static bool has(const struct guest_config *c, const char *key)
{
	return guest_config_get(c, key) != NULL;
}

static bool is(const struct guest_config *c, const char *key, const char *value)
{
	const char *got = guest_config_get(c, key);

	return got && !strcmp(got, value);
}

static void test_host(void)
{
	const struct boot_config_options o = { .vmid = 100 };
	struct guest_config c;

	if (!ok(boot_config_make(given, &o, &c, NULL) == 0, "a configuration is made"))
		return;
	ok(!has(&c, "net0") && !has(&c, "hostpci0") && !has(&c, "usb3") && !has(&c, "args") &&
		   !has(&c, "serial0"),
	   "nothing of the host is left");
	ok(is(&c, "scsi0", "local:100/vm-100-disk-0.raw,size=1G") && is(&c, "boot", "order=scsi0") &&
		   is(&c, "netmask", "odd"),
	   "all else stays");
	ok(is(&c, "cpu", "max") && is(&c, "kvm", "0"), "TCG gets a CPU that it can do");
	ok(is(&c, "vga", "std"), "there is a screen to look at");
	ok(!has(&c, "tpmstate0"), "no TPM that a host has: boot/tpm.h has the archive's");
	ok(is(&c, "memory", "128") && is(&c, "balloon", "0"), "memory is as configured");
	guest_config_clear(&c);
}

static void test_options(void)
{
	const struct boot_config_options o = { .vmid = 100, .memory_mib = 96, .kvm = true };
	struct guest_config c;

	if (!ok(boot_config_make(given, &o, &c, NULL) == 0, "another one"))
		return;
	ok(is(&c, "cpu", "host") && !has(&c, "kvm"), "KVM gets the CPU that is configured");
	ok(is(&c, "memory", "96"), "the caller's memory wins");
	guest_config_clear(&c);
}

static void test_memory(void)
{
	const struct boot_config_options much = { .vmid = 100, .memory_mib = UINT64_C(1) << 40 };
	const struct boot_config_options own = { .vmid = 100 };
	struct error *err = NULL;
	struct guest_config c;

	ok(boot_config_make(given, &much, &c, &err) < 0, "more than the host has is refused");
	error_free(err);
	ok(boot_config_make("memory: 1099511627776\n", &own, &c, NULL) == 0 &&
		   !is(&c, "memory", "1099511627776"),
	   "a configured size is cut to what there is");
	guest_config_clear(&c);
}

int main(void)
{
	test_host();
	test_options();
	test_memory();
	return done_testing();
}
