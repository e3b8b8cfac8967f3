/*
 * mload - small, bounded load generator that speaks the MySQL wire protocol itself.
 *
 * One thread, epoll.  It costs the machine a few microseconds per query, so on a
 * two-core machine most of the CPU is left to the proxy and the server under test.
 * It never runs without a bound: every mode has a request count and/or a time limit,
 * and alarm() ends the process in any case.
 *
 *   cc -O2 -Wall -o mload mload.c -lcrypto
 *
 * Modes (last argument):
 *   run     closed loop over -c connections; -w point|ps|ro|rw|insert
 *   churn   connect + auth + one point select + COM_QUIT + close, -c at a time
 *   stream  one SELECT (-q), discard rows; -R limits the read rate in MB/s
 *   idle    open -c connections, one query each (-0: none), print READY, hold until
 *           stdin says something or -t seconds passed
 *   sql     execute the statements on stdin, one a line; prints first column of rows
 * Output: one JSON object on stdout.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CAP_LONG_PASSWORD     1u
#define CAP_LONG_FLAG	      4u
#define CAP_CONNECT_WITH_DB   8u
#define CAP_PROTOCOL_41	      0x200u
#define CAP_TRANSACTIONS      0x2000u
#define CAP_SECURE_CONNECTION 0x8000u
#define CAP_MULTI_RESULTS     0x20000u
#define CAP_PLUGIN_AUTH	      0x80000u
#define CAP_DEPRECATE_EOF     0x1000000u

enum pstate { P_GREET, P_AUTH, P_PUBKEY, P_PREP_HEAD, P_PREP_DEFS, P_FIRST, P_COLS, P_COLEOF, P_ROWS, P_IDLE };
enum act { A_NONE, A_AUTHED, A_PREPARED, A_DONE };

typedef struct conn {
	int fd, idx, in_ep;
	enum pstate st;
	uint8_t seq;
	uint32_t ncols, prep_defs, stmt_id;
	/* incremental packet parser */
	uint8_t hdr[4];
	int hlen;
	uint32_t plen, pgot;
	uint8_t *pl;
	uint32_t plcap;
	uint8_t small[16];
	uint8_t scramble[20];
	/* the script position */
	int step, nsteps;
	uint64_t t0;
	uint64_t rows;
	int failed;
} conn;

static const char *o_host = "127.0.0.1", *o_user = "bench", *o_pass = "bench", *o_db = "bench", *o_work = "point",
		  *o_query = NULL;
static int o_port = 3306, o_conns = 1, o_noquery = 0, o_depeof = 0;
static double o_secs = 10;
static long o_n = 0;
static long o_rows = 100000;
static double o_rate = 0; /* MB/s */
static const char *o_table = "sbtest1";

static uint64_t now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + ts.tv_nsec;
}
static uint64_t rng_s = 88172645463325252ull;
static uint64_t rnd(void)
{
	rng_s ^= rng_s << 13;
	rng_s ^= rng_s >> 7;
	rng_s ^= rng_s << 17;
	return rng_s;
}
static char first_err[512];
static long n_err, n_req, n_stmt, n_conn;
static uint64_t n_bytes, n_rowstot;
static void fail(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char b[480];
	vsnprintf(b, sizeof b, fmt, ap);
	va_end(ap);
	for (char *p = b; *p; p++)
		if (*p == '"' || *p == '\\' || (unsigned char)*p < 32)
			*p = ' ';
	if (!first_err[0])
		snprintf(first_err, sizeof first_err, "%s", b);
	n_err++;
}

/* CPU time of other processes (all threads, also ended ones), ns resolution: the same sum
 * that /proc/PID/stat shows in ticks as utime + stime */
static pid_t mon_pid[2][64];
static int mon_n[2];
static uint64_t mon_t[2][2];
static void mon_list(int which, char *s)
{
	for (char *t = strtok(s, ","); t; t = strtok(NULL, ","))
		if (mon_n[which] < 64)
			mon_pid[which][mon_n[which]++] = atoi(t);
}
static void mon(int at)
{
	for (int w = 0; w < 2; w++) {
		uint64_t sum = 0;
		for (int i = 0; i < mon_n[w]; i++) {
			clockid_t id;
			struct timespec ts;
			if (clock_getcpuclockid(mon_pid[w][i], &id) == 0 && clock_gettime(id, &ts) == 0)
				sum += (uint64_t)ts.tv_sec * 1000000000ull + ts.tv_nsec;
		}
		mon_t[w][at] = sum;
	}
}

/* latencies, ns */
static uint64_t *lat;
static long lat_n, lat_cap;
static void lat_add(uint64_t ns)
{
	if (lat_n == lat_cap) {
		if (lat_cap >= (1l << 24))
			return;
		lat_cap = lat_cap ? lat_cap * 2 : 65536;
		lat = realloc(lat, lat_cap * sizeof *lat);
		if (!lat)
			abort();
	}
	lat[lat_n++] = ns;
}
static int cmp64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}
static double pct(double p)
{
	if (!lat_n)
		return 0;
	long i = (long)(p * (lat_n - 1) + 0.5);
	return lat[i] / 1000.0;
}

