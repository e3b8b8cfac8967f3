/* daemon.c - the process: starts the threads, follows signals, stops in order. Main thread; topo's callbacks come on
 * its control thread. */
#include "daemon.h"
#include "control.h"
#include "keyway/exec/hold.h"
#include "keyway/io/listener.h"
#include "keyway/main/daemon.h"
#include "presence.h"
#include "wire_store.h"
#include "keyway/util/log.h"
#include <errno.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define SCHEMA_WAIT_US 15000000

static void topo_account_of(void *arg, struct str keyspace, struct topo_account *out)
{
	static const enum topo_tls tls_of[] = {
		[CONFIG_BACKEND_TLS_OFF] = TOPO_TLS_OFF,
		[CONFIG_BACKEND_TLS_PREFERRED] = TOPO_TLS_PREFERRED,
		[CONFIG_BACKEND_TLS_REQUIRED] = TOPO_TLS_REQUIRED,
		[CONFIG_BACKEND_TLS_VERIFY_CA] = TOPO_TLS_VERIFY_CA,
		[CONFIG_BACKEND_TLS_VERIFY_IDENTITY] = TOPO_TLS_VERIFY_IDENTITY,
	};
	struct daemon *d = arg;
	const struct config_account *acc;

	pthread_mutex_lock(&d->lock);
	acc = config_account_for(d->cfg, keyspace);
	*out = (struct topo_account){ .user = acc->user,
		.password = acc->password,
		.tls = tls_of[d->cfg->backend.tls.mode],
		.tls_ca = d->cfg->backend.tls.ca,
		.tls_cert = d->cfg->backend.tls.cert,
		.tls_key = d->cfg->backend.tls.key,
		.source = d->cfg->backend.source_address };
	pthread_mutex_unlock(&d->lock);
}

/* The newest routes, to all workers. With the lock held. */
static void daemon_install_routes(struct daemon *d, struct routes *r)
{
	routes_unref(d->routes);
	d->routes = r;
	for (uint32_t i = 0; d->running && i < d->process.n_workers; i++)
		worker_install(d->process.workers[i], r, NULL);
}

static void on_snapshot(void *arg, struct snapshot *sn)
{
	struct daemon *d = arg;

	pthread_mutex_lock(&d->lock);
	daemon_install_routes(d, wire_routes(d, sn));
	pthread_mutex_unlock(&d->lock);
	presence_snapshot(d->presence, sn);
}

/* From health's thread: a server, or who is written to, has changed. */
static void on_health(void *arg)
{
	struct daemon *d = arg;

	pthread_mutex_lock(&d->lock);
	if (d->routes)
		daemon_install_routes(d, wire_verdicts(d));
	pthread_mutex_unlock(&d->lock);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;

	loop_run(w->loop);
	return NULL;
}

static int daemon_listen(struct daemon *d, struct err *err)
{
	const struct config *cfg = d->cfg;
	uint32_t n = d->process.n_workers;

	d->n_fds = (uint32_t)cfg->n_listen;
	d->fds = xcalloc((size_t)n * d->n_fds, sizeof(*d->fds));
	for (size_t i = 0; i < (size_t)n * d->n_fds; i++)
		d->fds[i] = -1;
	for (uint32_t j = 0; j < d->n_fds; j++) {
		const struct config_listen *l = &cfg->listen[j];

		for (uint32_t w = 0; w < n; w++) {
			int fd;

			if (!l->socket[0])
				fd = listener_open_tcp(l->address, (uint16_t)l->port, err);
			else if (w == 0)
				fd = listener_open_unix(l->socket, l->mode, err);
			else
				fd = fcntl(d->fds[j], F_DUPFD_CLOEXEC, 0);
			if (fd < 0)
				return fd;
			d->fds[(size_t)w * d->n_fds + j] = fd;
		}
	}
	return 0;
}

static int daemon_topo(struct daemon *d, struct err *err)
{
	struct store_config sc;
	struct topo_config tc = { .store = &sc,
		.cache_path = d->cfg->store.cache[0] ? d->cfg->store.cache : NULL,
		.account = topo_account_of,
		.account_arg = d,
		.publish = on_snapshot,
		.publish_arg = d,
		.connect_timeout_us = d->cfg->backend.connect_timeout_us };
	struct snapshot *sn;
	struct err late;

	wire_store_config(d->cfg, &sc);
	d->process.topo = topo_start(&tc, err);
	if (!d->process.topo)
		return ERR_CONFIG;
	d->control = control_start(&sc, &d->process.control, err);
	if (!d->control)
		return ERR_CONFIG;
	if (topo_wait(d->process.topo, SCHEMA_WAIT_US, &late) < 0)
		log_warn("%s", late.msg);
	pthread_mutex_lock(&d->lock);
	if (!d->routes) {
		sn = topo_snapshot(d->process.topo);
		d->routes = wire_routes(d, sn);
		snapshot_unref(sn);
	}
	pthread_mutex_unlock(&d->lock);
	/* the first statement goes where it should */
	health_wait_first(d->health, d->cfg->health.timeout_us);
	return 0;
}

