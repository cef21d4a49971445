/* lib/base/upid: PVE's ids of processes. */
#include <unistd.h>

#include "base/proc.h"
#include "base/strv.h"
#include "base/upid.h"
#include "tap.h"

int main(void)
{
	_cleanup_free_ char *mine = upid_new("node-1", getpid(), 0x65A0B1C2, "vzdump");
	uint64_t ticks = 0;
	struct upid u;

	proc_start_ticks(getpid(), &ticks);
	ok(str_prefix(mine, "UPID:node-1:", NULL) && str_suffix(mine, ":65A0B1C2:vzdump::root@pam:"),
	   "a UPID has node, start, type and user");
	ok(upid_parse(mine, &u) && u.pid == getpid() && u.start_ticks == ticks && u.start_time == 0x65A0B1C2,
	   "and names this process by pid and start");
	ok(upid_parse("UPID:n:00001267:123456789:65A0B1C2:vzdump:100:root@pam:", &u) && u.pid == 0x1267 &&
		   u.start_ticks == 0x123456789,
	   "a start that needs nine digits is read");
	ok(!upid_parse("4711", &u) && !upid_parse("UPID:", &u) &&
		   !upid_parse("UPID:n:1:2:3:vzdump::root@pam:", &u) &&
		   !upid_parse("UPID:n:ffffffff:00000001:00000001:x::y:", &u) &&
		   !upid_parse("UPID:n:00000001:00000001:00000001:x::y:", &u) &&
		   !upid_parse("UPID:n:00001267:00000001:ffffffffffffffff:x::y:", &u),
	   "what is none is not");
	return done_testing();
}
