/*
 * QEMU's monitor and the guest's agent by way of libvirt, which has the only sockets of both: each function
 * returns one end of a socket that speaks QMP, or the agent's protocol.  At the other end a thread hands the
 * commands to virDomainQemuMonitorCommand() and virDomainQemuAgentCommand() one by one, and writes the
 * answers.  Time limits and requests to stop work as with any socket.  The thread ends, and frees everything,
 * when the socket has been closed and the call that it may be in has returned.
 * What the thread answers itself: the greeting (after query-version) and qmp_capabilities; the agent's
 * guest-sync-delimited.  A descriptor that comes with getfd is handed on.  There are no events.
 * The thread closes the socket when the guest has ended, when libvirt cannot be reached any more, and when
 * the agent does not answer (libvirt's limit for its answer depends on the command, as in qemu/qga.h).  What
 * libvirt refuses for another reason is an error answer with libvirt's words.  libvirt runs one command at a
 * time and holds the domain's job lock meanwhile.
 * If a freeze succeeds after its socket was closed, the thread thaws: nobody else knows of it.
 */
#ifndef VZDUMP_LIBVIRT_MONITOR_H
#define VZDUMP_LIBVIRT_MONITOR_H

#include "base/error.h"
#include "libvirt/connection.h"

/* Both take the session over, also after an error, and return a descriptor, close-on-exec. */
int libvirt_monitor_socket(struct libvirt_session *session, struct error **err);
int libvirt_agent_socket(struct libvirt_session *session, struct error **err);

#endif
