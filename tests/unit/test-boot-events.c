#include "boot/events.h"

#include "tap.h"

static void take(struct boot_events *e, const char *text)
{
	struct json_object *o = json_tokener_parse(text);

	boot_events_take(e, o);
	json_object_put(o);
}

static void test_errors(void)
{
	struct boot_events e = { 0 };

	take(&e,
	     "{'event': 'BLOCK_IO_ERROR', 'data': {'device': '', 'node-name': 'f-scsi0', 'operation': 'read'}}");
	ok(e.read_error && !e.write_error && !strcmp(e.device, "f-scsi0"), "a read that fails, by its node");
	boot_events_clear(&e);
	take(&e, "{'event': 'BLOCK_IO_ERROR', 'data': {'operation': 'write', 'nospace': true}}");
	ok(e.write_error && e.no_room && !e.read_error, "a write without room");
	boot_events_clear(&e);
	take(&e, "{'event': 'BLOCK_IO_ERROR', 'data': {'operation': 'write', 'nospace': false}}");
	ok(e.write_error && !e.no_room, "a write that fails for another reason");
	boot_events_clear(&e);
}

static void test_guest(void)
{
	struct boot_events e = { 0 };

	take(&e, "{'event': 'RESET', 'data': {'guest': false}}");
	take(&e, "{'event': 'SHUTDOWN', 'data': {'guest': false}}");
	ok(!e.resets && !e.shutdown, "what the guest did not do is no sign");
	take(&e, "{'event': 'RESET', 'data': {'guest': true}}");
	take(&e, "{'event': 'RESET', 'data': {'guest': true}}");
	take(&e, "{'event': 'SHUTDOWN', 'data': {'guest': true}}");
	ok(e.resets == 2 && e.shutdown, "restarts are counted, and a guest that switches itself off is told");
	take(&e, "{'event': 'VSERPORT_CHANGE', 'data': {'id': 'another', 'open': true}}");
	ok(!e.agent_is_there, "another port is not the agent's");
	take(&e, "{'event': 'VSERPORT_CHANGE', 'data': {'id': '" BOOT_AGENT_PORT "', 'open': true}}");
	ok(e.agent_is_there, "the agent's is open");
	take(&e, "{'event': 'VSERPORT_CHANGE', 'data': {'id': '" BOOT_AGENT_PORT "', 'open': false}}");
	ok(!e.agent_is_there, "and closed");
	boot_events_clear(&e);
}

int main(void)
{
	test_errors();
	test_guest();
	return done_testing();
}
