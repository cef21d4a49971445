/*
 * Completion for shells.  The scripts in completions/ are thin: they hand the words of the line to
 *
 *	TOOL --complete-words INDEX -- WORD...	the words after TOOL; INDEX is the one to complete
 *	TOOL --complete-bash LINE		the line up to the cursor, quotes and all
 *
 * (both only as the first argument, not in --help) and offer the candidates that are printed.  They know
 * nothing themselves, and so cannot disagree with the tables of options.  The first prints "candidate<TAB>
 * description" lines, whole words without quotes.  The second reads and writes bash's quoting and omits the
 * part of the word that bash takes for an earlier word (COMP_WORDBREAKS: "=" and ":").
 *
 * Only configuration files, directories and the headers of archives are read: no program is run, no
 * storage activated.  If anything goes wrong, nothing is printed and the exit status is 0.
 *
 * A candidate that ends in one of "=/:," will be continued, so no blank follows it.  Where a list or
 * property string may continue, a sole candidate is also offered with a comma.
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
	const char *word; /* the part of it that has been typed */
	struct candidate *list;
	size_t n;
	struct paths paths;
	struct storage_config storages;
	char *archive; /* value of the row "archive" on the line; NULL: none */
};

/* True if argv asks for completion; command_main() then ends with complete_main(). */
bool complete_wanted(int argc, char *const argv[]);
int complete_main(const struct command_set *set, int argc, char *argv[]);

/* ---- among complete*.c; each calls only those that come before it ---- */

/* complete-candidate.c */
/* Reads storage.cfg; word is borrowed.  Ends with complete_end(). */
void complete_begin(struct completion *c, const char *word);
void complete_end(struct completion *c);
/* Adds head + text if it begins with the word.  description may be NULL; only its first sentence counts. */
void complete_add(struct completion *c, const char *head, const char *text, const char *description);

/* complete-file.c */
/* kind: COMPLETE_FILE, _DIRECTORY, _ARCHIVE */
void complete_files(struct completion *c, const char *head, enum option_complete kind);
/* kind: COMPLETE_BACKUP, _VOLUME */
void complete_volumes(struct completion *c, const char *head, enum option_complete kind);
/* kind: COMPLETE_ARCHIVE_... */
void complete_archive(struct completion *c, const char *head, enum option_complete kind);

/* complete-value.c */
/*
 * Candidates for a value of row.  head: the part of the word before the value ("--mode="); used:
 * values that are already on the line, which a list of guests leaves out; may be NULL.
 */
void complete_value(struct completion *c, const struct option *row, const char *head, char *const *used);

/* complete-bash.c */
/*
 * The words of line, the last one being that under the cursor (maybe empty).  *ret_quote is the
 * quote that it opened and did not close (0: none), *ret_raw the word as it is in line.
 * Leading assignments (A=1 vzdump) are left out.  Caller frees.
 */
char **complete_split_line(const char *line, char *ret_quote, const char **ret_raw);
/* Prints the candidates for COMPREPLY. */
void complete_print_bash(const struct completion *c, char quote, const char *raw);

#endif
