/*
 * Text that others wrote (archives, configurations, guest agents, QMP peers, names of files) and that is
 * shown to a person.  A terminal obeys escape sequences, the C1 controls (also as UTF-8, c2 80 to c2 9f),
 * characters that change the direction of text, and line separators.  All text that is shown passes through
 * here; products (a configuration, a disk, notes) stay unchanged.
 */
#ifndef VZDUMP_BASE_TEXT_H
#define VZDUMP_BASE_TEXT_H

/*
 * Makes s harmless, in place, and returns it: one line of UTF-8.  Any kind of line break becomes a blank, a
 * tab stays, and '?' replaces each other character that a terminal might obey and each byte that is not
 * UTF-8.  The string never gets longer.
 */
char *text_clean(char *s);
/* A harmless copy.  Caller frees. */
char *text_cleaned(const char *s);

/*
 * A copy if s is valid UTF-8; otherwise each byte becomes the character of that number (Latin-1), as in
 * Perl.  Caller frees.
 */
char *text_as_utf8(const char *s);
/*
 * The same JSON, but each character that text_clean() would replace is written as \uXXXX: safe on a terminal,
 * and a program reads the same value.  json is valid UTF-8.  Caller frees.
 */
char *text_escape_json(const char *json);

#endif
