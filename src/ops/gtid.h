/* gtid.h - positions of MariaDB's replication as text and as lists: one GTID per domain, "1-101-28,2-102-7". Pure. */
#ifndef KEYWAY_OPS_GTID_H
#define KEYWAY_OPS_GTID_H

#include "keyway/util/err.h"

#define GTID_DOMAINS_MAX 64
#define GTID_TEXT_MAX	 (GTID_DOMAINS_MAX * 44 + 1)

struct gtid {
	uint32_t domain, server;
	uint64_t seq;
};

struct gtid_list {
	struct gtid v[GTID_DOMAINS_MAX];
	uint32_t n;
};

/* Empty text is an empty list. ERR_MALFORMED: not such a text, or a domain twice. */
MUST_CHECK int gtid_parse(struct str text, struct gtid_list *out, struct err *err);
const struct gtid *gtid_of_domain(const struct gtid_list *l, uint32_t domain);
void gtid_drop_domain(struct gtid_list *l, uint32_t domain);
/* @have is as far as @want in every domain of @want. */
bool gtid_covers(const struct gtid_list *have, const struct gtid_list *want);
/* @out has room for GTID_TEXT_MAX. Returns @out. */
char *gtid_print(const struct gtid_list *l, char *out);

#endif
