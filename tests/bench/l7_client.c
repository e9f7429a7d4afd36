/*
 * l7_client - load for an HTTP/1.1 proxy, in groups: each has its own connections, tenants, rate and counts,
 * so that a noisy tenant and a quiet one can be driven in one run. One thread, edge-triggered epoll. Every
 * answer is read whole; its length, and over TLS the certificate's name, must be right.
 *
 *   l7_client [-c CPU] [-d SECONDS] [-W WARM] [-I INTERVAL] [-p PID,…] [-u CPU] [-v] -g GROUP [-g GROUP…]
 *
 * -d 0 runs until standard input ends. -p: processes whose CPU time is read at begin and end of what is
 * counted, -u: the CPU whose use by anybody is. -v tells each error. A line `begin` says when counting
 * begins; with groups that hold, a line `held N` when their connections stand. JSON follows.
 *
 * GROUP: words key=value, with commas between: name, to=[ADDRESS:]PORT, mode=keep (a request after the
 * other), new (a connection for each), hold (one request each, then idle), websocket (messages that come
 * back), slow (a body of `body` octets, `step` octets each `every` ms); tls=1, resume=1, connections, rate (a
 * second, open loop, latency from when a request was due; 0: closed loop), poisson=1, tenants, first,
 * host=FORMAT with %u, path, method, body, bytes (of a 200's body), timeout (ms), from (how many client
 * addresses), ask=0 (connect only), more (a field line to send along).
 */
#include "tests/bench/l7_client.h"
#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>

enum { GROUPS_MAX = 16, EVENTS = 256, PIDS_MAX = 64, SCAN_MS = 100 };

int client_epoll;
bool client_is_loud;
uint64_t client_now_ns;
SSL_CTX *client_tls;

static struct client_group g_groups[GROUPS_MAX];
static unsigned g_group_count, g_pid_count;
static int g_pids[PIDS_MAX], g_busy_cpu = -1;
static double g_seconds = 2, g_warm = 0.4, g_interval = 0.1;
static bool g_has_ended, g_told_held;
static uint64_t g_random = 88172645463325252u;

static _Noreturn void usage(const char *what)
{
	fprintf(stderr, "l7_client: %s\n", what);
	exit(2);
}

static enum client_mode mode_of(const char *word)
{
	static const char *const words[] = {"keep", "new", "hold", "websocket", "slow"};
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (!strcmp(word, words[i]))
			return (enum client_mode)i;
	usage(word);
}

static void set_text(char *to, size_t room, const char *from)
{
	if (strlen(from) >= room)
		usage(from);
	memcpy(to, from, strlen(from) + 1);
}

static void set_option(struct client_group *group, const char *key, const char *value)
{
	const struct {
		const char *key;
		char *to;
		size_t room;
	} texts[] = {{"name", group->name, sizeof group->name},
		     {"path", group->path, sizeof group->path},
		     {"method", group->method, sizeof group->method},
		     {"host", group->host, sizeof group->host},
		     {"more", group->more, sizeof group->more}};
	const struct {
		const char *key;
		unsigned *to;
	} numbers[] = {{"connections", &group->connections},
		       {"tenants", &group->tenants},
		       {"first", &group->first},
		       {"from", &group->from},
		       {"every", &group->every_ms},
		       {"timeout", &group->timeout_ms},
		       {"opening", &group->opening_max}};
	const struct {
		const char *key;
		size_t *to;
	} sizes[] = {{"body", &group->body}, {"step", &group->step}, {"bytes", &group->bytes}};
	const struct {
		const char *key;
		bool *to;
	} switches[] = {{"tls", &group->is_tls},
			{"resume", &group->resumes},
			{"poisson", &group->is_poisson},
			{"ask", &group->asks}};
	bool is_known = true;
	if (!strcmp(key, "to"))
		group->to = l7_address(value);
	else if (!strcmp(key, "mode"))
		group->mode = mode_of(value);
	else if (!strcmp(key, "rate"))
		group->rate = strtod(value, NULL);
	else
		is_known = false;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (!strcmp(key, texts[i].key)) {
			set_text(texts[i].to, texts[i].room, value);
			is_known = true;
		}
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		if (!strcmp(key, numbers[i].key)) {
			*numbers[i].to = (unsigned)strtoul(value, NULL, 10);
			is_known = true;
		}
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		if (!strcmp(key, sizes[i].key)) {
			*sizes[i].to = strtoull(value, NULL, 10);
			is_known = true;
		}
	for (size_t i = 0; i < sizeof switches / sizeof *switches; i++)
		if (!strcmp(key, switches[i].key)) {
			*switches[i].to = atoi(value) != 0;
			is_known = true;
		}
	if (!is_known)
		usage(key);
}

