/* Whether a guest's vCPUs run, and letting them go on. */
#ifndef VZDUMP_QEMU_VCPUS_H
#define VZDUMP_QEMU_VCPUS_H

#include <stdbool.h>

#include "qemu/qmp.h"

/* True in *ret if the vCPUs run. */
int vcpus_run(struct qmp *q, bool *ret, struct error **err);
/*
 * Lets vCPUs go on that are paused, or that have not run since QEMU was started with -S; those that are
 * stopped for another reason (an I/O error, a crash) stay so.  *ret_resumed (may be NULL): whether they
 * were.
 */
int vcpus_resume(struct qmp *q, bool *ret_resumed, struct error **err);

#endif
