/* The templates that are used where neither the administrator nor PVE's packages have put any. */
#ifndef VZDUMP_NOTIFY_BUILTIN_H
#define VZDUMP_NOTIFY_BUILTIN_H

/*
 * The template for a file's name: "vzdump-subject.txt.hbs", "vzdump-body.txt.hbs", "vzdump-body.html.hbs".
 * NULL if there is none.  Never to be freed.
 *
 * They show PVE's data and, below the totals, what is ours: "fleecing-table" and "incremental-table" (as
 * guest-table; null if no guest used fleecing, or has an archive of a chain) and "warnings" (an array of
 * strings; null if there are none).
 */
const char *template_builtin(const char *file);

#endif
