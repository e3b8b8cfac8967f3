/* config_value.c - one value of the settings: from text to its place in struct config, and back.
 * For config.c, config_print.c and the tests.
 * Any thread; reads files and the environment for secrets, else touches only what it is given. */
#include "config_keys.h"
#include "keyway/wire/auth.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct unit {
	const char *suffix;
	uint64_t factor;
};

/* Largest first: the text of a value takes the first that divides it, and the last divides every value. */
static const struct unit size_units[] = { { "G", 1 << 30 }, { "g", 1 << 30 }, { "M", 1 << 20 }, { "m", 1 << 20 },
	{ "K", 1 << 10 }, { "k", 1 << 10 }, { "", 1 } };
static const struct unit time_units[] = { { "h", 3600000000 }, { "m", 60000000 }, { "s", 1000000 }, { "ms", 1000 } };

static void *place(const struct config_key *key, void *item)
{
	return (char *)item + key->offset;
}

static const void *place_const(const struct config_key *key, const void *item)
{
	return (const char *)item + key->offset;
}

/* A number and one of @units. -1 when it is not that, or does not fit. */
static int units_parse(struct str text, const struct unit *units, size_t n, uint64_t *out)
{
	size_t digits = 0;
	struct str suffix;

	while (digits < text.n && text.p[digits] >= '0' && text.p[digits] <= '9')
		digits++;
	if (str_to_u64(str_make(text.p, digits), out) < 0)
		return -1;
	suffix = str_make(text.p + digits, text.n - digits);
	if (*out == 0 && suffix.n == 0)
		return 0; /* nothing is nothing in every unit */
	for (size_t i = 0; i < n; i++) {
		if (str_eqz(suffix, units[i].suffix))
			return __builtin_mul_overflow(*out, units[i].factor, out) ? -1 : 0;
	}
	return -1;
}

static const char *units_text(uint64_t v, const struct unit *units, size_t n, struct arena *arena)
{
	size_t i = 0;

	if (v == 0)
		return "0";
	while (i + 1 < n && v % units[i].factor != 0)
		i++;
	return arena_printf(arena, "%llu%s", (unsigned long long)(v / units[i].factor), units[i].suffix);
}

/* The @i-th of "a|b|c"; n 0 after the last. */
static struct str choice(const char *choices, uint32_t i)
{
	const char *p = choices;

	for (; i > 0; i--) {
		p = strchr(p, '|');
		if (!p)
			return str_make("", 0);
		p++;
	}
	return str_make(p, strcspn(p, "|"));
}

const char *config_value_allowed(const struct config_key *key, struct arena *arena)
{
	unsigned long long min = key->min, max = key->max;
	const char *list = "";

	switch (key->type) {
	case KEY_TEXT:
		if (key->max == 0)
			return "text";
		if (key->min > 0)
			return arena_printf(arena, "text, %llu to %llu bytes", min, max);
		return arena_printf(arena, "text, up to %llu bytes", max);
	case KEY_PATH:
	case KEY_FILE: return "path";
	case KEY_ADDRESS: return "numeric IPv4 or IPv6 address";
	case KEY_BOOL: return "true or false";
	case KEY_COUNT:
	case KEY_PORT: return arena_printf(arena, "%llu to %llu", min, max);
	case KEY_SIZE:
		return arena_printf(arena, "%s to %s", units_text(min, size_units, ARRAY_N(size_units), arena),
			units_text(max, size_units, ARRAY_N(size_units), arena));
	case KEY_DURATION:
		return arena_printf(arena, "%s to %s", units_text(min, time_units, ARRAY_N(time_units), arena),
			units_text(max, time_units, ARRAY_N(time_units), arena));
	case KEY_MODE: return "octal digits in quotes, such as \"0660\"";
	case KEY_CHOICE:
		for (uint32_t i = 0; choice(key->choices, i).n > 0; i++)
			list = arena_printf(
				arena, "%s%s\"" STR_FMT "\"", list, i ? ", " : "", STR_ARG(choice(key->choices, i)));
		return list;
	case KEY_NATIVE: return "'*' and 40 hex digits; keywayctl passwd prints it";
	case KEY_SHA2: return "'$A$005$', 20 bytes of salt and 43 of digest; keywayctl passwd prints it";
	case KEY_SECRET: return "text, up to 255 bytes";
	case KEY_SECRET_FILE: return "path";
	case KEY_SECRET_ENV: return "name of an environment variable";
	case KEY_TEXTS: return arena_printf(arena, "list of %llu to %llu texts: ( \"…\", \"…\" )", min, max);
	case KEY_LIST: return "list of groups: ( { … }, { … } )";
	}
	return "";
}

