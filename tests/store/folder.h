/* folder.h - a folder of its own for a test of the store in files. */
#ifndef KEYWAY_TESTS_STORE_FOLDER_H
#define KEYWAY_TESTS_STORE_FOLDER_H

#include "store_type.h"
#include "../unit.h"
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/keyway-test-XXXXXX";

static inline void folder_make(void)
{
	memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(folder));
}

static inline void folder_remove(void)
{
	char *cmd = xasprintf("rm -rf %s", folder);

	ck_assert_int_eq(system(cmd), 0);
	free(cmd);
}

static inline void folder_write(const char *name, const char *text)
{
	char *path = xasprintf("%s/%s", folder, name);
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	ck_assert_int_eq(fclose(f), 0);
	free(path);
}

static inline bool folder_has(const char *name)
{
	char *path = xasprintf("%s/%s", folder, name);
	bool has = access(path, F_OK) == 0;

	free(path);
	return has;
}

static inline struct store *folder_open(const char *name)
{
	char *path = xasprintf("%s%s%s", folder, *name ? "/" : "", name);
	struct store_config cfg = { .kind = STORE_FILE, .path = path };
	struct err err;
	struct store *s = store_open(&cfg, &err);

	ck_assert_msg(s != NULL, "%s", err.msg);
	free(path);
	return s;
}

#endif
