#include "backup/nbd-connect.h"

#include <stdint.h>

#include "base/units.h"

/* nbd_poll() does not look at the cancel's descriptor. */
#define POLL_MS 100

static int failed(struct error **err)
{
	return error_set(err, ERR_PEER, "%s", nbd_get_error());
}

int nbd_connect_within(struct nbd_handle *h, const char *socket, int timeout_ms, const struct cancel *cancel,
		       struct error **err)
{
	const uint64_t end = units_now_ns() + (uint64_t)timeout_ms * 1000000;

	if (nbd_aio_connect_unix(h, socket) < 0)
		return failed(err);
	while (nbd_aio_is_connecting(h) == 1) {
		int r = cancel_check(cancel, err);

		if (r < 0)
			return r;
		if (units_now_ns() >= end)
			return error_set(err, ERR_TIMEOUT, "nothing answers at '%s' within %d s", socket,
					 timeout_ms / 1000);
		if (nbd_poll(h, POLL_MS) < 0)
			return failed(err);
	}
	return nbd_aio_is_ready(h) == 1 ? 0 : failed(err);
}
