/* The words of a QEMU command line for a guest's configuration, part by part. */
#include "guest/qemu-args.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/strv.h"
#include "guest/qemu-args-internal.h"

/* ---- what is not translated ---- */

static void warn_of_rest(const struct qemu_args *a)
{
	static const struct {
		const char *prefix; /* of the keys */
		const char *advice;
	} rows[] = {
		{ "affinity", "is without effect here: see CPUAffinity= of the service" },
		{ "amd-sev", "is not translated: the guest's memory is not encrypted" },
		{ "audio", "is not translated: there is no sound" },
		{ "cpulimit", "is without effect here: see CPUQuota= of the service" },
		{ "hookscript", "is without effect here: see ExecStartPre= of the service" },
		{ "hostpci", "is not translated: write what QEMU needs for it into a line 'args:'" },
		{ "hugepages", "is not translated: the guest gets usual memory" },
		{ "intel-tdx", "is not translated: the guest's memory is not encrypted" },
		{ "ivshmem", "is not translated" },
		{ "numa", "is not translated: the guest sees one node" },
		{ "parallel", "is not translated" },
		{ "tpmstate",
		  "is not translated: run swtpm, and write what QEMU needs for it into a line 'args:'" },
		{ "usb", "is not translated: write what QEMU needs for it into a line 'args:'" },
		{ "virtiofs",
		  "is not translated: run virtiofsd, and write what QEMU needs for it into 'args:'" },
		{ "vmstate", "is not translated: the guest starts anew" },
	};

	for (size_t i = 0; i < a->config->n; i++) {
		const struct guest_pair *pair = &a->config->pairs[i];

		for (size_t k = 0; k < ARRAY_SIZE(rows); k++)
			if (str_prefix(pair->key, rows[k].prefix, NULL) && strcmp(pair->value, "0") != 0 &&
			    strcmp(pair->value, "spice") != 0) {
				qemu_args_warn(a, pair->key, "%s", rows[k].advice);
				break;
			}
	}
}

/* ---- how it is reached ---- */

static int add_monitor(struct qemu_args *a, struct error **err)
{
	_cleanup_free_ char *socket = NULL, *quoted = NULL;
	int r;

	if (a->options->flags & QEMU_ARGS_NO_MONITOR)
		return 0;
	r = qemu_args_socket(a, "qmp", &socket, err);
	if (r < 0)
		return r;
	quoted = qemu_args_quote(socket);
	qemu_args_addf(a, "-qmp", "unix:%s,server=on,wait=off", quoted);
	return 0;
}

static void add_pidfile(struct qemu_args *a)
{
	_cleanup_free_ char *path = paths_get(a->options->paths, "/run/qemu-server/%u.pid", a->config->vmid);

	if (!(a->options->flags & QEMU_ARGS_NO_PIDFILE))
		qemu_args_add(a, "-pidfile", path);
}

static int add_start(struct qemu_args *a, struct error **err)
{
	const char *keyboard = qemu_args_get(a, "keyboard");
	bool freeze, reboot;
	int r = qemu_args_get_bool(a, "freeze", false, &freeze, err);

	if (r == 0)
		r = qemu_args_get_bool(a, "reboot", true, &reboot, err);
	if (r < 0)
		return r;
	strv_add(&a->words, "-nodefaults");
	qemu_args_add(a, "-boot", "menu=on,strict=on,reboot-timeout=1000");
	if (keyboard && keyboard[strspn(keyboard, "abcdefghijklmnopqrstuvwxyz-")])
		return error_set(err, ERR_INVALID, "keyboard: '%s' is no layout, as 'de' or 'en-us'",
				 keyboard);
	if (keyboard)
		qemu_args_add(a, "-k", keyboard);
	if (!reboot)
		strv_add(&a->words, "-no-reboot");
	if (freeze)
		strv_add(&a->words, "-S");
	return 0;
}

static int add_own_words(struct qemu_args *a, char ***words, struct error **err)
{
	const char *args = qemu_args_get(a, "args");
	_cleanup_strv_ char **own = NULL;

	if (!args)
		return 0;
	if (!(a->options->flags & QEMU_ARGS_OWN_WORDS)) {
		qemu_args_warn(a, "args", "these options of QEMU are left out");
		return 0;
	}
	own = strv_split_args(args);
	if (!own)
		return error_set(err, ERR_INVALID, "args: a quote is not closed in: %s", args);
	for (size_t i = 0; own[i]; i++)
		strv_add(words, own[i]);
	return 0;
}

static int add_all(struct qemu_args *a, struct error **err)
{
	int r = qemu_args_machine(a, err);

	if (r == 0)
		r = add_monitor(a, err);
	if (r < 0)
		return r;
	add_pidfile(a);
	r = add_start(a, err);
	if (r == 0)
		r = qemu_args_firmware(a, err);
	if (r == 0)
		r = qemu_args_devices(a, err);
	if (r == 0)
		r = qemu_args_drives(a, err);
	if (r == 0 && !(a->options->flags & QEMU_ARGS_NO_NETWORK))
		r = qemu_args_net(a, err);
	if (r == 0)
		warn_of_rest(a);
	return r;
}

/* Buses before the devices that are on them. */
static int put_together(struct qemu_args *a, char ***ret, struct error **err)
{
	_cleanup_strv_ char **words = TAKE_PTR(a->words);
	_cleanup_strv_ char **devices = TAKE_PTR(a->devices);
	_cleanup_free_ char *machine = strv_join(a->machine, ",");
	int r;

	strv_add(&words, "-machine");
	strv_add(&words, machine);
	qemu_args_buses(a);
	for (size_t i = 0; a->devices[i]; i++)
		strv_add(&words, a->devices[i]);
	qemu_args_add_bridges(a, &words);
	for (size_t i = 0; devices && devices[i]; i++)
		strv_add(&words, devices[i]);
	r = add_own_words(a, &words, err);
	if (r == 0)
		*ret = TAKE_PTR(words);
	return r;
}

int qemu_args_make(const struct guest_config *c, const struct qemu_args_options *o, char ***ret,
		   struct error **err)
{
	struct qemu_args a = { .config = c, .options = o };
	int r;

	if (guest_config_get(c, "arch") && strcmp(guest_config_get(c, "arch"), "x86_64") != 0)
		return error_set(err, ERR_UNSUPPORTED, "arch: '%s' is not translated, only x86_64 is",
				 guest_config_get(c, "arch"));
	r = add_all(&a, err);
	if (r == 0)
		r = put_together(&a, ret, err);
	strv_free(a.words);
	strv_free(a.devices);
	strv_free(a.machine);
	free(a.machine_type);
	strv_free(a.controllers);
	return r;
}
