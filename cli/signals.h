/* Signals: those that end a command in good order, and the one that asks what it is doing. */
#ifndef VZDUMP_CLI_SIGNALS_H
#define VZDUMP_CLI_SIGNALS_H

#include <stdbool.h>

#include "base/cancel.h"
#include "base/error.h"

/*
 * From now on SIGINT, SIGTERM, SIGQUIT and SIGHUP only request a stop of *ret; a broken pipe is an error of
 * write(), and Ctrl-Z does nothing.  Call it once; *ret is valid until the process ends.
 */
int signals_catch(struct cancel **ret, struct error **err);
/* The same cancel, for what begins before signals_catch() and may outlast it. */
struct cancel *signals_cancel(void);

/*
 * SIGUSR1 asks for the state of the copy.  From now on it stays pending until signals_usr1_came() is
 * called, and interrupts no system call.  Call it before threads are started.
 */
void signals_keep_usr1(void);
/* Whether SIGUSR1 has come since the last call.  From any thread. */
bool signals_usr1_came(void);

#endif
