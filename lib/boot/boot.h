/*
 * Does the guest of an archive start?  Its own QEMU runs it on overlays over the served archive: without
 * network, without anything of the host, and the archive is only read.
 *
 *	archive ─▶ nbdkit, plugin ─▶ overlays ─▶ QEMU ─▶ console, screen, agent ─▶ watch ─▶ report
 *
 * It counts as started when the guest agent answers or an expected text appears.  It has failed if its
 * console or screen shows one of the well-known marks (boot/marks.h), if it restarts again and again,
 * switches itself off, if QEMU ends, if a read of the archive fails, or if nothing of that has come until the
 * time is up.  Where there is neither an agent nor a text, all that can be said in the end is that there was
 * no sign of a failure.
 */
#ifndef VZDUMP_BOOT_BOOT_H
#define VZDUMP_BOOT_BOOT_H

#include <stdint.h>

#include "base/cancel.h"
#include "base/log.h"
#include "base/paths.h"
#include "report/report.h"

enum boot_agent {
	BOOT_AGENT_AS_CONFIGURED,
	BOOT_AGENT_OFF,
	BOOT_AGENT_ON,
};

enum boot_accel {
	BOOT_ACCEL_AUTO, /* KVM; TCG where there is none, or nothing happens with it */
	BOOT_ACCEL_KVM,
	BOOT_ACCEL_TCG,
};

/* "kvm", "tcg"; anything else is auto. */
enum boot_accel boot_accel_parse(const char *name);

/* All borrowed. */
struct boot_options {
	const char *archive; /* path */
	const struct paths *paths;
	const struct log *log; /* what is done and what is different from the guest's own host */
	const struct cancel *cancel;
	unsigned timeout_s;
	const char *expect; /* a text on console or screen, "/.../": a regular expression; NULL: none */
	enum boot_agent agent;
	enum boot_accel accel;
	uint64_t memory_mib;  /* 0: as configured, as far as the host has it free */
	uint64_t max_written; /* bytes that the guest may write, or half of what is free, if that is less */
	const char *display;  /* for QEMU's -display; NULL: none */
	const char *keep; /* where screenshot and console go: "<keep>.png", "<keep>.log"; NULL: not kept */
};

#define BOOT_TIMEOUT_S   300u
#define BOOT_MAX_WRITTEN (UINT64_C(4) << 30)

/*
 * Tries it.  Returns 0 with the result in *ret, or a negative code if it could not be tried: the archive
 * cannot be read at all or has no configuration (ERR_CORRUPT), or the host lacks something; ERR_CANCELED.
 * Nothing of it is left on the host in any case.  The caller clears *ret, also after an error.
 */
int boot_run(const struct boot_options *o, struct boot_report *ret, struct error **err);

#endif
