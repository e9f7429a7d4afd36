/*
 * zone check: looks at a zone as the world finds it, from its parent's delegation to every name server. It
 * asks the servers themselves and needs no gslbd. One thread.
 */
#include "lib/json_text.h"
#include "lib/mem.h"
#include "lib/text.h"
#include "tools/ctl.h"
#include "tools/ctl_dns.h"
#include "tools/ctl_table.h"
#include "zones/rcode.h"
#include "zones/rrtype.h"
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVERS_MAX 64	/* name servers, and addresses of all of them */
#define TIMEOUT_MS 2000 /* of one query that is tried twice */

struct zone_server {
	char name[NAME_TEXT_MAX], address[IP_TEXT_MAX];
	const char *udp, *tcp; /* "ok", or what is wrong */
	bool has_serial;
	uint32_t serial;
};

struct zone_check {
	const struct ctl *ctl;
	struct dns_server resolver;
	uint16_t port; /* of the name servers */
	char zone[NAME_TEXT_MAX], parent[NAME_TEXT_MAX];
	size_t name_count, server_count;
	char names[SERVERS_MAX][NAME_TEXT_MAX]; /* of the delegation */
	struct zone_server servers[SERVERS_MAX];
	struct dns_reply referral;
	json_t *problems;
};

static void add_problem(struct zone_check *check, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static void add_problem(struct zone_check *check, const char *format, ...)
{
	char text[2048];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	json_array_append_new(check->problems, json_text(text));
}

static const char *rcode_words(unsigned rcode)
{
	const char *word = rcode_word(rcode);
	return word ? word : "an error";
}

static bool is_below(const char *name, const char *zone)
{
	size_t name_length = strlen(name), zone_length = strlen(zone);
	assert(name_length > 0 && name[name_length - 1] == '.' && zone_length > 0 &&
	       zone[zone_length - 1] == '.');
	if (strcmp(zone, ".") == 0)
		return true;
	return name_length >= zone_length && strcmp(name + name_length - zone_length, zone) == 0 &&
	       (name_length == zone_length || name[name_length - zone_length - 1] == '.');
}

/* ---- the parent ---- */

/* The zone above: the nearest name upwards that has an SOA. */
static bool find_parent(struct zone_check *check)
{
	struct dns_reply *reply = xcalloc(1, sizeof *reply);
	const char *name = check->zone, *why = NULL;
	bool is_found = false;
	while (!is_found && !why && strcmp(name, ".") != 0) {
		assert(strchr(name, '.')); /* names end in a dot */
		name = strchr(name, '.') + 1;
		name = *name ? name : ".";
		why = ctl_dns_ask(&check->resolver, name, RR_SOA, reply);
		for (size_t i = 0; !why && i < reply->count; i++)
			is_found |= reply->records[i].section == DNS_ANSWER &&
				    reply->records[i].type == RR_SOA &&
				    strcmp(reply->records[i].owner, name) == 0;
	}
	if (why)
		add_problem(check, "the resolver does not answer for %s: %s", name, why);
	else if (!is_found)
		add_problem(check, "no zone above %s was found by the resolver", check->zone);
	else
		strcpy(check->parent, name);
	free(reply);
	return is_found;
}

/* Asks the resolver for the addresses of a name; returns how many it found. */
static size_t resolve_name(struct zone_check *check, const char *name, struct ip *ret, size_t most)
{
	static const uint16_t types[] = {RR_A, RR_AAAA};
	struct dns_reply *reply = xcalloc(1, sizeof *reply);
	size_t count = 0;
	for (size_t t = 0; t < 2; t++) {
		if (ctl_dns_ask(&check->resolver, name, types[t], reply))
			continue;
		for (size_t i = 0; i < reply->count && count < most; i++)
			if (reply->records[i].section == DNS_ANSWER && reply->records[i].type == types[t])
				ret[count++] = reply->records[i].address;
	}
	free(reply);
	assert(count <= most);
	return count;
}

/* Keeps the referral of the first of the parent's servers that answers. */
static bool ask_parent(struct zone_check *check)
{
	struct dns_reply *servers = xcalloc(1, sizeof *servers);
	const char *why = ctl_dns_ask(&check->resolver, check->parent, RR_NS, servers);
	bool is_answered = false;
	for (size_t i = 0; !why && i < servers->count && !is_answered; i++) {
		struct ip addresses[8];
		if (servers->records[i].type != RR_NS || servers->records[i].section != DNS_ANSWER)
			continue;
		size_t count = resolve_name(check, servers->records[i].target, addresses, 8);
		for (size_t a = 0; a < count && !is_answered; a++) {
			char text[IP_TEXT_MAX];
			ip_format(&addresses[a], text);
			struct dns_server server = {text, check->port, false, false, TIMEOUT_MS};
			is_answered = !ctl_dns_ask(&server, check->zone, RR_NS, &check->referral);
		}
	}
	if (!is_answered)
		add_problem(check, "no name server of the parent %s answers", check->parent);
	free(servers);
	return is_answered;
}

static bool has_name(const struct zone_check *check, const char *name)
{
	for (size_t i = 0; i < check->name_count; i++)
		if (strcmp(check->names[i], name) == 0)
			return true;
	return false;
}

static bool read_delegation(struct zone_check *check)
{
	const struct dns_reply *referral = &check->referral;
	for (size_t i = 0; i < referral->count; i++) {
		const struct dns_record *record = &referral->records[i];
		/* A parent's server that serves the zone as well puts them into the answer section. */
		if (record->type == RR_NS && record->section != DNS_ADDITIONAL &&
		    strcmp(record->owner, check->zone) == 0 && check->name_count < SERVERS_MAX &&
		    !has_name(check, record->target))
			strcpy(check->names[check->name_count++], record->target);
	}
	assert(check->name_count <= SERVERS_MAX);
	if (check->name_count > 0)
		return true;
	add_problem(check, "the parent %s does not delegate %s (%s)", check->parent, check->zone,
		    rcode_words(referral->rcode));
	return false;
}

/* ---- the servers ---- */

static void add_server(struct zone_check *check, const char *name, const struct ip *address)
{
	assert(*name && (address->family == 4 || address->family == 6));
	if (check->server_count == SERVERS_MAX)
		return;
	struct zone_server *server = &check->servers[check->server_count++];
	strcpy(server->name, name);
	ip_format(address, server->address);
}

/* Finds the addresses of the name servers: by glue, else by the resolver. */
static void find_servers(struct zone_check *check)
{
	for (size_t n = 0; n < check->name_count; n++) {
		const char *name = check->names[n];
		size_t before = check->server_count;
		for (size_t i = 0; i < check->referral.count; i++) {
			const struct dns_record *record = &check->referral.records[i];
			if (record->section == DNS_ADDITIONAL && record->address.family &&
			    strcmp(record->owner, name) == 0)
				add_server(check, name, &record->address);
		}
		if (check->server_count > before)
			continue;
		if (is_below(name, check->zone))
			add_problem(check, "%s: the parent has no glue for it, and it lies inside the zone",
				    name);
		struct ip addresses[8];
		size_t count = resolve_name(check, name, addresses, 8);
		for (size_t i = 0; i < count; i++)
			add_server(check, name, &addresses[i]);
		if (count == 0)
			add_problem(check, "%s: it has no address", name);
	}
	if (check->name_count == 1)
		add_problem(check, "the parent names a single name server (RFC 1034 §4.1 asks for two)");
}

/* "ok", or what is wrong with the reply to a query for the SOA. */
static const char *judge(const struct zone_check *check, const struct dns_reply *reply,
			 struct zone_server *server)
{
	if (reply->rcode != RCODE_NOERROR)
		return rcode_words(reply->rcode);
	if (!reply->is_authoritative)
		return "not authoritative";
	for (size_t i = 0; i < reply->count; i++) {
		const struct dns_record *record = &reply->records[i];
		if (record->section != DNS_ANSWER || record->type != RR_SOA ||
		    strcmp(record->owner, check->zone) != 0)
			continue;
		server->has_serial = true;
		server->serial = record->serial;
		return "ok";
	}
	return "no SOA";
}

/* Compares the zone's own NS set with the parent's. */
static void compare_names(struct zone_check *check, const struct zone_server *server,
			  const struct dns_reply *reply)
{
	size_t found = 0;
	for (size_t i = 0; i < reply->count; i++) {
		const struct dns_record *record = &reply->records[i];
		if (record->section != DNS_ANSWER || record->type != RR_NS)
			continue;
		found += has_name(check, record->target);
		if (!has_name(check, record->target))
			add_problem(check, "%s (%s): the zone names %s as a server, the parent does not",
				    server->name, server->address, record->target);
	}
	if (found < check->name_count)
		add_problem(check, "%s (%s): the parent names servers that the zone does not", server->name,
			    server->address);
}

/* Compares the addresses that a server gives for its own name with the glue that led to it. */
static void compare_glue(struct zone_check *check, const struct dns_server *asked,
			 const struct zone_server *server, struct dns_reply *reply)
{
	if (!is_below(server->name, check->zone))
		return;
	uint16_t type = strchr(server->address, ':') ? RR_AAAA : RR_A;
	if (ctl_dns_ask(asked, server->name, type, reply))
		return;
	for (size_t i = 0; i < reply->count; i++) {
		char text[IP_TEXT_MAX];
		if (reply->records[i].section != DNS_ANSWER || reply->records[i].type != type)
			continue;
		ip_format(&reply->records[i].address, text);
		if (strcmp(text, server->address) == 0)
			return;
	}
	add_problem(check, "%s: the parent's glue %s is not among its addresses in the zone", server->name,
		    server->address);
}

static void check_server(struct zone_check *check, struct zone_server *server)
{
	assert(*server->address && !server->udp && !server->tcp); /* each is asked once */
	struct dns_reply *reply = xcalloc(1, sizeof *reply);
	struct dns_server asked = {server->address, check->port, false, false, TIMEOUT_MS};
	const char *why = ctl_dns_ask(&asked, check->zone, RR_SOA, reply);
	server->udp = why ? why : judge(check, reply, server);
	asked.is_tcp = true;
	why = ctl_dns_ask(&asked, check->zone, RR_SOA, reply);
	server->tcp = why ? why : judge(check, reply, server);
	if (strcmp(server->udp, "ok") != 0)
		add_problem(check, "%s (%s): over UDP: %s", server->name, server->address, server->udp);
	if (strcmp(server->tcp, "ok") != 0)
		add_problem(check, "%s (%s): over TCP: %s", server->name, server->address, server->tcp);
	if (server->has_serial) {
		if (!ctl_dns_ask(&asked, check->zone, RR_NS, reply))
			compare_names(check, server, reply);
		compare_glue(check, &asked, server, reply);
	}
	free(reply);
}

static void compare_serials(struct zone_check *check)
{
	const struct zone_server *first = NULL;
	for (size_t i = 0; i < check->server_count; i++) {
		const struct zone_server *server = &check->servers[i];
		if (!server->has_serial)
			continue;
		if (first && server->serial != first->serial)
			add_problem(check, "serials differ: %u at %s, %u at %s", first->serial,
				    first->address, server->serial, server->address);
		first = first ? first : server;
	}
}

/* ---- telling ---- */

static void print_json(const struct zone_check *check)
{
	json_t *servers = json_array();
	for (size_t i = 0; i < check->server_count; i++) {
		const struct zone_server *server = &check->servers[i];
		json_array_append_new(
			servers, json_pack("{s:o, s:o, s:o, s:o, s:o}", "name", json_text(server->name),
					   "address", json_text(server->address), "udp",
					   json_text(server->udp), "tcp", json_text(server->tcp), "serial",
					   server->has_serial ? json_integer(server->serial) : json_null()));
	}
	json_t *reply = json_pack("{s:o, s:o, s:o, s:O}", "zone", json_text(check->zone), "parent",
				  json_text(*check->parent ? check->parent : NULL), "servers", servers,
				  "problems", check->problems);
	json_dumpf(reply, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(reply);
}

static void print_tables(const struct zone_check *check)
{
	static const char *const heads[] = {"SERVER", "ADDRESS", "UDP", "TCP", ">SERIAL"};
	struct ctl_table table;
	ctl_table_init(&table, CTL_TABLE_CELLS(heads));
	printf("zone     %s\n", check->zone);
	if (*check->parent)
		printf("parent   %s\n", check->parent);
	for (size_t i = 0; i < check->server_count; i++) {
		const struct zone_server *server = &check->servers[i];
		char serial[16] = "";
		if (server->has_serial)
			snprintf(serial, sizeof serial, "%u", server->serial);
		const char *cells[] = {server->name, server->address, server->udp, server->tcp, serial};
		ctl_table_row(&table, CTL_TABLE_CELLS(cells));
	}
	if (table.rows > 0)
		putchar('\n');
	if (table.rows > 0)
		ctl_table_print(&table, 0, stdout);
	putchar('\n');
	for (size_t i = 0; i < json_array_size(check->problems); i++)
		printf("problem  %s\n", json_string_value(json_array_get(check->problems, i)));
	if (json_array_size(check->problems) == 0)
		puts("good");
}

/* "192.0.2.1", "192.0.2.1@5300"; the address is cut out of *written. */
static bool read_resolver(char *written, struct dns_server *ret)
{
	char *at = strchr(written, '@');
	uint64_t port = 53;
	struct ip ip;
	if (at)
		*at++ = 0;
	if (!ip_parse(written, &ip) || (at && (!text_to_uint(at, &port) || port == 0 || port > 65535)))
		return false;
	ret->address = written;
	ret->port = (uint16_t)port;
	return true;
}

static enum ctl_exit run_zone_check(struct ctl *ctl)
{
	const char *resolver = ctl_option(ctl, "resolver"), *port_text = ctl_option(ctl, "port");
	uint64_t port = 53;
	struct name name;
	assert(ctl->arg_count == 1);
	if (name_from_text(ctl->args[0], NULL, &name) || name.length == 1)
		return ctl_usage(ctl, "%s: not the name of a zone", ctl->args[0]);
	if (port_text && (!text_to_uint(port_text, &port) || port == 0 || port > 65535))
		return ctl_usage(ctl, "--port %s: a number from 1 to 65535", port_text);
	struct zone_check *check = xcalloc(1, sizeof *check);
	char *address = xstrdup(resolver ? resolver : "");
	check->ctl = ctl;
	check->port = (uint16_t)port;
	check->resolver = (struct dns_server){.recurses = true, .timeout_ms = TIMEOUT_MS};
	check->problems = json_array();
	name_to_text(name.octets, check->zone);
	enum ctl_exit code;
	if (resolver && !read_resolver(address, &check->resolver)) {
		code = ctl_usage(ctl, "--resolver %s: an address, or address@port", resolver);
	} else {
		if (find_parent(check) && ask_parent(check) && read_delegation(check)) {
			find_servers(check);
			for (size_t i = 0; i < check->server_count; i++)
				check_server(check, &check->servers[i]);
			compare_serials(check);
		}
		if (ctl->output == CTL_JSON)
			print_json(check);
		else
			print_tables(check);
		code = json_array_size(check->problems) ? CTL_FAILED : CTL_DONE;
	}
	json_decref(check->problems);
	free(address);
	free(check);
	return code;
}

const struct ctl_verb verb_zone_check = {
	.group = "Node",
	.words = "zone check",
	.args = "ZONE",
	.options = "resolver: port:",
	.least = 1,
	.most = 1,
	.run = run_zone_check,
	.help = "ask the parent and every name server of a zone whether all is well",
	.more = "  --resolver ADDR[@PORT]  that finds the parent; the system's when not given\n"
		"  --port N                of the name servers; 53 when not given\n"
		"\n"
		"Looks at the delegation at the parent, its glue, and at each address of each name\n"
		"server: whether it answers with authority over UDP and TCP, with which serial, and names\n"
		"the same servers. No gslbd is asked as such. The exit code is 1 when a problem was\n"
		"found.\n"
		"\n"
		"  gslbctl zone check app.example.net\n",
};
