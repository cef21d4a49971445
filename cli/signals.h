/* Signals that end a command in good order. */
#ifndef VZDUMP_CLI_SIGNALS_H
#define VZDUMP_CLI_SIGNALS_H

#include "base/cancel.h"
#include "base/error.h"

/*
 * From now on SIGINT, SIGTERM, SIGQUIT and SIGHUP only make the cancel that *ret points to say so;
 * a broken pipe is an error of write(), and Ctrl-Z does nothing.  Once per process; *ret lives on.
 */
int signals_catch(struct cancel **ret, struct error **err);
/* The same cancel, for what begins before signals_catch() and may go on behind it. */
struct cancel *signals_cancel(void);

#endif
