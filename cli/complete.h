/*
 * Completion for shells.  The scripts in completions/ are thin: they hand the words of the line to
 *
 *	TOOL --complete-words INDEX -- WORD...	the words behind TOOL; INDEX is the one to complete
 *	TOOL --complete-bash LINE		the line up to the cursor, quotes and all
 *
 * (both only as the first argument, in no help) and offer what comes back, so that they know nothing
 * themselves and cannot disagree with the tables of options.  The first prints "candidate<TAB>
 * description" lines, whole words without quotes.  The second reads and writes bash's quoting
 * and leaves out what bash takes for an earlier word (COMP_WORDBREAKS: "=" and ":").
 *
 * Only configuration files, directories and the headers of archives are read: no program is run, no
 * storage activated.  Whatever goes wrong, nothing is printed and the exit status is 0.
 *
 * A candidate that ends in one of "=/:," is to be continued, so no blank goes behind it.  Where a list
 * or property string may go on, a sole candidate also stands there with a comma.
 */
#ifndef VZDUMP_CLI_COMPLETE_H
#define VZDUMP_CLI_COMPLETE_H

#include "base/paths.h"
#include "command.h"
#include "storage/storage.h"

struct candidate {
	char *text; /* the whole word */
	char *description;
};

struct completion {
	const char *word; /* what stands there so far */
	struct candidate *list;
	size_t n;
	struct paths paths;
	struct storage_config storages;
	char *archive; /* value of the row "archive" on the line; NULL: none */
};

/* True if argv asks for completion; command_main() then ends with complete_main(). */
bool complete_wanted(int argc, char *const argv[]);
int complete_main(const struct command_set *set, int argc, char *argv[]);

/* ---- among complete*.c ---- */

/* Adds head + text if word begins so.  description may be NULL; its first sentence counts. */
void complete_add(struct completion *c, const char *head, const char *text, const char *description);
/*
 * Candidates for a value of row.  head: what stands in the word in front of it ("--mode="); used:
 * values that are on the line already, which a list of guests leaves out; may be NULL.
 */
void complete_value(struct completion *c, const struct option *row, const char *head, char *const *used);
/* All guests but those in used (a NULL-terminated array or NULL). */
void complete_guests(struct completion *c, const char *head, char *const *used);
/* kind: COMPLETE_FILE, _DIRECTORY, _ARCHIVE */
void complete_files(struct completion *c, const char *head, enum option_complete kind);
/* kind: COMPLETE_BACKUP, _VOLUME */
void complete_volumes(struct completion *c, const char *head, enum option_complete kind);
/* kind: COMPLETE_ARCHIVE_... */
void complete_archive(struct completion *c, const char *head, enum option_complete kind);

/*
 * bash: the words of line, the last one being that under the cursor (maybe empty).  *ret_quote is the
 * quote it opened and did not close (0: none), *ret_raw the word as it stands in line.
 * Leading assignments (A=1 vzdump) are left out.  Caller frees.
 */
char **complete_split_line(const char *line, char *ret_quote, const char **ret_raw);
/* Prints the candidates for COMPREPLY. */
void complete_print_bash(const struct completion *c, char quote, const char *raw);

#endif
