/*
 * From names of libvirt guests to ids: asks libvirt for their XML and writes their mirrors (mirror.h).
 *
 * The id is that of the domain's metadata, else derived from its uuid alone, so that it is the same on every
 * host: 100000000 + XXH64 of the uuid's lower case text, seed 0, modulo 899999999.
 */
#ifndef VZDUMP_GUEST_LIBVIRT_GUESTS_H
#define VZDUMP_GUEST_LIBVIRT_GUESTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/error.h"
#include "base/log.h"
#include "base/paths.h"

/* All borrowed. */
struct libvirt_guests_request {
	const struct paths *paths;
	const struct log *log;
	const struct cancel *cancel;
	const char *uri;       /* NULL: libvirt's default */
	char *const *names;    /* names and uuids, "*" for all; NULL: none */
	const uint32_t *vmids; /* other guests, whose mirrors are renewed if they have one */
	size_t n_vmids;
	const uint32_t *excluded; /* ids that "*" leaves out */
	size_t n_excluded;
};

struct libvirt_guests {
	uint32_t *vmids; /* of the names, each once, and the given ones that can be saved; in this order */
	size_t n;
	char **failed; /* a line for each guest that cannot be saved now; NULL: none */
};

/*
 * Renews the mirrors and finds the ids.  Mirrors of domains that are gone are removed.  Trouble with libvirt
 * or one domain is in ret->failed; an error is only ERR_CANCELED.  The caller clears *ret, also after an
 * error.
 */
int libvirt_guests_find(const struct libvirt_guests_request *q, struct libvirt_guests *ret,
			struct error **err);
void libvirt_guests_clear(struct libvirt_guests *g);
#define _cleanup_libvirt_guests_ _cleanup_(libvirt_guests_clear)

/*
 * The ids of those whose mirrors are there, without asking libvirt.  uri: NULL for any.  Adds them to the
 * list *vmids of *n; the caller frees it.
 */
void libvirt_guests_known(const struct paths *p, const char *uri, char *const *names,
			  const uint32_t *excluded, size_t n_excluded, uint32_t **vmids, size_t *n);

#endif
