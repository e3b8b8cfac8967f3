/* command.c - what the relay is told, in lines of words; each is answered by "ok ..." or "error ...".
 * For relay.c. One thread.
 *
 *   add PORT HOST:PORT HOST:PORT          listen there (port 0: any), connect to the other; ok PORT
 *   set PORT[@NET/BITS] [up.|down.]KEY=N… delay jitter gap (µs), rate (bytes/s), segment (bytes), hole, stop (0 or 1)
 *   cut PORT[@NET/BITS] up|down N fin|rst|half|hole [once]
 *                                         after N bytes of each link, or N more of those that there are
 *   cut PORT[@NET/BITS] up|down none      takes that back
 *   drop PORT[@NET/BITS] fin|rst          ends the links that there are
 *   accept PORT open|refuse|hang|reset
 *   calm PORT                             no rules, no cuts, open
 *   stat PORT[@NET/BITS]                  ok links=… accepted=… up=… down=… cuts=… late_n=… late_avg=… late_max=… (µs)
 *   remove PORT
 *   quit
 *
 * A rule for source addresses begins as a copy of the port's own. PORT is any name without @ and blanks. */
#include "relay.h"
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define WORDS_MAX 24

static struct port *ports;

__attribute__((format(printf, 1, 2))) static void fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("error ");
	vprintf(fmt, ap);
	putchar('\n');
	va_end(ap);
}

int port_open(struct port *p)
{
	struct watch *w = &p->watch;
	socklen_t n = sizeof(p->listen);
	int one = 1;

	if (p->accepting == ACCEPT_REFUSE) {
		if (w->fd >= 0) {
			watch_set(w, 0);
			close(w->fd);
			w->fd = -1;
		}
		return 0;
	}
	if (w->fd < 0) {
		w->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (w->fd < 0)
			return -errno;
		setsockopt(w->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		if (bind(w->fd, (struct sockaddr *)&p->listen, n) < 0 || listen(w->fd, 512) < 0 ||
			getsockname(w->fd, (struct sockaddr *)&p->listen, &n) < 0) {
			int rc = -errno;

			close(w->fd);
			w->fd = -1;
			return rc;
		}
	}
	watch_set(w, p->accepting == ACCEPT_HANG ? 0 : EPOLLIN);
	return 0;
}

static bool read_number(const char *text, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && !errno;
}

static bool read_address(const char *text, struct sockaddr_in *out)
{
	char host[64];
	const char *colon = strchr(text, ':');
	uint64_t port;

	if (!colon || (size_t)(colon - text) >= sizeof(host) || !read_number(colon + 1, &port) || port > 65535)
		return false;
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = 0;
	*out = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	return inet_pton(AF_INET, host, &out->sin_addr) == 1;
}

static bool read_net(char *text, uint32_t *net, uint32_t *mask)
{
	char *slash = strchr(text, '/');
	uint64_t bits = 32;
	struct in_addr a;

	if (slash) {
		*slash = 0;
		if (!read_number(slash + 1, &bits) || bits > 32)
			return false;
	}
	if (inet_pton(AF_INET, text, &a) != 1)
		return false;
	*mask = bits ? 0xffffffffu << (32 - bits) : 0;
	*net = ntohl(a.s_addr) & *mask;
	return true;
}

/* The port, and the rule that the word names; a rule that is new if @make. NULL: an error has been answered. */
static struct port *read_port(char *word, struct rule **rule, bool make)
{
	char *at = strchr(word, '@');
	struct port *p;
	uint32_t net, mask;

	if (at)
		*at++ = 0;
	for (p = ports; p && strcmp(p->name, word) != 0; p = p->next)
		;
	if (!p) {
		fail("no port %s", word);
		return NULL;
	}
	*rule = &p->rules[0];
	if (!at)
		return p;
	if (!read_net(at, &net, &mask)) {
		fail("%s: not an address", at);
		return NULL;
	}
	for (uint32_t i = 1; i < p->rule_n; i++) {
		if (p->rules[i].net == net && p->rules[i].mask == mask) {
			*rule = &p->rules[i];
			return p;
		}
	}
	if (!make || p->rule_n == RULES_MAX) {
		fail(make ? "too many rules" : "no such rule");
		return NULL;
	}
	*rule = &p->rules[p->rule_n++];
	**rule = (struct rule){ .net = net, .mask = mask };
	memcpy((*rule)->way, p->rules[0].way, sizeof(p->rules[0].way));
	for (struct link *l = p->links; l; l = l->next)
		link_rule(l);
	return p;
}

static void run_links(struct port *p)
{
	for (struct link *l = p->links, *next; l; l = next) {
		next = l->next;
		link_run(l, now_us());
	}
}

/* --- the commands: words after the first, how many --- */

static void add(char **word, int n)
{
	struct port *p = calloc(1, sizeof(*p));
	int rc;

	(void)n;
	if (!p)
		abort();
	snprintf(p->name, sizeof(p->name), "%s", word[0]);
	p->watch = (struct watch){ .kind = WATCH_PORT, .of = p, .fd = -1 };
	p->rule_n = 1;
	if (!read_address(word[1], &p->listen) || !read_address(word[2], &p->target)) {
		fail("an address is HOST:PORT in numbers");
		free(p);
		return;
	}
	rc = port_open(p);
	if (rc < 0) {
		fail("%s: %s", word[1], strerror(-rc));
		free(p);
		return;
	}
	p->next = ports;
	ports = p;
	printf("ok %u\n", ntohs(p->listen.sin_port));
}

static const struct {
	const char *name;
	size_t offset;
} keys[] = {
	{ "delay", offsetof(struct way_rule, delay_us) },
	{ "jitter", offsetof(struct way_rule, jitter_us) },
	{ "rate", offsetof(struct way_rule, rate) },
	{ "segment", offsetof(struct way_rule, segment) },
	{ "gap", offsetof(struct way_rule, gap_us) },
	{ "hole", offsetof(struct way_rule, hole) },
	{ "stop", offsetof(struct way_rule, stop) },
};

static bool set_key(struct rule *r, char *word)
{
	bool up = strncmp(word, "down.", 5) != 0, down = strncmp(word, "up.", 3) != 0;
	char *name = up && down ? word : strchr(word, '.') + 1, *is = strchr(name, '=');
	uint64_t value;

	if (!is || !read_number(is + 1, &value))
		return false;
	*is = 0;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strcmp(keys[i].name, name) != 0)
			continue;
		if (up)
			*(uint64_t *)((char *)&r->way[UP] + keys[i].offset) = value;
		if (down)
			*(uint64_t *)((char *)&r->way[DOWN] + keys[i].offset) = value;
		return true;
	}
	return false;
}

