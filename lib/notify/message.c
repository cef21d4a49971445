#include "notify/message.h"

const char *notify_severity_name(enum notify_severity severity)
{
	static const char *const names[NOTIFY_SEVERITIES] = {
		[NOTIFY_INFO] = "info",   [NOTIFY_NOTICE] = "notice",   [NOTIFY_WARNING] = "warning",
		[NOTIFY_ERROR] = "error", [NOTIFY_UNKNOWN] = "unknown",
	};

	return names[severity];
}
