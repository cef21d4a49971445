/*
 * What we ask libvirt: domains, their state and XML, and starting and ending them.
 *
 * Each function connects, asks, and disconnects, in a thread that is abandoned if libvirt does not answer:
 * ERR_TIMEOUT, or ERR_CANCELED at a request to stop (cancel may be NULL).  Other errors have libvirt's words:
 * ERR_NOT_FOUND (no such domain), ERR_GONE (libvirt cannot be reached), ERR_PEER (it refuses),
 * ERR_UNSUPPORTED (it is not installed), ERR_INVALID (a URI that is not for this host's QEMU).
 *
 * uri: NULL for libvirt's own default (virsh uri).  domain: a uuid or a name.
 */
#ifndef VZDUMP_LIBVIRT_CONNECTION_H
#define VZDUMP_LIBVIRT_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cancel.h"
#include "base/error.h"
#include "libvirt/api.h"

struct libvirt_state {
	bool running;
	bool persistent; /* it is still there when it has ended */
	bool busy;       /* libvirt saves, migrates, dumps it, or backs it up */
};
int libvirt_get_state(const char *uri, const char *domain, const struct cancel *cancel,
		      struct libvirt_state *ret, struct error **err);

/* flags: of VIR_XML_*.  Caller frees *ret. */
int libvirt_get_xml(const char *uri, const char *domain, unsigned flags, const struct cancel *cancel,
		    char **ret, struct error **err);
/* The file or device of a storage pool's volume.  Caller frees *ret. */
int libvirt_get_volume_path(const char *uri, const char *pool, const char *volume,
			    const struct cancel *cancel, char **ret, struct error **err);

/*
 * XML of what a domain for x86_64 may have: "domainCapabilities", whose "domain" is "kvm" where that can be
 * used. Caller frees *ret.
 */
int libvirt_get_capabilities(const char *uri, const struct cancel *cancel, char **ret, struct error **err);
/* Defines a new domain, which does not run. */
int libvirt_define(const char *uri, const char *xml, const struct cancel *cancel, struct error **err);
/* Starts it; paused: QEMU runs, the vCPUs do not.  May take five minutes. */
int libvirt_start(const char *uri, const char *domain, bool paused, const struct cancel *cancel,
		  struct error **err);
/* Ends it at once.  0 also if it does not run. */
int libvirt_destroy(const char *uri, const char *domain, struct error **err);

/* One domain that was looked for. */
struct libvirt_found {
	char *name;                    /* as it was given; the uuid for "*" */
	char uuid[VIR_UUID_TEXT_SIZE]; /* "": there is no such domain */
	char *xml;                     /* of the running domain, else of the defined one; NULL with error */
	char *error;                   /* why there is none; NULL: there is */
};
struct libvirt_finds {
	char *uri; /* the URI that libvirt has chosen or confirmed */
	struct libvirt_found *list;
	size_t n;
};
/*
 * Looks for domains by name or uuid; "*" is all, running or not.  A domain that is not there is no error of
 * this function, see libvirt_found.  The caller clears *ret, also after an error.
 */
int libvirt_find(const char *uri, char *const *names, const struct cancel *cancel, struct libvirt_finds *ret,
		 struct error **err);
void libvirt_finds_clear(struct libvirt_finds *f);
#define _cleanup_libvirt_finds_ _cleanup_(libvirt_finds_clear)

/* An open connection and a domain in it. */
struct libvirt_session {
	struct libvirt_api api;
	vir_connect *connect;
	vir_domain *domain;
};
/*
 * The caller closes *ret.  Its functions may hang: call them in threads that nobody has to wait for.
 */
int libvirt_attach(const char *uri, const char *domain, const struct cancel *cancel,
		   struct libvirt_session *ret, struct error **err);
void libvirt_session_close(struct libvirt_session *s);
/* libvirt's last error in this thread as an error, with "libvirt: " in front.  Returns its code. */
int libvirt_error(const struct libvirt_api *api, struct error **err);

#endif
