/*
 * Text that others wrote (archives, configurations, guest agents, QMP peers, names of files) and that a
 * person is to look at.  A terminal obeys more than letters: escape sequences, the C1 controls (also as
 * UTF-8, c2 80 to c2 9f), characters that turn the direction of what follows, separators of lines.
 * Everything that is shown passes through here; products (a configuration, a disk, notes) stay as they
 * are.
 */
#ifndef VZDUMP_BASE_TEXT_H
#define VZDUMP_BASE_TEXT_H

/*
 * Makes s harmless, in place, and returns it: one line of UTF-8 in which a line break of any kind is a
 * blank, a tab stays, and '?' stands for each other character that a terminal might obey and for each
 * byte that is not UTF-8.  It never gets longer.
 */
char *text_clean(char *s);
/* A harmless copy.  Caller frees. */
char *text_cleaned(const char *s);

/*
 * A copy if s is valid UTF-8; otherwise each byte becomes the character of its number, as in Perl.  Caller
 * frees.
 */
char *text_as_utf8(const char *s);
/*
 * The same JSON with what text_clean() would replace in a string written as \uXXXX, so that a terminal may
 * show it and a program reads the same value.  json is valid UTF-8.  Caller frees.
 */
char *text_escape_json(const char *json);

#endif
