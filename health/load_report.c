/* See the header. */
#include "health/load_report.h"
#include "lib/doc_read.h"
#include "lib/json_text.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const char *const state_words[] = {[LOAD_UP] = "up", [LOAD_DRAINING] = "draining", NULL};

/* ---- writing ---- */

/* Four decimals, which is never an exponent; what is a little is not nothing. */
static double rounded(double weight)
{
	double parts = (double)(uint32_t)(weight * 10000 + 0.5);
	return parts == 0 && weight > 0 ? 0.0001 : parts / 10000;
}

static json_t *service_to_json(const struct load_service *service)
{
	assert(service->weight >= 0 && service->weight <= 1 &&
	       service->origins_usable <= service->origins_total);
	json_t *origins = json_pack("{s:I, s:I, s:f, s:b}", "usable", (json_int_t)service->origins_usable,
				    "total", (json_int_t)service->origins_total, "weight",
				    rounded(service->weight), "panic", (int)service->is_in_panic);
	json_t *json =
		json_pack("{s:o, s:I, s:I, s:I, s:o}", "service", json_text(service->service), "current",
			  (json_int_t)service->current, "target", (json_int_t)service->target, "max",
			  (json_int_t)service->max, "origins", origins);
	const struct {
		const char *key;
		uint64_t value;
	} counts[] = {
		{"requests", service->requests}, {"errors", service->errors},
		{"limited", service->limited},	 {"queued", service->queued},
		{"p50_us", service->p50_us},	 {"p99_us", service->p99_us},
		{"tail_in", service->tail_in},	 {"tail_out", service->tail_out},
	};
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		assert(counts[i].value <= LOAD_REPORT_COUNT_MAX);
		json_object_set_new(json, counts[i].key, json_integer((json_int_t)counts[i].value));
	}
	return json;
}

char *load_report_write(const struct load_report *report)
{
	assert(report->part >= 1 && report->part <= report->parts && report->parts <= LOAD_REPORT_PARTS_MAX);
	assert(report->service_count <= LOAD_REPORT_SERVICES_MAX);
	json_t *services = json_array();
	for (size_t i = 0; i < report->service_count; i++)
		json_array_append_new(services, service_to_json(&report->services[i]));
	json_t *json = json_pack("{s:i, s:o, s:o, s:I, s:I, s:o, s:I, s:I, s:o}", "v", 1, "node",
				 json_text(report->node), "region", json_text(report->region), "epoch",
				 (json_int_t)report->epoch, "seq", (json_int_t)report->seq, "state",
				 json_text(state_words[report->state]), "part", (json_int_t)report->part,
				 "parts", (json_int_t)report->parts, "services", services);
	char *text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(6));
	if (!text)
		abort();
	json_decref(json);
	return text;
}

/* ---- reading ---- */

/* NULL after it was reported as missing. */
static const struct doc_node *required(const struct doc_reader *reader, const struct doc_node *mapping,
				       const char *key)
{
	const struct doc_node *node = doc_get(mapping, key);
	if (!node)
		doc_err(reader->errors, reader->doc, mapping, "'%s' is required", key);
	return node;
}

static bool read_uint(const struct doc_reader *reader, const struct doc_node *mapping, const char *key,
		      uint64_t min, uint64_t max, uint64_t *ret)
{
	const struct doc_node *node = required(reader, mapping, key);
	return node && doc_read_uint(reader, node, min, max, ret);
}

static void read_small(const struct doc_reader *reader, const struct doc_node *mapping, const char *key,
		       uint32_t max, uint32_t *ret)
{
	uint64_t value;
	if (read_uint(reader, mapping, key, 0, max, &value))
		*ret = (uint32_t)value;
}

static void read_id(const struct doc_reader *reader, const struct doc_node *mapping, const char *key,
		    char out[static LOAD_REPORT_ID_MAX])
{
	const struct doc_node *node = required(reader, mapping, key);
	const char *id;
	if (node && doc_read_id(reader, node, &id))
		strncpy(out, id, LOAD_REPORT_ID_MAX - 1);
}

