/* Shared by qemu-args*.c: the words as they are collected, and what they are made of. */
#ifndef VZDUMP_GUEST_QEMU_ARGS_INTERNAL_H
#define VZDUMP_GUEST_QEMU_ARGS_INTERNAL_H

#include <stdbool.h>

#include "config/propstr.h"
#include "guest/qemu-args.h"

struct qemu_args {
	const struct guest_config *config;
	const struct qemu_args_options *options;
	char **words;       /* machine, objects and nodes */
	char **devices;     /* behind them, and behind the PCI bridges that they are on */
	char **machine;     /* options of -machine */
	char *machine_type; /* the one among them */
	char **controllers; /* the names of those that are there */
	unsigned bridges;   /* the PCI buses that devices are on: bit n for pci.n */
	bool q35;
	bool kvm;     /* if the host has it */
	bool windows; /* any of them; version: */
	int windows_version;
};

/* ---- words ---- */

/* An option with its value. */
void qemu_args_add(struct qemu_args *a, const char *option, const char *value);
void qemu_args_addf(struct qemu_args *a, const char *option, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same with a value in JSON, which is put: -object, -blockdev. */
void qemu_args_add_json(struct qemu_args *a, const char *option, struct json_object *value);
/* A device; qemu_args_device() makes one, without "id" for a NULL. */
struct json_object *qemu_args_device(const char *driver, const char *id);
void qemu_args_add_device(struct qemu_args *a, struct json_object *device);
/* An option among the devices: a character device or network that one of them needs. */
void qemu_args_add_backend(struct qemu_args *a, const char *option, const char *value);
/* Puts the device where PVE has the one of this name: "net0", "scsihw0". */
void qemu_args_put_pci(struct qemu_args *a, struct json_object *device, const char *name);
/* The bridges of a machine that is not q35, and what is beyond pci.3. */
void qemu_args_add_bridges(struct qemu_args *a, char ***words);
/* The text with each comma doubled, for a value in a list of key=value.  Caller frees. */
char *qemu_args_quote(const char *text);
/*
 * Its path is <root>/run/qemu-server/<vmid>.<what>.  ERR_INVALID if it is too long for a socket.  Caller
 * frees.
 */
int qemu_args_socket(const struct qemu_args *a, const char *what, char **ret, struct error **err);

/* The value of a key of the configuration; NULL if there is none. */
const char *qemu_args_get(const struct qemu_args *a, const char *key);
/* As a boolean; `otherwise` if there is none.  ERR_INVALID names the key. */
int qemu_args_get_bool(const struct qemu_args *a, const char *key, bool otherwise, bool *ret,
		       struct error **err);
/* Parses the value of a key as f says; the error names the key.  Caller clears *ret. */
int qemu_args_parse(const struct qemu_args *a, const char *key, const struct propstr_format *f,
		    struct propstr *ret, struct error **err);
/* "VM 123: <key>: ..." as a warning. */
void qemu_args_warn(const struct qemu_args *a, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- parts ---- */

/* Puts into the device when the firmware tries it, by the lines `boot` and `bootdisk`. */
void qemu_args_put_boot(const struct qemu_args *a, struct json_object *device, const char *key);

int qemu_args_machine(struct qemu_args *a, struct error **err);
int qemu_args_firmware(struct qemu_args *a, struct error **err);
int qemu_args_drives(struct qemu_args *a, struct error **err);
int qemu_args_net(struct qemu_args *a, struct error **err);
int qemu_args_devices(struct qemu_args *a, struct error **err);
/* The buses that every machine of that type has. */
void qemu_args_buses(struct qemu_args *a);

enum qemu_args_use {
	QEMU_ARGS_DISK,
	QEMU_ARGS_FLASH, /* efidisk0 */
	QEMU_ARGS_CD,
};

/*
 * The block node of a disk, "drive-<key>", with all below it, by the caller's function if there is one; false
 * in *ret_there: it is left out.  line is the drive's.  size: what the guest sees of a raw image; 0: all.
 */
int qemu_args_disk_node(struct qemu_args *a, const char *key, const struct propstr *line, const char *volid,
			enum qemu_args_use use, uint64_t size, bool *ret_there, struct error **err);
/* The same for a volume, without asking anybody. */
int qemu_args_volume_node(struct qemu_args *a, const char *key, const struct propstr *line, const char *volid,
			  enum qemu_args_use use, uint64_t size, struct error **err);
/* The format of a drive's line. */
extern const struct propstr_format qemu_args_drive_format;

#endif
