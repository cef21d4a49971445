/* Network cards, on a bridge of the host or behind QEMU's own translation of addresses. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "guest/qemu-args-internal.h"

enum {
	MAX_NETS = 32,
	MIN_MTU = 576,
};

static const char *const model_values[] = { "e1000",         "e1000-82540em", "e1000-82544gc",
					    "e1000-82545em", "e1000e",        "i82551",
					    "i82557b",       "i82559er",      "ne2k_isa",
					    "ne2k_pci",      "pcnet",         "rtl8139",
					    "virtio",        "vmxnet3",       NULL };

/* "virtio=MAC" stands for "model=virtio,macaddr=MAC". */
static const struct propstr_key net_keys[] = {
	{ .name = "model", .value = { .type = VALUE_ENUM, .values = model_values }, .is_default = true },
	{ .name = "bridge", .value = { .type = VALUE_STRING } },
	{ .name = "link_down", .value = { .type = VALUE_BOOL } },
	{ .name = "macaddr", .value = { .type = VALUE_STRING } },
	{ .name = "mtu", .value = { .type = VALUE_INT, .min = 1, .max = 65520 } },
	{ .name = "queues", .value = { .type = VALUE_INT, .min = 0, .max = 64 } },
};
static const struct propstr_format net_format = {
	.name = "net", .keys = net_keys, .n_keys = ARRAY_SIZE(net_keys), .tolerant = true
};

struct net {
	const char *key;
	unsigned index;
	struct propstr line;
	const char *model;
	const char *mac; /* NULL: none is given */
};

static int find_model(struct net *n, struct error **err)
{
	n->model = propstr_get(&n->line, "model");
	n->mac = propstr_get(&n->line, "macaddr");
	for (size_t i = 0; !n->model && model_values[i]; i++) {
		n->mac = propstr_has(&n->line, model_values[i]) ? propstr_get(&n->line, model_values[i])
								: n->mac;
		n->model = propstr_has(&n->line, model_values[i]) ? model_values[i] : NULL;
	}
	if (!n->model)
		return error_set(err, ERR_INVALID, "%s: no model of a card is named, as in 'virtio=<MAC>'",
				 n->key);
	return 0;
}

static bool is_mac(const char *text)
{
	unsigned b[6];
	int end = 0;

	return sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5], &end) ==
		       6 &&
	       end == 17 && !text[end];
}

/* One that no address gives is the same at each start, and differs between the guests of a host. */
static int put_mac(const struct qemu_args *a, struct json_object *device, const struct net *n,
		   struct error **err)
{
	const unsigned vmid = a->config->vmid;
	char made[18];

	if (n->mac && !is_mac(n->mac))
		return error_set(err, ERR_INVALID, "%s: '%s' is no MAC address", n->key, n->mac);
	snprintf(made, sizeof(made), "52:54:%02x:%02x:%02x:%02x", vmid >> 16 & 0xff, vmid >> 8 & 0xff,
		 vmid & 0xff, n->index);
	json_put_str(device, "mac", n->mac ? n->mac : made);
	return 0;
}

static void put_virtio(struct json_object *device, const struct net *n)
{
	const int64_t queues = propstr_get_int(&n->line, "queues"), mtu = propstr_get_int(&n->line, "mtu");

	if (queues > 1) {
		/* in and out of each queue, configuration, control */
		json_put_int(device, "vectors", queues * 2 + 2);
		json_put_bool(json_put_bool(device, "mq", true), "packed", true);
	}
	json_put_int(json_put_int(device, "rx_queue_size", 1024), "tx_queue_size", 256);
	if (mtu >= MIN_MTU)
		json_put_int(device, "host_mtu", mtu);
}

static int add_card(struct qemu_args *a, const struct net *n, struct error **err)
{
	const bool virtio = !strcmp(n->model, "virtio");
	struct json_object *device = qemu_args_device(virtio ? "virtio-net-pci" : n->model, n->key);
	int r;

	json_put_str(device, "netdev", n->key);
	if (strcmp(n->model, "ne2k_isa") != 0)
		qemu_args_put_pci(a, device, n->key);
	if (virtio)
		put_virtio(device, n);
	qemu_args_put_boot(a, device, n->key);
	r = put_mac(a, device, n, err);
	if (r < 0)
		json_object_put(device);
	else
		qemu_args_add_device(a, device);
	return r;
}

