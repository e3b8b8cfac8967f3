/* keyway.c - the daemon's command line. For people and service managers; main thread. */
#include "keyway/main/daemon.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const char usage[] =
	"Usage: keyway -c FILE [--check-config | --print-defaults]\n"
	"\n"
	"A proxy that applications connect to as if it were one MySQL server, with many behind it.\n"
	"\n"
	"  -c, --config FILE    the settings (conf/keyway.conf is a commented example)\n"
	"      --check-config   read the settings, say what is wrong with file and line, exit 0 or 1\n"
	"      --print-defaults print every setting as it works with this file\n"
	"      --help-config    describe every key of the settings\n"
	"  -V, --version        print the version\n"
	"  -h, --help           print this\n"
	"\n"
	"Signals: SIGTERM and SIGINT stop it after its clients' transactions, SIGHUP reads the settings again.\n";

enum { OPT_CHECK = 256, OPT_PRINT, OPT_HELP_CONFIG };

static const struct option options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "check-config", no_argument, NULL, OPT_CHECK },
	{ "print-defaults", no_argument, NULL, OPT_PRINT },
	{ "help-config", no_argument, NULL, OPT_HELP_CONFIG },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

int main(int argc, char **argv)
{
	const char *path = NULL;
	bool check = false, print = false;
	struct config *cfg;
	struct err err;
	int o;

	while ((o = getopt_long(argc, argv, "c:Vh", options, NULL)) != -1) {
		switch (o) {
		case 'c': path = optarg; break;
		case OPT_CHECK: check = true; break;
		case OPT_PRINT: print = true; break;
		case OPT_HELP_CONFIG: config_keys_print(stdout); return 0;
		case 'V': puts("keyway " KEYWAY_VERSION); return 0;
		case 'h': fputs(usage, stdout); return 0;
		default: fputs("Try keyway --help\n", stderr); return 2;
		}
	}
	if (!path || optind != argc) {
		fputs(usage, stderr);
		return 2;
	}
	if (config_load(path, &cfg, &err) < 0) {
		fprintf(stderr, "keyway: %s\n", err.msg);
		return 1;
	}
	if (check || print) {
		for (size_t i = 0; i < cfg->n_warnings; i++)
			fprintf(stderr, "keyway: warning: %s\n", cfg->warnings[i]);
		if (print)
			config_print(cfg, stdout);
		else
			printf("%s: the settings are right\n", path);
		config_free(cfg);
		return 0;
	}
	return daemon_run(path, cfg);
}
