/* Printing to who may take nothing: a reader that stands still, a terminal after Ctrl-S. */
#ifndef VZDUMP_CLI_OUTPUT_H
#define VZDUMP_CLI_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

/*
 * Waits until a line can be written to out.  False: a signal has come (signals_catch()) and nothing was
 * taken for a second since; what is printed from then on is lost, so that the command comes to its end.
 */
bool output_ready(FILE *out);

#endif
