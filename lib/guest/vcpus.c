#include "guest/vcpus.h"

#include <string.h>

int vcpus_resume(struct qmp *q, struct error **err)
{
	_cleanup_json_ struct json_object *status = NULL;
	const char *state;
	int r = qmp_execute(q, "query-status", NULL, &status, err);

	if (r < 0)
		return r;
	state = json_get_str(status, "status");
	return state && !strcmp(state, "paused") ? qmp_execute(q, "cont", NULL, NULL, err) : 0;
}

int vcpus_run(struct qmp *q, bool *ret, struct error **err)
{
	_cleanup_json_ struct json_object *status = NULL;
	struct json_object *running = NULL;
	int r = qmp_execute(q, "query-status", NULL, &status, err);

	if (r < 0)
		return r;
	*ret = json_object_object_get_ex(status, "running", &running) && json_object_get_boolean(running);
	return 0;
}
