/*
 * The template of --notes-template: one line of text in which {{cluster}}, {{guestname}}, {{node}} and
 * {{vmid}} are replaced by their values, \n by a new line and \\ by a backslash.  Facts: PVE::VZDump.
 */
#ifndef VZDUMP_CONFIG_NOTES_TEMPLATE_H
#define VZDUMP_CONFIG_NOTES_TEMPLATE_H

#include "base/error.h"

struct notes_values {
	const char *cluster, *guestname, *node, *vmid;
};

/* ERR_INVALID for a new line, an unknown escape or an unknown variable; the message names all of them. */
int notes_template_check(const char *template, struct error **err);
/* The notes.  Parts that notes_template_check() refuses stay as they are.  Caller frees. */
char *notes_template_expand(const char *template, const struct notes_values *values);

#endif
