/* map_wait.c - waits until the live proxies serve an epoch, as they say in the store.
 * For map_change.c, and for operations that go on after a change.
 * Calls block; tools only. */
#include "keyway/ops/map_change.h"
#include "keyway/util/buf.h"
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <time.h>

#define LOOK_US	  100000
#define TOLD_MAX  8 /* proxies named one by one */
#define RETELL_US 5000000

struct wait {
	const struct ops *o;
	const char *keyspace;
	uint64_t epoch;
	struct ops_map_result *out;
	char *missing; /* in words; "": nobody */
};

/* "p1 (10.0.0.5:3306) is at epoch 12", "... refuses it: ...". */
static void missing_add(struct wait *w, struct buf *to, const char *key, const json_t *proxy, const json_t *at)
{
	const char *host = json_string_value(json_object_get(proxy, "host"));
	const char *refused = json_string_value(json_object_get(json_object_get(proxy, "refused"), w->keyspace));
	const char *slash = strrchr(key, '/');

	if (++w->out->unserved > TOLD_MAX)
		return;
	buf_addf(to, "%s%s", w->out->unserved > 1 ? "; " : "", slash ? slash + 1 : key);
	if (host)
		buf_addf(to, " (%s:%lld)", host, (long long)json_integer_value(json_object_get(proxy, "port")));
	if (refused)
		buf_addf(to, " refuses a newer one: %.200s", refused);
	else if (json_is_integer(at))
		buf_addf(to, " is at epoch %lld", (long long)json_integer_value(at));
	else
		buf_addz(to, " does not serve the keyspace yet");
}

/* One look at who lives. Negative: the store did not answer. */
static int look(struct wait *w, struct err *err)
{
	struct store_items all;
	struct buf words = { 0 };
	int rc = store_list(w->o->store, "proxies/", &all, err);

	if (rc < 0)
		return rc;
	w->out->proxies = all.n;
	w->out->unserved = 0;
	for (uint32_t i = 0; i < all.n; i++) {
		json_t *proxy = json_loadb(all.v[i].value, all.v[i].value_n, 0, NULL);
		const json_t *at = json_object_get(json_object_get(proxy, "epochs"), w->keyspace);

		if (!json_is_integer(at) || (uint64_t)json_integer_value(at) < w->epoch)
			missing_add(w, &words, all.v[i].key, proxy, at);
		json_decref(proxy);
	}
	store_items_free(&all);
	if (w->out->unserved > TOLD_MAX)
		buf_addf(&words, "; and %u more", w->out->unserved - TOLD_MAX);
	buf_add_u8(&words, 0);
	free(w->missing);
	w->missing = xstrdup((const char *)buf_head(&words));
	buf_free(&words);
	return 0;
}

static void pause_us(uint64_t us)
{
	struct timespec t = { (time_t)(us / 1000000), (long)(us % 1000000) * 1000 };

	nanosleep(&t, NULL);
}

/* Tells who is missing when that is news, or was not said for a while. */
static void tell(const struct wait *w, char **told, uint64_t *told_us)
{
	uint64_t now = clock_mono_us();

	if (*told && strcmp(*told, w->missing) == 0 && now - *told_us < RETELL_US)
		return;
	if (w->out->unserved)
		ops_say(w->o, OPS_NOTE, "epoch %" PRIu64 " is served by %u of %u proxies; %s", w->epoch,
			w->out->proxies - w->out->unserved, w->out->proxies, w->missing);
	free(*told);
	*told = xstrdup(w->missing);
	*told_us = now;
}

static int wait_served(struct wait *w, uint64_t timeout_us, struct err *err)
{
	uint64_t deadline = clock_mono_us() + timeout_us, told_us = 0;
	char *told = NULL;
	int rc;

	for (;;) {
		rc = look(w, err);
		if (rc == 0 && w->out->unserved == 0)
			break;
		if (rc == 0)
			tell(w, &told, &told_us);
		if (w->o->cancelled && *w->o->cancelled) {
			rc = err_set(err, ERR_TIMEOUT, ER_QUERY_INTERRUPTED,
				"interrupted; %u of %u proxies do not serve epoch %" PRIu64 " of %s yet: %.300s",
				w->out->unserved, w->out->proxies, w->epoch, w->keyspace, w->missing);
			break;
		}
		if (clock_mono_us() >= deadline) {
			if (rc == 0)
				rc = err_set(err, ERR_TIMEOUT, ER_LOCK_WAIT_TIMEOUT,
					"%u of %u proxies do not serve epoch %" PRIu64 " of %s: %.350s",
					w->out->unserved, w->out->proxies, w->epoch, w->keyspace, w->missing);
			break;
		}
		pause_us(LOOK_US);
	}
	free(told);
	return rc;
}

int ops_map_wait(const struct ops *o, const char *keyspace, uint64_t epoch, uint64_t timeout_us,
	struct ops_map_result *out, struct err *err)
{
	struct wait w = { .o = o, .keyspace = keyspace, .epoch = epoch, .out = out, .missing = xstrdup("") };
	int rc;

	out->proxies = out->unserved = 0;
	if (store_is_single(o->store)) {
		free(w.missing);
		ops_say(o, OPS_NOTE, "the map is one file: which proxies serve it is not known");
		return 0;
	}
	rc = wait_served(&w, timeout_us, err);
	if (rc == 0)
		ops_say(o, OPS_STEP, "epoch %" PRIu64 " of %s is served by %s%u prox%s", epoch, keyspace,
			out->proxies > 1 ? "all " : "", out->proxies, out->proxies == 1 ? "y" : "ies");
	free(w.missing);
	return rc;
}
