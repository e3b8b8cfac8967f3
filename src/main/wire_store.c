/* wire_store.c - the settings' `store` group to struct store_config.
 * For the daemon and for keywayctl, which must come to the same store.
 * Any thread. */
#include "wire_store.h"

void wire_store_config(const struct config *cfg, struct store_config *out)
{
	*out = (struct store_config){ .kind = STORE_FILE, .path = cfg->store.path };
}
