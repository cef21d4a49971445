/*
 * What else a guest has: USB and a tablet, graphics, serial ports, agent, random numbers, watchdog, balloon.
 */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "guest/qemu-args-internal.h"

/* ---- the buses of a q35 ---- */

/* Facts: pve-q35-4.0.cfg.  Its sound card is not here, since it has no codec. */
static void add_usb_q35(struct qemu_args *a)
{
	static const struct {
		const char *driver, *id, *addr, *master; /* master: NULL for a controller of its own */
		int first_port;
	} rows[] = {
		{ "ich9-usb-ehci1", "ehci", "1d.7", NULL, 0 },
		{ "ich9-usb-uhci1", "uhci-1", "1d.0", "ehci.0", 0 },
		{ "ich9-usb-uhci2", "uhci-2", "1d.1", "ehci.0", 2 },
		{ "ich9-usb-uhci3", "uhci-3", "1d.2", "ehci.0", 4 },
		{ "ich9-usb-ehci2", "ehci-2", "1a.7", NULL, 0 },
		{ "ich9-usb-uhci4", "uhci-4", "1a.0", "ehci-2.0", 0 },
		{ "ich9-usb-uhci5", "uhci-5", "1a.1", "ehci-2.0", 2 },
		{ "ich9-usb-uhci6", "uhci-6", "1a.2", "ehci-2.0", 4 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct json_object *d = qemu_args_device(rows[i].driver, rows[i].id);

		json_put_bool(d, "multifunction", true);
		json_put_str(json_put_str(d, "bus", "pcie.0"), "addr", rows[i].addr);
		if (rows[i].master)
			json_put_int(json_put_str(d, "masterbus", rows[i].master), "firstport",
				     rows[i].first_port);
		qemu_args_add_device(a, d);
	}
}

static void add_ports_q35(struct qemu_args *a)
{
	for (int i = 1; i <= 4; i++) {
		_cleanup_free_ char *id = xasprintf("ich9-pcie-port-%d", i);
		_cleanup_free_ char *addr = xasprintf("1c.%d", i - 1);
		struct json_object *d = qemu_args_device("pcie-root-port", id);

		json_put_str(json_put_str(d, "x-speed", "16"), "x-width", "32");
		json_put_bool(d, "multifunction", true);
		json_put_str(json_put_str(d, "bus", "pcie.0"), "addr", addr);
		qemu_args_add_device(a, json_put_int(json_put_int(d, "port", i), "chassis", i));
	}
}

static void add_bridges_q35(struct qemu_args *a)
{
	struct json_object *d = qemu_args_device("i82801b11-bridge", "pcidmi");

	qemu_args_add_device(a, json_put_str(json_put_str(d, "bus", "pcie.0"), "addr", "1e.0"));
	for (int i = 0; i < 4; i++) {
		_cleanup_free_ char *id = xasprintf("pci.%d", i);
		_cleanup_free_ char *addr = xasprintf("%d.0", i + 1);

		d = qemu_args_device("pci-bridge", id);
		json_put_str(json_put_str(d, "bus", "pcidmi"), "addr", addr);
		qemu_args_add_device(a, json_put_int(d, "chassis_nr", i + 1));
	}
}

void qemu_args_buses(struct qemu_args *a)
{
	struct json_object *d;

	if (a->q35) {
		add_usb_q35(a);
		add_ports_q35(a);
		add_bridges_q35(a);
		return;
	}
	d = qemu_args_device("piix3-usb-uhci", "uhci");
	qemu_args_add_device(a, json_put_str(json_put_str(d, "bus", "pci.0"), "addr", "1.2"));
}

/* ---- graphics and input ---- */

static const struct propstr_key vga_keys[] = {
	{ .name = "type", .value = { .type = VALUE_STRING }, .is_default = true },
	{ .name = "memory", .value = { .type = VALUE_INT, .min = 4, .max = 512 } },
};
static const struct propstr_format vga_format = {
	.name = "vga", .keys = vga_keys, .n_keys = ARRAY_SIZE(vga_keys), .tolerant = true
};

/* NULL: no card. */
static const char *vga_driver(const struct qemu_args *a, const char *type, struct error **err, int *r)
{
	static const char *const rows[][2] = { { "std", "VGA" },
					       { "cirrus", "cirrus-vga" },
					       { "vmware", "vmware-svga" },
					       { "virtio", "virtio-vga" } };

	*r = 0;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (!strcmp(type, rows[i][0]))
			return rows[i][1];
	if (!strcmp(type, "none") || str_prefix(type, "serial", NULL))
		return NULL;
	if (str_prefix(type, "qxl", NULL) || !strcmp(type, "virtio-gl")) {
		qemu_args_warn(a, "vga", "'%s' is not translated: the guest gets a standard VGA card", type);
		return "VGA";
	}
	*r = error_set(err, ERR_INVALID, "vga: there is no type '%s'", type);
	return NULL;
}

static void add_card(struct qemu_args *a, const char *driver, int64_t memory_mib)
{
	struct json_object *d = qemu_args_device(driver, "vga");

	if (memory_mib && !strcmp(driver, "virtio-vga"))
		json_put_int(d, "max_hostmem", memory_mib * (int64_t)MIB);
	else if (memory_mib)
		json_put_int(d, "vgamem_mb", memory_mib);
	/* Windows' own driver is confused by it, as PVE has found */
	if (a->windows && !strcmp(driver, "VGA") && !str_equal_null(qemu_args_get(a, "bios"), "ovmf"))
		json_put_bool(d, "edid", false);
	if (a->q35)
		json_put_str(json_put_str(d, "bus", "pcie.0"), "addr", "0x1");
	else
		qemu_args_put_pci(a, d, "vga0");
	qemu_args_add_device(a, d);
}

static int add_display(struct qemu_args *a, bool card, struct error **err)
{
	_cleanup_free_ char *socket = NULL, *quoted = NULL;
	int r;

	qemu_args_add(a, "-display", "none");
	if (!card || a->options->flags & QEMU_ARGS_NO_VNC)
		return 0;
	r = qemu_args_socket(a, "vnc", &socket, err);
	if (r < 0)
		return r;
	quoted = qemu_args_quote(socket);
	qemu_args_addf(a, "-vnc", "unix:%s", quoted);
	return 0;
}

static int add_tablet(struct qemu_args *a, bool card, struct error **err)
{
	struct json_object *d;
	bool tablet;
	int r = qemu_args_get_bool(a, "tablet", card, &tablet, err);

	if (r < 0 || !tablet)
		return r;
	d = qemu_args_device("usb-tablet", "tablet");
	json_put_str(json_put_str(d, "bus", a->q35 ? "ehci.0" : "uhci.0"), "port", "1");
	qemu_args_add_device(a, d);
	return 0;
}

static int add_graphics(struct qemu_args *a, struct error **err)
{
	_cleanup_propstr_ struct propstr p = { 0 };
	const char *type = NULL, *driver;
	int64_t memory = 0;
	int r = 0;

	if (qemu_args_get(a, "vga")) {
		r = qemu_args_parse(a, "vga", &vga_format, &p, err);
		if (r < 0)
			return r;
		type = propstr_get(&p, "type");
		memory = propstr_get_int(&p, "memory");
	}
	driver = vga_driver(a, type ? type : "std", err, &r);
	if (r == 0)
		r = add_display(a, driver != NULL, err);
	if (r == 0)
		r = add_tablet(a, driver != NULL, err);
	if (r < 0)
		return r;
	if (driver)
		add_card(a, driver, memory);
	else if (!str_equal_null(qemu_args_get(a, "bios"), "ovmf"))
		strv_add(&a->machine, "smm=off"); /* as PVE has found, for SeaBIOS on a serial port */
	return 0;
}

/* ---- ports ---- */

static int add_socket(struct qemu_args *a, const char *id, const char *what, struct error **err)
{
	_cleanup_free_ char *path = NULL, *quoted = NULL, *value = NULL;
	int r = qemu_args_socket(a, what, &path, err);

	if (r < 0)
		return r;
	quoted = qemu_args_quote(path);
	value = xasprintf("socket,id=%s,path=%s,server=on,wait=off", id, quoted);
	qemu_args_add_backend(a, "-chardev", value);
	return 0;
}

static int add_serial(struct qemu_args *a, const char *key, const char *value, struct error **err)
{
	struct json_object *d;
	int r;

	if (!strcmp(value, "socket")) {
		r = add_socket(a, key, key, err);
		if (r < 0)
			return r;
	} else if (str_prefix(value, "/dev/", NULL)) {
		_cleanup_free_ char *quoted = qemu_args_quote(value);
		_cleanup_free_ char *backend = xasprintf("serial,id=%s,path=%s", key, quoted);

		qemu_args_add_backend(a, "-chardev", backend);
	} else {
		return error_set(err, ERR_INVALID, "%s: '%s' is neither 'socket' nor a device", key, value);
	}
	d = qemu_args_device("isa-serial", NULL);
	qemu_args_add_device(a, json_put_str(d, "chardev", key));
	return 0;
}

static int add_serials(struct qemu_args *a, struct error **err)
{
	static const char *const keys[] = { "serial0", "serial1", "serial2", "serial3" };
	int r = 0;

	if (a->options->flags & QEMU_ARGS_NO_SERIAL)
		return 0;
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(keys); i++)
		if (qemu_args_get(a, keys[i]))
			r = add_serial(a, keys[i], qemu_args_get(a, keys[i]), err);
	return r;
}

