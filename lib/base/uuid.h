/* Random uuids (RFC 9562, version 4) and their text. */
#ifndef VZDUMP_BASE_UUID_H
#define VZDUMP_BASE_UUID_H

#include <stdint.h>

#include "base/error.h"

#define UUID_SIZE      16 /* bytes */
#define UUID_TEXT_SIZE 37 /* "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx" with its NUL */

/* A new uuid.  Returns 0, or -errno if the kernel provides no random bytes. */
int uuid_random(uint8_t ret[UUID_SIZE], struct error **err);

/* Writes the lower case text of uuid. */
void uuid_text(char ret[UUID_TEXT_SIZE], const uint8_t uuid[UUID_SIZE]);

#endif
