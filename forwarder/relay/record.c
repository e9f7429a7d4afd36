/* Filling the record of a request. A worker's thread. */
#include "forwarder/relay/record.h"
#include "forwarder/io/log_record.h"
#include "forwarder/relay/worker.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define WHOLE 10000 /* of a sample */

static struct log_record_draft *new_draft(struct worker *worker)
{
	struct log_record_draft *draft = worker->draft_free;

	if (draft)
		worker->draft_free = draft->next;
	else
		draft = xmalloc(sizeof *draft);
	memset(&draft->record, 0, sizeof draft->record);
	draft->texts_length = 0;
	return draft;
}

static void add(struct log_record_draft *draft, enum log_record_text which, const char *text)
{
	if (text)
		log_record_add(draft, which, text, strlen(text));
}

static void add_head(struct log_record_draft *draft, const struct http1_request *http, bool logs_query)
{
	if (http->method)
		log_record_add(draft, LOG_RECORD_METHOD, http->method, http->method_length);
	if (http->name)
		log_record_add(draft, LOG_RECORD_HOST, http->name, http->host.length);
	if (http->path.text)
		log_record_add(draft, LOG_RECORD_PATH, http->path.text,
			       logs_query ? http->path.length : http->path.path_length);
}

static void add_tls(struct log_record_draft *draft, const struct tls *tls)
{
	struct tls_facts facts;

	if (!tls)
		return;
	tls_facts(tls, &facts);
	add(draft, LOG_RECORD_TLS, facts.version);
	add(draft, LOG_RECORD_SNI, facts.name);
	add(draft, LOG_RECORD_ALPN, facts.alpn);
}

static void add_key(struct log_record_draft *draft, const struct policy *policy, uint32_t key)
{
	for (size_t i = 0; key && policy && i < policy->key_count; i++)
		if (policy->keys[i].number + 1 == key) {
			add(draft, LOG_RECORD_KEY, policy->keys[i].id);
			return;
		}
}

void record_begin(struct worker *worker, struct exchange *exchange, const struct record_request *request)
{
	const struct world_settings *settings = &request->world->settings;
	bool is_sampled =
		settings->log_sample >= WHOLE || rng_next(&worker->rng) % WHOLE < settings->log_sample;
	struct log_record_draft *draft;

	assert(settings->logs_access && !exchange->draft);
	if (!is_sampled && !settings->logs_errors_always)
		return;
	exchange->draft = draft = new_draft(worker);
	exchange->is_logged_anyway = is_sampled;
	draft->record.client = exchange->address;
	draft->record.minor = request->http->minor;
	draft->record.route = request->route ? request->route->number : LOG_RECORD_NO_ROUTE;
	log_record_add(draft, LOG_RECORD_ID, exchange->id, exchange->id_length);
	if (request->host)
		log_record_add(draft, LOG_RECORD_TENANT, request->host->tenant, request->host->tenant_length);
	add(draft, LOG_RECORD_SERVICE, request->service ? request->service->id : NULL);
	add_head(draft, request->http, settings->logs_query);
	add_tls(draft, exchange->client->tls);
	if (request->trace)
		log_record_add(draft, LOG_RECORD_TRACE, request->trace, EXCHANGE_ID_LENGTH);
	add_key(draft, request->policy, exchange->grant.key);
}

void record_origin(struct exchange *exchange, const struct origin *origin)
{
	struct log_record_draft *draft = exchange->draft;

	draft->texts_length -= draft->record.length[LOG_RECORD_ORIGIN];
	draft->record.length[LOG_RECORD_ORIGIN] = 0;
	log_record_add(draft, LOG_RECORD_ORIGIN, origin->text, strlen(origin->text));
	draft->record.is_reused = exchange->link != NULL;
}

/* From one moment to another that may not have come. */
static uint32_t us_between(uint64_t from_ns, uint64_t to_ns)
{
	uint64_t us = from_ns && to_ns > from_ns ? (to_ns - from_ns) / 1000 : 0;

	return us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

void record_end(struct worker *worker, const struct exchange *exchange)
{
	struct log_record *record = &exchange->draft->record;

	if (!exchange->is_logged_anyway && exchange->status < 400 && exchange->status != 0)
		return;
	record->end_ns = worker->now_ns;
	record->us_total = (worker->now_ns - exchange->started_ns) / 1000;
	record->us_queue =
		us_between(exchange->queued_ns, exchange->connect_ns ? exchange->connect_ns : worker->now_ns);
	record->us_connect = us_between(exchange->connect_ns, exchange->connected_ns);
	record->us_head = us_between(exchange->connected_ns, exchange->head_ns);
	record->bytes_in = exchange->up_octets;
	record->bytes_out = exchange->down_octets;
	record->status = exchange->status;
	record->reason = (uint8_t)exchange->reason;
	record->attempts = exchange->attempts;
	log_record_send(&worker->log, exchange->draft);
}

void record_free(struct worker *worker, struct exchange *exchange)
{
	struct log_record_draft *draft = exchange->draft;

	exchange->draft = NULL;
	if (!draft)
		return;
	draft->next = worker->draft_free;
	worker->draft_free = draft;
}

void record_done(struct worker *worker)
{
	struct log_record_draft *next;

	for (struct log_record_draft *draft = worker->draft_free; draft; draft = next) {
		next = draft->next;
		free(draft);
	}
	worker->draft_free = NULL;
}
