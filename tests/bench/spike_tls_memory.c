/*
 * What an idle TLS 1.3 connection takes, lever by lever: OpenSSL as most programs use it first, what the
 * forwarder does last. Each way is a process of its own; the growth of its PSS over some thousand connections
 * that have had a request and an answer is divided by their number. Clients are another process. Runs by
 * hand: spike_tls_memory [connections]
 */
#include "forwarder/tls/tls_mem.h"
#include "tests/support/tls_rig.h"
#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum way { PLAIN, RELEASED, UNCERTIFIED, ONE_TICKET, OURS_MALLOC, OURS, WAYS };

static const char *const words[WAYS] = {
	"OpenSSL on the descriptor",	    "and SSL_MODE_RELEASE_BUFFERS", "and SSL_certs_clear",
	"and one ticket, no session cache", "forwarder/tls with malloc",    "forwarder/tls with its slabs",
};

static void need(bool is_right, const char *what)
{
	if (is_right)
		return;
	perror(what);
	exit(1);
}

static double pss_kib(void)
{
	char line[256];
	double kib = 0;
	malloc_trim(0);
	FILE *file = fopen("/proc/self/smaps_rollup", "r");
	while (file && fgets(line, sizeof line, file))
		if (sscanf(line, "Pss: %lf", &kib) == 1)
			break;
	if (file)
		fclose(file);
	return kib;
}

/* ---- clients ---- */

static void run_clients(const int *fds, int count)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	char answer[16], end;
	SSL **all = calloc((size_t)count, sizeof *all);
	for (int i = 0; i < count; i++) {
		SSL *ssl = all[i] = SSL_new(context);
		SSL_set_fd(ssl, fds[i]);
		SSL_set_tlsext_host_name(ssl, "site.example");
		need(SSL_connect(ssl) == 1 && SSL_write(ssl, "request", 7) == 7 &&
			     SSL_read(ssl, answer, sizeof answer) == 6,
		     "a client");
	}
	need(read(fds[count], &end, 1) == 0, "the end"); /* the measurement is over */
	_exit(0);
}

/* ---- servers ---- */

static SSL_CTX *usual_context(enum way way, const struct certificate *site)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	need(context && SSL_CTX_use_cert_and_key(context, site->x509, site->key, NULL, 1) == 1, "a context");
	if (way >= RELEASED)
		SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
	if (way >= ONE_TICKET) {
		SSL_CTX_set_num_tickets(context, 1);
		SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	}
	return context;
}

static void serve_usual(enum way way, SSL_CTX *context, int fd)
{
	char request[16];
	SSL *ssl = SSL_new(context);
	SSL_set_fd(ssl, fd);
	need(SSL_accept(ssl) == 1 && SSL_read(ssl, request, sizeof request) == 7 &&
		     SSL_write(ssl, "answer", 6) == 6,
	     "a server");
	if (way >= UNCERTIFIED)
		SSL_certs_clear(ssl);
}

static void wait_readable(struct tls_socket *socket)
{
	struct pollfd event = {socket->fd, POLLIN, 0};
	need(poll(&event, 1, 10000) == 1, "poll");
	socket->can_read = socket->can_write = true;
}

static void serve_ours(struct tls_rig *rig, int fd)
{
	struct tls_socket socket = {.fd = fd};
	char request[16], answer[] = "answer";
	struct iovec piece = {answer, 6};
	size_t length;
	struct tls *tls = tls_accept(rig->context, rig);
	enum tls_result result;
	do {
		wait_readable(&socket);
		result = tls_handshake(tls, &socket);
	} while (result == TLS_WANTS_READ);
	need(result == TLS_OK, "a handshake of ours");
	while ((result = tls_read(tls, &socket, request, sizeof request, &length)) == TLS_WANTS_READ)
		wait_readable(&socket);
	need(result == TLS_OK && tls_write(tls, &socket, &piece, 1, &length) == TLS_OK, "a server of ours");
}

static const struct certnames *table_of(const struct certificate *site)
{
	struct certnames *names = certnames_new(1);
	struct certnames_entry *entry = certificate_entry(site, NULL);
	const char *name = "site.example";
	certnames_add(names, entry, &name, 1);
	certnames_entry_unref(entry);
	return names;
}

#define WARM 200 /* the first ones fill caches that all share */

static double run_server(enum way way, const int *fds, int count)
{
	struct certificate site = certificate_make("P-256", "site.example", NULL, false, 90);
	struct tls_rig rig;
	SSL_CTX *usual = way < OURS_MALLOC ? usual_context(way, &site) : NULL;
	double before = 0;
	if (way == OURS)
		tls_mem_thread_start();
	if (!usual)
		tls_rig_init(&rig, table_of(&site), false);
	for (int i = 0; i < count; i++) {
		if (i == WARM)
			before = pss_kib();
		if (usual)
			serve_usual(way, usual, fds[i]);
		else
			serve_ours(&rig, fds[i]);
	}
	return (pss_kib() - before) * 1024 / (count - WARM);
}

static void measure(enum way way, int count)
{
	int *servers = calloc((size_t)count + 1, sizeof *servers),
	    *clients = calloc((size_t)count + 1, sizeof *clients);
	int result[2];
	need(pipe(result) == 0, "pipe");
	for (int i = 0; i <= count; i++) {
		int pair[2];
		need(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
		servers[i] = pair[0];
		clients[i] = pair[1];
	}
	pid_t client = fork();
	if (client == 0) {
		for (int i = 0; i <= count; i++)
			close(servers[i]);
		run_clients(clients, count);
	}
	pid_t server = fork();
	if (server == 0) {
		for (int i = 0; i <= count; i++)
			close(clients[i]);
		if (way == OURS)
			tls_mem_install();
		double octets = run_server(way, servers, count);
		need(write(result[1], &octets, sizeof octets) == sizeof octets, "write");
		_exit(0);
	}
	for (int i = 0; i <= count; i++) {
		close(clients[i]);
		close(servers[i]);
	}
	double octets;
	close(result[1]);
	need(read(result[0], &octets, sizeof octets) == sizeof octets, "a result");
	waitpid(server, NULL, 0);
	waitpid(client, NULL, 0);
	close(result[0]);
	printf("%-36s %8.0f\n", words[way], octets);
	fflush(stdout);
	free(servers);
	free(clients);
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 4000;
	struct rlimit limit = {(rlim_t)count * 2 + 64, (rlim_t)count * 2 + 64};
	if (count <= WARM || setrlimit(RLIMIT_NOFILE, &limit) != 0) {
		fprintf(stderr, "spike_tls_memory: more than %d connections, and descriptors for them\n",
			WARM);
		return 1;
	}
	printf("%-36s %8s\n", "octets of an idle TLS 1.3 connection", "PSS");
	for (enum way way = 0; way < WAYS; way++)
		measure(way, count);
	return 0;
}
