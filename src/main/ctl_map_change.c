/* ctl_map_change.c - keywayctl map apply, edit, rollback, remove.
 * For ctl_map.c.
 * One thread, blocking; edit runs an editor. */
#include "ctl_map.h"
#include "keyway/cluster/map_edit.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_DEFAULT_US 30000000
#define STRANDS_MAX	4096

/* --- the way of all changes --- */

struct change_ui {
	struct ctl *c;
	const struct ctl_args *a;
	const char *text;     /* what shall be in force */
	const char *question; /* NULL: does not ask */
};

static int edit_text(void *arg, struct str old, char **out, struct err *err)
{
	struct change_ui *ui = arg;

	(void)old;
	(void)err;
	*out = xstrdup(ui->text);
	return 0;
}

static void show(void *arg, const struct keyspace *old, const struct keyspace *new, const struct map_diff *d)
{
	struct change_ui *ui = arg;
	struct ctl_table t = { 0 };
	char share[KEY_SHARE_TEXT_MAX];

	if (old)
		ctl_progress(ui->c, "%s: epoch %llu after %llu", new->name.p, (unsigned long long)new->epoch,
			(unsigned long long)old->epoch);
	ctl_map_diff_rows(d, &t);
	if (d->n)
		ctl_table_print(&t, ui->c->err);
	else
		ctl_progress(ui->c, "nothing changes for any statement");
	if (d->moved)
		ctl_progress(ui->c, "%s of the key ids change their owner", key_share_print(d->moved, share));
	ctl_table_free(&t);
}

static bool approve(void *arg)
{
	struct change_ui *ui = arg;

	return !ui->question || ctl_confirm(ui->c, ui->a, ui->question);
}

static const enum ctl_exit exit_of[] = {
	[OPS_MAP_DONE] = CTL_OK,
	[OPS_MAP_UNCHANGED] = CTL_OK,
	[OPS_MAP_REFUSED] = CTL_REFUSED,
	[OPS_MAP_DECLINED] = CTL_REFUSED,
	[OPS_MAP_CONFLICT] = CTL_CONFLICT,
	[OPS_MAP_FAILED] = CTL_FAILED,
	[OPS_MAP_UNSERVED] = CTL_FAILED,
};

static const char *const outcome_text[] = {
	[OPS_MAP_DONE] = "done",
	[OPS_MAP_UNCHANGED] = "unchanged",
	[OPS_MAP_REFUSED] = "refused",
	[OPS_MAP_DECLINED] = "declined",
	[OPS_MAP_CONFLICT] = "conflict",
	[OPS_MAP_FAILED] = "failed",
	[OPS_MAP_UNSERVED] = "unserved",
};

static const struct ctl_column result_columns[] = {
	{ "keyspace", CTL_LEFT },
	{ "epoch", CTL_RIGHT },
	{ "outcome", CTL_LEFT },
	{ "proxies", CTL_RIGHT },
	{ "unserved", CTL_RIGHT },
	{ "message", CTL_LEFT },
};

static void result_print(struct ctl *c, const struct ctl_args *a, const char *keyspace, const struct ops_map_result *r,
	const char *message)
{
	struct ctl_table t = { 0 };

	if (!a->json)
		return;
	ctl_table_begin(&t, result_columns, ARRAY_N(result_columns));
	ctl_cell_textz(&t, keyspace);
	ctl_cell_number(&t, r->epoch);
	ctl_cell_textz(&t, outcome_text[r->outcome]);
	ctl_cell_number(&t, r->proxies);
	ctl_cell_number(&t, r->unserved);
	ctl_cell_textz(&t, message);
	ctl_table_print_json(&t, false, c->out);
	ctl_table_free(&t);
}

/* The ranges of --strands. CTL_USAGE: told. */
static enum ctl_exit strands_of(struct ctl *c, const struct ctl_args *a, struct keyrange out[STRANDS_MAX], uint32_t *n)
{
	const char *why;

	*n = 0;
	for (uint32_t i = 0; i < a->given_n; i++) {
		const struct ctl_given *g = &a->given[i];

		if (strcmp(g->option->name, "--strands") != 0)
			continue;
		if (*n == STRANDS_MAX)
			return ctl_fail(c, a, CTL_USAGE, "--strands is given too often");
		if (keyrange_parse(str_of(g->value), &out[*n], &why) < 0)
			return ctl_fail(c, a, CTL_USAGE, "--strands %s: %s", g->value, why);
		++*n;
	}
	return CTL_OK;
}

