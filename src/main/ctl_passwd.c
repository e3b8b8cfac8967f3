/* ctl_passwd.c - keywayctl passwd: from a password to the verifiers that the settings hold.
 * For ctl.c.
 * One thread, blocking; reads the terminal. */
#include "ctl_command.h"
#include "keyway/wire/auth.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

#define NAME_MAX_BYTES 80 /* users[].name */
#define LINE_MAX_BYTES (AUTH_PASSWORD_MAX + 2)

static volatile sig_atomic_t caught;

static void on_signal(int sig)
{
	caught = sig;
}

static enum ctl_exit fail(struct ctl *c, const char *why)
{
	fprintf(c->err, "keywayctl passwd: %s\n", why);
	return CTL_FAILED;
}

/* One line without its end from @fd, a byte at a time, so that no more is taken than the line. -1: nothing came, it is
 * longer than a password may be, or a signal came. */
static ssize_t line_read(int fd, char line[LINE_MAX_BYTES])
{
	size_t n = 0;
	bool any = false;
	char byte;

	for (;;) {
		ssize_t got = read(fd, &byte, 1);

		if (got < 0 && errno == EINTR && !caught)
			continue;
		if (got < 0 || (got == 0 && !any))
			return -1;
		any = true;
		if (got == 0 || byte == '\n')
			return (ssize_t)n;
		if (n == LINE_MAX_BYTES)
			return -1;
		line[n++] = byte;
	}
}

/* Asks on the terminal @fd without echo. A signal that would end us waits until the echo is back. */
static ssize_t ask(int fd, const char *prompt, char line[LINE_MAX_BYTES])
{
	static const int ending[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP };
	struct sigaction ours = { .sa_handler = on_signal }, theirs[ARRAY_N(ending)];
	struct termios shown, hidden;
	ssize_t n = -1;

	if (tcgetattr(fd, &shown) < 0)
		return -1;
	hidden = shown;
	hidden.c_lflag &= ~(tcflag_t)ECHO;
	hidden.c_lflag |= ECHONL;
	caught = 0;
	for (size_t i = 0; i < ARRAY_N(ending); i++)
		sigaction(ending[i], &ours, &theirs[i]);
	if (write(fd, prompt, strlen(prompt)) >= 0 && tcsetattr(fd, TCSAFLUSH, &hidden) == 0) {
		n = line_read(fd, line);
		tcsetattr(fd, TCSAFLUSH, &shown);
	}
	for (size_t i = 0; i < ARRAY_N(ending); i++)
		sigaction(ending[i], &theirs[i], NULL);
	if (caught)
		raise(caught);
	return n;
}

/* The password from the terminal, the same one twice. NULL, or why not. */
static const char *password_ask(char line[LINE_MAX_BYTES], ssize_t *n)
{
	char again[LINE_MAX_BYTES];
	const char *why = NULL;
	ssize_t m;
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return "there is no terminal to ask on; use --stdin";
	*n = ask(fd, "Password: ", line);
	m = *n < 0 ? -1 : ask(fd, "The same again: ", again);
	close(fd);
	if (*n < 0 || m < 0)
		why = "no password was given";
	else if (*n != m || !auth_equal(line, again, (size_t)m))
		why = "the two passwords differ";
	auth_wipe(again, sizeof(again));
	return why;
}

static void quoted_print(FILE *out, const char *s)
{
	fputc('"', out);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			fputc('\\', out);
		fputc(*s, out);
	}
	fputc('"', out);
}

static enum ctl_exit entry_print(struct ctl *c, const char *name, struct str password)
{
	uint8_t native[AUTH_NATIVE_BYTES], salt[20];
	char native_text[AUTH_NATIVE_TEXT + 1], sha2_text[AUTH_SHA2_TEXT + 1];

	if (auth_native_verifier(password, native) < 0 || auth_sha2_text_salt(salt) < 0 ||
		auth_sha2_make_text(password, salt, sha2_text) < 0)
		return fail(c, "the system's cryptographic library failed");
	auth_native_print(native, native_text);
	if (name) {
		fprintf(c->out, "{\n\tname = ");
		quoted_print(c->out, name);
		fprintf(c->out, ";\n");
	}
	fprintf(c->out, "\tnative = \"%s\";\n\tsha2 = ", native_text);
	quoted_print(c->out, sha2_text);
	fprintf(c->out, name ? ";\n}\n" : ";\n");
	return CTL_OK;
}

static bool name_good(const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
			return false;
	}
	return n > 0 && n <= NAME_MAX_BYTES;
}

enum ctl_exit ctl_passwd(struct ctl *c, const struct ctl_args *a)
{
	char line[LINE_MAX_BYTES];
	const char *name = ctl_word(a, 0), *why;
	enum ctl_exit rc;
	ssize_t n;

	if (name && !name_good(name))
		return fail(c, "a name has 1 to 80 bytes, none of them a control character");
	if (ctl_option(a, "--stdin")) {
		n = line_read(fileno(c->in), line);
		why = n < 0 ? "no line to read, or one longer than a password may be (255 bytes)" : NULL;
	} else {
		why = password_ask(line, &n);
	}
	if (why)
		rc = fail(c, why);
	else if (n == 0)
		rc = fail(c, "the password is empty; write no_password = true in the entry if that is what you want");
	else if (n > AUTH_PASSWORD_MAX)
		rc = fail(c, "the password is longer than 255 bytes");
	else if (memchr(line, '\0', (size_t)n))
		rc = fail(c, "the password holds a NUL byte");
	else
		rc = entry_print(c, name, str_make(line, (size_t)n));
	auth_wipe(line, sizeof(line));
	return rc;
}
