/* explain: prints how the node decides, from the client to the answer. One thread. */
#include "gslb/decide/words.h"
#include "lib/json_text.h"
#include "lib/mem.h"
#include "lib/net.h"
#include "lib/text.h"
#include "tools/ctl.h"
#include "tools/ctl_table.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- asking ---- */

/* Reads one "X=up|down|N%|force-down". NULL: a usage mistake, which is printed. */
static json_t *one_what_if(const struct ctl *ctl, const char *text)
{
	const char *equals = strrchr(text, '=');
	if (!equals || equals == text) {
		ctl_usage(ctl, "--what-if %s: write X=up, X=down, X=50%% or X=force-down", text);
		return NULL;
	}
	char *subject = xstrndup(text, (size_t)(equals - text));
	const char *state = equals + 1;
	struct ip ip;
	json_t *what_if = json_object();
	json_object_set_new(what_if, ip_parse(subject, &ip) ? "vip" : "region", json_text(subject));
	free(subject);
	uint32_t hundredths;
	if (strcmp(state, "up") == 0 || strcmp(state, "down") == 0) {
		json_object_set_new(what_if, "state", json_text(state));
	} else if (strcmp(state, "force-down") == 0) {
		json_object_set_new(what_if, "share", json_string("down"));
	} else if (text_to_percent(state, &hundredths) && hundredths % 100 == 0) {
		json_object_set_new(what_if, "share", json_integer(hundredths / 100));
	} else {
		ctl_usage(ctl, "--what-if %s: '%s' is none of up, down, N%%, force-down", text, state);
		json_decref(what_if);
		return NULL;
	}
	return what_if;
}

/* Reads all of them. NULL: a usage mistake, which is printed. */
static json_t *what_ifs(const struct ctl *ctl)
{
	json_t *list = json_array();
	size_t at = 0;
	const char *value;
	while ((value = ctl_option_next(ctl, "what-if", &at))) {
		char *copy = xstrdup(value);
		for (char *save, *text = strtok_r(copy, ",", &save); text;
		     text = strtok_r(NULL, ",", &save)) {
			json_t *what_if = one_what_if(ctl, text);
			if (!what_if) {
				json_decref(list);
				free(copy);
				return NULL;
			}
			json_array_append_new(list, what_if);
		}
		free(copy);
	}
	return list;
}

/* ---- telling ---- */

static const json_t *get(const json_t *object, const char *key)
{
	return json_object_get(object, key);
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(get(object, key));
	return text ? text : "";
}

static void print_client(const json_t *client)
{
	static const char *const keys[] = {"subdivision", "country", "continent"};
	const json_t *at = get(client, "at");
	const char *address = text_of(client, "address");
	printf("client   %s", *address ? address : "unknown");
	if (*address && strcmp(text_of(client, "source"), "resolver") == 0)
		printf(" (the resolver's address)");
	putchar('\n');
	printf("place    ");
	const char *between = "";
	for (size_t i = 0; i < 3; i++) {
		if (!*text_of(client, keys[i]))
			continue;
		printf("%s%s", between, text_of(client, keys[i]));
		between = ", ";
	}
	if (json_array_size(at) == 2) {
		printf("%s%.2f %.2f", between, json_number_value(json_array_get(at, 0)),
		       json_number_value(json_array_get(at, 1)));
		between = ", ";
	}
	if (json_is_integer(get(client, "asn"))) {
		printf("%sAS%lld", between, (long long)json_integer_value(get(client, "asn")));
		between = ", ";
	}
	if (!*between)
		printf("unknown");
	const char *from = text_of(client, "from");
	if (*from)
		printf("  (from %s)", strrchr(from, '/') ? strrchr(from, '/') + 1 : from);
	putchar('\n');
}

static void print_policy(const json_t *reply)
{
	const json_t *policy = get(reply, "policy");
	printf("tenant   %s, service %s, zone %s\n", text_of(reply, "tenant"), text_of(reply, "service"),
	       text_of(reply, "zone"));
	printf("order    %s", text_of(policy, "order"));
	if (*text_of(policy, "map"))
		printf(" %s", text_of(policy, "map"));
	if (*text_of(policy, "matched"))
		printf(", matched '%s'", text_of(policy, "matched"));
	printf(", split %s\n", text_of(policy, "split"));
}

static char *share_words(const json_t *share)
{
	return json_is_integer(share) ? xasprintf("%lld%%", (long long)json_integer_value(share))
				      : ctl_words(share);
}