/* ---------- auth ---------- */
static void native_pw(const uint8_t *scr, uint8_t out[20])
{
	uint8_t h1[20], h2[20], cat[40];
	SHA1((const uint8_t *)o_pass, strlen(o_pass), h1);
	SHA1(h1, 20, h2);
	memcpy(cat, scr, 20);
	memcpy(cat + 20, h2, 20);
	SHA1(cat, 40, out);
	for (int i = 0; i < 20; i++)
		out[i] ^= h1[i];
}
static void sha2_pw(const uint8_t *scr, uint8_t out[32])
{
	uint8_t h1[32], h2[32], cat[52];
	SHA256((const uint8_t *)o_pass, strlen(o_pass), h1);
	SHA256(h1, 32, h2);
	memcpy(cat, h2, 32);
	memcpy(cat + 32, scr, 20);
	SHA256(cat, 52, out);
	for (int i = 0; i < 32; i++)
		out[i] ^= h1[i];
}

/* ---------- I/O ---------- */
static int send_all(conn *c, const void *b, size_t n)
{
	const uint8_t *p = b;
	while (n) {
		ssize_t r = send(c->fd, p, n, MSG_NOSIGNAL);
		if (r < 0) {
			if (errno == EINTR)
				continue;
			fail("send: %s", strerror(errno));
			return -1;
		}
		p += r;
		n -= r;
	}
	return 0;
}
static int send_pkt(conn *c, uint8_t seq, const void *b, size_t n)
{
	uint8_t buf[8192];
	if (n + 4 > sizeof buf)
		abort();
	buf[0] = n;
	buf[1] = n >> 8;
	buf[2] = n >> 16;
	buf[3] = seq;
	memcpy(buf + 4, b, n);
	return send_all(c, buf, n + 4);
}
static int send_query(conn *c, const char *q, size_t n)
{
	uint8_t buf[8192];
	if (n + 5 > sizeof buf)
		abort();
	size_t l = n + 1;
	buf[0] = l;
	buf[1] = l >> 8;
	buf[2] = l >> 16;
	buf[3] = 0;
	buf[4] = 3;
	memcpy(buf + 5, q, n);
	c->st = P_FIRST;
	c->rows = 0;
	n_stmt++;
	return send_all(c, buf, n + 5);
}
static uint8_t sha_plugin; /* last plugin used: 0 native, 1 caching_sha2 */
static size_t auth_response(const char *plugin, const uint8_t *scr, uint8_t *out)
{
	if (!*o_pass)
		return 0;
	if (!strcmp(plugin, "caching_sha2_password")) {
		sha_plugin = 1;
		sha2_pw(scr, out);
		return 32;
	}
	sha_plugin = 0;
	native_pw(scr, out);
	return 20;
}

static uint64_t lenenc(const uint8_t *p, int *used)
{
	if (p[0] < 0xfb) {
		*used = 1;
		return p[0];
	}
	if (p[0] == 0xfc) {
		*used = 3;
		return p[1] | p[2] << 8;
	}
	if (p[0] == 0xfd) {
		*used = 4;
		return p[1] | p[2] << 8 | p[3] << 16;
	}
	*used = 9;
	return p[1] | p[2] << 8 | p[3] << 16 | (uint64_t)p[4] << 24;
}

static uint32_t want(const conn *c)
{
	if (c->st <= P_PUBKEY)
		return 2048;
	return 0; /* the small buffer does */
}
static int g_print; /* sql mode: print first column */

