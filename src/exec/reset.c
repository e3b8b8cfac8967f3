/* reset.c - RESET KEYWAY ALLOCATOR name [ENDPOINT 'where']: an operator's word that what was stopped is right again.
 * For local.c.
 * Worker thread; nothing here waits. */
#include "run.h"
#include "keyway/ids/ids.h"

/* A word, or what stands between two quotation marks or backticks. False: none is left, or its mark is not closed. */
static bool next_word(struct str *s, struct str *out)
{
	const char *end;

	while (s->n && strchr(" \t\r\n", s->p[0]) && s->p[0])
		*s = str_make(s->p + 1, s->n - 1);
	if (!s->n)
		return false;
	if (strchr("'\"`", s->p[0]) && s->p[0]) {
		end = memchr(s->p + 1, s->p[0], s->n - 1);
		if (!end)
			return false;
		*out = str_make(s->p + 1, (size_t)(end - s->p) - 1);
		*s = str_make(end + 1, s->n - out->n - 2);
		return true;
	}
	out->p = s->p;
	out->n = 0;
	while (out->n < s->n && (!strchr(" \t\r\n'\"`;", s->p[out->n]) || !s->p[out->n]))
		out->n++;
	*s = str_make(s->p + out->n, s->n - out->n);
	return out->n > 0;
}

int reset_keyway(struct session *s, struct str text, struct err *err)
{
	struct str word, name, endpoint = STR("");
	struct ids *ids = s->w->process->ids;
	bool ok;

	if (!s->admin)
		return err_set(err, ERR_DENIED, ER_SPECIFIC_ACCESS_DENIED_ERROR,
			"Access denied; RESET KEYWAY needs an account with admin = true in keyway.conf");
	ok = next_word(&text, &word) && str_ieqz(word, "KEYWAY") && next_word(&text, &word) &&
	     str_ieqz(word, "ALLOCATOR") && next_word(&text, &name);
	if (ok && next_word(&text, &word))
		ok = str_ieqz(word, "ENDPOINT") && next_word(&text, &endpoint) && !next_word(&text, &word);
	if (!ok || text.n)
		return err_set(err, ERR_SYNTAX, ER_PARSE_ERROR,
			"You have an error in your SQL syntax: it is RESET KEYWAY ALLOCATOR name [ENDPOINT "
			"'host:port']");
	if (!ids)
		return err_set(err, ERR_NAME, ER_WRONG_ARGUMENTS, "there are no allocators in keyway.conf");
	return ids_resume(ids, name, endpoint, err);
}
