/* The commands of vzdump with a name; the one without is in cmd-vzdump.c. */
#ifndef VZDUMP_CLI_VZDUMP_COMMANDS_H
#define VZDUMP_CLI_VZDUMP_COMMANDS_H

#include "command.h"

extern const struct command vzdump_command_status;
extern const struct command vzdump_command_check;

#endif