static int daemon_workers(struct daemon *d, struct err *err)
{
	struct process *p = &d->process;
	int rc = daemon_listen(d, err);

	if (rc < 0)
		return rc;
	p->workers = xcalloc(p->n_workers, sizeof(*p->workers));
	d->fronts = xcalloc(p->n_workers, sizeof(*d->fronts));
	d->threads = xcalloc(p->n_workers, sizeof(*d->threads));
	pthread_mutex_lock(&d->lock);
	for (uint32_t i = 0; i < p->n_workers; i++) {
		p->workers[i] = worker_new(p, i, d->exec_cfg, d->routes);
		if (!p->workers[i]) {
			pthread_mutex_unlock(&d->lock);
			return err_set(err, ERR_LIMIT, ER_OUT_OF_RESOURCES, "no event loop for worker %u: %s", i,
				strerror(errno));
		}
	}
	for (uint32_t i = 0; i < p->n_workers; i++)
		d->fronts[i] =
			front_new(p->workers[i], d->shared, d->front_cfg, d->fds + (size_t)i * d->n_fds, d->n_fds);
	d->running = true;
	pthread_mutex_unlock(&d->lock);
	for (uint32_t i = 0; i < p->n_workers; i++) {
		if (pthread_create(&d->threads[i], NULL, worker_main, p->workers[i]) != 0) {
			log_error("no thread for worker %u", i);
			abort();
		}
	}
	return 0;
}

static void changed_key(void *arg, const char *path, bool needs_restart)
{
	(void)arg;
	if (needs_restart)
		log_warn("%s has changed in the settings: only a restart makes it work", path);
	else
		log_info("%s has changed", path);
}

/* SIGHUP: all of the new settings, or none. */
static void daemon_reload(struct daemon *d)
{
	struct config *cfg = NULL;
	struct front_config *fc;
	struct exec_config *xc;
	struct health_config hc;
	SSL_CTX *tls = NULL;
	struct snapshot *sn;
	struct err err;

	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)clock_mono_us());
	if (config_load(d->path, &cfg, &err) < 0)
		goto refused;
	fc = wire_front_config(cfg, &err);
	if (!fc)
		goto refused;
	if (wire_backend_tls(cfg, &tls, &err) < 0) {
		front_config_unref(fc);
		goto refused;
	}
	if (log_open(cfg->log.file[0] ? cfg->log.file : NULL) < 0)
		log_warn("log.file '%s' cannot be opened: the old one stays", cfg->log.file);
	log_set_level((enum log_level)cfg->log.level);
	config_reloadable_diff(d->cfg, cfg, changed_key, NULL);
	xc = wire_exec_config(cfg);
	pthread_mutex_lock(&d->lock);
	config_free(d->cfg);
	d->cfg = cfg;
	if (d->backend_tls)
		SSL_CTX_free(d->backend_tls);
	d->backend_tls = tls;
	hc = wire_health_config(cfg);
	health_configure(d->health, &hc);
	sn = topo_snapshot(d->process.topo);
	daemon_install_routes(d, wire_routes(d, sn));
	snapshot_unref(sn);
	pthread_mutex_unlock(&d->lock);
	for (uint32_t i = 0; i < d->process.n_workers; i++) {
		worker_install(d->process.workers[i], NULL, xc);
		front_install(d->fronts[i], fc);
	}
	exec_config_unref(d->exec_cfg);
	front_config_unref(d->front_cfg);
	d->exec_cfg = xc;
	d->front_cfg = fc;
	topo_reload(d->process.topo);
	log_info("settings read again from %s", d->path);
	sd_notify(0, "READY=1");
	return;
refused:
	log_error("the new settings are refused, the old ones stay: %s", err.msg);
	config_free(cfg);
	sd_notify(0, "READY=1");
}

static void daemon_wait(struct daemon *d, const sigset_t *set)
{
	for (;;) {
		siginfo_t si;
		int sig = sigwaitinfo(set, &si);

		if (sig == SIGHUP) {
			daemon_reload(d);
		} else if (sig == SIGTERM || sig == SIGINT) {
			log_info("stopping: %u clients have %llu ms to finish", front_clients(d->shared),
				(unsigned long long)(d->cfg->limits.drain_timeout_us / 1000));
			return;
		}
	}
}

