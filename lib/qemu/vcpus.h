/* A guest's vCPUs: do they run, and resuming them.  Errors are those of qmp_execute(). */
#ifndef VZDUMP_QEMU_VCPUS_H
#define VZDUMP_QEMU_VCPUS_H

#include <stdbool.h>

#include "qemu/qmp.h"

/* True in *ret if the vCPUs run. */
int vcpus_run(struct qmp *q, bool *ret, struct error **err);
/*
 * Resumes vCPUs that are paused, or that have not run since QEMU was started with -S.  If they are stopped
 * for another reason (an I/O error, a crash), they stay stopped.  *ret_resumed (may be NULL): whether they
 * were resumed.
 */
int vcpus_resume(struct qmp *q, bool *ret_resumed, struct error **err);

#endif
