/*
 * XML that may come from anybody: an archive has it.  Nothing outside of the text is ever read, and text with
 * a document type is refused, which libvirt never writes, so that there are no entities.
 * A path names elements below a node, "devices/disk", and at its end perhaps an attribute, "source/@file".
 * Only elements without a namespace count.  One thread.
 */
#ifndef VZDUMP_LIBVIRT_XML_H
#define VZDUMP_LIBVIRT_XML_H

#include <libxml/tree.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"

enum {
	XML_MAX_SIZE = 1024 * 1024, /* bytes of text */
};

/*
 * Reads text as UTF-8. The document's first element must have that name.  ERR_INVALID: not well formed,
 * larger than XML_MAX_SIZE, with a document type, or of another kind.  Caller frees *ret with xmlFreeDoc().
 */
int xml_parse(const char *text, const char *root, xmlDoc **ret, struct error **err);
DEFINE_CLEANUP(xmlDoc *, xmlFreeDoc)
#define _cleanup_xml_doc_ _cleanup_(xmlFreeDocp)

/* The first element of the path, NULL if there is none. n may be NULL. Borrowed. */
xmlNode *xml_find(const xmlNode *n, const char *path);
/* The next element after n of the same name, beside it.  Borrowed. */
xmlNode *xml_next(const xmlNode *n);

/*
 * The text of an element, without blanks at its ends, or the value of an attribute; NULL if missing.  Caller
 * frees.
 */
char *xml_get(const xmlNode *n, const char *path);
/* True if xml_get() would be value. */
bool xml_equals(const xmlNode *n, const char *path, const char *value);
/* The number, or fallback if it is missing or none. */
uint64_t xml_get_u64(const xmlNode *n, const char *path, uint64_t fallback);

/* True for an element of that name without a namespace. */
bool xml_is(const xmlNode *n, const char *name);
/*
 * Changes.  Text and values are taken as they are, and quoted when the document is written; they are UTF-8.
 */
/* A new document with that first element.  Caller frees it. */
xmlDoc *xml_new(const char *root);
/* Adds an element at the end of parent; text: what is in it, or NULL.  Borrowed. */
xmlNode *xml_add(xmlNode *parent, const char *name, const char *text);
/* Sets an attribute; value NULL: removes it. */
void xml_set_attr(xmlNode *n, const char *name, const char *value);
/* Replaces all that is in an element. */
void xml_set_text(xmlNode *n, const char *text);
/*
 * Removes the attributes with a namespace from an element and all below it, but for those of its <metadata>.
 * libvirt writes none there, and reads them as if they had no namespace.
 */
void xml_drop_foreign_attrs(xmlNode *n);
/* Removes an element with all that is in it.  n may be NULL. */
void xml_remove(xmlNode *n);
/* Removes all elements of that name which stand directly in parent.  parent may be NULL. */
void xml_remove_all(xmlNode *parent, const char *name);
/* Appends the text of the document. */
void xml_write(xmlDoc *doc, struct buf *out);

#endif
