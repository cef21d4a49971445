/* Renews what a guest and its copy must not share: uuids and MAC addresses. */
#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/mem.h"
#include "base/strv.h"
#include "restore/plan-internal.h"

#define PROXMOX_MAC_PREFIX "BC:24:11"

static int get_random_bytes(void *data, size_t len, struct error **err)
{
	if (getrandom(data, len, 0) != (ssize_t)len)
		return error_errno(err, errno, "cannot get random bytes");
	return 0;
}

int plan_new_uuid(char out[UUID_TEXT_SIZE], struct error **err)
{
	uint8_t uuid[UUID_SIZE];
	int r = uuid_random(uuid, err);

	if (r == 0)
		uuid_text(out, uuid);
	return r;
}

/* The first "AA:BB:CC:DD:EE:FF" in text; NULL if there is none. */
static char *find_mac(char *text)
{
	static const char hex[] = "0123456789abcdefABCDEF";

	for (; strlen(text) >= 17; text++) {
		bool good = true;

		for (unsigned i = 0; good && i < 17; i++)
			good = i % 3 == 2 ? text[i] == ':' : strchr(hex, text[i]) != NULL;
		if (good)
			return text;
	}
	return NULL;
}

/* For mac_prefix of datacenter.cfg: one to three bytes ("BC:24:11") that do not begin a multicast address. */
static bool prefix_valid(const char *prefix)
{
	const size_t n = strlen(prefix);

	if (n < 2 || n > 9 || !strchr("02468aceACE", prefix[1]))
		return false;
	for (size_t i = 0; i < n; i++)
		if (i % 3 == 2 ? prefix[i] != ':' : !isxdigit((unsigned char)prefix[i]))
			return false;
	/* the colon after the last byte may be missing, half a byte may not */
	return n % 3 != 1;
}

int plan_new_mac(char *value, const char *prefix, const struct log *log, struct error **err)
{
	char *at = find_mac(value), text[18];
	uint8_t b[6];
	int r;

	if (!at)
		return 0;
	if (prefix && !prefix_valid(prefix)) {
		log_warn(log,
			 "datacenter.cfg: no MAC address can begin with mac_prefix '%s': " PROXMOX_MAC_PREFIX
			 " is used",
			 prefix);
		prefix = NULL;
	}
	if (!prefix)
		prefix = PROXMOX_MAC_PREFIX;
	r = get_random_bytes(b, sizeof(b), err);
	if (r < 0)
		return r;
	snprintf(text, sizeof(text), "%02X:%02X:%02X:%02X:%02X:%02X", b[0], b[1], b[2], b[3], b[4], b[5]);
	for (size_t i = 0; prefix[i]; i++)
		text[i] = (char)toupper((unsigned char)prefix[i]);
	memcpy(at, text, 17);
	return 0;
}

int plan_add_smbios(const char *value, struct buf *out, struct error **err)
{
	_cleanup_free_ char *copy = xstrdup(value);
	char *save = NULL, uuid[UUID_TEXT_SIZE];
	int r = plan_new_uuid(uuid, err);

	if (r < 0)
		return r;
	buf_addf(out, "smbios1: uuid=%s", uuid);
	for (char *part = strtok_r(copy, ",", &save); part; part = strtok_r(NULL, ",", &save))
		if (!str_prefix(part, "uuid=", NULL))
			buf_addf(out, ",%s", part);
	buf_addc(out, '\n');
	return 0;
}
