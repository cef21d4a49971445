/* Names of disks in Proxmox VE's configurations for the disks of a libvirt guest. */
#include "libvirt/disk-keys.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "libvirt/domain-xml.h"

enum {
	BUSES = 4,
	MAX_SLOTS = 31,
};

/* Facts: $MAX_SCSI_DISKS and so on of PVE::QemuServer::Drive. */
static const struct bus {
	const char *name;
	unsigned slots;
} buses[BUSES] = { { "virtio", 16 }, { "scsi", 31 }, { "sata", 6 }, { "ide", 4 } };

/* By the preferred bus: where disks go for which that one has no slot. What is similar comes first. */
static const unsigned char others[BUSES][BUSES] = {
	{ 0, 1, 2, 3 }, /* virtio */
	{ 1, 0, 2, 3 }, /* scsi */
	{ 2, 3, 1, 0 }, /* sata */
	{ 3, 2, 1, 0 }, /* ide */
};

struct slots {
	bool used[BUSES][MAX_SLOTS];
};

/* The bus of Proxmox VE that is most like the disk's. A USB disk needs no driver of its own, as at SATA. */
static unsigned preferred(const struct domain_disk *d)
{
	for (unsigned i = 0; d->bus && i < BUSES; i++)
		if (!strcmp(d->bus, buses[i].name))
			return i;
	return 2;
}

/* "vda" is 0, "sdz" 25, "vdaa" 26; MAX_SLOTS if the letters say nothing. */
static unsigned letter_index(const char *target)
{
	unsigned n = 0;

	if (strlen(target) < 3)
		return MAX_SLOTS;
	for (const char *at = target + 2; *at; at++) {
		if (*at < 'a' || *at > 'z' || n > MAX_SLOTS)
			return MAX_SLOTS;
		n = n * 26 + (unsigned)(*at - 'a') + 1;
	}
	return n - 1;
}

static bool take(struct slots *s, unsigned bus, unsigned slot, struct domain_disk *d)
{
	if (slot >= buses[bus].slots || s->used[bus][slot])
		return false;
	s->used[bus][slot] = true;
	snprintf(d->key, sizeof(d->key), "%s%u", buses[bus].name, slot);
	return true;
}

static bool take_any(struct slots *s, struct domain_disk *d)
{
	for (unsigned i = 0; i < BUSES; i++) {
		const unsigned bus = others[preferred(d)][i];

		for (unsigned slot = 0; slot < buses[bus].slots; slot++)
			if (take(s, bus, slot, d))
				return true;
	}
	return false;
}

int disk_keys_assign(struct domain_disk *disks, size_t n, struct error **err)
{
	struct slots slots = { 0 };

	for (size_t i = 0; i < n; i++)
		if (strcmp(disks[i].device, "floppy") != 0 && disks[i].bus &&
		    !strcmp(disks[i].bus, buses[preferred(&disks[i])].name))
			take(&slots, preferred(&disks[i]), letter_index(disks[i].target), &disks[i]);
	for (size_t i = 0; i < n; i++) {
		if (disks[i].key[0] || !strcmp(disks[i].device, "floppy"))
			continue;
		if (!take_any(&slots, &disks[i]))
			return error_set(err, ERR_UNSUPPORTED,
					 "disk '%s': the guest has more disks than an archive can name "
					 "in Proxmox VE's way (16 virtio, 31 scsi, 6 sata, 4 ide)",
					 disks[i].target);
	}
	return 0;
}
