/*
 * `vzdump check`: looks at the host and its guests, and says what is fine and what is not, with the way out.
 * It changes nothing, so it may run at any time, also beside a backup: no storage or volume is activated,
 * QEMU gets questions only, and each wait has a limit.
 *
 * What a backup would say comes from the plan of one (backup/plan.h), so it is the same code that says it.
 */
#ifndef VZDUMP_CHECK_CHECK_H
#define VZDUMP_CHECK_CHECK_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "storage/host.h"

enum finding_level {
	FINDING_OK,
	FINDING_REMARK,  /* worth knowing */
	FINDING_WARNING, /* makes backups worse, or will */
	FINDING_FAULT,   /* a backup will fail by it */
};
#define FINDING_LEVELS 4
/* "ok", "remark", "warning", "fault". */
const char *finding_level_name(enum finding_level level);

/* Texts are lines that a terminal may show. */
struct finding {
	enum finding_level level;
	const char *group; /* of the check: "host", "tools", ...; static */
	uint32_t vmid;     /* of the guest that it is about; 0: none */
	char *subject;     /* "host", "VM 123 scsi0", "storage 'backup'" */
	char *text;        /* what is so */
	char *way_out;     /* what to do about it; NULL: nothing, or the text says it */
};

/* First what is about no guest, then guest by guest. */
struct findings {
	struct finding *list;
	size_t n;
};

struct check_request {
	time_t now;
	const char *storage;   /* where archives go; NULL: where each guest's job or vzdump.conf says */
	const uint32_t *vmids; /* these guests alone */
	size_t n_vmids;        /* 0: all of this host */
};

/*
 * Checks all of it.  host->storages is not used, and host->log gets nothing: what there is to say is among
 * the findings.  ERR_NOT_FOUND for an id that no guest of this host has, and the errors of storage_get() for
 * the storage that is asked for; ERR_CANCELED.  The caller clears *ret, also after an error.
 */
int check_make(const struct host *host, const struct check_request *q, struct findings *ret,
	       struct error **err);
void findings_clear(struct findings *f);
#define _cleanup_findings_ _cleanup_(findings_clear)

/* How many have this level. */
size_t findings_count(const struct findings *f, enum finding_level level);

#endif