/* ---- what the card is connected to ---- */

static bool interface_exists(const char *name)
{
	_cleanup_free_ char *path = xasprintf("/sys/class/net/%s", name);

	return access(path, F_OK) == 0;
}

static bool is_interface_name(const char *name)
{
	return *name && strlen(name) < 16 && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
	       !name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")];
}

static int add_bridge(struct qemu_args *a, const struct net *n, const char *bridge, struct error **err)
{
	_cleanup_free_ char *tap = xasprintf("tap%ui%u", a->config->vmid, n->index);
	_cleanup_free_ char *value = NULL;

	if (!is_interface_name(bridge))
		return error_set(err, ERR_INVALID, "%s: '%s' is no name of a bridge", n->key, bridge);
	/* made by whoever looks after the host's network: with a VLAN, a limit, a firewall */
	if (interface_exists(tap)) {
		value = xasprintf("tap,id=%s,ifname=%s,script=no,downscript=no", n->key, tap);
	} else {
		value = xasprintf("bridge,id=%s,br=%s", n->key, bridge);
		if (!interface_exists(bridge))
			qemu_args_warn(a, n->key,
				       "this host has no bridge '%s': make it, or name another one", bridge);
	}
	qemu_args_add_backend(a, "-netdev", value);
	return 0;
}

static int add_network(struct qemu_args *a, const struct net *n, struct error **err)
{
	const char *bridge = propstr_get(&n->line, "bridge");
	_cleanup_free_ char *value = NULL;

	if (bridge)
		return add_bridge(a, n, bridge, err);
	value = xasprintf("user,id=%s", n->key);
	qemu_args_add_backend(a, "-netdev", value);
	return 0;
}

static void warn_of_rest(const struct qemu_args *a, const struct net *n)
{
	static const char *const keys[] = { "firewall", "rate", "tag", "trunks" };
	_cleanup_strv_ char **found = NULL;
	_cleanup_free_ char *list = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (propstr_has(&n->line, keys[i]) && strcmp(propstr_get(&n->line, keys[i]), "0") != 0)
			strv_add(&found, keys[i]);
	if (propstr_get_bool(&n->line, "link_down"))
		strv_add(&found, "link_down");
	if (!found)
		return;
	list = strv_join(found, ", ");
	qemu_args_warn(a, n->key,
		       "%s: without effect here; an interface tap%ui%u with all that would be used as it is",
		       list, a->config->vmid, n->index);
}

static void warn_beyond(const struct qemu_args *a)
{
	for (size_t i = 0; i < a->config->n; i++) {
		const char *key = a->config->pairs[i].key, *digits;
		uint64_t n;

		if (str_prefix(key, "net", &digits) && *digits && !digits[strspn(digits, "0123456789")] &&
		    units_parse_u64(digits, 0, MAX_NETS - 1, "number", &n, NULL) < 0)
			qemu_args_warn(a, key, "it is left out, since net0 to net%u are all there are",
				       MAX_NETS - 1u);
	}
}

int qemu_args_net(struct qemu_args *a, struct error **err)
{
	int r = 0;

	warn_beyond(a);
	for (unsigned i = 0; r == 0 && i < MAX_NETS; i++) {
		struct net n = { .index = i };
		char key[16];

		snprintf(key, sizeof(key), "net%u", i);
		n.key = key;
		if (!qemu_args_get(a, key))
			continue;
		r = qemu_args_parse(a, key, &net_format, &n.line, err);
		if (r == 0)
			r = find_model(&n, err);
		if (r == 0)
			warn_of_rest(a, &n);
		if (r == 0)
			r = add_network(a, &n, err);
		if (r == 0)
			r = add_card(a, &n, err);
		propstr_clear(&n.line);
	}
	return r;
}
