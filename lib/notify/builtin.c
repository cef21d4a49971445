#include "notify/builtin.h"

#include <stddef.h>
#include <string.h>

#include "base/cleanup.h"

/* clang-format off */
static const char subject[] =
	"vzdump backup status ({{fqdn}}): {{status-text}}";

static const char text[] =
	"{{#if error}}\n"
	"{{error}}\n"
	"\n"
	"{{/if}}\n"
	"Details\n"
	"=======\n"
	"{{table guest-table}}\n"
	"Total running time: {{duration total-time}}\n"
	"Total size: {{human-bytes total-size}}\n"
	"\n"
	"{{#if fleecing-table}}\n"
	"Fleecing\n"
	"========\n"
	"{{table fleecing-table}}\n"
	"{{/if}}\n"
	"{{#if incremental-table}}\n"
	"Incremental\n"
	"===========\n"
	"{{table incremental-table}}\n"
	"{{/if}}\n"
	"{{#if boot-table}}\n"
	"Started from the archive\n"
	"========================\n"
	"{{table boot-table}}\n"
	"{{/if}}\n"
	"{{#if warnings}}\n"
	"Warnings\n"
	"========\n"
	"{{#each warnings}}\n"
	"{{this}}\n"
	"{{/each}}\n"
	"\n"
	"{{/if}}\n"
	"Logs\n"
	"====\n"
	"{{logs}}\n";

/*
 * Mail readers drop style sheets, so each element has its style.  On a narrow screen lines of the log break,
 * and the table scrolls by itself.  There are no colors of our own but for lines and failures, so that a
 * reader's dark theme works.
 */
#define H1    "<h1 style='font-size:1.2em'>"
#define TABLE "<div style='overflow-x:auto'>\n<table style='border-collapse:collapse'>\n"
#define CELL  "style='border:1px solid #999;padding:3px 8px;text-align:left;vertical-align:top;white-space:nowrap"
#define WRAPS ";white-space:normal;overflow-wrap:anywhere;min-width:"

static const char html[] =
	"<!DOCTYPE html>\n"
	"<html>\n"
	"<head>\n"
	"<meta charset='utf-8'>\n"
	"<meta name='viewport' content='width=device-width'>\n"
	"</head>\n"
	"<body style='font-family:sans-serif'>\n"
	"{{#if error}}\n"
	"<p style='white-space:pre-wrap;color:#c00'>{{error}}</p>\n"
	"{{/if}}\n"
	H1 "Details</h1>\n"
	TABLE
	"<tr>\n"
	"{{#each guest-table.schema.columns}}\n"
	"<th " CELL "'>{{this.label}}</th>\n"
	"{{/each}}\n"
	"</tr>\n"
	"{{#each guest-table.data}}\n"
	"<tr>\n"
	"<td " CELL "'>{{this.vmid}}</td>\n"
	"<td " CELL WRAPS "7em'>{{this.name}}</td>\n"
	"<td " CELL "{{#if (eq this.status \"err\")}};color:#c00;font-weight:bold{{/if}}'>{{this.status}}</td>\n"
	"<td " CELL "'>{{duration this.time}}</td>\n"
	"<td " CELL "'>{{human-bytes this.size}}</td>\n"
	"<td " CELL WRAPS "17em'>{{this.filename}}</td>\n"
	"</tr>\n"
	"{{/each}}\n"
	"</table>\n"
	"</div>\n"
	"<br>\n"
	"Total running time: {{duration total-time}}<br>\n"
	"Total size: {{human-bytes total-size}}<br>\n"
	"{{#if fleecing-table}}\n"
	H1 "Fleecing</h1>\n"
	"<div style='overflow-x:auto'>\n"
	"{{table fleecing-table}}\n"
	"</div>\n"
	"{{/if}}\n"
	"{{#if incremental-table}}\n"
	H1 "Incremental</h1>\n"
	"<div style='overflow-x:auto'>\n"
	"{{table incremental-table}}\n"
	"</div>\n"
	"{{/if}}\n"
	"{{#if boot-table}}\n"
	H1 "Started from the archive</h1>\n"
	"<div style='overflow-x:auto'>\n"
	"{{table boot-table}}\n"
	"</div>\n"
	"{{/if}}\n"
	"{{#if warnings}}\n"
	H1 "Warnings</h1>\n"
	"<ul style='overflow-wrap:anywhere'>\n"
	"{{#each warnings}}\n"
	"<li>{{this}}</li>\n"
	"{{/each}}\n"
	"</ul>\n"
	"{{/if}}\n"
	H1 "Logs</h1>\n"
	"<pre style='white-space:pre-wrap;overflow-wrap:anywhere'>\n"
	"{{logs}}</pre>\n"
	"</body>\n"
	"</html>\n";
/* clang-format on */

const char *template_builtin(const char *file)
{
	static const struct {
		const char *file, *text;
	} templates[] = {
		{ "vzdump-subject.txt.hbs", subject },
		{ "vzdump-body.txt.hbs", text },
		{ "vzdump-body.html.hbs", html },
	};

	for (size_t i = 0; i < ARRAY_SIZE(templates); i++)
		if (!strcmp(templates[i].file, file))
			return templates[i].text;
	return NULL;
}
