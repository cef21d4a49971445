#include "notify/render.h"

#include <errno.h>

#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/text.h"
#include "base/units.h"
#include "notify/builtin.h"
#include "notify/template.h"

void rendered_clear(struct rendered *r)
{
	free(r->title);
	free(r->text);
	free(r->html);
	*r = (struct rendered){ 0 };
}

/* What all templates of a notification share. */
struct renderer {
	const struct paths *paths;
	const struct notification *n;
	const struct log *log;
};

/* As for PVE.  JSON and mails could not be made of other bytes. */
static int check_utf8(const struct buf *text, struct error **err)
{
	_cleanup_free_ char *utf8 = text_as_utf8(buf_str(text));

	if (strlen(buf_str(text)) == text->len && strcmp(utf8, buf_str(text)) == 0)
		return 0;
	return error_set(err, ERR_INVALID, "it is not UTF-8: convert it");
}

static bool try_file(const struct renderer *rd, const char *path, enum template_output output,
		     struct buf *out)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_error_ struct error *err = NULL;
	int r = io_read_file(path, MIB, &text, &err);

	if (r == -ENOENT)
		return false;
	if (r == 0)
		r = check_utf8(&text, &err);
	if (r == 0)
		r = template_render(buf_str(&text), rd->n->data, output, out, &err);
	if (r < 0)
		log_warn(rd->log, "template %s is passed over: %s", path, error_message(err));
	return r == 0;
}

/* "%s" is the name of the file. */
static bool try_folder(const struct renderer *rd, const char *folder, const char *name,
		       enum template_output output, struct buf *out)
{
	_cleanup_free_ char *path = paths_get(rd->paths, "%s/%s", folder, name);

	return try_file(rd, path, output, out);
}

static bool try_builtin(const struct renderer *rd, const char *name, enum template_output output,
			struct buf *out)
{
	const char *text = template_builtin(name);
	_cleanup_error_ struct error *err = NULL;

	if (!text)
		return false;
	if (template_render(text, rd->n->data, output, out, &err) == 0)
		return true;
	log_warn(rd->log, "the built-in template %s is passed over: %s", name, error_message(err));
	return false;
}

static int render_one(const struct renderer *rd, const char *kind, enum template_output output, char **ret,
		      struct error **err)
{
	_cleanup_free_ char *name = xasprintf("%s-%s.hbs", rd->n->template_name, kind);
	_cleanup_buf_ struct buf out = BUF_INIT;

	if (!try_folder(rd, "/etc/pve/notification-templates/default", name, output, &out) &&
	    !try_folder(rd, "/usr/share/pve-manager/templates/default", name, output, &out) &&
	    !try_builtin(rd, name, output, &out))
		return error_set(err, ERR_NOT_FOUND, "there is no template %s that works", name);
	*ret = buf_steal(&out);
	return 0;
}

static char *one_line(char *text)
{
	for (char *at = text; *at; at++) {
		if (*at == '\n' || *at == '\r')
			*at = ' ';
	}
	return xstrdup(str_strip(text));
}

static int html_of_text(const char *text, char **ret, struct error **err)
{
	_cleanup_json_ struct json_object *data = json_new_str("text", text);
	_cleanup_buf_ struct buf out = BUF_INIT;
	int r = template_render("<html><body><pre>{{text}}</pre></body></html>\n", data, TEMPLATE_HTML, &out,
				err);

	*ret = buf_steal(&out);
	return r;
}

int notify_render(const struct paths *p, const struct notification *n, const struct log *log,
		  struct rendered *ret, struct error **err)
{
	const struct renderer rd = { .paths = p, .n = n, .log = log };
	_cleanup_free_ char *subject = NULL;
	int r;

	*ret = (struct rendered){ 0 };
	r = render_one(&rd, "subject.txt", TEMPLATE_TEXT, &subject, err);
	if (r == 0)
		r = render_one(&rd, "body.txt", TEMPLATE_TEXT, &ret->text, err);
	if (r == 0 && render_one(&rd, "body.html", TEMPLATE_HTML, &ret->html, NULL) < 0)
		r = html_of_text(ret->text, &ret->html, err);
	if (r == 0)
		ret->title = one_line(subject);
	else
		rendered_clear(ret);
	return r;
}