/* "192.0.2.11 up, 192.0.2.12 down (1 pending)" */
static char *vips_words(const json_t *vips)
{
	char *words = xstrdup("");
	for (size_t i = 0; i < json_array_size(vips); i++) {
		const json_t *vip = json_array_get(vips, i);
		long long pending = (long long)json_integer_value(get(vip, "pending"));
		char *note = pending ? xasprintf(" (%lld pending)", pending) : xstrdup("");
		char *longer = xasprintf("%s%s%s %s%s", words, i ? ", " : "", text_of(vip, "address"),
					 text_of(vip, "state"), note);
		free(note);
		free(words);
		words = longer;
	}
	return words;
}

static void print_regions(const json_t *regions)
{
	static const char *const heads[] = {"",	      "REGION",	  ">TIER", ">KM",
					    ">SHARE", ">HEALTHY", "WHY",   "VIPS"};
	struct ctl_table table;
	ctl_table_init(&table, CTL_TABLE_CELLS(heads));
	for (size_t i = 0; i < json_array_size(regions); i++) {
		const json_t *region = json_array_get(regions, i);
		const json_t *distance = get(region, "distance_km");
		bool is_chosen = strcmp(text_of(region, "reason"), "chosen") == 0;
		char *cells[] = {
			xstrdup(is_chosen ? "*" : " "),
			ctl_words(get(region, "region")),
			ctl_words(get(region, "tier")),
			json_is_number(distance) ? xasprintf("%.0f", json_number_value(distance))
						 : xstrdup(""),
			share_words(get(region, "share")),
			json_is_number(get(region, "healthy"))
				? xasprintf("%.0f%%", json_number_value(get(region, "healthy")) * 100)
				: xstrdup(""),
			xstrdup(words_region_reason_meaning(text_of(region, "reason"))),
			vips_words(get(region, "vips")),
		};
		ctl_table_take(&table, CTL_TABLE_CELLS(cells));
	}
	putchar('\n');
	ctl_table_print(&table, 0, stdout);
	putchar('\n');
}

static void print_step(const json_t *reply)
{
	printf("step     %s\n", words_step_meaning(text_of(reply, "step")));
	const json_t *probabilities = get(reply, "probabilities");
	void *at = json_object_iter((json_t *)probabilities);
	for (; at; at = json_object_iter_next((json_t *)probabilities, at))
		printf("chance   %s %.1f %%\n", json_object_iter_key(at),
		       json_number_value(json_object_iter_value(at)) * 100);
}

/* What an address family chose by itself, and what left it to. */
static void print_families(const json_t *families)
{
	const char *family;
	const json_t *own;
	json_object_foreach ((json_t *)families, family, own) {
		const char *region = text_of(own, "region"), *instead_of = text_of(own, "instead_of");
		bool is_health = strcmp(text_of(own, "cause"), "health") == 0;
		printf("family   %s from %s: ", family, *region ? region : "no region");
		if (*instead_of)
			printf("%s, chosen for both families, has none of it%s\n", instead_of,
			       is_health ? " that may be used" : "");
		else
			printf("no region is left for both families\n");
	}
}

static void print_answer(const json_t *reply)
{
	const json_t *answer = get(reply, "answer"), *ttl = get(reply, "ttl"), *ede = get(answer, "ede");
	const json_t *records = get(answer, "records");
	printf("answer   %s%s\n", text_of(answer, "rcode"), json_array_size(records) ? "" : ", no record");
	for (size_t i = 0; i < json_array_size(records); i++) {
		const json_t *record = json_array_get(records, i);
		printf("         %s %lld %s %s\n", text_of(record, "name"),
		       (long long)json_integer_value(get(record, "ttl")), text_of(record, "type"),
		       text_of(record, "data"));
	}
	if (json_is_object(ede)) /* RFC 8914 */
		printf("error    extended DNS error %lld%s%s\n",
		       (long long)json_integer_value(get(ede, "code")), *text_of(ede, "text") ? ": " : "",
		       text_of(ede, "text"));
	const char *why = words_ttl_reason_meaning(text_of(ttl, "why"));
	if (json_array_size(records) == 0)
		why = strcmp(text_of(ttl, "why"), "fallback") == 0
			      ? "no record for now: what the zone's SOA says, MIN at most"
			      : "no record: what the zone's SOA says, MAX at most";
	if (json_is_integer(get(ttl, "value")))
		printf("ttl      %lld s of %lld to %lld: %s\n",
		       (long long)json_integer_value(get(ttl, "value")),
		       (long long)json_integer_value(get(ttl, "min")),
		       (long long)json_integer_value(get(ttl, "max")), why);
	const json_t *scope = get(get(reply, "client"), "scope");
	if (json_is_integer(scope) && *text_of(reply, "zone"))
		printf("scope    /%lld: a resolver may give this answer to %s\n",
		       (long long)json_integer_value(scope),
		       json_integer_value(scope) > 0 ? "all of that prefix" : "everybody");
}

