/* topo/topo.h - follows the map store and the servers' schemas, publishes snapshots.
 * Two control threads do it with blocking calls, one for the map, one for the schemas; the functions here may be called
 * from any thread and only hand them requests. A map that is not valid never replaces a good one: it is logged and
 * shown in the status. */
#ifndef KEYWAY_TOPO_TOPO_H
#define KEYWAY_TOPO_TOPO_H

#include "keyway/util/err.h"
#include "keyway/cluster/snapshot.h"

struct topo; /* opaque */
struct store_config;

enum topo_tls { TOPO_TLS_OFF, TOPO_TLS_PREFERRED, TOPO_TLS_REQUIRED, TOPO_TLS_VERIFY_CA, TOPO_TLS_VERIFY_IDENTITY };

/* How to log in to the servers of a keyspace. Texts may be NULL for empty. */
struct topo_account {
	const char *user;
	const char *password;
	/* REQUIRED and up: a server without TLS is refused. VERIFY_CA: a certificate of another name is accepted, but
	 * then accounts of mysql_native_password and ed25519 only (src/topo/server.c says why). */
	enum topo_tls tls;
	const char *tls_ca, *tls_cert, *tls_key; /* files */
	const char *source;			 /* numeric address to connect from; NULL or "": the system chooses */
};

struct topo_config {
	const struct store_config *store; /* needed during topo_start() only */
	const char *cache_path;		  /* file for the last good map; NULL: none */
	/* The account for a keyspace; called on the schemas' thread; @out's texts must live until the next call. */
	void (*account)(void *arg, struct str keyspace, struct topo_account *out);
	void *account_arg;
	/* A new snapshot, one after another, on either thread; the first one from topo_start(). It is the callee's to
	 * take a reference of its own. */
	void (*publish)(void *arg, struct snapshot *snapshot);
	void *publish_arg;
	uint64_t connect_timeout_us; /* 0: 3 s */
	uint64_t read_timeout_us;    /* 0: 10 s */
	uint64_t schema_refresh_us;  /* read all schemas again this often (DDL past Keyway); 0: 60 s */
};

/* Starts the control threads (copies @cfg's texts). Returns once the store has been read: with the store's maps, with
 * the cached ones when the store cannot be read, else NULL and @err. A first document that is not valid is an error
 * too, unless a cached good one stands in. Schemas may still be loading: see topo_wait(). */
struct topo *topo_start(const struct topo_config *cfg, struct err *err);
/* Stops and joins the thread; outstanding requests complete with an error first. NULL is allowed. */
void topo_stop(struct topo *t);

/* The current snapshot, with a reference for the caller. Never NULL. */
struct snapshot *topo_snapshot(struct topo *t);

/* Waits until the schema of every keyspace has been read or given up on for now. 0, or ERR_TIMEOUT. */
MUST_CHECK int topo_wait(struct topo *t, uint64_t timeout_us, struct err *err);

/* Completion of a schema refresh: on the schemas' thread, exactly once, after the new snapshot was published. @err
 * NULL: done. */
typedef void topo_refreshed_fn(void *arg, const struct err *err);

/* Reads the schema of @keyspace again (after DDL). Requests that wait together are served by one reading that begins
 * after the last of them. @done may be NULL. */
void topo_refresh_schema(struct topo *t, struct str keyspace, topo_refreshed_fn *done, void *arg);

/* Reads the store again now (SIGHUP). */
void topo_reload(struct topo *t);

/* What the admin shows. Copies: free with topo_status_free(). */
struct topo_keyspace_status {
	char *name;
	uint64_t epoch;		/* the one being served */
	uint64_t loaded_us;	/* wall clock when this epoch came */
	uint64_t schema_us;	/* wall clock of the last good reading of the schema; 0: never */
	char *schema_from;	/* backend that it was read from; NULL: none */
	struct err schema_err;	/* kind 0: none. The last reading failed */
	uint64_t refused_n;	/* documents refused since start */
	uint64_t refused_us;	/* when the last one came; 0 when a good one came after it */
	struct err refused_err; /* why */
	bool from_cache;	/* the store has not given it yet */
	bool gone;		/* the store came to have no keyspaces at all: served as before */
};

struct topo_status {
	uint64_t generation;
	bool store_up;	      /* it answers, and is the one that the map came from */
	struct err store_err; /* why the map may not be the newest; kind 0: it is */
	char *store_id;	      /* which store it is, for people; NULL: a store in files, or none has answered yet */
	uint32_t keyspace_n;
	struct topo_keyspace_status *keyspaces; /* also names whose only document was refused: epoch 0 */
};

void topo_status(struct topo *t, struct topo_status *out);
void topo_status_free(struct topo_status *s);

#endif