static void add_group(char *text)
{
	if (g_group_count == GROUPS_MAX)
		usage("too many groups");
	struct client_group *group = &g_groups[g_group_count++];
	*group = (struct client_group){.name = "load",
				       .path = "/128",
				       .method = "GET",
				       .host = "t%u.example.test",
				       .connections = 64,
				       .tenants = 1,
				       .every_ms = 100,
				       .step = 1,
				       .timeout_ms = 10000,
				       .opening_max = 64,
				       .asks = true,
				       .to = l7_address("80")};
	for (char *word = strtok(text, ","); word; word = strtok(NULL, ",")) {
		char *value = strchr(word, '=');
		if (!value)
			usage(word);
		*value++ = '\0';
		set_option(group, word, value);
	}
	if (!group->connections || !group->tenants || !group->every_ms)
		usage("connections, tenants and every are at least 1");
}

static void make_requests(struct client_group *group)
{
	static const char upgrade[] =
		"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
	group->requests = l7_alloc(group->tenants, sizeof *group->requests);
	for (unsigned i = 0; i < group->tenants; i++) {
		struct client_request *request = &group->requests[i];
		char length[64] = "";
		if (group->body)
			snprintf(length, sizeof length, "Content-Length: %zu\r\n", group->body);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(request->host, sizeof request->host, group->host, group->first + i);
#pragma GCC diagnostic pop
		request->text = l7_alloc(1, group->body + 1024);
		int head =
			snprintf(request->text, 1024,
				 "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: l7_client\r\nAccept: */*\r\n"
				 "Accept-Encoding: gzip\r\n%s%s%s%s\r\n",
				 group->method, group->path, request->host, length, group->more,
				 group->more[0] ? "\r\n" : "", group->mode == MODE_WEBSOCKET ? upgrade : "");
		memset(request->text + head, 'x', group->body);
		request->length = (size_t)head + group->body;
	}
}

static void make_connections(struct client_group *group)
{
	group->conns = l7_alloc(group->connections, sizeof *group->conns);
	if (group->rate > 0)
		group->backlog = l7_alloc(CLIENT_BACKLOG, sizeof *group->backlog);
	group->next_due_ns = client_now_ns;
	group->unopened = group->connections;
	for (unsigned i = 0; i < group->connections; i++) {
		struct client_conn *conn = &group->conns[i];
		conn->group = group;
		conn->fd = -1;
		if (group->rate > 0) {
			conn->is_idle = true;
			conn->next = group->idle;
			group->idle = conn;
			group->unopened = 0;
		}
	}
}

/* ---- what is due ---- */

static double gap_ns(const struct client_group *group)
{
	if (!group->is_poisson)
		return 1e9 / group->rate;
	g_random ^= g_random << 13;
	g_random ^= g_random >> 7;
	g_random ^= g_random << 17;
	return -log(((double)(g_random >> 11) + 1) / 9007199254740993.0) * 1e9 / group->rate;
}

static void run_arrivals(struct client_group *group)
{
	while (group->next_due_ns <= client_now_ns) {
		struct client_conn *conn = group->idle;
		if (conn) {
			group->idle = conn->next;
			conn->is_idle = false;
			client_start(conn, group->next_due_ns);
		} else if (group->backlog_count < CLIENT_BACKLOG) {
			uint64_t at = group->backlog_first + group->backlog_count++;
			group->backlog[at % CLIENT_BACKLOG] = group->next_due_ns;
		} else {
			group->backlog_lost++;
		}
		group->next_due_ns += (uint64_t)gap_ns(group);
	}
}

