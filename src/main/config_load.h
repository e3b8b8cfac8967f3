/* config_load.h - one reading of the settings, for config.c, which walks the file, and config_rules.c, which knows what
 * several keys may say together. Lives during config_load() only. */
#ifndef KEYWAY_MAIN_CONFIG_LOAD_H
#define KEYWAY_MAIN_CONFIG_LOAD_H

#include "config_keys.h"
#include <libconfig.h>

struct loader {
	config_t parsed;
	const char *path;
	const char *dir; /* folder of path, where relative names start */
	struct config *config;
	struct arena *arena; /* of the config */
	struct arena words;  /* for messages */
	struct err *err;
};

/* Says what is wrong with the setting @at (NULL: with the whole). Returns ERR_CONFIG. */
int config_refuse(struct loader *l, const config_setting_t *at, const char *fmt, ...) PRINTF(3, 4);
/* Notes what is legal but unwise. */
void config_warn(struct loader *l, const config_setting_t *at, const char *fmt, ...) PRINTF(3, 4);

struct group_rule {
	const char *group;			    /* "tls." or "users[].": an item of a list */
	void (*init)(struct loader *l, void *item); /* after the defaults; NULL: nothing to do */
	/* After the group was read; @item is what its keys' offsets count from. NULL: nothing to check. */
	int (*check)(struct loader *l, const config_setting_t *at, void *item);
};

/* The rule of the group with this prefix; one without functions when it has none. */
const struct group_rule *config_rule_of(const char *prefix);
/* The rules over the whole, after everything was read. */
MUST_CHECK int config_check_all(struct loader *l, const config_setting_t *at);

#endif
