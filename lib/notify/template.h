/* PVE's template language: the part of handlebars that its templates use, with PVE's helpers. */
#ifndef VZDUMP_NOTIFY_TEMPLATE_H
#define VZDUMP_NOTIFY_TEMPLATE_H

#include <json-c/json.h>

#include "base/buf.h"
#include "base/error.h"

enum template_output {
	TEMPLATE_TEXT, /* values are put in as they are */
	TEMPLATE_HTML, /* & < > " ' ` = are escaped; the helper table makes an HTML table */
};

/*
 * Appends the template's output for data (an object).  ERR_INVALID with line and reason if the template
 * cannot be parsed, or uses a helper that does not exist; *out is unchanged then.
 */
int template_render(const char *text, struct json_object *data, enum template_output output, struct buf *out,
		    struct error **err);

#endif
