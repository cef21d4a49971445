#include "storage/key.h"

#include "base/units.h"

const char *storage_key(const struct storage *s, const char *key)
{
	return section_get(&s->section, key);
}

int storage_key_required(const struct storage *s, const char *key, const char **ret, struct error **err)
{
	const char *value = storage_key(s, key);

	if (!value)
		return error_set(err, ERR_INVALID, "storage '%s' has no %s in storage.cfg", s->id, key);
	if (ret)
		*ret = value;
	return 0;
}

bool storage_key_flag(const struct storage *s, const char *key)
{
	const char *value = storage_key(s, key);
	bool on = false;

	return value && units_parse_bool(value, &on) && on;
}
