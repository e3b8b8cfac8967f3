/* pair.c - the two sides of a pair as the operations reach them.
 * For diff, resolve, drain, restore and alter.
 * Calls block; tools only. */
#include "pair.h"
#include <stdarg.h>
#include <stdio.h>

const char *side_name(enum pair_side side)
{
	return side == SIDE_ODD ? "odd" : "even";
}

int pair_open(struct pair *p, const struct ops *o, const struct shard *shard, unsigned read_s, struct err *err)
{
	int rc;

	*p = (struct pair){ .ops = o, .shard = shard };
	if (shard->kind != SHARD_PAIR)
		return err_set(err, ERR_NAME, ER_WRONG_ARGUMENTS, "shard " STR_FMT " of " STR_FMT " is no pair",
			STR_ARG(shard->name), STR_ARG(shard->keyspace->name));
	rc = db_open(&p->side[SIDE_EVEN], shard->sides[SIDE_EVEN], &o->account, read_s, err);
	if (rc == 0)
		rc = db_open(&p->side[SIDE_ODD], shard->sides[SIDE_ODD], &o->account, read_s, err);
	if (rc < 0)
		pair_close(p);
	return rc;
}

void pair_close(struct pair *p)
{
	db_close(&p->side[SIDE_EVEN]);
	db_close(&p->side[SIDE_ODD]);
}

int pair_position(struct pair *p, enum pair_side side, struct gtid_list *out, struct err *err)
{
	int rc = db_position(&p->side[side], "gtid_binlog_pos", out, err);

	gtid_drop_domain(out, p->side[!side].domain);
	return rc;
}

int pair_catch_up(struct pair *p, uint64_t timeout_us, struct err *err)
{
	uint64_t end = clock_mono_us() + timeout_us, now;
	struct gtid_list even, odd;
	int rc = pair_position(p, SIDE_EVEN, &even, err);

	if (rc == 0)
		rc = pair_position(p, SIDE_ODD, &odd, err);
	if (rc == 0)
		rc = db_wait_position(&p->side[SIDE_EVEN], &odd, timeout_us, err);
	if (rc == 0) {
		now = clock_mono_us();
		rc = db_wait_position(&p->side[SIDE_ODD], &even, now < end ? end - now : 0, err);
	}
	return rc;
}

int pair_check(struct pair *p, struct err *err)
{
	for (int i = 0; i < 2; i++) {
		struct db_replica r;
		int rc = db_replica(&p->side[i], &r, err);

		if (rc == 0)
			rc = db_replica_healthy(&p->side[i], &r, err);
		if (rc < 0)
			return rc;
	}
	if (p->side[0].domain == p->side[1].domain)
		return err_set(err, ERR_CONFIG, ER_NOT_SUPPORTED_YET,
			"both sides write in the GTID domain %u: give each its own gtid_domain_id, or nobody can tell "
			"what has "
			"been applied",
			p->side[0].domain);
	return 0;
}
