/* The words of a QEMU command line, and where its devices are on the PCI buses. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "base/unix-socket.h"
#include "guest/qemu-args-internal.h"

/* ---- words ---- */

void qemu_args_add(struct qemu_args *a, const char *option, const char *value)
{
	strv_add(&a->words, option);
	strv_add(&a->words, value);
}

void qemu_args_addf(struct qemu_args *a, const char *option, const char *fmt, ...)
{
	_cleanup_free_ char *value = NULL;
	va_list ap;

	va_start(ap, fmt);
	value = xvasprintf(fmt, ap);
	va_end(ap);
	qemu_args_add(a, option, value);
}

void qemu_args_add_json(struct qemu_args *a, const char *option, struct json_object *value)
{
	qemu_args_add(a, option, json_text(value));
	json_object_put(value);
}

void qemu_args_add_backend(struct qemu_args *a, const char *option, const char *value)
{
	strv_add(&a->devices, option);
	strv_add(&a->devices, value);
}

struct json_object *qemu_args_device(const char *driver, const char *id)
{
	return json_put_str(json_new_str("driver", driver), "id", id);
}

void qemu_args_add_device(struct qemu_args *a, struct json_object *device)
{
	qemu_args_add_backend(a, "-device", json_text(device));
	json_object_put(device);
}

char *qemu_args_quote(const char *text)
{
	struct buf b = BUF_INIT;

	for (const char *at = text; *at; at++) {
		if (*at == ',')
			buf_addc(&b, ',');
		buf_addc(&b, *at);
	}
	return buf_steal(&b);
}

int qemu_args_socket(const struct qemu_args *a, const char *what, char **ret, struct error **err)
{
	_cleanup_free_ char *path =
		paths_get(a->options->paths, "/run/qemu-server/%u.%s", a->config->vmid, what);
	int r = unix_socket_check_path(path, err);

	if (r == 0)
		*ret = TAKE_PTR(path);
	return r;
}

/* ---- the configuration ---- */

const char *qemu_args_get(const struct qemu_args *a, const char *key)
{
	return guest_config_get(a->config, key);
}

int qemu_args_get_bool(const struct qemu_args *a, const char *key, bool otherwise, bool *ret,
		       struct error **err)
{
	const char *value = qemu_args_get(a, key);

	*ret = otherwise;
	if (value && !units_parse_bool(value, ret))
		return error_set(err, ERR_INVALID, "%s: '%s' is neither 0 nor 1", key, value);
	return 0;
}

int qemu_args_parse(const struct qemu_args *a, const char *key, const struct propstr_format *f,
		    struct propstr *ret, struct error **err)
{
	int r = propstr_parse(f, qemu_args_get(a, key), ret, err);

	return r < 0 ? error_wrap(err, r, "%s", key) : 0;
}

void qemu_args_warn(const struct qemu_args *a, const char *key, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	log_warn(a->options->log, "VM %u: %s: %s", a->config->vmid, key, text);
}

/* ---- PCI ---- */

/* Fact: get_pci_addr_map of PVE::QemuServer::PCI. */
static const struct pci_place {
	const char *prefix; /* of the name, with numbers from `first` on */
	unsigned first, count;
	unsigned bus, slot; /* of the first */
} places[] = {
	/* clang-format off */
	{ "vga", 0, 1, 0, 2 },       { "balloon", 0, 1, 0, 3 },     { "watchdog", 0, 1, 0, 4 },
	{ "scsihw", 0, 2, 0, 5 },    { "ahci", 0, 1, 0, 7 },        { "qga", 0, 1, 0, 8 },
	{ "virtio", 0, 6, 0, 10 },   { "net", 0, 6, 0, 18 },        { "net", 6, 26, 1, 1 },
	{ "rng", 0, 1, 1, 29 },      { "virtio", 6, 10, 2, 1 },     { "virtioscsi", 0, 31, 3, 1 },
	{ "scsihw", 2, 3, 4, 1 },
	/* clang-format on */
};

static const struct pci_place *find_place(const char *name, unsigned *ret_slot)
{
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		const struct pci_place *p = &places[i];
		const char *digits;
		uint64_t n;

		if (!str_prefix(name, p->prefix, &digits) ||
		    units_parse_u64(digits, p->first, p->first + p->count - 1, "number", &n, NULL) < 0)
			continue;
		*ret_slot = p->slot + (unsigned)n - p->first;
		return p;
	}
	return NULL;
}

static void put_slot(struct json_object *device, const char *bus, unsigned slot)
{
	char text[16];

	json_put_str(device, "bus", bus);
	snprintf(text, sizeof(text), "0x%x", slot);
	json_put_str(device, "addr", text);
}

void qemu_args_put_pci(struct qemu_args *a, struct json_object *device, const char *name)
{
	unsigned slot = 0;
	const struct pci_place *p = find_place(name, &slot);
	char bus[16];

	if (!p)
		return;
	snprintf(bus, sizeof(bus), "pci.%u", p->bus);
	put_slot(device, bus, slot);
	a->bridges |= 1U << p->bus;
}

static void add_bridge(char ***words, unsigned number, const char *bus, unsigned slot)
{
	char id[16];
	struct json_object *bridge;

	snprintf(id, sizeof(id), "pci.%u", number);
	bridge = qemu_args_device("pci-bridge", id);
	json_put_int(bridge, "chassis_nr", number);
	put_slot(bridge, bus, slot);
	strv_add(words, "-device");
	strv_add(words, json_text(bridge));
	json_object_put(bridge);
}

void qemu_args_add_bridges(struct qemu_args *a, char ***words)
{
	if (!a->q35) {
		add_bridge(words, 1, "pci.0", 0x1e);
		add_bridge(words, 2, "pci.0", 0x1f);
		if (a->bridges & 1U << 3)
			add_bridge(words, 3, "pci.0", 5);
	}
	if (a->bridges & 1U << 4)
		add_bridge(words, 4, "pci.1", 0x1c);
}
