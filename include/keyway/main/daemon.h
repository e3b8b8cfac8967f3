/* main/daemon.h - the process: settings to threads, signals to actions. The only place that knows everyone. */
#ifndef KEYWAY_MAIN_DAEMON_H
#define KEYWAY_MAIN_DAEMON_H

#include "keyway/main/config.h"

/* Runs until SIGTERM or SIGINT; SIGHUP reads @path again. Takes over @cfg. The exit status. */
int daemon_run(const char *path, struct config *cfg);

#endif
