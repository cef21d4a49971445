#include "boot/events.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/strv.h"

static void take_io_error(struct boot_events *e, struct json_object *data)
{
	const char *device = json_get_str(data, "device"), *node = json_get_str(data, "node-name");

	if (str_equal_null(json_get_str(data, "operation"), "read"))
		e->read_error = true;
	else
		e->write_error = true;
	if (json_get_bool(data, "nospace", false))
		e->no_room = true;
	if (!e->device)
		e->device = xstrdup_null(device && *device ? device : node);
}

void boot_events_take(void *opaque, struct json_object *o)
{
	struct boot_events *e = opaque;
	struct json_object *data = json_get_obj(o, "data");
	const char *name = json_get_str(o, "event");
	const bool by_guest = json_get_bool(data, "guest", false);

	if (!strcmp(name, "RESET") && by_guest)
		e->resets++;
	else if (!strcmp(name, "SHUTDOWN") && by_guest)
		e->shutdown = true;
	else if (!strcmp(name, "GUEST_PANICKED"))
		e->panicked = true;
	else if (!strcmp(name, "VSERPORT_CHANGE") &&
		 str_equal_null(json_get_str(data, "id"), BOOT_AGENT_PORT))
		e->agent_is_there = json_get_bool(data, "open", false);
	else if (!strcmp(name, "BLOCK_IO_ERROR"))
		take_io_error(e, data);
}

void boot_events_clear(struct boot_events *e)
{
	free(e->device);
	*e = (struct boot_events){ 0 };
}