static enum ctl_exit change(struct ctl *c, const struct ctl_args *a, const struct ops *o, const char *keyspace,
	const char *default_why, struct change_ui *ui)
{
	struct keyrange *strands = xcalloc(STRANDS_MAX, sizeof(*strands));
	const char *timeout = ctl_option(a, "--timeout"), *why = ctl_option(a, "--why");
	struct ops_map_change want = { .keyspace = keyspace,
		.why = why ? why : default_why,
		.edit = edit_text,
		.show = show,
		.approve = approve,
		.arg = ui,
		.once = true,
		.strands = strands,
		.wait_us = WAIT_DEFAULT_US };
	struct ops_map_result r = { 0 };
	enum ctl_exit rc = strands_of(c, a, strands, &want.strand_n);
	struct err err = { 0 };

	if (timeout && ctl_duration_parse(timeout, &want.wait_us) < 0)
		rc = CTL_USAGE; /* the row has checked it */
	if (rc == CTL_OK) {
		int failed = ops_map_change(o, &want, &r, &err);

		if (r.raised && !ui->question && (r.outcome == OPS_MAP_DONE || r.outcome == OPS_MAP_UNSERVED))
			ctl_progress(c, "the document has the present epoch still: it got the next one, %llu",
				(unsigned long long)r.epoch);
		if (r.outcome == OPS_MAP_UNCHANGED)
			ctl_progress(
				c, "the map of %s is so already, at epoch %llu", keyspace, (unsigned long long)r.epoch);
		rc = exit_of[r.outcome];
		if (failed)
			ctl_fail(c, a, rc, "%s", err.msg);
		result_print(c, a, keyspace, &r, failed ? err.msg : NULL);
	}
	free(strands);
	return rc;
}

/* --- apply, rollback, remove --- */

enum ctl_exit ctl_map_apply(struct ctl *c, const struct ctl_args *a)
{
	const char *path = ctl_word(a, 0);
	struct change_ui ui = { .c = c, .a = a };
	struct keyspace *ks = NULL;
	struct ctl_ops o = { 0 };
	struct err err;
	size_t n;
	char *text = ctl_map_file(c, a, path, &n);
	enum ctl_exit rc;

	if (!text)
		return CTL_FAILED;
	if (keyspace_parse(str_make(text, n), STR(""), &ks, &err) < 0) {
		free(text);
		return ctl_fail(c, a, CTL_REFUSED, "%s: %s", path, err.msg);
	}
	ui.text = text;
	rc = ctl_ops_open_store(c, a, &o);
	if (rc == CTL_OK) {
		rc = change(c, a, &o.ops, ks->name.p, "", &ui);
		ctl_ops_close(&o);
	}
	keyspace_unref(ks);
	free(text);
	return rc;
}

/* The old document with the present epoch, which then is raised. */
static enum ctl_exit as_present(
	struct ctl *c, const struct ctl_args *a, const struct ops *o, const char *keyspace, char **text)
{
	struct keyspace *now;
	struct err err;
	char *present = NULL, *out = NULL;
	enum ctl_exit rc = ctl_map_document(c, a, o, keyspace, &present);

	if (rc == CTL_OK && keyspace_parse(str_of(present), str_of(keyspace), &now, &err) == 0) {
		if (map_edit_epoch(str_of(*text), now->epoch, &out, &err) < 0)
			rc = ctl_ops_failed(c, a, &err);
		keyspace_unref(now);
	}
	if (out) {
		free(*text);
		*text = out;
	}
	free(present);
	return rc;
}

enum ctl_exit ctl_map_rollback(struct ctl *c, const struct ctl_args *a)
{
	const char *keyspace = ctl_word(a, 0);
	struct change_ui ui = { .c = c, .a = a, .question = "Bring this back?" };
	char *text = NULL, *why;
	uint64_t epoch = 0;
	struct ctl_ops o;
	struct err err;
	enum ctl_exit rc = ctl_ops_open_store(c, a, &o);

	if (rc != CTL_OK)
		return rc;
	if (str_to_u64(str_of(ctl_word(a, 1)), &epoch) < 0)
		rc = CTL_USAGE; /* the row has checked it */
	else if (ops_map_at(&o.ops, keyspace, epoch, &text, &err) < 0)
		rc = ctl_ops_failed(c, a, &err);
	else
		rc = as_present(c, a, &o.ops, keyspace, &text);
	if (rc == CTL_OK) {
		ui.text = text;
		why = xasprintf("rollback to epoch %llu", (unsigned long long)epoch);
		rc = change(c, a, &o.ops, keyspace, why, &ui);
		free(why);
	}
	free(text);
	ctl_ops_close(&o);
	return rc;
}

enum ctl_exit ctl_map_remove(struct ctl *c, const struct ctl_args *a)
{
	const char *keyspace = ctl_word(a, 0);
	struct ops_map_result r;
	struct ctl_ops o;
	struct err err;
	char *question;
	enum ctl_exit rc = ctl_ops_open_store(c, a, &o);

	if (rc != CTL_OK)
		return rc;
	question = xasprintf("All statements of keyspace %s will fail. Remove it from the map?", keyspace);
	if (!ctl_confirm(c, a, question))
		rc = CTL_REFUSED;
	else if (ops_map_remove(&o.ops, keyspace, ctl_option(a, "--why"), &r, &err) < 0)
		rc = ctl_fail(c, a, exit_of[r.outcome], "%s", err.msg);
	else
		ctl_progress(c, "keyspace %s is removed from the map", keyspace);
	free(question);
	ctl_ops_close(&o);
	return rc;
}

/* --- edit --- */