/* Returns when something of the group is due next. */
static uint64_t run_group(struct client_group *group)
{
	uint64_t next_ns = UINT64_MAX;
	while (group->unopened && group->opening < group->opening_max)
		client_start(&group->conns[--group->unopened], client_now_ns);
	if (group->rate > 0) {
		run_arrivals(group);
		next_ns = group->next_due_ns;
	}
	struct client_conn *conn;
	while ((conn = group->resting.first) && conn->wake_ns <= client_now_ns) {
		group->resting.first = conn->next;
		if (!conn->next)
			group->resting.last = NULL;
		conn->is_resting = false;
		client_start(conn, client_now_ns);
	}
	if (conn && conn->wake_ns < next_ns)
		next_ns = conn->wake_ns;
	while ((conn = group->paced.first) && conn->paced_ns <= client_now_ns) {
		group->paced.first = conn->paced_next;
		if (!conn->paced_next)
			group->paced.last = NULL;
		client_pace(conn);
	}
	if (conn && conn->paced_ns < next_ns)
		next_ns = conn->paced_ns;
	return next_ns;
}

static void find_late(struct client_group *group)
{
	for (unsigned i = 0; i < group->connections; i++) {
		struct client_conn *conn = &group->conns[i];
		bool is_busy = conn->state == STATE_TUNNEL
				       ? conn->awaits_echo
				       : conn->state != STATE_CLOSED && conn->state != STATE_IDLE &&
						 conn->state != STATE_HELD;
		if (is_busy && client_now_ns - conn->since_ns > group->timeout_ms * 1000000ull)
			client_fail(conn, ERROR_TIMEOUT);
	}
}

static void tell_held(void)
{
	unsigned held = 0, wanted = 0;
	for (unsigned i = 0; i < g_group_count; i++)
		if (g_groups[i].mode == MODE_HOLD) {
			held += g_groups[i].held;
			wanted += g_groups[i].connections;
		}
	if (g_told_held || !wanted || held < wanted)
		return;
	printf("held %u\n", held);
	fflush(stdout);
	g_told_held = true;
}

static void turn(uint64_t until_ns)
{
	struct epoll_event events[EVENTS];
	client_now_ns = l7_now_ns();
	for (unsigned i = 0; i < g_group_count; i++) {
		uint64_t next_ns = run_group(&g_groups[i]);
		until_ns = next_ns < until_ns ? next_ns : until_ns;
	}
	uint64_t wait_ns = until_ns > client_now_ns ? until_ns - client_now_ns : 0;
	struct timespec wait = {.tv_sec = (time_t)(wait_ns / 1000000000u),
				.tv_nsec = (long)(wait_ns % 1000000000u)};
	int count = epoll_pwait2(client_epoll, events, EVENTS, &wait, NULL);
	client_now_ns = l7_now_ns();
	for (int i = 0; i < count; i++) {
		char octet[64];
		if (events[i].data.ptr)
			client_event(events[i].data.ptr, events[i].events);
		else if (read(0, octet, sizeof octet) <= 0)
			g_has_ended = true;
	}
	tell_held();
}

static void run_until(uint64_t end_ns)
{
	static uint64_t interval_ns, scan_ns;
	if (!interval_ns)
		interval_ns = scan_ns = client_now_ns;
	while (client_now_ns < end_ns && !g_has_ended) {
		uint64_t until_ns = end_ns < scan_ns ? end_ns : scan_ns;
		turn(until_ns < interval_ns ? until_ns : interval_ns);
		if (client_now_ns >= interval_ns) {
			for (unsigned i = 0; i < g_group_count; i++)
				count_end_interval(&g_groups[i].count);
			interval_ns = client_now_ns + (uint64_t)(g_interval * 1e9);
		}
		if (client_now_ns >= scan_ns) {
			for (unsigned i = 0; i < g_group_count; i++)
				find_late(&g_groups[i]);
			scan_ns = client_now_ns + SCAN_MS * 1000000ull;
		}
	}
}

/* ---- CPU time ---- */

static uint64_t processes_ns(void)
{
	uint64_t total = 0, ns;
	for (unsigned i = 0; i < g_pid_count; i++) {
		char path[300];
		snprintf(path, sizeof path, "/proc/%d/task", g_pids[i]);
		DIR *folder = opendir(path);
		for (struct dirent *entry; folder && (entry = readdir(folder));) {
			snprintf(path, sizeof path, "/proc/%d/task/%.200s/schedstat", g_pids[i],
				 entry->d_name);
			FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "r");
			if (file && fscanf(file, "%lu", &ns) == 1)
				total += ns;
			if (file)
				fclose(file);
		}
		if (folder)
			closedir(folder);
	}
	return total;
}

