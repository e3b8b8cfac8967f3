/* wire_store.c - the settings' `store` group to struct store_config.
 * For the daemon and for keywayctl, which must come to the same store.
 * Any thread. */
#include "wire_store.h"

static const char *or_null(const char *s)
{
	return s && s[0] ? s : NULL;
}

void wire_store_config(const struct config *cfg, struct store_config *out)
{
	static const enum store_kind kind_of[] = {
		[CONFIG_STORE_FILE] = STORE_FILE,
		[CONFIG_STORE_ETCD] = STORE_ETCD,
		[CONFIG_STORE_CONSUL] = STORE_CONSUL,
	};
	const struct config_store *s = &cfg->store;

	*out = (struct store_config){ .kind = kind_of[s->kind],
		.path = or_null(s->path),
		.endpoints = s->endpoints,
		.endpoint_n = (uint32_t)s->n_endpoints,
		.prefix = s->prefix,
		.user = or_null(s->account.user),
		.password = s->account.password,
		.token = s->token,
		.ca = or_null(s->ca),
		.cert = or_null(s->cert),
		.key = or_null(s->key),
		.timeout_us = s->timeout_us };
}
