/* One drive's line of a guest's configuration. */
#include <string.h>

#include "base/strv.h"
#include "guest/guest-internal.h"
#include "guest/guest.h"

const char *const guest_formats[] = { "raw", "qcow", "qed", "qcow2", "vmdk", "cloop", NULL };

/* Values are not interpreted, so that a caller can change one key and keep all others as they are. */
static const struct propstr_key drive_keys[] = {
	{ .name = "file", .value = { .type = VALUE_STRING }, .is_default = true, .required = true },
	{ .name = "volume", .alias = "file" },
};
static const struct propstr_format drive_format = {
	.name = "drive",
	.keys = drive_keys,
	.n_keys = ARRAY_SIZE(drive_keys),
	.tolerant = true,
};

/* "cloudinit..." of "vm-<digits>-cloudinit...". */
static const char *skip_owner(const char *name)
{
	const char *rest;
	size_t digits;

	if (!str_prefix(name, "vm-", &rest))
		return name;
	digits = strspn(rest, "0123456789");
	return digits && rest[digits] == '-' ? rest + digits + 1 : name;
}

bool guest_volume_is_cloudinit(const char *volid)
{
	const char *at = volid;
	const char *rest;

	for (const char *sep = strpbrk(at, ":/"); sep; sep = strpbrk(at, ":/"))
		at = sep + 1;
	if (at == volid || !str_prefix(skip_owner(at), "cloudinit", &rest))
		return false;
	if (!*rest)
		return true;
	for (size_t i = 0; *rest == '.' && guest_formats[i]; i++)
		if (strcmp(rest + 1, guest_formats[i]) == 0)
			return true;
	return false;
}

int guest_drive_parse(const char *value, struct guest_drive *ret, struct error **err)
{
	struct guest_drive d = { 0 };
	int r = propstr_parse(&drive_format, value, &d.line, err);

	if (r < 0)
		return r;
	d.file = propstr_get(&d.line, "file");
	d.cdrom = str_equal_null(propstr_get(&d.line, "media"), "cdrom") || strcmp(d.file, "none") == 0 ||
		  strcmp(d.file, "cdrom") == 0;
	d.cloudinit = guest_volume_is_cloudinit(d.file);
	*ret = d;
	return 0;
}

void guest_drive_clear(struct guest_drive *d)
{
	propstr_clear(&d->line);
	*d = (struct guest_drive){ 0 };
}