static const char *not_allowed(const struct config_key *key, const char *text, struct arena *arena)
{
	char shown[120];

	return arena_printf(arena, "\"%s\" is not allowed; allowed: %s", log_text(str_of(text), shown, sizeof(shown)),
		config_value_allowed(key, arena));
}

static const char *path_resolve(const char *text, const char *dir, struct arena *arena)
{
	if (text[0] == '\0' || text[0] == '/')
		return arena_dup(arena, text, strlen(text));
	return arena_printf(arena, "%s/%s", dir, text);
}

static const char *secret_check(struct str s)
{
	if (s.n > AUTH_PASSWORD_MAX)
		return "is longer than 255 bytes";
	for (size_t i = 0; i < s.n; i++) {
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return "holds a control character";
	}
	return NULL;
}

/* The first line of the file at @path. NULL and *@out, or why not. */
static const char *secret_read(const char *path, struct arena *arena, const char **out)
{
	char line[AUTH_PASSWORD_MAX + 3];
	const char *why = NULL;
	size_t n = 0;
	struct stat st;
	ssize_t got;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return arena_printf(arena, "cannot read %s: %s", path, strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		why = arena_printf(arena, "%s is not a regular file", path);
		goto out;
	}
	while (n < sizeof(line) && (got = read(fd, line + n, sizeof(line) - n)) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			why = arena_printf(arena, "cannot read %s: %s", path, strerror(errno));
			goto out;
		}
		n += (size_t)got;
	}
	if (memchr(line, '\n', n))
		n = (size_t)((char *)memchr(line, '\n', n) - line);
	if (n > 0 && line[n - 1] == '\r')
		n--;
	why = n == 0 ? "is empty" : secret_check(str_make(line, n));
	if (why)
		why = arena_printf(arena, "the first line of %s %s", path, why);
	else
		*out = arena_dup(arena, line, n);
out:
	auth_wipe(line, sizeof(line));
	close(fd);
	return why;
}

static const char *secret_set(
	const struct config_key *key, const char *text, void *item, struct arena *arena, const char *dir)
{
	const char **to = place(key, item);
	const char *why, *from;

	if (*to)
		return "is a second place for the same secret; keep one of them";
	if (key->type == KEY_SECRET_FILE)
		return secret_read(path_resolve(text, dir, arena), arena, to);
	from = text;
	if (key->type == KEY_SECRET_ENV) {
		from = getenv(text);
		if (!from)
			return "names an environment variable that is not set";
	}
	why = secret_check(str_of(from));
	if (!why)
		*to = arena_dup(arena, from, strlen(from));
	return why;
}

static const char *text_set(
	const struct config_key *key, const char *text, void *item, struct arena *arena, const char *dir)
{
	const char **to = place(key, item);
	size_t n = strlen(text);
	struct in6_addr address;
	bool good = true;

	switch (key->type) {
	case KEY_ADDRESS:
		good = n == 0 || inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1;
		break;
	case KEY_NATIVE: {
		uint8_t verifier[AUTH_NATIVE_BYTES];

		good = n == 0 || auth_native_read(str_of(text), verifier) == 0;
		break;
	}
	case KEY_SHA2: good = n == 0 || auth_sha2_text_valid(str_of(text)); break;
	default:
		for (size_t i = 0; i < n; i++)
			good = good && (unsigned char)text[i] >= 0x20 && text[i] != 0x7f;
	}
	if (!good && (key->type == KEY_NATIVE || key->type == KEY_SHA2))
		return arena_printf(arena, "is not a verifier: %s", config_value_allowed(key, arena));
	if (!good)
		return not_allowed(key, text, arena);
	*to = key->type == KEY_PATH || key->type == KEY_FILE ? path_resolve(text, dir, arena)
							     : arena_dup(arena, text, n);
	n = strlen(*to);
	if (n < key->min)
		return "must not be empty";
	if (key->max > 0 && n > key->max)
		return arena_printf(
			arena, "is %zu bytes long; at most %llu are allowed", n, (unsigned long long)key->max);
	if (key->type == KEY_FILE && n > 0 && access(*to, R_OK) < 0)
		return arena_printf(arena, "cannot read %s: %s", *to, strerror(errno));
	return NULL;
}

