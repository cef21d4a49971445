#include "base/uuid.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

int uuid_random(uint8_t ret[UUID_SIZE], struct error **err)
{
	if (getrandom(ret, UUID_SIZE, 0) != UUID_SIZE)
		return error_errno(err, errno, "cannot get random bytes for a uuid");
	ret[6] = (uint8_t)((ret[6] & 0x0f) | 0x40);
	ret[8] = (uint8_t)((ret[8] & 0x3f) | 0x80);
	return 0;
}

void uuid_text(char ret[UUID_TEXT_SIZE], const uint8_t u[UUID_SIZE])
{
	snprintf(ret, UUID_TEXT_SIZE, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		 u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13],
		 u[14], u[15]);
}
