/* Which keys of a guest's configuration are disks. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "guest/guest.h"

const struct guest_bus guest_buses[GUEST_BUSES] = {
	{ "ide", 4 }, { "scsi", 31 }, { "virtio", 16 }, { "sata", 6 }, { "efidisk", 1 }, { "tpmstate", 1 },
};

/* PVE writes no zero in front of a number. */
static bool is_below(const char *digits, unsigned count)
{
	uint64_t n;

	return (digits[0] != '0' || !digits[1]) &&
	       units_parse_u64(digits, 0, count - 1, "number", &n, NULL) == 0;
}

const struct guest_bus *guest_bus_of(const char *key, bool *ret_exists)
{
	for (size_t i = 0; i < GUEST_BUSES; i++) {
		const char *digits;

		if (!str_prefix(key, guest_buses[i].name, &digits) || !*digits ||
		    digits[strspn(digits, "0123456789")])
			continue;
		*ret_exists = is_below(digits, guest_buses[i].count);
		return &guest_buses[i];
	}
	return NULL;
}

/* Caller frees. */
static char *all_keys(const struct guest_bus *bus)
{
	return bus->count == 1
		       ? xasprintf("%s0 is all there is", bus->name)
		       : xasprintf("%s0 to %s%u are all there are", bus->name, bus->name, bus->count - 1);
}

void guest_config_warn_beyond(const struct guest_config *c, const char *fate, const struct log *log)
{
	char who[24] = ""; /* an archive's configuration has no number */

	if (c->vmid)
		snprintf(who, sizeof(who), "vm %" PRIu32 " - ", c->vmid);
	for (size_t i = 0; i < c->n; i++) {
		const struct guest_pair *pair = &c->pairs[i];
		bool exists = false;
		const struct guest_bus *bus = guest_bus_of(pair->key, &exists);
		_cleanup_free_ char *all = NULL;

		if (!bus || exists)
			continue;
		all = all_keys(bus);
		log_warn(
			log,
			"%sunable to parse value of '%s' - unknown setting: '%s' is not %s, since %s; give it "
			"the key of a disk that is free",
			who, pair->key, pair->value, fate, all);
	}
}