/* ---- agent ---- */

static const struct propstr_key agent_keys[] = {
	{ .name = "enabled", .value = { .type = VALUE_BOOL }, .is_default = true, .required = true },
	{ .name = "type", .value = { .type = VALUE_STRING } },
};
static const struct propstr_format agent_format = {
	.name = "agent", .keys = agent_keys, .n_keys = ARRAY_SIZE(agent_keys), .tolerant = true
};

static int add_agent(struct qemu_args *a, struct error **err)
{
	_cleanup_propstr_ struct propstr p = { 0 };
	struct json_object *d;
	int r;

	if (!qemu_args_get(a, "agent") || a->options->flags & QEMU_ARGS_NO_AGENT)
		return 0;
	r = qemu_args_parse(a, "agent", &agent_format, &p, err);
	if (r < 0 || !propstr_get_bool(&p, "enabled"))
		return r;
	r = add_socket(a, "qga0", "qga", err);
	if (r < 0)
		return r;
	if (str_equal_null(propstr_get(&p, "type"), "isa")) {
		qemu_args_add_device(a,
				     json_put_str(qemu_args_device("isa-serial", NULL), "chardev", "qga0"));
		return 0;
	}
	d = qemu_args_device("virtio-serial-pci", "qga0");
	qemu_args_put_pci(a, d, "qga0");
	qemu_args_add_device(a, d);
	d = qemu_args_device("virtserialport", NULL);
	json_put_str(json_put_str(d, "bus", "qga0.0"), "chardev", "qga0");
	qemu_args_add_device(a, json_put_str(d, "name", "org.qemu.guest_agent.0"));
	return 0;
}