/* one whole packet arrived; pl holds its first bytes */
static enum act on_packet(conn *c)
{
	const uint8_t *p = c->plcap ? c->pl : c->small;
	uint32_t have = c->plcap ? (c->plen < c->plcap ? c->plen : c->plcap) : (c->plen < 16 ? c->plen : 16);
	uint8_t first = have ? p[0] : 0;
	if (first == 0xff && c->st != P_ROWS && c->st != P_COLS) {
		int code = have >= 3 ? p[1] | p[2] << 8 : 0;
		if (c->plcap && have > 9)
			fail("server error %d: %.*s", code, (int)(have - 9), p + 9);
		else
			fail("server error %d (state %d)", code, c->st);
		c->failed = 1;
		return A_DONE;
	}
	switch (c->st) {
	case P_GREET: {
		if (have < 40 || first != 10) {
			fail("bad greeting");
			c->failed = 1;
			return A_DONE;
		}
		const uint8_t *q = p + 1;
		q += strlen((const char *)q) + 1 + 4;
		memcpy(c->scramble, q, 8);
		q += 9;
		uint32_t caps = q[0] | q[1] << 8;
		q += 2 + 1 + 2;
		caps |= (uint32_t)(q[0] | q[1] << 8) << 16;
		q += 2 + 1 + 10;
		memcpy(c->scramble + 8, q, 12);
		q += 13;
		const char *plugin = (caps & CAP_PLUGIN_AUTH) ? (const char *)q : "mysql_native_password";
		uint8_t b[512], resp[64];
		size_t rl = auth_response(plugin, c->scramble, resp);
		uint32_t cl = CAP_LONG_PASSWORD | CAP_LONG_FLAG | CAP_PROTOCOL_41 | CAP_TRANSACTIONS |
			      CAP_SECURE_CONNECTION | CAP_MULTI_RESULTS;
		if (*o_db)
			cl |= CAP_CONNECT_WITH_DB;
		if (caps & CAP_PLUGIN_AUTH)
			cl |= CAP_PLUGIN_AUTH;
		if (o_depeof)
			cl |= CAP_DEPRECATE_EOF;
		cl &= caps | CAP_LONG_PASSWORD | CAP_LONG_FLAG | CAP_MULTI_RESULTS;
		size_t n = 0;
		memcpy(b, &cl, 4);
		uint32_t mx = 64u << 20;
		memcpy(b + 4, &mx, 4);
		b[8] = 45;
		memset(b + 9, 0, 23);
		n = 32;
		n += sprintf((char *)b + n, "%s", o_user) + 1;
		b[n++] = rl;
		memcpy(b + n, resp, rl);
		n += rl;
		if (cl & CAP_CONNECT_WITH_DB)
			n += sprintf((char *)b + n, "%s", o_db) + 1;
		if (cl & CAP_PLUGIN_AUTH)
			n += sprintf((char *)b + n, "%s",
				     sha_plugin ? "caching_sha2_password" : "mysql_native_password") +
			     1;
		c->st = P_AUTH;
		if (send_pkt(c, c->hdr[3] + 1, b, n))
			c->failed = 1;
		return c->failed ? A_DONE : A_NONE;
	}
	case P_AUTH:
		if (first == 0)
			return A_AUTHED;
		if (first == 0xfe) { /* switch */
			char plugin[64];
			snprintf(plugin, sizeof plugin, "%s", (const char *)p + 1);
			const uint8_t *s = p + 1 + strlen((const char *)p + 1) + 1;
			memcpy(c->scramble, s, 20);
			uint8_t resp[64];
			size_t rl = auth_response(plugin, c->scramble, resp);
			if (send_pkt(c, c->hdr[3] + 1, resp, rl))
				c->failed = 1;
			return c->failed ? A_DONE : A_NONE;
		}
		if (first == 1 && have >= 2 && p[1] == 3)
			return A_NONE; /* fast path ok, OK follows */
		if (first == 1 && have >= 2 && p[1] == 4) {
			uint8_t two = 2;
			c->st = P_PUBKEY;
			if (send_pkt(c, c->hdr[3] + 1, &two, 1))
				c->failed = 1;
			return c->failed ? A_DONE : A_NONE;
		}
		fail("auth: unexpected packet 0x%02x", first);
		c->failed = 1;
		return A_DONE;
	case P_PUBKEY: {
		BIO *bio = BIO_new_mem_buf(p + 1, have - 1);
		EVP_PKEY *k = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
		BIO_free(bio);
		uint8_t in[256], out[1024];
		size_t il = strlen(o_pass) + 1, ol = sizeof out;
		for (size_t i = 0; i < il; i++)
			in[i] = (uint8_t)o_pass[i] ^ c->scramble[i % 20];
		EVP_PKEY_CTX *x = k ? EVP_PKEY_CTX_new(k, NULL) : NULL;
		if (!x || EVP_PKEY_encrypt_init(x) <= 0 ||
			EVP_PKEY_CTX_set_rsa_padding(x, RSA_PKCS1_OAEP_PADDING) <= 0 ||
			EVP_PKEY_encrypt(x, out, &ol, in, il) <= 0) {
			fail("rsa");
			c->failed = 1;
			return A_DONE;
		}
		EVP_PKEY_CTX_free(x);
		EVP_PKEY_free(k);
		c->st = P_AUTH;
		if (send_pkt(c, c->hdr[3] + 1, out, ol))
			c->failed = 1;
		return c->failed ? A_DONE : A_NONE;
	}
	case P_PREP_HEAD: {
		memcpy(&c->stmt_id, p + 1, 4);
		uint32_t nc = p[5] | p[6] << 8, np = p[7] | p[8] << 8;
		c->prep_defs = nc + np;
		if (!o_depeof)
			c->prep_defs += (nc ? 1 : 0) + (np ? 1 : 0);
		if (!c->prep_defs)
			return A_PREPARED;
		c->st = P_PREP_DEFS;
		return A_NONE;
	}
	case P_PREP_DEFS:
		if (--c->prep_defs == 0)
			return A_PREPARED;
		return A_NONE;
	case P_FIRST:
		if (first == 0)
			return A_DONE; /* OK */
		{
			int u;
			c->ncols = lenenc(p, &u);
			c->st = P_COLS;
		}
		return A_NONE;
	case P_COLS:
		if (--c->ncols == 0)
			c->st = o_depeof ? P_ROWS : P_COLEOF;
		return A_NONE;
	case P_COLEOF: c->st = P_ROWS; return A_NONE;
	case P_ROWS:
		if (first == 0xfe && c->plen < (o_depeof ? 0xffffffu : 9u))
			return A_DONE;
		if (first == 0xff) {
			fail("server error in rows %d", have >= 3 ? p[1] | p[2] << 8 : 0);
			c->failed = 1;
			return A_DONE;
		}
		c->rows++;
		n_rowstot++;
		if (g_print) {
			int u;
			uint64_t l = p[0] == 0xfb ? 0 : lenenc(p, &u);
			printf("%.*s\n", (int)(l < 15 ? l : 15), p + 1);
		}
		return A_NONE;
	default:
		fail("packet in state %d", c->st);
		c->failed = 1;
		return A_DONE;
	}
}