static void set(char **word, int n)
{
	struct rule *r;
	struct port *p = read_port(word[0], &r, true);

	if (!p)
		return;
	for (int i = 1; i < n; i++) {
		if (!set_key(r, word[i])) {
			fail("%s: not understood", word[i]);
			return;
		}
	}
	run_links(p);
	printf("ok\n");
}

static const char *const hows[] = { "none", "fin", "rst", "half", "hole" };

static void cut(char **word, int n)
{
	struct rule *r;
	struct port *p = read_port(word[0], &r, true);
	enum dir d = strcmp(word[1], "up") == 0 ? UP : DOWN;
	const char *how = word[n > 3 ? 3 : 2];
	uint64_t at = 0;

	if (!p)
		return;
	if ((d == DOWN && strcmp(word[1], "down") != 0) || (n > 3 && !read_number(word[2], &at)) ||
		(n > 4 && strcmp(word[4], "once") != 0)) {
		fail("cut PORT up|down BYTES fin|rst|half|hole [once]");
		return;
	}
	for (size_t i = 0; i < sizeof(hows) / sizeof(hows[0]); i++) {
		if (strcmp(hows[i], how) != 0 || (n > 3) != (i != CUT_NONE))
			continue;
		r->way[d].cut = (enum cut_how)i;
		r->way[d].cut_at = at;
		r->way[d].cut_once = n > 4;
		for (struct link *l = p->links; l; l = l->next) {
			if (l->rule == r)
				link_arm(l, d);
		}
		run_links(p);
		printf("ok\n");
		return;
	}
	fail("%s: no way to cut", how);
}

static void drop(char **word, int n)
{
	struct rule *r;
	bool all = !strchr(word[0], '@');
	struct port *p = read_port(word[0], &r, false);
	uint32_t dropped = 0;

	(void)n;
	if (!p)
		return;
	if (strcmp(word[1], "fin") != 0 && strcmp(word[1], "rst") != 0) {
		fail("drop PORT fin|rst");
		return;
	}
	for (struct link *l = p->links, *next; l; l = next) {
		next = l->next;
		if (all || l->rule == r) {
			link_drop(l, word[1][0] == 'r');
			dropped++;
		}
	}
	printf("ok %u\n", dropped);
}

