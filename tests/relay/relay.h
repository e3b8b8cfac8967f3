/* relay.h - a relay between Keyway and servers that stands in for a network: distance, narrow pipes, and what breaks.
 * For tests/e2e/netrig.py, which starts the program and speaks to it in lines (relay.c has the commands). One thread.
 *
 * A port listens and carries each connection to one target. A rule says what happens to the bytes of the connections
 * from one set of source addresses; one at least, for all others. A link is one connection, a way one direction of it.
 */
#ifndef KEYWAY_TESTS_RELAY_H
#define KEYWAY_TESTS_RELAY_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QUEUED_MAX (4 * 1024 * 1024) /* bytes under way in one direction; then its source is not read */
#define READ_MAX   (64 * 1024)
#define RULES_MAX  16
#define NAME_MAX_N 64
#define NEVER	   UINT64_MAX

enum dir { UP, DOWN, DIRS }; /* UP: from who connected to the target */

enum cut_how {
	CUT_NONE,
	CUT_FIN,  /* both ends see an orderly end */
	CUT_RST,  /* both ends see a reset */
	CUT_HALF, /* who receives sees the end of this direction; the other direction goes on */
	CUT_HOLE, /* nothing more of this direction arrives, and nobody is told */
};

struct way_rule {
	uint64_t delay_us;
	uint64_t jitter_us; /* up to this much more, evenly spread; the order stays */
	uint64_t rate;	    /* bytes a second; 0: no limit */
	uint64_t segment;   /* at most so many bytes are written at once; 0: no limit */
	uint64_t gap_us;    /* between segments */
	uint64_t hole;	    /* 1: what comes is kept and arrives when it is 0 again */
	uint64_t stop;	    /* 1: the source is not read */
	enum cut_how cut;   /* once cut_at bytes have passed */
	uint64_t cut_at;
	bool cut_once; /* the first link that gets there is the only one */
};

struct rule {
	uint32_t net, mask; /* of source addresses, host order; the first rule has 0 and 0 */
	struct way_rule way[DIRS];
	uint64_t accepted, bytes[DIRS], cuts;
	uint64_t late_max_us, late_sum_us, late_n; /* how long after its time a chunk was sent on */
};

enum accepting {
	ACCEPT_OPEN,
	ACCEPT_REFUSE, /* nobody listens */
	ACCEPT_HANG,   /* the kernel takes connections, nobody serves them */
	ACCEPT_RESET,  /* taken, and reset at once */
};

struct watch { /* what an epoll event points to */
	enum { WATCH_COMMANDS, WATCH_TIMER, WATCH_PORT, WATCH_END } kind;
	void *of;
	int fd;
	uint32_t events; /* registered; 0: not at all */
};

struct port {
	char name[NAME_MAX_N];
	struct sockaddr_in listen, target;
	struct watch watch;
	enum accepting accepting;
	struct rule rules[RULES_MAX];
	uint32_t rule_n;
	struct link *links;
	uint32_t link_n;
	struct port *next;
};

struct chunk {
	struct chunk *next;
	uint64_t due_us;
	enum { CHUNK_BYTES, CHUNK_EOF, CHUNK_RESET } kind;
	uint32_t n, off;
	char bytes[];
};

struct way {
	struct chunk *first, **last;
	size_t queued;
	uint64_t free_us;   /* when the pipe has carried what was put into it */
	uint64_t newest_us; /* due time of the last chunk: nothing overtakes it */
	uint64_t gap_until_us;
	uint64_t passed;
	uint64_t cut_at; /* NEVER: no cut */
	bool read_done;	 /* the source has ended */
	bool write_done; /* the receiver has been told */
	bool blocked;	 /* the receiver's buffer is full */
	bool swallowed;	 /* nothing more of it arrives */
};

struct link {
	struct port *port;
	struct rule *rule;
	uint32_t from;
	struct watch end[DIRS]; /* [UP]: who connected, whose bytes go up; [DOWN]: the target */
	struct way way[DIRS];
	uint64_t connect_us; /* when the target is connected to; NEVER: it has been */
	bool connecting;
	uint64_t parting_us; /* cut, once both ends have what was sent; 0: not */
	bool parting_reset;
	uint64_t wake_us; /* key in the heap */
	uint32_t slot;	  /* place in the heap */
	struct link *prev, *next;
};

/* relay.c */
uint64_t now_us(void);
double chance(void); /* [0,1), from the seed */
/* Makes the epoll registration what @events says; 0 takes the descriptor out. */
void watch_set(struct watch *w, uint32_t events);

/* wake.c: links by the time at which something is due */
void wake_at(struct link *l, uint64_t us);
void wake_forget(struct link *l);
struct link *wake_first(void); /* NULL: none */

/* link.c */
void link_accept(struct port *p, int fd, const struct sockaddr_in *from);
void link_event(struct link *l, enum dir end, uint32_t events);
/* What is due now; also after a change of its rule. */
void link_run(struct link *l, uint64_t now);
void link_drop(struct link *l, bool reset);
/* Frees those that have ended; no event fetched before is looked at after it. */
void link_reap(void);
/* Its rule after rules were added or changed. */
void link_rule(struct link *l);
/* The cut that the rule asks for, counted from now. */
void link_arm(struct link *l, enum dir d);

/* command.c */
/* Answers one line on standard output; false: the program is to end. */
bool command_run(char *line);
/* Opens or closes its listener as accepting says; negative errno. */
int port_open(struct port *p);

#endif