/* feed received bytes; returns at the first action, sets *used */
static enum act feed(conn *c, const uint8_t *b, size_t n, size_t *used)
{
	size_t i = 0;
	while (i < n || (c->hlen == 4 && c->pgot == c->plen)) {
		if (c->hlen < 4) {
			c->hdr[c->hlen++] = b[i++];
			if (c->hlen < 4)
				continue;
			c->plen = c->hdr[0] | c->hdr[1] << 8 | c->hdr[2] << 16;
			c->pgot = 0;
			uint32_t w = want(c);
			if (w && c->plcap < w) {
				c->pl = realloc(c->pl, w);
				c->plcap = w;
			} else if (!w && c->plcap) {
				free(c->pl);
				c->pl = NULL;
				c->plcap = 0;
			}
		}
		size_t take = c->plen - c->pgot;
		if (take > n - i)
			take = n - i;
		uint32_t cap = c->plcap ? c->plcap : sizeof c->small;
		uint8_t *dst = c->plcap ? c->pl : c->small;
		if (c->pgot < cap && take) {
			size_t k = cap - c->pgot;
			memcpy(dst + c->pgot, b + i, k < take ? k : take);
		}
		c->pgot += take;
		i += take;
		if (c->pgot == c->plen) {
			c->hlen = 0;
			enum act a = on_packet(c);
			if (a != A_NONE) {
				*used = i;
				return a;
			}
		}
	}
	*used = i;
	return A_NONE;
}

static struct sockaddr_in g_addr;
static int conn_open(conn *c)
{
	int one = 1;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0) {
		fail("socket: %s", strerror(errno));
		return -1;
	}
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	struct timeval tv = { 20, 0 };
	setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
	setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
	while (connect(c->fd, (struct sockaddr *)&g_addr, sizeof g_addr) < 0) {
		if (errno == EINTR)
			continue;
		fail("connect: %s", strerror(errno));
		close(c->fd);
		c->fd = -1;
		return -1;
	}
	c->st = P_GREET;
	c->hlen = 0;
	c->failed = 0;
	n_conn++;
	return 0;
}
static void conn_close(conn *c, int quit)
{
	if (c->fd < 0)
		return;
	if (quit) {
		uint8_t q[5] = { 1, 0, 0, 0, 1 };
		send_all(c, q, 5);
	}
	close(c->fd);
	c->fd = -1;
	free(c->pl);
	c->pl = NULL;
	c->plcap = 0;
}
static uint8_t rbuf[1 << 18];
/* blocking: read until an action; leftover bytes are an error (no pipelining) */
static enum act wait_act(conn *c)
{
	for (;;) {
		ssize_t r = recv(c->fd, rbuf, sizeof rbuf, 0);
		if (r <= 0) {
			if (r < 0 && errno == EINTR)
				continue;
			fail("recv: %s", r ? strerror(errno) : "closed by peer");
			c->failed = 1;
			return A_DONE;
		}
		n_bytes += r;
		size_t off = 0;
		while (off < (size_t)r) {
			size_t u;
			enum act a = feed(c, rbuf + off, r - off, &u);
			off += u;
			if (a != A_NONE)
				return a;
		}
	}
}
static int conn_login(conn *c)
{
	if (conn_open(c))
		return -1;
	if (wait_act(c) != A_AUTHED) {
		if (!c->failed)
			fail("login");
		conn_close(c, 0);
		return -1;
	}
	c->st = P_IDLE;
	free(c->pl);
	c->pl = NULL;
	c->plcap = 0;
	return 0;
}

/* ---------- workloads ---------- */
enum { W_POINT, W_PS, W_RO, W_RW, W_INSERT };
static int w_kind, w_steps;
static char *ins_buf;
static size_t ins_len, ins_off;
static long ins_rows = 1000, ins_rowlen = 1000;
static uint64_t ins_id;

