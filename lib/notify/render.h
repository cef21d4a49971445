/* A notification's words, by the first template that works: the administrator's, the vendor's, ours. */
#ifndef VZDUMP_NOTIFY_RENDER_H
#define VZDUMP_NOTIFY_RENDER_H

#include "base/error.h"
#include "notify/notify.h"

/* Owned. */
struct rendered {
	char *title; /* one line */
	char *text;
	char *html;
};

/*
 * Renders <name>-subject.txt.hbs, <name>-body.txt.hbs and <name>-body.html.hbs for n->template_name <name>.
 * log gets a warning about each template that is passed over because it cannot be read or rendered.  The HTML
 * is the text if there is no template for it.  ERR_NOT_FOUND if there is none for one of the others.
 */
int notify_render(const struct paths *p, const struct notification *n, const struct log *log,
		  struct rendered *ret, struct error **err);
void rendered_clear(struct rendered *r);
#define _cleanup_rendered_ _cleanup_(rendered_clear)

#endif
