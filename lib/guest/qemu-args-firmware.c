/* SeaBIOS, which needs nothing, or OVMF: its code and the guest's variables in two flash memories. */
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "guest/qemu-args-internal.h"

#define VARS_4M UINT64_C(540672) /* of OVMF_VARS_4M.fd: a volume may be larger, flash may not */
#define VARS_2M UINT64_C(131072)

/* Where Debian, Proxmox VE, Fedora, Arch, SUSE and QEMU itself have it. */
static const char *const code_4m_secure[] = {
	"/usr/share/OVMF/OVMF_CODE_4M.secboot.fd",
	"/usr/share/pve-edk2-firmware/OVMF_CODE_4M.secboot.fd",
	"/usr/share/edk2/x64/OVMF_CODE.secboot.4m.fd",
	NULL,
};
static const char *const code_4m[] = {
	"/usr/share/OVMF/OVMF_CODE_4M.fd",     "/usr/share/pve-edk2-firmware/OVMF_CODE_4M.fd",
	"/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/qemu/ovmf-x86_64-4m-code.bin",
	"/usr/share/qemu/edk2-x86_64-code.fd", NULL,
};
static const char *const code_2m[] = {
	"/usr/share/OVMF/OVMF_CODE.fd",
	"/usr/share/pve-edk2-firmware/OVMF_CODE.fd",
	"/usr/share/edk2/ovmf/OVMF_CODE.fd",
	NULL,
};

static const char *first_of(const char *const *files)
{
	for (; *files; files++)
		if (access(*files, R_OK) == 0)
			return *files;
	return NULL;
}

/* Only a q35 has the system management mode that the variant for secure boot needs. */
static int find_code(const struct qemu_args *a, bool is_4m, const char **ret, struct error **err)
{
	const char *file = a->options->firmware;

	if (!file && is_4m && a->q35)
		file = first_of(code_4m_secure);
	if (!file)
		file = first_of(is_4m ? code_4m : code_2m);
	if (!file)
		return error_set(
			err, ERR_NOT_FOUND,
			"bios: OVMF's code of %s is at none of the places where distributions have it, "
			"as %s: install it (package ovmf) or give its file",
			is_4m ? "4 MiB (efitype=4m)" : "2 MiB", is_4m ? code_4m[0] : code_2m[0]);
	*ret = file;
	return 0;
}

static void add_code(struct qemu_args *a, const char *file)
{
	struct json_object *protocol = json_put_str(json_new_str("driver", "file"), "filename", file);
	struct json_object *node = json_put_str(json_new_str("driver", "raw"), "node-name", "pflash0");

	json_put_bool(node, "read-only", true);
	qemu_args_add_json(a, "-blockdev", json_put_obj(node, "file", protocol));
	strv_add(&a->machine, "pflash0=pflash0");
}

static int add_variables(struct qemu_args *a, bool is_4m, const struct propstr *line, struct error **err)
{
	const char *volid = propstr_get(line, "file");
	bool there;
	int r = qemu_args_disk_node(a, "efidisk0", line, volid, QEMU_ARGS_FLASH, is_4m ? VARS_4M : VARS_2M,
				    &there, err);

	if (r < 0)
		return error_wrap(err, r, "efidisk0");
	if (there)
		strv_add(&a->machine, "pflash1=drive-efidisk0");
	return 0;
}

static int add_ovmf(struct qemu_args *a, struct error **err)
{
	_cleanup_propstr_ struct propstr line = { 0 };
	const bool has_disk = qemu_args_get(a, "efidisk0") != NULL;
	const char *code = NULL;
	bool is_4m = true;
	int r = 0;

	if (has_disk) {
		r = qemu_args_parse(a, "efidisk0", &qemu_args_drive_format, &line, err);
		if (r == 0)
			is_4m = str_equal_null(propstr_get(&line, "efitype"), "4m");
	} else {
		qemu_args_warn(a, "bios", "there is no efidisk0, so the guest forgets how it boots");
	}
	if (r == 0)
		r = find_code(a, is_4m, &code, err);
	if (r < 0)
		return r;
	add_code(a, code);
	return has_disk ? add_variables(a, is_4m, &line, err) : 0;
}

int qemu_args_firmware(struct qemu_args *a, struct error **err)
{
	const char *bios = qemu_args_get(a, "bios");

	if (!bios || !strcmp(bios, "seabios"))
		return 0;
	if (!strcmp(bios, "ovmf"))
		return add_ovmf(a, err);
	return error_set(err, ERR_INVALID, "bios: '%s' is neither seabios nor ovmf", bios);
}
