/*
 * A libvirt guest as its XML has it: what a backup has to know, and the document for everything else.
 *
 *	domain_parse(text, &domain, err)
 *	domain_to_config(&domain, &warnings, &config, err)	// domain-config.h
 *	domain_clear(&domain)
 *
 * Our own element in its <metadata> says which vmid its archives have, and which disks are left out:
 *
 *	<vzdump:guest xmlns:vzdump="urn:vzdump:guest" vmid="201" exclude="vdb,vdc"/>
 *
 * One thread.  Facts: libvirt's domain XML format, as of 9.0 and later.
 */
#ifndef VZDUMP_LIBVIRT_DOMAIN_XML_H
#define VZDUMP_LIBVIRT_DOMAIN_XML_H

#include <libxml/tree.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/uuid.h"

#define DOMAIN_METADATA_URI "urn:vzdump:guest"

enum domain_source {
	DOMAIN_SOURCE_NONE, /* an empty drive */
	DOMAIN_SOURCE_FILE,
	DOMAIN_SOURCE_BLOCK,
	DOMAIN_SOURCE_VOLUME,  /* of a storage pool: libvirt knows the path */
	DOMAIN_SOURCE_NETWORK, /* rbd, iscsi, nbd, ... */
	DOMAIN_SOURCE_OTHER,   /* dir, nvme, vhostuser, ... */
};

struct domain_disk {
	char *target; /* "vda"; unique in a domain, never NULL */
	char *bus;    /* "virtio", "scsi", "sata", "ide", "usb", "fdc", ...; NULL: not given */
	char *device; /* "disk", "cdrom", "floppy", "lun" */
	enum domain_source source;
	char *path;   /* of a file or block device; of a volume: NULL until the caller sets it; else NULL */
	char *pool;   /* of a volume, */
	char *volume; /* or NULL */
	char *remote; /* for messages: "rbd:pool/image", "nvme"; NULL for files, devices and volumes */
	char *format; /* "raw", "qcow2", ...; NULL: not given */
	char *alias;  /* of the device in a running QEMU: "virtio-disk0", "ua-mine"; NULL: not given */
	bool readonly;
	bool shareable;
	bool transient;
	bool excluded; /* named by our metadata */
	char key[16];  /* "virtio0": its name in archives; "" for a floppy */
	xmlNode *node; /* in doc; <disk> */
};

struct domain {
	xmlDoc *doc;
	xmlNode *node; /* in doc; <domain> */
	char *name;
	char uuid[UUID_TEXT_SIZE]; /* lower case; "" if the XML has none */
	uint32_t vmid;             /* of our metadata; 0: none */
	bool running;              /* it is the XML of a running guest */
	bool has_agent;            /* a channel org.qemu.guest_agent.0 */
	char *nvram;               /* path of OVMF's variables; NULL: none, or not known */
	char *nvram_format;        /* "raw", "qcow2"; NULL without nvram */
	bool has_tpm;              /* an emulated TPM, whose state is in no disk */
	struct domain_disk *disks; /* in the order of the XML, empty drives and floppies too */
	size_t n;
	char **unknown; /* disks that our metadata excludes and that are not there */
};

/*
 * Each disk gets a key of Proxmox VE: that of its bus and of the letter of its target (vdb: virtio1, sdc at
 * SATA: sata2), so that keys do not change when another disk comes or goes.  What Proxmox VE has no such key
 * for, gets a free one of another bus.  ERR_INVALID: no such XML, a name that is missing, two sections of one
 * name, two disks with one target; ERR_UNSUPPORTED: more disks than keys.  The caller clears *ret after
 * success.
 */
int domain_parse(const char *text, struct domain *ret, struct error **err);
void domain_clear(struct domain *d);
#define _cleanup_domain_ _cleanup_(domain_clear)

/* The disk with that target or key, or NULL. Borrowed. */
struct domain_disk *domain_find_disk(const struct domain *d, const char *name);

/*
 * The command by which the guest's owner leaves the disk out of backups, for messages.  Caller frees.
 */
char *domain_exclude_command(const struct domain *d, const struct domain_disk *disk);

#endif
