/* Numbers as people and PVE write them. */
#ifndef VZDUMP_BASE_UNITS_H
#define VZDUMP_BASE_UNITS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

/* "11.8 GiB" as PVE::Format::render_bytes, with `decimals` digits after the point.  Caller frees. */
char *units_bytes(uint64_t bytes, int decimals);
/* "0 B", "1.5 KiB", "3.115 GiB" as Proxmox's HumanByte: up to 3 decimals, up to PiB.  Caller frees. */
char *units_human_bytes(uint64_t bytes);
/* "1.20GB", "12MB", "3KB" as PVE's VZDump::format_size (units are 1024).  Caller frees. */
char *units_archive_size(uint64_t bytes);
/* "1h 2m 3s", "0s" as PVE::Format::render_duration.  Caller frees. */
char *units_duration(uint64_t seconds);
/*
 * The same from years (y, 365.25 days) and months (M, 30.44 days) on, as Proxmox's TimeSpan.  Caller frees.
 */
char *units_timespan(uint64_t seconds);
/* "01:02:03" as PVE's VZDump::format_time.  Caller frees. */
char *units_hms(uint64_t seconds);
/* "32G" as PVE writes the size of a disk in a config: the largest of T G M K that divides.  Caller frees. */
char *units_disk_size(uint64_t bytes);

/*
 * Parses a whole unsigned decimal number within [min, max].  Nothing else may follow, no sign,
 * no blanks.  `what` names the thing for the error.
 */
int units_parse_u64(const char *s, uint64_t min, uint64_t max, const char *what, uint64_t *ret,
		    struct error **err);
/* "32G", "528K", "4194304", "1.5T" (PVE's disk-size) to bytes; false if it is not one. */
bool units_parse_disk_size(const char *s, uint64_t *ret_bytes);
/* "10%" to 10; false if it is not a whole number of percent, or above 1000. */
bool units_parse_percent(const char *s, unsigned *ret);
/* PVE's booleans: 1 on yes true / 0 off no false, any case.  False if it is not one. */
bool units_parse_bool(const char *s, bool *ret);

/* Monotonic time, nanoseconds. */
uint64_t units_now_ns(void);

#endif
