/* Which words of QEMU's command line let the guest's TRIMs through. */
#include "source/live.h"
#include "tap.h"

static const char *const yes[] = {
	"if=none,id=drive-scsi0,file=/srv/x.raw,discard=unmap",
	"discard=on,id=drive-scsi0,if=none,file=/srv/x.raw",
	"driver=raw,node-name=drive-scsi0,file.driver=file,file.discard=unmap,discard=unmap",
	"{\"driver\":\"raw\",\"node-name\":\"drive-scsi0\",\"discard\":\"unmap\"}",
	"{ \"discard\" : \"on\" }",
};
static const char *const no[] = {
	"if=none,id=drive-scsi0,file=/srv/x.raw",
	"if=none,id=drive-scsi0,file=/srv/x.raw,discard=ignore",
	"driver=raw,node-name=drive-scsi0,file.driver=file,file.discard=unmap",
	"file=/srv/discard/x.raw",
	"discard",
	"",
};

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(yes); i++)
		ok(guard_asks_to_discard(yes[i]), "passes TRIMs: %s", yes[i]);
	for (size_t i = 0; i < ARRAY_SIZE(no); i++)
		ok(!guard_asks_to_discard(no[i]), "does not: %s", no[i]);
	return done_testing();
}
