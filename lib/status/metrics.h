/*
 * Figures for monitoring: --metrics FILE, in the text format of Prometheus, for the textfile collector of
 * its node exporter.  Each run writes the file as a whole: what our records say of the guests of this host,
 * and what became of this run.  vzdump(1), "Figures", lists the names.
 */
#ifndef VZDUMP_STATUS_METRICS_H
#define VZDUMP_STATUS_METRICS_H

#include "base/buf.h"
#include "guest/guest-list.h"
#include "report/report.h"
#include "storage/host.h"

/*
 * Appends the figures: of the guests in `guests` that are on this node and have a record, of the jobs in
 * jobs.cfg that will run here after `now`, and of the run.
 */
void metrics_text(const struct host *host, const struct guest_list *guests, const struct job_report *run,
		  time_t now, struct buf *out);

/*
 * Writes text to `path` in one step, by way of a file of another name in its folder; mode 0644.
 * ERR_INVALID if there is something else than a regular file, also a link: it is not replaced.
 * ERR_TIMEOUT if the file system does not answer within METRICS_MS.
 */
int metrics_write(const char *path, const struct buf *text, struct error **err);
#define METRICS_MS 10000

#endif
