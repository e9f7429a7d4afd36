/*
 * gslbd: options, signals, and the one place that knows both the data path and the control path. It
 * owns the published world; the control path swaps it, the workers read it.
 */
#include "gslb/control/server.h"
#include "gslb/serve/workers.h"
#include "lib/log.h"
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

struct gslbd {
	struct event_base *base;
	struct server *server;
	struct workers *workers;
	struct publish world;
	struct event *signals[3];
};

/* ---- hooks: what the control path may ask of the data path ---- */

static bool start_serving(void *user, struct err_list *errors)
{
	struct gslbd *gslbd = user;
	const struct node_config *node = gslbd->server->config;
	struct workers_config config = {
		.listen = node->listen,
		.listen_count = node->listen_count,
		.workers = node->workers,
		.pins_cpus = node->pins_cpus,
		.socket_buffer_bytes = node->socket_buffer_bytes,
		.world = &gslbd->world,
	};
	gslbd->workers = workers_start(&config, errors);
	return gslbd->workers != NULL;
}

static const struct sockaddr_storage *listeners(void *user, size_t *ret_count)
{
	struct gslbd *gslbd = user;
	*ret_count = 0;
	return gslbd->workers ? workers_listeners(gslbd->workers, ret_count) : NULL;
}

static struct stats *const *stats(void *user, size_t *ret_count)
{
	struct gslbd *gslbd = user;
	*ret_count = 0;
	return gslbd->workers ? workers_stats(gslbd->workers, ret_count) : NULL;
}

static uint64_t kernel_dropped(void *user, size_t listener, unsigned transport)
{
	return workers_kernel_dropped(((struct gslbd *)user)->workers, listener, (enum transport)transport);
}

/* ---- signals ---- */

static void on_stop(evutil_socket_t signal, short what, void *user)
{
	event_base_loopbreak(((struct gslbd *)user)->base);
}

static void on_reloaded(void *user, const struct err_list *errors)
{
	for (size_t i = 0; i < errors->count; i++)
		if (!errors->items[i].is_warning)
			log_error("reload refused: %s:%u:%u: %s",
				  errors->items[i].file ? errors->items[i].file : "", errors->items[i].line,
				  errors->items[i].column, errors->items[i].message);
}

static void on_reload(evutil_socket_t signal, short what, void *user)
{
	struct gslbd *gslbd = user;
	struct requester requester = {.author = "SIGHUP", .via = "signal"};
	if (gslbd->server)
		server_reload(gslbd->server, &requester, on_reloaded, gslbd);
}

static void watch_signals(struct gslbd *gslbd)
{
	gslbd->signals[0] = evsignal_new(gslbd->base, SIGTERM, on_stop, gslbd);
	gslbd->signals[1] = evsignal_new(gslbd->base, SIGINT, on_stop, gslbd);
	gslbd->signals[2] = evsignal_new(gslbd->base, SIGHUP, on_reload, gslbd);
	for (size_t i = 0; i < 3; i++)
		evsignal_add(gslbd->signals[i], NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error of that write, like a full disk */
}

/* The soft limit is low for programs that use select(2), of which this is none. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		log_warning("the number of open files stays limited: %s", strerror(errno));
}

static int run(const char *config_path)
{
	static const struct server_hooks hooks_template = {.start_serving = start_serving,
							   .listeners = listeners,
							   .stats = stats,
							   .kernel_dropped = kernel_dropped};
	struct gslbd gslbd = {.base = event_base_new()};
	struct server_hooks hooks = hooks_template;
	hooks.user = &gslbd;
	struct err_list errors = {0};
	int status = 1;
	watch_signals(&gslbd);
	raise_descriptor_limit();
	gslbd.server = server_new(gslbd.base, config_path, &hooks, &gslbd.world, &errors);
	err_print(&errors, stderr);
	err_done(&errors);
	if (gslbd.server) {
		event_base_dispatch(gslbd.base);
		status = gslbd.server->has_failed ? 1 : 0;
	}
	workers_stop(gslbd.workers);
	server_free(gslbd.server);
	world_free(publish_swap(&gslbd.world, NULL));
	for (size_t i = 0; i < 3; i++)
		event_free(gslbd.signals[i]);
	event_base_free(gslbd.base);
	return status;
}

/* ---- options ---- */

static const char help[] =
	"Usage: gslbd -c NODE.YAML [--check] [--log-format text|json] [--log-level LEVEL]\n"
	"\n"
	"Authoritative DNS server that answers each tenant name with the addresses of the\n"
	"best healthy region for that client. Runs in the foreground, logs to standard error.\n"
	"\n"
	"  -c, --config FILE      the node's configuration\n"
	"      --check            read everything, print every error as file:line:column: message,\n"
	"                         open nothing; exit 0 (good) or 1\n"
	"      --log-format F     text (default) or json\n"
	"      --log-level L      error, warning, info (default) or debug\n"
	"      --version          print the version\n"
	"  -h, --help             print this\n"
	"\n"
	"SIGHUP reloads all files (a bad one changes nothing), SIGTERM ends it.\n"
	"Exit status: 0 clean end or good configuration, 1 configuration or start failure, 2 usage.\n";

static int usage(const char *problem)
{
	fprintf(stderr, "gslbd: %s\nTry 'gslbd --help'.\n", problem);
	return 2;
}

static int check(const char *config_path)
{
	struct err_list errors = {0};
	bool is_good = server_check(config_path, &errors);
	err_print(&errors, stderr);
	err_done(&errors);
	return is_good ? 0 : 1;
}

static bool parse_level(const char *text, enum log_level *ret)
{
	static const char *const names[] = {"error", "warning", "info", "debug"};
	for (unsigned i = 0; i < 4; i++) {
		if (strcmp(text, names[i]) == 0) {
			*ret = (enum log_level)i;
			return true;
		}
	}
	return false;
}

int main(int argc, char **argv)
{
	enum { OPTION_CHECK = 256, OPTION_LOG_FORMAT, OPTION_LOG_LEVEL, OPTION_VERSION };
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, OPTION_CHECK},
		{"log-format", required_argument, NULL, OPTION_LOG_FORMAT},
		{"log-level", required_argument, NULL, OPTION_LOG_LEVEL},
		{"version", no_argument, NULL, OPTION_VERSION},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	const char *config_path = NULL;
	bool checks_only = false;
	enum log_format format = LOG_FORMAT_TEXT;
	enum log_level level = LOG_LEVEL_INFO;
	for (int option; (option = getopt_long(argc, argv, "c:h", options, NULL)) != -1;) {
		switch (option) {
		case 'c':
			config_path = optarg;
			break;
		case OPTION_CHECK:
			checks_only = true;
			break;
		case OPTION_LOG_FORMAT:
			if (strcmp(optarg, "json") != 0 && strcmp(optarg, "text") != 0)
				return usage("--log-format takes text or json");
			format = optarg[0] == 'j' ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT;
			break;
		case OPTION_LOG_LEVEL:
			if (!parse_level(optarg, &level))
				return usage("--log-level takes error, warning, info or debug");
			break;
		case OPTION_VERSION:
			puts("gslbd " GSLB_VERSION);
			return 0;
		case 'h':
			fputs(help, stdout);
			return 0;
		default:
			return usage("unknown option");
		}
	}
	if (optind < argc)
		return usage("no arguments are taken beside options");
	if (!config_path)
		return usage("-c NODE.YAML is missing");
	log_init("gslbd", format, level);
	return checks_only ? check(config_path) : run(config_path);
}
