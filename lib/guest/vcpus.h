/* Whether a guest's vCPUs run, and letting them go on. */
#ifndef VZDUMP_GUEST_VCPUS_H
#define VZDUMP_GUEST_VCPUS_H

#include <stdbool.h>

#include "qemu/qmp.h"

/* True in *ret if the vCPUs run. */
int vcpus_run(struct qmp *q, bool *ret, struct error **err);
/* Lets vCPUs go on that are paused; those that are stopped for another reason stay so. */
int vcpus_resume(struct qmp *q, struct error **err);

#endif
