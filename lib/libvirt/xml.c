/* XML that may come from anybody. */
#include "libvirt/xml.h"

#include <libxml/parser.h>
#include <string.h>

#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"

static bool has_name(const xmlNode *n, const char *name, size_t len)
{
	return n && n->type == XML_ELEMENT_NODE && !n->ns && !strncmp((const char *)n->name, name, len) &&
	       !n->name[len];
}

bool xml_is(const xmlNode *n, const char *name)
{
	return has_name(n, name, strlen(name));
}

int xml_parse(const char *text, const char *root, xmlDoc **ret, struct error **err)
{
	const size_t len = strlen(text);
	_cleanup_xml_doc_ xmlDoc *doc = NULL;

	if (len > XML_MAX_SIZE)
		return error_set(err, ERR_INVALID, "the XML has more than %d bytes", XML_MAX_SIZE);
	if (!strstr(text, "<!DOCTYPE"))
		doc = xmlReadMemory(text, (int)len, NULL, "UTF-8",
				    XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
					    XML_PARSE_NOCDATA | XML_PARSE_NOBLANKS);
	if (!doc || xmlGetIntSubset(doc))
		return error_set(err, ERR_INVALID, "this is not XML as libvirt writes it");
	if (!xml_is(xmlDocGetRootElement(doc), root))
		return error_set(err, ERR_INVALID, "the XML has no <%s> as its first element", root);
	*ret = TAKE_PTR(doc);
	return 0;
}

xmlNode *xml_next(const xmlNode *n)
{
	for (xmlNode *next = n->next; next; next = next->next)
		if (xml_is(next, (const char *)n->name))
			return next;
	return NULL;
}

static xmlNode *find_child(const xmlNode *n, const char *name, size_t len)
{
	for (xmlNode *child = n->children; child; child = child->next)
		if (has_name(child, name, len))
			return child;
	return NULL;
}

/* *rest: what is left of the path, an attribute or "". */
static const xmlNode *walk(const xmlNode *n, const char *path, const char **rest)
{
	while (n && *path && *path != '@') {
		const size_t len = strcspn(path, "/");

		n = find_child(n, path, len);
		path += len + (path[len] == '/');
	}
	*rest = path;
	return n;
}

xmlNode *xml_find(const xmlNode *n, const char *path)
{
	const char *rest;

	return (xmlNode *)walk(n, path, &rest);
}

char *xml_get(const xmlNode *n, const char *path)
{
	xmlChar *text;
	char *ret;

	n = walk(n, path, &path);
	if (!n)
		return NULL;
	text = *path ? xmlGetNoNsProp(n, (const xmlChar *)path + 1) : xmlNodeGetContent(n);
	if (!text)
		return NULL;
	ret = xstrdup(*path ? (char *)text : str_strip((char *)text));
	xmlFree(text);
	return ret;
}

bool xml_equals(const xmlNode *n, const char *path, const char *value)
{
	_cleanup_free_ char *found = xml_get(n, path);

	return str_equal_null(found, value);
}

uint64_t xml_get_u64(const xmlNode *n, const char *path, uint64_t fallback)
{
	_cleanup_free_ char *text = xml_get(n, path);
	uint64_t value;

	return text && units_parse_u64(text, 0, UINT64_MAX, path, &value, NULL) == 0 ? value : fallback;
}

/* ---- changes ---- */

static const xmlChar *chars(const char *s)
{
	return (const xmlChar *)s;
}

xmlDoc *xml_new(const char *root)
{
	xmlDoc *doc = xcheck(xmlNewDoc(chars("1.0")));

	xmlDocSetRootElement(doc, xcheck(xmlNewDocNode(doc, NULL, chars(root), NULL)));
	return doc;
}

xmlNode *xml_add(xmlNode *parent, const char *name, const char *text)
{
	return xcheck(xmlNewTextChild(parent, NULL, chars(name), text ? chars(text) : NULL));
}

void xml_set_attr(xmlNode *n, const char *name, const char *value)
{
	if (value)
		xcheck(xmlSetProp(n, chars(name), chars(value)));
	else
		xmlUnsetProp(n, chars(name));
}

void xml_drop_foreign_attrs(xmlNode *n)
{
	for (xmlAttr *a = n->properties, *next; a; a = next) {
		next = a->next;
		if (a->ns)
			xmlRemoveProp(a);
	}
	for (xmlNode *child = xmlFirstElementChild(n); child; child = xmlNextElementSibling(child))
		if (!xml_is(child, "metadata"))
			xml_drop_foreign_attrs(child);
}

void xml_set_text(xmlNode *n, const char *text)
{
	while (n->children)
		xml_remove(n->children);
	xmlAddChild(n, xcheck(xmlNewDocText(n->doc, chars(text))));
}

void xml_remove(xmlNode *n)
{
	if (!n)
		return;
	xmlUnlinkNode(n);
	xmlFreeNode(n);
}

void xml_remove_all(xmlNode *parent, const char *name)
{
	for (xmlNode *n = xml_find(parent, name); n; n = xml_find(parent, name))
		xml_remove(n);
}

void xml_write(xmlDoc *doc, struct buf *out)
{
	xmlChar *text = NULL;
	int len = 0;

	xmlDocDumpFormatMemoryEnc(doc, &text, &len, "UTF-8", 1);
	xcheck(text);
	buf_add(out, text, (size_t)len);
	xmlFree(text);
}
