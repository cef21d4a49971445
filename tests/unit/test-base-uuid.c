/* lib/base/uuid.h */
#include <string.h>

#include "base/uuid.h"
#include "tap.h"

int main(void)
{
	static const uint8_t known[UUID_SIZE] = { 0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
						  0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0x0f };
	uint8_t a[UUID_SIZE] = { 0 }, b[UUID_SIZE] = { 0 };
	char text[UUID_TEXT_SIZE];

	uuid_text(text, known);
	ok(!strcmp(text, "00112233-4455-6677-8899-aabbccddee0f"), "the text of a uuid is '%s'", text);
	ok(uuid_random(a, NULL) == 0 && uuid_random(b, NULL) == 0 && memcmp(a, b, sizeof(a)) != 0,
	   "two of them differ");
	uuid_text(text, a);
	ok(text[14] == '4' && strchr("89ab", text[19]), "a random one says that it is: '%s'", text);
	return done_testing();
}