static void print_hidden_wildcard(const json_t *hidden)
{
	if (json_is_object(hidden))
		printf("hidden   the wildcard %s of tenant %s does not answer here, because %s exists\n",
		       text_of(hidden, "wildcard"), text_of(hidden, "tenant"), text_of(hidden, "by"));
}

static void print_story(const json_t *reply)
{
	const json_t *query = get(reply, "query");
	bool is_tenant = strcmp(text_of(reply, "kind"), "tenant") == 0;
	printf("query    %s %s  (epoch %lld)\n", text_of(query, "name"), text_of(query, "type"),
	       (long long)json_integer_value(get(reply, "epoch")));
	print_client(get(reply, "client"));
	if (is_tenant) {
		print_policy(reply);
		print_regions(get(reply, "regions"));
		print_step(reply);
		print_families(get(reply, "family"));
	} else if (*text_of(reply, "zone")) {
		printf("kind     %s, zone %s\n",
		       strcmp(text_of(reply, "kind"), "static") == 0 ? "static record" : "no such name",
		       text_of(reply, "zone"));
	} else {
		puts("kind     no served zone holds this name");
	}
	print_hidden_wildcard(get(reply, "hidden_wildcard"));
	print_answer(reply);
}

static enum ctl_exit run_explain(struct ctl *ctl)
{
	json_t *list = what_ifs(ctl);
	if (!list)
		return CTL_USAGE;
	assert(ctl->arg_count == 1 || ctl->arg_count == 2);
	json_t *body = json_object();
	json_object_set_new(body, "name", json_text(ctl->args[0]));
	json_object_set_new(body, "type", json_text(ctl->arg_count > 1 ? ctl->args[1] : "A"));
	if (ctl_option(ctl, "client"))
		json_object_set_new(body, "client", json_text(ctl_option(ctl, "client")));
	if (ctl_option(ctl, "via"))
		json_object_set_new(body, "via", json_text(ctl_option(ctl, "via")));
	if (json_array_size(list) > 0)
		json_object_set(body, "what_if", list);
	json_decref(list);
	char *text = json_dumps(body, JSON_COMPACT);
	assert(text);
	json_decref(body);
	struct ctl_http_request request = {
		.method = "POST",
		.path = "/v1/explain",
		.body = text,
		.length = strlen(text),
		.content_type = "application/json",
	};
	struct ctl_http_reply reply;
	bool is_done = ctl_call(ctl, &request, NULL, &reply);
	free(text);
	if (!is_done)
		return CTL_FAILED;
	json_t *json = NULL;
	if (ctl->output == CTL_JSON)
		ctl_print_reply(&reply);
	else if ((json = ctl_json(&reply)))
		print_story(json);
	ctl_http_reply_done(&reply);
	bool is_good = ctl->output == CTL_JSON || json;
	json_decref(json);
	return is_good ? CTL_DONE : CTL_FAILED;
}

const struct ctl_verb verb_explain = {
	.group = "Look",
	.words = "explain",
	.args = "NAME [TYPE]",
	.options = "client: via: what-if+",
	.least = 1,
	.most = 2,
	.run = run_explain,
	.help = "why this client gets this answer",
	.more = "  --client ADDR|PREFIX  the client, as its subnet would come by ECS\n"
		"  --via RESOLVER        the resolver's address\n"
		"  --what-if X=STATE     suppose: X is a region or a VIP's address; up and down set its\n"
		"                        health, N% and force-down its control. Repeat, or part by\n"
		"                        commas.\n"
		"\n"
		"  gslbctl explain acme.app.example.net --client 81.2.69.0/24\n"
		"  gslbctl explain acme.app.example.net AAAA --client 2001:db8::/48 \\\n"
		"    --what-if eu=down,us=50%\n",
};