/* ---- random numbers, watchdog, balloon ---- */

static const char *const rng_values[] = { "/dev/urandom", "/dev/random", "/dev/hwrng", NULL };
static const struct propstr_key rng_keys[] = {
	{ .name = "source",
	  .value = { .type = VALUE_ENUM, .values = rng_values },
	  .is_default = true,
	  .required = true },
	{ .name = "max_bytes", .value = { .type = VALUE_INT, .min = 0 }, .fallback = "1024" },
	{ .name = "period", .value = { .type = VALUE_INT, .min = 1 }, .fallback = "1000" },
};
static const struct propstr_format rng_format = { .name = "rng0",
						  .keys = rng_keys,
						  .n_keys = ARRAY_SIZE(rng_keys) };

static int add_rng(struct qemu_args *a, struct error **err)
{
	_cleanup_propstr_ struct propstr p = { 0 };
	struct json_object *object, *d;
	int r;

	if (!qemu_args_get(a, "rng0"))
		return 0;
	r = qemu_args_parse(a, "rng0", &rng_format, &p, err);
	if (r < 0)
		return r;
	object = json_put_str(json_new_str("qom-type", "rng-random"), "id", "rng0");
	qemu_args_add_json(a, "-object", json_put_str(object, "filename", propstr_get(&p, "source")));
	d = json_put_str(qemu_args_device("virtio-rng-pci", NULL), "rng", "rng0");
	if (propstr_get_int(&p, "max_bytes"))
		json_put_int(json_put_int(d, "max-bytes", propstr_get_int(&p, "max_bytes")), "period",
			     propstr_get_int(&p, "period"));
	qemu_args_put_pci(a, d, "rng0");
	qemu_args_add_device(a, d);
	return 0;
}

