/* Parts of replies that several calls have. Control thread; the words of states are the workers'. */
#include "forwarder/api/api_internal.h"
#include "lib/clock.h"
#include "lib/gcra.h"
#include "lib/json_text.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const char *state_word(uint32_t state)
{
	static const char *const words[] = {"up", "down", "ejected", "probation"};

	assert(state < sizeof words / sizeof *words);
	return words[state];
}

static const char *verdict_word(enum verdict_state verdict)
{
	switch (verdict) {
	case VERDICT_UP:
		return "up";
	case VERDICT_DOWN:
		return "down";
	case VERDICT_UNKNOWN:
		break;
	}
	return "unknown";
}

static json_t *view_check(const struct origins_row *row)
{
	if (!row->is_checked)
		return json_null();
	json_t *check = json_pack("{s:o, s:o}", "verdict", json_text(verdict_word(row->verdict)), "reason",
				  json_text(row->reason));
	uint64_t now_ms = clock_mono_ms();
	json_object_set_new(check, "since_s",
			    row->changed_ms ? json_integer((json_int_t)((now_ms - row->changed_ms) / 1000))
					    : json_null());
	return check;
}

json_t *api_view_origin(const struct origins_row *row)
{
	const struct origin *origin = row->origin;
	const char *slash = strchr(row->pool->name, '/');

	assert(slash);
	json_t *view = json_object();
	json_object_set_new(view, "number", json_integer(origin->number));
	char *service = xstrndup(row->pool->name, (size_t)(slash - row->pool->name));
	json_object_set_new(view, "service", json_text(service));
	free(service);
	json_object_set_new(view, "pool", json_text(slash + 1));
	json_object_set_new(view, "address", json_text(origin->text));
	json_object_set_new(view, "written", json_text(row->written));
	json_object_set_new(view, "state", json_text(state_word(atomic_load(&origin->state))));
	json_object_set_new(view, "drained", json_boolean(row->is_drained));
	json_object_set_new(view, "leaving", json_boolean(row->is_leaving));
	json_object_set_new(view, "check", view_check(row));
	json_object_set_new(view, "in_flight", json_integer(atomic_load(&origin->in_flight)));
	json_object_set_new(view, "requests", json_integer((json_int_t)atomic_load(&origin->requests)));
	json_object_set_new(view, "errors", json_integer((json_int_t)atomic_load(&origin->errors)));
	json_object_set_new(view, "ejected", json_integer((json_int_t)atomic_load(&origin->ejected_total)));
	json_object_set_new(view, "latency_us",
			    json_integer((json_int_t)(atomic_load(&origin->latency_ns) / 1000)));
	return view;
}

/* ---- limits ---- */

/* null: no limit. */
static json_t *view_rate(const struct policy_rate *rate, uint64_t tat_ns, bool has_state)
{
	if (rate->interval_ns == POLICY_UNLIMITED)
		return json_null();
	double per_second =
		rate->interval_ns == GCRA_NOTHING ? 0 : (double)1000000000 / (double)rate->interval_ns;
	json_t *view = json_pack("{s:f, s:I}", "per_second", per_second, "burst", (json_int_t)rate->burst);
	if (has_state) {
		struct gcra_answer answer =
			gcra_answer_of(tat_ns, rate->interval_ns, rate->burst, 1, clock_mono_ns());
		uint64_t debt_ns = answer.fits ? answer.debt_ns - rate->interval_ns : answer.debt_ns;
		json_object_set_new(
			view, "remaining",
			json_integer((json_int_t)gcra_remaining(debt_ns, rate->interval_ns, rate->burst)));
	}
	return view;
}

static json_t *view_count(uint32_t limit)
{
	return limit == UINT32_MAX ? json_null() : json_integer(limit);
}

static json_t *view_bytes(uint64_t limit)
{
	return limit == UINT64_MAX ? json_null() : json_integer((json_int_t)limit);
}

json_t *api_view_limits(const struct policy_limits *limits, const struct tenant_state *state)
{
	static const char *const priorities[] = {"low", "normal", "high"};
	uint64_t rate_ns = state ? atomic_load(&state->rate_tat_ns) : 0;
	uint64_t connections_ns = state ? atomic_load(&state->connections_tat_ns) : 0;
	json_t *view = json_object();

	assert(limits->priority <= POLICY_HIGH);
	json_object_set_new(view, "rate", view_rate(&limits->rate, rate_ns, state != NULL));
	json_object_set_new(view, "connections",
			    view_rate(&limits->connections, connections_ns, state != NULL));
	json_object_set_new(view, "client_rate", view_rate(&limits->client_rate, 0, false));
	json_object_set_new(view, "concurrency", view_count(limits->concurrency));
	json_object_set_new(view, "websockets", view_count(limits->websockets));
	json_object_set_new(view, "up_bytes_s", view_bytes(limits->up_bytes_s));
	json_object_set_new(view, "down_bytes_s", view_bytes(limits->down_bytes_s));
	json_object_set_new(view, "body_bytes", view_bytes(limits->body_bytes));
	json_object_set_new(view, "queue_ms", json_integer(limits->queue_ms));
	json_object_set_new(view, "priority", json_text(priorities[limits->priority]));
	return view;
}