static long rid(void)
{
	return 1 + rnd() % o_rows;
}
/* ids for writes are split over the connections, so that rows never conflict */
static long wid(conn *c)
{
	long k = o_rows / o_conns;
	if (k < 1)
		k = 1;
	return 1 + (rnd() % k) * o_conns + c->idx;
}
static void fill(char *b, int groups)
{
	char *p = b;
	for (int g = 0; g < groups; g++)
		p += sprintf(p, "%s%011llu", g ? "-" : "", (unsigned long long)(rnd() % 100000000000ull));
}
static int send_step(conn *c)
{
	char q[1024], cc[160], pad[80];
	int n = 0, s = c->step;
	long a;
	switch (w_kind) {
	case W_POINT: n = sprintf(q, "SELECT c FROM %s WHERE id=%ld", o_table, rid()); break;
	case W_PS: {
		uint8_t b[4 + 32];
		uint64_t v = rid();
		int l = 1 + 4 + 1 + 4 + 1 + 1 + 2 + 8;
		b[0] = l;
		b[1] = b[2] = 0;
		b[3] = 0;
		b[4] = 0x17;
		memcpy(b + 5, &c->stmt_id, 4);
		b[9] = 0;
		uint32_t one = 1;
		memcpy(b + 10, &one, 4);
		b[14] = 0;
		b[15] = 1;
		b[16] = 8;
		b[17] = 0;
		memcpy(b + 18, &v, 8);
		c->st = P_FIRST;
		c->rows = 0;
		n_stmt++;
		return send_all(c, b, l + 4);
	}
	case W_INSERT: {
		/* ids are fixed-width, patched in place */
		char *p = ins_buf + ins_off;
		for (long r = 0; r < ins_rows; r++) {
			p = strchr(p, '(');
			char t[24];
			int k = sprintf(t, "%018llu", (unsigned long long)++ins_id);
			memcpy(p + 1, t, k);
			p += ins_rowlen;
		}
		uint8_t h[5];
		size_t l = ins_len + 1;
		h[0] = l;
		h[1] = l >> 8;
		h[2] = l >> 16;
		h[3] = 0;
		h[4] = 3;
		c->st = P_FIRST;
		n_stmt++;
		if (send(c->fd, h, 5, MSG_MORE | MSG_NOSIGNAL) != 5) {
			fail("send: %s", strerror(errno));
			return -1;
		}
		return send_all(c, ins_buf, ins_len);
	}
	case W_RO:
	case W_RW:
		if (s == 0)
			n = sprintf(q, "BEGIN");
		else if (s <= 10)
			n = sprintf(q, "SELECT c FROM %s WHERE id=%ld", o_table, rid());
		else if (s == 11)
			a = rid(), n = sprintf(q, "SELECT c FROM %s WHERE id BETWEEN %ld AND %ld", o_table, a, a + 99);
		else if (s == 12)
			a = rid(),
			n = sprintf(q, "SELECT SUM(k) FROM %s WHERE id BETWEEN %ld AND %ld", o_table, a, a + 99);
		else if (s == 13)
			a = rid(),
			n = sprintf(q, "SELECT c FROM %s WHERE id BETWEEN %ld AND %ld ORDER BY c", o_table, a, a + 99);
		else if (s == 14)
			a = rid(), n = sprintf(q, "SELECT DISTINCT c FROM %s WHERE id BETWEEN %ld AND %ld ORDER BY c",
					   o_table, a, a + 99);
		else if (w_kind == W_RW && s == 15)
			n = sprintf(q, "UPDATE %s SET k=k+1 WHERE id=%ld", o_table, wid(c));
		else if (w_kind == W_RW && s == 16) {
			fill(cc, 10);
			n = sprintf(q, "UPDATE %s SET c='%s' WHERE id=%ld", o_table, cc, wid(c));
		} else if (w_kind == W_RW && s == 17) {
			c->prep_defs = wid(c); /* remembered for the insert */
			n = sprintf(q, "DELETE FROM %s WHERE id=%ld", o_table, (long)c->prep_defs);
		} else if (w_kind == W_RW && s == 18) {
			fill(cc, 10);
			fill(pad, 5);
			n = sprintf(q, "INSERT INTO %s (id, k, c, pad) VALUES (%ld, %ld, '%s', '%s')", o_table,
				(long)c->prep_defs, rid(), cc, pad);
		} else
			n = sprintf(q, "COMMIT");
		break;
	}
	return send_query(c, q, n);
}

static int prepare(conn *c)
{
	char q[256];
	int n = sprintf(q + 1, "SELECT c FROM %s WHERE id=?", o_table);
	q[0] = 0x16;
	c->st = P_PREP_HEAD;
	if (send_pkt(c, 0, q, n + 1))
		return -1;
	if (wait_act(c) != A_PREPARED)
		return -1;
	return 0;
}

static uint64_t t_start, t_end, t_limit;
static int done_cond(void)
{
	return (o_n && n_req >= o_n) || now_ns() >= t_limit;
}