static const char *const acceptings[] = { "open", "refuse", "hang", "reset" };

static void accept_how(char **word, int n)
{
	struct rule *r;
	struct port *p = read_port(word[0], &r, false);
	int rc;

	(void)n;
	if (!p)
		return;
	for (size_t i = 0; i < sizeof(acceptings) / sizeof(acceptings[0]); i++) {
		if (strcmp(acceptings[i], word[1]) != 0)
			continue;
		p->accepting = (enum accepting)i;
		rc = port_open(p);
		if (rc < 0)
			fail("%s", strerror(-rc));
		else
			printf("ok\n");
		return;
	}
	fail("accept PORT open|refuse|hang|reset");
}

static void calm(char **word, int n)
{
	struct rule *r;
	struct port *p = read_port(word[0], &r, false);
	int rc;

	(void)n;
	if (!p)
		return;
	p->rule_n = 1;
	memset(&p->rules[0], 0, sizeof(p->rules[0]));
	p->accepting = ACCEPT_OPEN;
	rc = port_open(p);
	for (struct link *l = p->links; l; l = l->next) {
		link_rule(l);
		for (enum dir d = 0; d < DIRS; d++) {
			link_arm(l, d);
			l->way[d].gap_until_us = l->way[d].free_us = l->way[d].newest_us = 0;
			for (struct chunk *c = l->way[d].first; c; c = c->next)
				c->due_us = 0;
		}
	}
	run_links(p);
	if (rc < 0)
		fail("%s", strerror(-rc));
	else
		printf("ok\n");
}

static void stat_port(char **word, int n)
{
	struct rule *one, sum = { 0 };
	bool all = !strchr(word[0], '@');
	struct port *p = read_port(word[0], &one, false);
	uint32_t links = 0;

	(void)n;
	if (!p)
		return;
	for (uint32_t i = 0; i < p->rule_n; i++) {
		const struct rule *r = &p->rules[i];

		if (!all && r != one)
			continue;
		sum.accepted += r->accepted;
		sum.bytes[UP] += r->bytes[UP];
		sum.bytes[DOWN] += r->bytes[DOWN];
		sum.cuts += r->cuts;
		sum.late_n += r->late_n;
		sum.late_sum_us += r->late_sum_us;
		if (r->late_max_us > sum.late_max_us)
			sum.late_max_us = r->late_max_us;
	}
	for (struct link *l = p->links; l; l = l->next)
		links += all || l->rule == one;
	printf("ok links=%u accepted=%" PRIu64 " up=%" PRIu64 " down=%" PRIu64 " cuts=%" PRIu64 " late_n=%" PRIu64
	       " late_avg=%" PRIu64 " late_max=%" PRIu64 "\n",
		links, sum.accepted, sum.bytes[UP], sum.bytes[DOWN], sum.cuts, sum.late_n,
		sum.late_n ? sum.late_sum_us / sum.late_n : 0, sum.late_max_us);
}

static void remove_port(char **word, int n)
{
	struct rule *r;
	struct port *p = read_port(word[0], &r, false), **at = &ports;

	(void)n;
	if (!p)
		return;
	while (p->links)
		link_drop(p->links, true);
	p->accepting = ACCEPT_REFUSE;
	port_open(p);
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	free(p);
	printf("ok\n");
}

static const struct {
	const char *name;
	int least, most; /* words after it */
	void (*run)(char **word, int n);
} commands[] = {
	{ "add", 3, 3, add },
	{ "set", 2, WORDS_MAX, set },
	{ "cut", 3, 5, cut },
	{ "drop", 2, 2, drop },
	{ "accept", 2, 2, accept_how },
	{ "calm", 1, 1, calm },
	{ "stat", 1, 1, stat_port },
	{ "remove", 1, 1, remove_port },
};

bool command_run(char *line)
{
	char *word[WORDS_MAX], *rest;
	int n = 0;

	for (char *w = strtok_r(line, " \t\r", &rest); w && n < WORDS_MAX; w = strtok_r(NULL, " \t\r", &rest))
		word[n++] = w;
	if (!n)
		return true;
	if (strcmp(word[0], "quit") == 0)
		return false;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, word[0]) != 0)
			continue;
		if (n - 1 < commands[i].least || n - 1 > commands[i].most)
			fail("%s: wrong number of words", word[0]);
		else
			commands[i].run(word + 1, n - 1);
		return true;
	}
	fail("%s: no such command", word[0]);
	return true;
}
