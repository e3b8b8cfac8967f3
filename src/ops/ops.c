/* ops.c - what all operations share: progress lines, the map.
 * For the files of this layer.
 * Calls block; tools only. */
#include "keyway/ops/ops.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void ops_say(const struct ops *o, enum ops_say kind, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	if (!o->say)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	o->say(o->say_arg, kind, line);
}

int ops_keyspace(const struct ops *o, const char *keyspace, struct keyspace **out, uint64_t *version, struct err *err)
{
	struct store_item it;
	char key[STORE_KEY_MAX];
	int rc;

	snprintf(key, sizeof(key), "keyspaces/%s", keyspace);
	rc = store_get(o->store, key, &it, err);
	if (rc > 0)
		return err_set(err, ERR_NAME, ER_BAD_DB_ERROR, "the store has no keyspace %s", keyspace);
	if (rc < 0)
		return rc;
	rc = keyspace_parse(str_make(it.value, it.value_n), str_of(keyspace), out, err);
	if (rc < 0)
		err_wrap(err, "the map of keyspace %s", keyspace);
	if (version)
		*version = it.version;
	store_item_free(&it);
	return rc;
}