static bool file_write(struct ctl *c, const struct ctl_args *a, const char *path, const char *head, const char *text)
{
	FILE *f = fopen(path, "we");
	bool good = f && fputs(head, f) >= 0 && fputs(text, f) >= 0;

	if (f && fclose(f) != 0)
		good = false;
	if (!good)
		ctl_fail(c, a, CTL_FAILED, "%s: %s", path, strerror(errno));
	return good;
}

/* The signals of Ctrl-C are the editor's while it runs. */
static enum ctl_exit editor_run(struct ctl *c, const struct ctl_args *a, const char *path)
{
	const char *editor = getenv("VISUAL");
	void (*old)(int) = signal(SIGINT, SIG_IGN);
	char *command;
	int status = -1;
	pid_t pid;

	if (!editor || !*editor)
		editor = getenv("EDITOR");
	if (!editor || !*editor)
		editor = "vi";
	command = xasprintf("%s \"$1\"", editor); /* $EDITOR may have options */
	fflush(c->out);
	fflush(c->err);
	pid = fork();
	if (pid == 0) {
		signal(SIGINT, SIG_DFL);
		execl("/bin/sh", "sh", "-c", command, "sh", path, (char *)NULL);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	signal(SIGINT, old);
	free(command);
	if (status != 0)
		return ctl_fail(c, a, CTL_FAILED, "the editor %s ended with a failure; nothing was changed", editor);
	return CTL_OK;
}

/* What the editor left, without the comment lines at its beginning. */
static char *edited_read(struct ctl *c, const struct ctl_args *a, const char *path)
{
	size_t n;
	char *whole = ctl_map_file(c, a, path, &n), *text = whole, *out;

	while (text && *text == '#') {
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	out = text ? xstrdup(text) : NULL;
	free(whole);
	return out;
}

/* Why the text is refused, as comment lines. */
static char *comment_of(const char *message)
{
	struct buf b = { 0 };

	buf_addz(&b, "# This is not valid; lines with # at the beginning are not part of it:\n# ");
	ctl_text_safe(&b, str_of(message));
	buf_addz(&b, "\n# To give up leave the file without a change.\n");
	buf_add_u8(&b, 0);
	return (char *)b.p; /* nothing was eaten: the block begins with the text */
}

/* The editor until the text is a map. *@text is the present document, and then the new one. CTL_REFUSED: given up. */
static enum ctl_exit edit_until_valid(
	struct ctl *c, const struct ctl_args *a, const char *keyspace, const char *path, char **text)
{
	char *head = xstrdup(""), *next;
	struct keyspace *ks;
	struct err err;
	enum ctl_exit rc;

	for (;;) {
		bool again = *head;

		rc = file_write(c, a, path, head, *text) ? editor_run(c, a, path) : CTL_FAILED;
		next = rc == CTL_OK ? edited_read(c, a, path) : NULL;
		if (!next) {
			rc = CTL_FAILED;
			break;
		}
		if (strcmp(next, *text) == 0) {
			ctl_progress(c, again ? "given up: nothing was changed" : "nothing was changed");
			free(next);
			rc = CTL_REFUSED;
			break;
		}
		free(*text);
		*text = next;
		if (keyspace_parse(str_of(next), str_of(keyspace), &ks, &err) == 0) {
			keyspace_unref(ks);
			break;
		}
		free(head);
		head = comment_of(err.msg);
	}
	free(head);
	return rc;
}

static enum ctl_exit edit_in(struct ctl *c, const struct ctl_args *a, const struct ops *o, const char *path)
{
	const char *keyspace = ctl_word(a, 0);
	struct change_ui ui = { .c = c, .a = a, .question = "Apply this?" };
	char *text = NULL, *present;
	bool unchanged;
	enum ctl_exit rc = ctl_map_document(c, a, o, keyspace, &text);

	if (rc != CTL_OK)
		return rc;
	present = xstrdup(text);
	rc = edit_until_valid(c, a, keyspace, path, &text);
	unchanged = strcmp(text, present) == 0;
	ui.text = text;
	if (rc == CTL_OK)
		rc = change(c, a, o, keyspace, "edited", &ui);
	else if (rc == CTL_REFUSED && unchanged)
		rc = CTL_OK;
	if (rc == CTL_OK || unchanged)
		unlink(path);
	else
		ctl_progress(c, "the text is kept in %s (keywayctl map apply)", path);
	free(present);
	free(text);
	return rc;
}

enum ctl_exit ctl_map_edit(struct ctl *c, const struct ctl_args *a)
{
	const char *dir = getenv("TMPDIR");
	struct ctl_ops o;
	char *path;
	int fd;
	enum ctl_exit rc = ctl_ops_open_store(c, a, &o);

	if (rc != CTL_OK)
		return rc;
	path = xasprintf("%s/keyway-map-XXXXXX.json", dir && *dir ? dir : "/tmp");
	fd = mkstemps(path, (int)strlen(".json"));
	if (fd < 0) {
		rc = ctl_fail(c, a, CTL_FAILED, "%s: %s", path, strerror(errno));
	} else {
		close(fd);
		rc = edit_in(c, a, &o.ops, path);
	}
	free(path);
	ctl_ops_close(&o);
	return rc;
}