static const char *number_set(const struct config_key *key, const char *text, void *item, struct arena *arena)
{
	struct str s = str_of(text);
	uint64_t v = 0;
	int rc = 0;

	switch (key->type) {
	case KEY_SIZE: rc = units_parse(s, size_units, ARRAY_N(size_units), &v); break;
	case KEY_DURATION:
		rc = units_parse(s, time_units, ARRAY_N(time_units), &v);
		if (rc < 0 && str_to_u64(s, &v) == 0)
			return arena_printf(arena, "\"%s\" needs a unit: ms, s, m or h, such as \"%ss\"", text, text);
		break;
	default: rc = str_to_u64(s, &v);
	}
	if (rc < 0 || v < key->min || v > key->max)
		return not_allowed(key, text, arena);
	if (key->type == KEY_PORT)
		*(uint32_t *)place(key, item) = (uint32_t)v;
	else
		*(uint64_t *)place(key, item) = v;
	return NULL;
}

static const char *mode_set(const struct config_key *key, const char *text, void *item, struct arena *arena)
{
	size_t n = strlen(text);
	uint32_t v = 0;

	for (size_t i = 0; i < n; i++) {
		if (n > 4 || text[i] < '0' || text[i] > '7')
			return not_allowed(key, text, arena);
		v = v * 8 + (uint32_t)(text[i] - '0');
	}
	if (n == 0 || v > key->max)
		return not_allowed(key, text, arena);
	*(uint32_t *)place(key, item) = v;
	return NULL;
}

const char *config_value_set(
	const struct config_key *key, const char *text, void *item, struct arena *arena, const char *dir)
{
	switch (key->type) {
	case KEY_TEXT:
	case KEY_PATH:
	case KEY_FILE:
	case KEY_ADDRESS:
	case KEY_NATIVE:
	case KEY_SHA2: return text_set(key, text, item, arena, dir);
	case KEY_SECRET:
	case KEY_SECRET_FILE:
	case KEY_SECRET_ENV: return secret_set(key, text, item, arena, dir);
	case KEY_COUNT:
	case KEY_SIZE:
	case KEY_DURATION:
	case KEY_PORT: return number_set(key, text, item, arena);
	case KEY_MODE: return mode_set(key, text, item, arena);
	case KEY_BOOL:
		if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
			return not_allowed(key, text, arena);
		*(bool *)place(key, item) = text[0] == 't';
		return NULL;
	case KEY_CHOICE:
		for (uint32_t i = 0; choice(key->choices, i).n > 0; i++) {
			if (str_eqz(choice(key->choices, i), text)) {
				*(uint32_t *)place(key, item) = i;
				return NULL;
			}
		}
		return not_allowed(key, text, arena);
	case KEY_TEXTS:
	case KEY_LIST: break;
	}
	return "is a list";
}

static const char *texts_text(const struct config_key *key, const void *item, struct arena *arena)
{
	size_t n = *(const size_t *)(const void *)((const char *)item + key->count_offset);
	const char *const *texts = *(const char *const *const *)place_const(key, item), *all = "(";

	for (size_t i = 0; i < n; i++)
		all = arena_printf(arena, "%s%s\"%s\"", all, i ? ", " : " ", texts[i]);
	return arena_printf(arena, "%s )", all);
}

const char *config_value_text(const struct config_key *key, const void *item, struct arena *arena)
{
	const void *at = place_const(key, item);
	unsigned long long v;

	switch (key->type) {
	case KEY_TEXT:
	case KEY_PATH:
	case KEY_FILE:
	case KEY_ADDRESS:
	case KEY_NATIVE:
	case KEY_SHA2:
	case KEY_SECRET:
	case KEY_SECRET_FILE:
	case KEY_SECRET_ENV: return *(const char *const *)at;
	case KEY_BOOL: return *(const bool *)at ? "true" : "false";
	case KEY_COUNT: v = *(const uint64_t *)at; return arena_printf(arena, "%llu", v);
	case KEY_SIZE: return units_text(*(const uint64_t *)at, size_units, ARRAY_N(size_units), arena);
	case KEY_DURATION: return units_text(*(const uint64_t *)at, time_units, ARRAY_N(time_units), arena);
	case KEY_PORT: return arena_printf(arena, "%u", *(const uint32_t *)at);
	case KEY_MODE: return arena_printf(arena, "%04o", *(const uint32_t *)at);
	case KEY_CHOICE: return arena_printf(arena, STR_FMT, STR_ARG(choice(key->choices, *(const uint32_t *)at)));
	case KEY_TEXTS: return texts_text(key, item, arena);
	case KEY_LIST: break;
	}
	return NULL;
}

bool config_value_quoted(const struct config_key *key)
{
	return key->type != KEY_BOOL && key->type != KEY_COUNT && key->type != KEY_PORT && key->type != KEY_TEXTS;
}