static const char *const watchdog_values[] = { "i6300esb", "ib700", NULL };
static const char *const action_values[] = {
	"reset", "shutdown", "poweroff", "pause", "debug", "none", NULL
};
static const struct propstr_key watchdog_keys[] = {
	{ .name = "model",
	  .value = { .type = VALUE_ENUM, .values = watchdog_values },
	  .fallback = "i6300esb",
	  .is_default = true },
	{ .name = "action", .value = { .type = VALUE_ENUM, .values = action_values } },
};
static const struct propstr_format watchdog_format = { .name = "watchdog",
						       .keys = watchdog_keys,
						       .n_keys = ARRAY_SIZE(watchdog_keys) };

static int add_watchdog(struct qemu_args *a, struct error **err)
{
	_cleanup_propstr_ struct propstr p = { 0 };
	struct json_object *d;
	int r;

	if (!qemu_args_get(a, "watchdog"))
		return 0;
	r = qemu_args_parse(a, "watchdog", &watchdog_format, &p, err);
	if (r < 0)
		return r;
	d = qemu_args_device(propstr_get(&p, "model"), NULL);
	if (!strcmp(propstr_get(&p, "model"), "i6300esb"))
		qemu_args_put_pci(a, d, "watchdog0");
	qemu_args_add_device(a, d);
	if (propstr_has(&p, "action"))
		qemu_args_add(a, "-watchdog-action", propstr_get(&p, "action"));
	return 0;
}

static void add_balloon(struct qemu_args *a)
{
	struct json_object *d;

	if (str_equal_null(qemu_args_get(a, "balloon"), "0"))
		return;
	d = qemu_args_device("virtio-balloon-pci", "balloon0");
	qemu_args_put_pci(a, d, "balloon0");
	qemu_args_add_device(a, json_put_bool(d, "free-page-reporting", true));
}

static int add_generation(struct qemu_args *a, struct error **err)
{
	const char *guid = qemu_args_get(a, "vmgenid");
	struct json_object *d;

	if (!guid || !strcmp(guid, "0"))
		return 0;
	if (strlen(guid) != 36 || guid[strspn(guid, "0123456789abcdefABCDEF-")])
		return error_set(err, ERR_INVALID, "vmgenid: '%s' is no UUID", guid);
	d = json_put_str(json_new_str("driver", "vmgenid"), "guid", guid);
	qemu_args_add_device(a, d);
	return 0;
}

int qemu_args_devices(struct qemu_args *a, struct error **err)
{
	int r = add_generation(a, err);

	if (r == 0)
		r = add_graphics(a, err);
	if (r == 0)
		r = add_serials(a, err);
	if (r == 0)
		r = add_agent(a, err);
	if (r == 0)
		r = add_rng(a, err);
	if (r == 0)
		r = add_watchdog(a, err);
	if (r == 0)
		add_balloon(a);
	return r;
}
