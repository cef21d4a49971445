/*
 * Watching a guest that was started, until it is known what becomes of it: that it started, that it does not,
 * or that the time is up.
 */
#ifndef VZDUMP_BOOT_WATCH_H
#define VZDUMP_BOOT_WATCH_H

#include "base/cancel.h"
#include "base/expected.h"
#include "boot/console.h"
#include "boot/disks.h"
#include "boot/machine.h"
#include "report/report.h"

enum boot_verdict {
	BOOT_DECIDED,
	/*
	 * nothing at all happens, or not what is waited for, and no failure either: its accelerator may be
	 * none
	 */
	BOOT_LIFELESS,
};

struct boot_watch {
	/* set by the caller: */
	struct boot_machine *machine;
	struct boot_disks *disks;
	const struct expected *expect;
	const struct cancel *cancel;
	unsigned timeout_s;
	unsigned lifeless_s;  /* 0: there is no other attempt, so a lifeless guest is given its time */
	uint64_t max_written; /* bytes that the overlays may take */
	const char *folder;   /* for the screenshot; NULL: none is taken */
	/* the rest is of boot_watch(): */
	struct boot_console console, debug;
	char *screen;     /* the newest text screen; NULL: none */
	char *screenshot; /* a file in the folder, as it was when it was decided; NULL: none */
	uint64_t start_ns;
	uint64_t looked_ns; /* when the screen was taken */
	uint64_t asked_ns;  /* when an agent whose port does not tell was asked */
};

/*
 * *ret's state, words and ns are set if it is decided.  Returns a verdict, or ERR_CANCELED.  The caller
 * clears the watch.
 */
int boot_watch(struct boot_watch *w, struct boot_report *ret, struct error **err);
/* What was shown, for a file: the serial console, then the screen.  Appended to out. */
void boot_watch_text(const struct boot_watch *w, struct buf *out);
void boot_watch_clear(struct boot_watch *w);

#endif
