/* key.c - keys: which there may be, and how names that hold any byte become a part of one.
 * For all kinds of stores, and for their users.
 * Pure. */
#include "store_type.h"
#include <stdio.h>
#include <stdlib.h>

/* Letters, digits and all other printing ASCII but these, so that keys read as names do. */
static bool stands_for_itself(unsigned char c)
{
	return c > ' ' && c < 0x7f && c != '/' && c != '%';
}

/* "." and "..": what lies between us and the store may take them for folders. */
static bool is_dots(struct str part)
{
	return str_eq(part, STR(".")) || str_eq(part, STR(".."));
}

int store_key(char out[STORE_KEY_MAX + 1], const char *folder, struct str name, struct err *err)
{
	size_t n = strlen(folder);

	if (n > STORE_KEY_MAX)
		goto too_long;
	memcpy(out, folder, n);
	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = (unsigned char)name.p[i];

		if (n + 3 > STORE_KEY_MAX)
			goto too_long;
		if (stands_for_itself(c) && !is_dots(name)) {
			out[n++] = (char)c;
			continue;
		}
		snprintf(out + n, 4, "%%%02X", c);
		n += 3;
	}
	out[n] = '\0';
	return store_key_check(out, err);
too_long:
	out[0] = '\0';
	return err_set(err, ERR_LIMIT, ER_WRONG_ARGUMENTS,
		"'%.60s…' below %s is too long a name for the store: keys have at most %d bytes", name.p ? name.p : "",
		folder, STORE_KEY_MAX);
}

static int hex_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

char *store_unescape(struct str s)
{
	char *out = xmalloc(s.n + 1), *o = out;

	for (size_t i = 0; i < s.n; i++) {
		int hi = -1, lo = -1;

		if (s.p[i] == '%' && s.n - i > 2) {
			hi = hex_of(s.p[i + 1]);
			lo = hex_of(s.p[i + 2]);
		}
		if (hi >= 0 && lo >= 0 && (hi || lo)) {
			*o++ = (char)(hi * 16 + lo);
			i += 2;
		} else {
			*o++ = s.p[i];
		}
	}
	*o = '\0';
	return out;
}

char *store_key_name(const char *key)
{
	const char *slash = strrchr(key, '/');

	return store_unescape(str_of(slash ? slash + 1 : key));
}

static bool has_dots(const char *key)
{
	for (const char *part = key;; part++) {
		size_t n = strcspn(part, "/");

		if (is_dots(str_make(part, n)))
			return true;
		part += n;
		if (!*part)
			return false;
	}
}

static int bad_key(const char *key, const char *why, struct err *err)
{
	return err_set(err, ERR_CONFIG, ER_WRONG_ARGUMENTS, "'%.80s' cannot be a key of the store: %s", key, why);
}

int store_key_check(const char *key, struct err *err)
{
	size_t n = strlen(key);

	if (n == 0 || n > STORE_KEY_MAX)
		return bad_key(key, "keys have 1 to 512 bytes", err);
	if (key[0] == '/' || key[n - 1] == '/' || strstr(key, "//"))
		return bad_key(key, "a part between its slashes is empty", err);
	if (has_dots(key))
		return bad_key(key, "a part between its slashes is '.' or '..'", err);
	return 0;
}

int store_prefix_check(const char *prefix, struct err *err)
{
	if (strlen(prefix) > STORE_KEY_MAX)
		return bad_key(prefix, "keys have at most 512 bytes", err);
	if (prefix[0] == '/' || strstr(prefix, "//"))
		return bad_key(prefix, "a part between its slashes is empty", err);
	return 0;
}
