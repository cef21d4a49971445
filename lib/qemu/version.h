/* The version of a QEMU by its program. */
#ifndef VZDUMP_QEMU_VERSION_H
#define VZDUMP_QEMU_VERSION_H

/* Asks `<program> --version`.  Both are 0 if it cannot be asked, or its answer is not understood. */
void qemu_version_ask(const char *program, unsigned *ret_major, unsigned *ret_minor);

#endif