static void read_origins(const struct doc_reader *reader, const struct doc_node *node,
			 struct load_service *service)
{
	if (!node || !doc_read_is_mapping(reader, node, "an object"))
		return;
	read_small(reader, node, "usable", LOAD_REPORT_ROOM_MAX, &service->origins_usable);
	read_small(reader, node, "total", LOAD_REPORT_ROOM_MAX, &service->origins_total);
	const struct doc_node *weight = required(reader, node, "weight"),
			      *panic = required(reader, node, "panic");
	if (weight)
		doc_read_double(reader, weight, 0, 1, &service->weight);
	if (panic)
		doc_read_bool(reader, panic, &service->is_in_panic);
	if (service->origins_usable > service->origins_total)
		doc_err(reader->errors, reader->doc, node, "more origins are usable than there are");
}

static void read_service(const struct doc_reader *reader, const struct doc_node *node,
			 struct load_service *service)
{
	if (!doc_read_is_mapping(reader, node, "an object"))
		return;
	read_id(reader, node, "service", service->service);
	read_small(reader, node, "current", LOAD_REPORT_ROOM_MAX, &service->current);
	read_small(reader, node, "target", LOAD_REPORT_ROOM_MAX, &service->target);
	read_small(reader, node, "max", LOAD_REPORT_ROOM_MAX, &service->max);
	read_small(reader, node, "queued", LOAD_REPORT_ROOM_MAX, &service->queued);
	if (service->target > service->max)
		doc_err(reader->errors, reader->doc, doc_get(node, "target"), "'target' is above 'max'");
	read_origins(reader, required(reader, node, "origins"), service);
	const struct {
		const char *key;
		uint64_t *value;
	} counts[] = {
		{"requests", &service->requests}, {"errors", &service->errors},
		{"limited", &service->limited},	  {"p50_us", &service->p50_us},
		{"p99_us", &service->p99_us},	  {"tail_in", &service->tail_in},
		{"tail_out", &service->tail_out},
	};
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
		read_uint(reader, node, counts[i].key, 0, LOAD_REPORT_COUNT_MAX, counts[i].value);
}

static void read_services(const struct doc_reader *reader, const struct doc_node *list,
			  struct load_report *report)
{
	if (!list || !doc_read_is_sequence(reader, list, "a list of services"))
		return;
	if (list->count > LOAD_REPORT_SERVICES_MAX) {
		doc_err(reader->errors, reader->doc, list, "'services' has at most %d",
			LOAD_REPORT_SERVICES_MAX);
		return;
	}
	report->services = xcalloc(list->count + 1, sizeof *report->services);
	for (const struct doc_node *node = list->first; node; node = node->next)
		read_service(reader, node, &report->services[report->service_count++]);
	assert(report->service_count == list->count);
}

static void read_head(const struct doc_reader *reader, const struct doc_node *root,
		      struct load_report *report)
{
	const struct doc_node *state = required(reader, root, "state");
	uint64_t version;
	unsigned word;
	if (read_uint(reader, root, "v", 1, UINT32_MAX, &version) && version != 1)
		doc_err(reader->errors, reader->doc, doc_get(root, "v"), "version 1 alone is known");
	read_id(reader, root, "node", report->node);
	read_id(reader, root, "region", report->region);
	read_uint(reader, root, "epoch", 0, LOAD_REPORT_COUNT_MAX, &report->epoch);
	read_uint(reader, root, "seq", 0, LOAD_REPORT_COUNT_MAX, &report->seq);
	if (state && doc_read_word(reader, state, "state", state_words, NULL, &word))
		report->state = (enum load_state)word;
	read_small(reader, root, "parts", LOAD_REPORT_PARTS_MAX, &report->parts);
	read_small(reader, root, "part", LOAD_REPORT_PARTS_MAX, &report->part);
	if (report->part < 1 || report->part > report->parts)
		doc_err(reader->errors, reader->doc, root, "'part' is 1 to 'parts'");
}

bool load_report_read(const struct doc *doc, struct load_report *ret, struct err_list *errors)
{
	const struct doc_reader reader = {doc, errors};
	struct load_report report = {0};
	size_t before = errors->errors;
	if (!doc_read_is_mapping(&reader, doc->root, "an object"))
		return false;
	read_head(&reader, doc->root, &report);
	read_services(&reader, required(&reader, doc->root, "services"), &report);
	if (errors->errors > before) {
		load_report_done(&report);
		return false;
	}
	*ret = report;
	return true;
}

void load_report_done(struct load_report *report)
{
	free(report->services);
	*report = (struct load_report){0};
}
