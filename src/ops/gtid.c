/* gtid.c - reads, compares and prints GTID positions.
 * For the operations that wait until one server has what another has written.
 * Pure. */
#include "gtid.h"
#include <stdio.h>

static int malformed(struct str text, struct err *err)
{
	return err_set(err, ERR_MALFORMED, ER_WRONG_ARGUMENTS,
		"'%.*s' is not a GTID position as MariaDB writes it (domain-server-number, …)", (int)MIN(text.n, 200u),
		text.p);
}

/* Takes digits off the front of @s, up to and with @end (or the end of the text when @end is 0). */
static int take_number(struct str *s, char end, uint64_t most, uint64_t *out)
{
	const char *at = end ? memchr(s->p, end, s->n) : s->p + s->n;
	size_t n = at ? (size_t)(at - s->p) : 0;

	if (!at || n == 0 || str_to_u64(str_make(s->p, n), out) < 0 || *out > most)
		return -1;
	s->p += n + (end != 0);
	s->n -= n + (end != 0);
	return 0;
}

static int take_one(struct str one, struct gtid *g)
{
	uint64_t domain, server;

	if (take_number(&one, '-', UINT32_MAX, &domain) < 0 || take_number(&one, '-', UINT32_MAX, &server) < 0 ||
		take_number(&one, '\0', UINT64_MAX, &g->seq) < 0)
		return -1;
	g->domain = (uint32_t)domain;
	g->server = (uint32_t)server;
	return 0;
}

int gtid_parse(struct str text, struct gtid_list *out, struct err *err)
{
	struct str left = text;

	out->n = 0;
	while (left.n) {
		const char *comma = memchr(left.p, ',', left.n);
		struct str one = str_make(left.p, comma ? (size_t)(comma - left.p) : left.n);
		struct gtid g;

		left = str_make(one.p + one.n + (comma != NULL), left.n - one.n - (comma != NULL));
		if (comma && left.n == 0)
			return malformed(text, err);
		while (one.n && (*one.p == ' ' || *one.p == '\n'))
			one = str_make(one.p + 1, one.n - 1);
		if (take_one(one, &g) < 0 || gtid_of_domain(out, g.domain))
			return malformed(text, err);
		if (out->n == GTID_DOMAINS_MAX)
			return err_set(err, ERR_LIMIT, ER_WRONG_ARGUMENTS,
				"a position has more than %d GTID domains: remove those that are no longer written "
				"(FLUSH BINARY LOGS DELETE_DOMAIN_ID)",
				GTID_DOMAINS_MAX);
		out->v[out->n++] = g;
	}
	return 0;
}

const struct gtid *gtid_of_domain(const struct gtid_list *l, uint32_t domain)
{
	for (uint32_t i = 0; i < l->n; i++) {
		if (l->v[i].domain == domain)
			return &l->v[i];
	}
	return NULL;
}

void gtid_drop_domain(struct gtid_list *l, uint32_t domain)
{
	for (uint32_t i = 0; i < l->n; i++) {
		if (l->v[i].domain != domain)
			continue;
		memmove(&l->v[i], &l->v[i + 1], (l->n - i - 1) * sizeof(l->v[0]));
		l->n--;
		return;
	}
}

bool gtid_covers(const struct gtid_list *have, const struct gtid_list *want)
{
	for (uint32_t i = 0; i < want->n; i++) {
		const struct gtid *g = gtid_of_domain(have, want->v[i].domain);

		if (!g || g->seq < want->v[i].seq)
			return false;
	}
	return true;
}

char *gtid_print(const struct gtid_list *l, char *out)
{
	size_t at = 0;

	out[0] = '\0';
	for (uint32_t i = 0; i < l->n; i++)
		at += (size_t)snprintf(out + at, GTID_TEXT_MAX - at, "%s%u-%u-%llu", i ? "," : "", l->v[i].domain,
			l->v[i].server, (unsigned long long)l->v[i].seq);
	return out;
}