static void daemon_stop(struct daemon *d)
{
	struct process *p = &d->process;
	uint64_t deadline = clock_mono_us() + d->cfg->limits.drain_timeout_us;

	sd_notify(0, "STOPPING=1");
	presence_stopping(d->presence);
	pthread_mutex_lock(&d->lock);
	d->running = false;
	pthread_mutex_unlock(&d->lock);
	for (uint32_t i = 0; i < p->n_workers; i++)
		front_drain(d->fronts[i], deadline);
	for (uint32_t i = 0; i < p->n_workers; i++)
		pthread_join(d->threads[i], NULL);
}

static void daemon_free(struct daemon *d)
{
	struct process *p = &d->process;

	for (uint32_t i = 0; d->fronts && i < p->n_workers; i++)
		front_free(d->fronts[i]);
	presence_stop(d->presence);
	/* their callbacks send to the workers' loops: end them before those go */
	control_stop(d->control);
	topo_stop(p->topo);
	health_free(d->health);
	ids_free(p->ids);
	for (uint32_t i = 0; p->workers && i < p->n_workers; i++)
		worker_free(p->workers[i]);
	hold_gauges_free(p);
	for (size_t i = 0; d->fds && i < (size_t)p->n_workers * d->n_fds; i++) {
		if (d->fds[i] >= 0)
			close(d->fds[i]);
	}
	for (size_t i = 0; d->fds && i < d->cfg->n_listen; i++) {
		if (d->cfg->listen[i].socket[0])
			unlink(d->cfg->listen[i].socket);
	}
	presence_free(d->presence);
	routes_unref(d->routes);
	zones_free(p->zones);
	server_directory_free(d->servers);
	front_shared_free(d->shared);
	exec_config_unref(d->exec_cfg);
	front_config_unref(d->front_cfg);
	if (d->backend_tls)
		SSL_CTX_free(d->backend_tls);
	if (d->cfg->pid_file[0])
		unlink(d->cfg->pid_file);
	config_free(d->cfg);
	free(d->fds);
	free(d->fronts);
	free(d->threads);
	free(p->workers);
	pthread_mutex_destroy(&d->lock);
}

static void write_pid(const char *path)
{
	FILE *f = path[0] ? fopen(path, "we") : NULL;

	if (f) {
		fprintf(f, "%ld\n", (long)getpid());
		fclose(f);
	} else if (path[0]) {
		log_warn("pid_file '%s' cannot be written: %s", path, strerror(errno));
	}
}

/* As many descriptors as the system lets us have: each client is one, each connection to a server another. */
static void raise_descriptors(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < rl.rlim_max) {
		rl.rlim_cur = rl.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &rl);
	}
}

int daemon_run(const char *path, struct config *cfg)
{
	struct daemon d = { .path = path, .cfg = cfg };
	struct store_config sc;
	struct health_config hc;
	sigset_t set;
	struct err err;
	int status = 1;

	pthread_mutex_init(&d.lock, NULL);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	raise_descriptors();
	if (log_open(cfg->log.file[0] ? cfg->log.file : NULL) < 0) {
		log_error("log.file '%s' cannot be opened: %s", cfg->log.file, strerror(errno));
		goto out;
	}
	log_set_level((enum log_level)cfg->log.level);
	for (size_t i = 0; i < cfg->n_warnings; i++)
		log_warn("%s", cfg->warnings[i]);
	d.process.n_workers = cfg->threads ? (uint32_t)cfg->threads : (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
	d.process.started_us = clock_mono_us();
	if (RAND_bytes((unsigned char *)&d.process.scan_seed, sizeof(d.process.scan_seed)) != 1) {
		log_error("the system gives no random numbers");
		goto out;
	}
	d.servers = server_directory_new();
	hc = wire_health_config(cfg);
	d.health = health_new(&hc, server_directory_wake_fd(d.servers), on_health, &d);
	d.process.zones = zones_new();
	d.shared = front_shared_new();
	d.exec_cfg = wire_exec_config(cfg);
	d.front_cfg = wire_front_config(cfg, &err);
	if (!d.front_cfg || wire_backend_tls(cfg, &d.backend_tls, &err) < 0)
		goto failed;
	if (cfg->n_allocators) {
		d.process.ids = wire_ids(cfg, &err);
		if (!d.process.ids)
			goto failed;
	}
	d.presence = presence_new(&d);
	d.process.installed = presence_installed;
	d.process.installed_arg = d.presence;
	if (daemon_topo(&d, &err) < 0 || daemon_workers(&d, &err) < 0)
		goto failed;
	wire_store_config(cfg, &sc);
	presence_start(d.presence, &sc);
	write_pid(cfg->pid_file);
	log_info("keyway %s serves with %u workers", KEYWAY_VERSION, d.process.n_workers);
	sd_notifyf(0, "READY=1\nSTATUS=serving\nMAINPID=%ld", (long)getpid());
	daemon_wait(&d, &set);
	daemon_stop(&d);
	log_info("stopped");
	status = 0;
	goto out;
failed:
	log_error("%s", err.msg);
out:
	daemon_free(&d);
	return status;
}