static uint64_t cpu_busy_ns(void)
{
	char line[512], name[16];
	uint64_t busy = 0;
	snprintf(name, sizeof name, "cpu%d ", g_busy_cpu);
	FILE *file = fopen("/proc/stat", "r");
	while (file && g_busy_cpu >= 0 && fgets(line, sizeof line, file)) {
		uint64_t v[8] = {0};
		if (strncmp(line, name, strlen(name)) != 0)
			continue;
		sscanf(line + strlen(name), "%lu %lu %lu %lu %lu %lu %lu %lu", &v[0], &v[1], &v[2], &v[3],
		       &v[4], &v[5], &v[6], &v[7]);
		busy = v[0] + v[1] + v[2] + v[5] + v[6] + v[7];
	}
	if (file)
		fclose(file);
	return busy * (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK));
}

static uint64_t own_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void measure(void)
{
	uint64_t begin_ns = client_now_ns = l7_now_ns(), server_ns = processes_ns(), busy_ns = cpu_busy_ns();
	uint64_t mine_ns = own_ns();
	for (unsigned i = 0; i < g_group_count; i++)
		count_reset(&g_groups[i].count);
	puts("begin");
	fflush(stdout);
	run_until(g_seconds > 0 ? begin_ns + (uint64_t)(g_seconds * 1e9) : UINT64_MAX);
	server_ns = processes_ns() - server_ns;
	printf("{\"seconds\": %.6f, \"server_cpu_ns\": %lu, \"cpu_busy_ns\": %lu, \"client_cpu_ns\": %lu, "
	       "\"groups\": {",
	       (double)(l7_now_ns() - begin_ns) / 1e9, server_ns, cpu_busy_ns() - busy_ns,
	       own_ns() - mine_ns);
	for (unsigned i = 0; i < g_group_count; i++) {
		if (i)
			fputs(", ", stdout);
		count_print(stdout, g_groups[i].name, &g_groups[i].count);
	}
	puts("}}");
}

static void read_pids(char *text)
{
	for (char *word = strtok(text, ","); word && g_pid_count < PIDS_MAX; word = strtok(NULL, ","))
		g_pids[g_pid_count++] = atoi(word);
}

static void make_tls(void)
{
	client_tls = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_read_ahead(client_tls, 1);
	SSL_CTX_set_mode(client_tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
					     SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(client_tls, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(client_tls, client_keep_session);
}

int main(int argc, char **argv)
{
	bool is_tls = false;
	for (int option; (option = getopt(argc, argv, "c:d:W:I:p:u:vg:")) != -1;) {
		if (option == 'c')
			l7_pin(atoi(optarg));
		else if (option == 'd')
			g_seconds = strtod(optarg, NULL);
		else if (option == 'W')
			g_warm = strtod(optarg, NULL);
		else if (option == 'I')
			g_interval = strtod(optarg, NULL);
		else if (option == 'p')
			read_pids(optarg);
		else if (option == 'u')
			g_busy_cpu = atoi(optarg);
		else if (option == 'v')
			client_is_loud = true;
		else if (option == 'g')
			add_group(optarg);
		else
			usage("see the head of l7_client.c");
	}
	if (!g_group_count)
		usage("no group");
	l7_raise_files();
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_TIMERSLACK, 1);
	client_epoll = epoll_create1(EPOLL_CLOEXEC);
	struct stat input;
	struct epoll_event event = {.events = EPOLLIN};
	if (fstat(0, &input) == 0 && S_ISFIFO(input.st_mode))
		epoll_ctl(client_epoll, EPOLL_CTL_ADD, 0, &event);
	client_now_ns = l7_now_ns();
	for (unsigned i = 0; i < g_group_count; i++) {
		make_requests(&g_groups[i]);
		make_connections(&g_groups[i]);
		is_tls |= g_groups[i].is_tls;
	}
	if (is_tls)
		make_tls();
	run_until(client_now_ns + (uint64_t)(g_warm * 1e9));
	measure();
}
