/* In which order a guest's devices are tried by its firmware: the lines `boot` and `bootdisk`. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/strv.h"
#include "guest/qemu-args-internal.h"

enum {
	FIRST_INDEX = 100, /* as in PVE, so that own words can come before */
	INDEX_STEP = 100,
	MAX_NETS = 32,
};

static const struct propstr_key boot_keys[] = {
	{ .name = "legacy", .value = { .type = VALUE_STRING }, .is_default = true },
	{ .name = "order", .value = { .type = VALUE_STRING } },
};
static const struct propstr_format boot_format = { .name = "boot",
						   .keys = boot_keys,
						   .n_keys = ARRAY_SIZE(boot_keys) };

static unsigned index_in_list(const char *list, const char *key)
{
	_cleanup_strv_ char **keys = strv_split_list(list);

	for (unsigned i = 0; keys && keys[i]; i++)
		if (!strcmp(keys[i], key))
			return FIRST_INDEX + i;
	return 0;
}

/*
 * The number of the drive among those of its kind that are there; *ret_kind is 'c', 'd', or 0: it is no
 * drive.
 */
static unsigned drive_number(const struct guest_config *c, const char *key, char *ret_kind)
{
	unsigned disks = 0, cds = 0;

	*ret_kind = 0;
	for (size_t b = 0; b < GUEST_DRIVE_BUSES; b++)
		for (unsigned i = 0; i < guest_buses[b].count; i++) {
			struct guest_drive d;
			char name[16];
			const char *value;
			bool cd;

			snprintf(name, sizeof(name), "%s%u", guest_buses[b].name, i);
			value = guest_config_get(c, name);
			if (!value || guest_drive_parse(value, &d, NULL) < 0)
				continue;
			cd = d.cdrom;
			guest_drive_clear(&d);
			if (!strcmp(name, key)) {
				*ret_kind = cd ? 'd' : 'c';
				return cd ? cds : disks;
			}
			*(cd ? &cds : &disks) += 1;
		}
	return 0;
}

static unsigned net_number(const struct guest_config *c, const char *key)
{
	unsigned n = 0;

	for (unsigned i = 0; i < MAX_NETS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "net%u", i);
		if (!strcmp(name, key))
			break;
		n += guest_config_get(c, name) != NULL;
	}
	return n;
}

/*
 * letters: "cdn" for disk, CD drives, network.  PVE takes only `bootdisk` for a disk; without one, as in a
 * configuration written by hand, the first disk is.
 */
static unsigned index_by_letters(const struct guest_config *c, const char *letters, const char *key)
{
	const char *bootdisk = guest_config_get(c, "bootdisk");
	unsigned number;
	const char *at;
	char kind;

	if (str_prefix(key, "net", NULL)) {
		kind = 'n';
		number = net_number(c, key);
	} else {
		number = drive_number(c, key, &kind);
	}
	if (kind == 'c' && (bootdisk ? strcmp(bootdisk, key) != 0 : number > 0))
		return 0;
	at = kind ? strchr(letters, kind) : NULL;
	return at ? INDEX_STEP * (unsigned)(at - letters + 1) + (kind == 'c' ? 0 : number) : 0;
}

static unsigned boot_index(const struct guest_config *c, const char *key)
{
	const char *value = guest_config_get(c, "boot");
	_cleanup_propstr_ struct propstr p = { 0 };
	const char *order, *letters;

	if (value && !strcmp(value, "order="))
		return 0;
	if (value && propstr_parse(&boot_format, value, &p, NULL) < 0)
		value = NULL;
	order = value ? propstr_get(&p, "order") : NULL;
	if (order)
		return index_in_list(order, key);
	letters = value ? propstr_get(&p, "legacy") : NULL;
	if (value && !letters)
		return 0;
	return index_by_letters(c, letters ? letters : "cdn", key);
}

void qemu_args_put_boot(const struct qemu_args *a, struct json_object *device, const char *key)
{
	const unsigned index = boot_index(a->config, key);

	if (index)
		json_put_int(device, "bootindex", index);
}