static void do_run(void)
{
	conn *cs = calloc(o_conns, sizeof *cs);
	int live = 0;
	for (int i = 0; i < o_conns; i++) {
		cs[i].idx = i;
		cs[i].fd = -1;
		if (conn_login(&cs[i])) {
			if (n_err > 3)
				return;
			continue;
		}
		if (w_kind == W_PS && prepare(&cs[i])) {
			if (!n_err)
				fail("prepare");
			return;
		}
		live++;
	}
	if (!live)
		return;
	n_bytes = n_stmt = 0;
	if (o_conns == 1) {
		conn *c = &cs[0];
		mon(0);
		t_start = now_ns();
		t_limit = t_start + (uint64_t)(o_secs * 1e9);
		while (!done_cond()) {
			uint64_t t0 = now_ns();
			for (c->step = 0; c->step < w_steps; c->step++) {
				if (send_step(c))
					goto out1;
				wait_act(c);
				if (c->failed)
					goto out1;
			}
			lat_add(now_ns() - t0);
			n_req++;
		}
	out1:
		t_end = now_ns();
		mon(1);
		conn_close(c, 1);
		return;
	}
	int ep = epoll_create1(0);
	mon(0);
	t_start = now_ns();
	t_limit = t_start + (uint64_t)(o_secs * 1e9);
	int active = 0;
	for (int i = 0; i < o_conns; i++) {
		conn *c = &cs[i];
		if (c->fd < 0)
			continue;
		struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };
		epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &e);
		c->step = 0;
		c->t0 = now_ns();
		if (send_step(c) == 0)
			active++;
	}
	struct epoll_event ev[256];
	uint64_t hard = t_limit + 10000000000ull;
	t_end = t_start;
	while (active > 0 && now_ns() < hard) {
		int k = epoll_wait(ep, ev, 256, 1000);
		int stop = done_cond();
		for (int i = 0; i < k; i++) {
			conn *c = ev[i].data.ptr;
			ssize_t r = recv(c->fd, rbuf, sizeof rbuf, MSG_DONTWAIT);
			if (r < 0 && (errno == EAGAIN || errno == EINTR))
				continue;
			if (r <= 0) {
				fail("recv: %s", r ? strerror(errno) : "closed by peer");
				goto drop;
			}
			n_bytes += r;
			size_t off = 0;
			while (off < (size_t)r) {
				size_t u;
				enum act a = feed(c, rbuf + off, r - off, &u);
				off += u;
				if (a == A_DONE) {
					if (c->failed)
						goto drop;
					if (++c->step >= w_steps) {
						uint64_t t = now_ns();
						lat_add(t - c->t0);
						n_req++;
						t_end = t;
						if (stop || done_cond()) {
							active--;
							epoll_ctl(ep, EPOLL_CTL_DEL, c->fd, NULL);
							c->in_ep = -1;
							break;
						}
						c->step = 0;
						c->t0 = t;
					}
					if (send_step(c))
						goto drop;
				}
			}
			continue;
		drop:
			epoll_ctl(ep, EPOLL_CTL_DEL, c->fd, NULL);
			conn_close(c, 0);
			active--;
		}
	}
	mon(1);
	if (active > 0)
		fail("%d connections did not finish in time", active);
	for (int i = 0; i < o_conns; i++)
		conn_close(&cs[i], 1);
}

static void do_churn(void)
{
	conn *cs = calloc(o_conns, sizeof *cs);
	int ep = epoll_create1(0), active = 0;
	long started = 0;
	mon(0);
	t_start = now_ns();
	t_limit = t_start + (uint64_t)(o_secs * 1e9);
	w_kind = W_POINT;
	w_steps = 1;
	for (int i = 0; i < o_conns; i++) {
		cs[i].fd = -1;
		cs[i].idx = i;
		cs[i].t0 = now_ns();
		if (conn_open(&cs[i]))
			continue;
		started++;
		struct epoll_event e = { .events = EPOLLIN, .data.ptr = &cs[i] };
		epoll_ctl(ep, EPOLL_CTL_ADD, cs[i].fd, &e);
		active++;
	}
	struct epoll_event ev[256];
	uint64_t hard = t_limit + 10000000000ull;
	while (active > 0 && now_ns() < hard && n_err < 50) {
		int k = epoll_wait(ep, ev, 256, 1000);
		for (int i = 0; i < k; i++) {
			conn *c = ev[i].data.ptr;
			ssize_t r = recv(c->fd, rbuf, sizeof rbuf, MSG_DONTWAIT);
			if (r < 0 && (errno == EAGAIN || errno == EINTR))
				continue;
			int over = 0;
			if (r <= 0) {
				fail("recv: %s", r ? strerror(errno) : "closed by peer");
				over = 2;
			}
			size_t off = 0;
			while (!over && off < (size_t)r) {
				size_t u;
				enum act a = feed(c, rbuf + off, r - off, &u);
				off += u;
				if (a == A_AUTHED) {
					free(c->pl);
					c->pl = NULL;
					c->plcap = 0;
					if (send_step(c))
						over = 2;
				} else if (a == A_DONE)
					over = c->failed ? 2 : 1;
			}
			if (over) {
				conn_close(c, over == 1);
				uint64_t t = now_ns();
				if (over == 1) {
					lat_add(t - c->t0);
					n_req++;
					t_end = t;
				}
				if ((o_n && started >= o_n) || t >= t_limit) {
					active--;
					continue;
				}
				c->t0 = t;
				if (conn_open(c)) {
					active--;
					continue;
				}
				started++;
				struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };
				epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &e);
			}
		}
	}
	usleep(20000); /* the last closes are work too */
	mon(1);
}

