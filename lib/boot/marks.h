/*
 * What a guest that does not start shows on its serial console or text screen: well-known words of firmware,
 * boot loaders and systems.  A mark is decisive: who shows it goes no further by itself.  Words that come
 * before a second attempt ("Boot failed: not a bootable disk") are none.
 */
#ifndef VZDUMP_BOOT_MARKS_H
#define VZDUMP_BOOT_MARKS_H

struct boot_mark {
	const char *text;    /* as it is shown; upper and lower case count */
	const char *meaning; /* "the firmware finds nothing to boot from" */
};

/* The first mark that the text has; NULL: none. */
const struct boot_mark *boot_marks_find(const char *text);

#endif
