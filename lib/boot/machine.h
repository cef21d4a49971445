/*
 * The QEMU of a boot: one process that ends with ours, without network, with a serial console, the guest
 * agent's port and, for a BIOS, its debug port.  Everything it has open is in the folder of the boot.
 */
#ifndef VZDUMP_BOOT_MACHINE_H
#define VZDUMP_BOOT_MACHINE_H

#include <stdint.h>
#include <sys/types.h>

#include "base/cancel.h"
#include "boot/console.h"
#include "boot/disks.h"
#include "boot/drain.h"
#include "boot/events.h"
#include "guest/guest.h"
#include "qemu/qmp.h"

struct boot_machine_options {
	const struct guest_config *config; /* of boot_config_make() */
	struct boot_disks *disks;
	const struct paths *paths;
	const struct log *log;
	const struct cancel *cancel;
	const char *folder;
	const char *display;    /* of QEMU's -display; NULL: none */
	const char *tpm_socket; /* of a swtpm; NULL: no TPM */
	bool agent;             /* a port for the guest agent */
	bool agent_is_isa;      /* as a serial port, for old guests */
	uint64_t max_file;      /* bytes that a file may get at most, as a last limit */
};

struct boot_machine {
	pid_t pid;  /* 0: none, or it has ended: */
	int status; /* its exit status, see process_result */
	struct qmp *qmp;
	struct boot_events events;
	struct boot_drain console, debug;
	char *agent_socket; /* NULL: no agent */
	bool agent_is_isa;  /* no event tells when the guest opens its port */
	char *log;          /* what QEMU says */
	char *screen;       /* a file for the content of the screen */
};

/*
 * Starts it, with the guest running.  ERR_PEER with QEMU's words if it does not start.  The caller stops it,
 * also after an error.
 */
int boot_machine_start(struct boot_machine *m, const struct boot_machine_options *o, struct error **err);
/* Takes what has come by the serial console and the debug port. */
void boot_machine_read(struct boot_machine *m, struct boot_console *console, struct boot_console *debug);
/* Takes QEMU's events; false if it has ended: see pid and status. */
bool boot_machine_poll(struct boot_machine *m);
/* The text screen; NULL if there is none.  Caller frees. */
char *boot_machine_screen(struct boot_machine *m);
/* Reads that the guest has finished, in bytes, of all disks. */
uint64_t boot_machine_bytes_read(struct boot_machine *m);
/*
 * Writes a screenshot into the folder: PNG, or PPM with a QEMU before 7.1.  Its path; NULL: none.  Caller
 * frees.
 */
char *boot_machine_screenshot(struct boot_machine *m, const char *folder);
/* QEMU's last words, NULL if there are none.  Caller frees. */
char *boot_machine_words(const struct boot_machine *m);
void boot_machine_stop(struct boot_machine *m);

#endif