static void do_stream(void)
{
	conn c = { .fd = -1 };
	if (conn_login(&c))
		return;
	if (o_rate > 0) {
		int sz = 65536;
		setsockopt(c.fd, SOL_SOCKET, SO_RCVBUF, &sz, sizeof sz);
	}
	n_bytes = 0;
	mon(0);
	t_start = now_ns();
	if (send_query(&c, o_query, strlen(o_query)))
		return;
	for (;;) {
		ssize_t r = recv(c.fd, rbuf, o_rate > 0 ? 65536 : sizeof rbuf, 0);
		if (r <= 0) {
			if (r < 0 && errno == EINTR)
				continue;
			fail("recv: %s", r ? strerror(errno) : "closed by peer");
			break;
		}
		if (!n_bytes)
			lat_add(now_ns() - t_start); /* time to first byte */
		n_bytes += r;
		size_t off = 0;
		int fin = 0;
		while (off < (size_t)r) {
			size_t u;
			enum act a = feed(&c, rbuf + off, r - off, &u);
			off += u;
			if (a == A_DONE)
				fin = 1;
		}
		if (fin) {
			n_req = 1;
			break;
		}
		if (o_rate > 0) {
			uint64_t due = t_start + (uint64_t)(n_bytes / (o_rate * 1e6) * 1e9), t = now_ns();
			if (due > t + 1000000) {
				struct timespec ts = { (due - t) / 1000000000ull, (due - t) % 1000000000ull };
				nanosleep(&ts, NULL);
			}
		}
	}
	t_end = now_ns();
	mon(1);
	conn_close(&c, 1);
}

static void do_idle(void)
{
	conn *cs = calloc(o_conns, sizeof *cs);
	long okc = 0;
	w_kind = W_POINT;
	mon(0);
	t_start = now_ns();
	for (int i = 0; i < o_conns && n_err < 20; i++) {
		cs[i].fd = -1;
		cs[i].idx = i;
		if (conn_login(&cs[i]))
			continue;
		if (!o_noquery) {
			if (send_step(&cs[i]))
				continue;
			wait_act(&cs[i]);
			if (cs[i].failed)
				continue;
		}
		okc++;
		n_req++;
	}
	t_end = now_ns();
	mon(1);
	printf("READY %ld\n", okc);
	fflush(stdout);
	struct pollfd p = { .fd = 0, .events = POLLIN };
	poll(&p, 1, (int)(o_secs * 1000));
	for (int i = 0; i < o_conns; i++)
		conn_close(&cs[i], 1);
}

static void do_sql(void)
{
	conn c = { .fd = -1 };
	char *line = NULL;
	size_t cap = 0;
	ssize_t l;
	if (conn_login(&c))
		return;
	t_start = now_ns();
	g_print = 1;
	while ((l = getline(&line, &cap, stdin)) > 0) {
		while (l && (line[l - 1] == '\n' || line[l - 1] == ';' || line[l - 1] == '\r'))
			l--;
		if (!l)
			continue;
		uint8_t h[5];
		size_t pl = l + 1;
		if (pl >= 0xffffff) {
			fail("statement too long");
			break;
		}
		h[0] = pl;
		h[1] = pl >> 8;
		h[2] = pl >> 16;
		h[3] = 0;
		h[4] = 3;
		c.st = P_FIRST;
		n_stmt++;
		if (send_all(&c, h, 5) || send_all(&c, line, l))
			break;
		wait_act(&c);
		if (c.failed) {
			line[l < 120 ? l : 120] = 0;
			fprintf(stderr, "failed statement: %s\n", line);
			break;
		}
		n_req++;
	}
	t_end = now_ns();
	conn_close(&c, 1);
}

