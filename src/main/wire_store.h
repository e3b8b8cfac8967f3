/* wire_store.h - the settings' `store` group as the store layer takes it. Any thread. */
#ifndef KEYWAY_MAIN_WIRE_STORE_H
#define KEYWAY_MAIN_WIRE_STORE_H

#include "keyway/main/config.h"
#include "keyway/store/store.h"

/* *@out points into @cfg, which must stay as long as it is used. */
void wire_store_config(const struct config *cfg, struct store_config *out);

#endif
