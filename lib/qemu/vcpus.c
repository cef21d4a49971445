#include "qemu/vcpus.h"

#include "base/strv.h"

int vcpus_resume(struct qmp *q, bool *ret_resumed, struct error **err)
{
	_cleanup_json_ struct json_object *status = NULL;
	const char *state;
	bool resumes;
	int r = qmp_execute(q, "query-status", NULL, &status, err);

	if (r < 0)
		return r;
	state = json_get_str(status, "status");
	resumes = str_equal_null(state, "paused") || str_equal_null(state, "prelaunch");
	if (resumes)
		r = qmp_execute(q, "cont", NULL, NULL, err);
	if (ret_resumed)
		*ret_resumed = resumes && r == 0;
	return r;
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