static void usage(void)
{
	fprintf(stderr, "mload -h HOST -P PORT -u USER -p PASS -D DB [-c CONNS] [-n COUNT] [-t SECONDS] [-w "
			"point|ps|ro|rw|insert]\n"
			"      [-T TABLE] [-r ROWS] [-q QUERY] [-R MB/s] [-0] [-E]\n"
			"      [-S PID,..: CPU of these] [-B PID,..: CPU of these too] run|churn|stream|idle|sql\n");
	exit(2);
}
int main(int argc, char **argv)
{
	int o;
	while ((o = getopt(argc, argv, "h:P:u:p:D:c:n:t:w:T:r:q:R:S:B:0E")) != -1)
		switch (o) {
		case 'h': o_host = optarg; break;
		case 'P': o_port = atoi(optarg); break;
		case 'u': o_user = optarg; break;
		case 'p': o_pass = optarg; break;
		case 'D': o_db = optarg; break;
		case 'c': o_conns = atoi(optarg); break;
		case 'n': o_n = atol(optarg); break;
		case 't': o_secs = atof(optarg); break;
		case 'w': o_work = optarg; break;
		case 'T': o_table = optarg; break;
		case 'r': o_rows = atol(optarg); break;
		case 'q': o_query = optarg; break;
		case 'R': o_rate = atof(optarg); break;
		case 'S': mon_list(0, optarg); break;
		case 'B': mon_list(1, optarg); break;
		case '0': o_noquery = 1; break;
		case 'E': o_depeof = 1; break;
		default: usage();
		}
	if (optind >= argc || o_conns < 1 || o_secs <= 0 || o_secs > 600)
		usage();
	const char *mode = argv[optind];
	signal(SIGPIPE, SIG_IGN);
	alarm((unsigned)o_secs + 60);
	g_addr.sin_family = AF_INET;
	g_addr.sin_port = htons(o_port);
	if (inet_pton(AF_INET, o_host, &g_addr.sin_addr) != 1 || (ntohl(g_addr.sin_addr.s_addr) >> 24) != 127) {
		fprintf(stderr, "only 127.x.x.x addresses: this tool is for the loopback interface\n");
		return 2;
	}
	rng_s ^= (uint64_t)getpid() * 0x9e3779b97f4a7c15ull;
	ins_id = (now_ns() / 1000) % 100000000000000ull * 1000;
	if (!strcmp(o_work, "point"))
		w_kind = W_POINT, w_steps = 1;
	else if (!strcmp(o_work, "ps"))
		w_kind = W_PS, w_steps = 1;
	else if (!strcmp(o_work, "ro"))
		w_kind = W_RO, w_steps = 16;
	else if (!strcmp(o_work, "rw"))
		w_kind = W_RW, w_steps = 20;
	else if (!strcmp(o_work, "insert")) {
		w_kind = W_INSERT, w_steps = 1;
		ins_buf = malloc(ins_rows * ins_rowlen + 4096);
		char *p = ins_buf + sprintf(ins_buf, "INSERT INTO %s (id, payload) VALUES ", o_table);
		ins_off = p - ins_buf;
		for (long i = 0; i < ins_rows; i++) {
			if (i)
				*p++ = ',';
			char *s = p;
			p += sprintf(p, "(%018d,'", 0);
			while (p - s < ins_rowlen - 3)
				*p++ = 'a' + (rnd() % 26);
			*p++ = '\'';
			*p++ = ')';
		}
		*p = 0;
		ins_len = p - ins_buf;
	} else
		usage();
	if (!strcmp(mode, "run"))
		do_run();
	else if (!strcmp(mode, "churn"))
		do_churn();
	else if (!strcmp(mode, "stream")) {
		if (!o_query)
			usage();
		do_stream();
	} else if (!strcmp(mode, "idle"))
		do_idle();
	else if (!strcmp(mode, "sql"))
		do_sql();
	else
		usage();
	if (lat_n)
		qsort(lat, lat_n, sizeof *lat, cmp64);
	double el = t_end > t_start ? (t_end - t_start) / 1e9 : 0, sum = 0;
	for (long i = 0; i < lat_n; i++)
		sum += lat[i];
	struct rusage ru;
	getrusage(RUSAGE_SELF, &ru);
	double cpu = ru.ru_utime.tv_sec + ru.ru_stime.tv_sec + (ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6;
	printf("{\"mode\":\"%s\",\"work\":\"%s\",\"conns\":%d,\"req\":%ld,\"stmt\":%ld,\"err\":%ld,\"elapsed\":%.6f,"
	       "\"rate\":%.2f,\"p50_us\":%.2f,\"p99_us\":%.2f,\"mean_us\":%.2f,\"bytes\":%llu,\"rows\":%llu,"
	       "\"client_cpu_s\":%.4f,\"cpu_s\":%.6f,\"backend_cpu_s\":%.6f,\"opened\":%ld,\"error\":\"%s\"}\n",
		mode, o_work, o_conns, n_req, n_stmt, n_err, el, el > 0 ? n_req / el : 0, pct(0.50), pct(0.99),
		lat_n ? sum / lat_n / 1000 : 0, (unsigned long long)n_bytes, (unsigned long long)n_rowstot, cpu,
		mon_t[0][1] > mon_t[0][0] ? (mon_t[0][1] - mon_t[0][0]) / 1e9 : 0.0,
		mon_t[1][1] > mon_t[1][0] ? (mon_t[1][1] - mon_t[1][0]) / 1e9 : 0.0, n_conn, first_err);
	return n_err ? 1 : 0;
}
