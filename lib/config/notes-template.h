/*
 * The template of --notes-template: one line of text in which {{cluster}}, {{guestname}}, {{node}} and
 * {{vmid}} stand for what they say, \n for a new line and \\ for a backslash.  Facts: PVE::VZDump.
 */
#ifndef VZDUMP_CONFIG_NOTES_TEMPLATE_H
#define VZDUMP_CONFIG_NOTES_TEMPLATE_H

#include "base/error.h"

struct notes_values {
	const char *cluster, *guestname, *node, *vmid;
};

/* ERR_INVALID for a new line, an unknown escape or an unknown variable; the message names all of them. */
int notes_template_check(const char *template, struct error **err);
/* The notes.  What notes_template_check() refuses stays as it is.  Caller frees. */
char *notes_template_expand(const char *template, const struct notes_values *values);

#endif
