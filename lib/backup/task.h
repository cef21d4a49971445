/* The backup of one guest, from "Starting Backup of VM 123 (qemu)" to "Finished Backup". */
#ifndef VZDUMP_BACKUP_TASK_H
#define VZDUMP_BACKUP_TASK_H

#include "backup/observer.h"
#include "base/budget.h"
#include "config/settings.h"
#include "place/place.h"
#include "report/report.h"
#include "storage/host.h"

/*
 * Tries whether the guest vmid starts from the archive, a path.  Logs to host->log.  Returns 0 with the
 * result in *ret; a negative code if it could not be tried, or ERR_CANCELED.
 */
typedef int task_boot_fn(const struct host *host, const struct verify_boot_config *config, uint32_t vmid,
			 const char *archive, struct boot_report *ret, struct error **err);

/* What all guests of a job have in common.  Borrowed. */
struct task_options {
	const struct settings *settings;
	const struct storage *storage;         /* NULL with --dumpdir and --stdout */
	struct place *place;                   /* where the archive goes */
	const char *dumpdir;                   /* for hook scripts; NULL with --stdout */
	struct prune_keep keep;                /* retention, by settings_keep() */
	task_boot_fn *boot;                    /* for --verify-boot */
	bool remove;                           /* prune after the backup */
	struct incremental_config incremental; /* by settings_incremental() */
	struct budget *budget;                 /* shared by all of the job's guests */
	const struct observers *observers;
	struct job_report *report; /* of which each guest fills its row */
};

/*
 * Saves the guest row->vmid and fills the rest of the row, which is one of o->report.  Logs everything to
 * host->log, also a failure.  After a request to stop (host->cancel) the outcome is TASK_CANCELED; the caller
 * decides whether the job goes on.
 */
void task_run(const struct host *host, const struct task_options *o, struct task_report *row);

#endif
