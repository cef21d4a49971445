/* The host's full name. */
#ifndef VZDUMP_BASE_FQDN_H
#define VZDUMP_BASE_FQDN_H

#include "base/paths.h"

/*
 * The canonical name of the node (paths_nodename()) as the resolver has it, "pve1.example.org"; the node's
 * name if the resolver has none or does not answer within a few seconds.  With a root, only <root>/etc/hosts
 * is asked.  Caller frees.
 */
char *fqdn_of_node(const struct paths *p);

#endif
