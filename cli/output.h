/* Printing to a stream that may block for ever: a reader that has stopped, a terminal after Ctrl-S. */
#ifndef VZDUMP_CLI_OUTPUT_H
#define VZDUMP_CLI_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

/*
 * Waits until a line can be written to out.  False: a signal has come (signals_catch()) and the stream has
 * taken nothing for a second since.  The caller must drop the line then, so that the command can end.
 */
bool output_ready(FILE *out);
/*
 * Writes text of any length, as soon as the reader takes it.  False: not all of it has been written, because
 * that failed or a signal has come as above.
 */
bool output_write(FILE *out, const char *text);

#endif
