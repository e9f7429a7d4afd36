/*
 * A fleet document out of a fleet, through the JSON form of each object: what is read back is the
 * same. Strings that other YAML readers take for something else are quoted. Control thread.
 */
#include "fleet/fleet_internal.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct fleet_export {
	yaml_emitter_t emitter;
	char *text;
	size_t length, capacity;
	bool with_base;
	bool has_begun;	      /* the section of `kind` */
	enum fleet_kind kind; /* of the next object */
	size_t at;	      /* of fleet_next() */
};

static int write_text(void *user, unsigned char *bytes, size_t length)
{
	struct fleet_export *output = user;

	xgrow((void **)&output->text, &output->capacity, output->length + length + 1, 1);
	memcpy(output->text + output->length, bytes, length);
	output->length += length;
	return 1;
}

/* The emitter fails only without memory or on text that is not UTF-8, which no fleet holds. */
static void emit(struct fleet_export *output, yaml_event_t *event, int is_made)
{
	if (!is_made || !yaml_emitter_emit(&output->emitter, event))
		abort();
}

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* Plain where no YAML reader takes it for anything but text: words, names, paths, durations, IPv4
 * addresses; no boolean or null of YAML 1.1, no number. */
static bool is_plain(const char *text)
{
	static const char *const words[] = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"};
	size_t length = strlen(text);

	if (length == 0 || text[strspn(text, LETTERS "0123456789/.-%_")] != '\0')
		return false;
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strcasecmp(text, words[i]) == 0)
			return false;
	if (text[0] == '/' || strchr(LETTERS, text[0]))
		return true;
	if (text[0] < '0' || text[0] > '9' || strpbrk(text, "xX"))
		return false;
	return strchr("smhd%", text[length - 1]) != NULL || strchr(text, '.') != strrchr(text, '.');
}

static void emit_scalar(struct fleet_export *output, const char *text, yaml_scalar_style_t style)
{
	yaml_event_t event;

	emit(output, &event,
	     yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text, (int)strlen(text), 1,
					  1, style));
}

static void emit_text(struct fleet_export *output, const char *text)
{
	yaml_scalar_style_t style = YAML_DOUBLE_QUOTED_SCALAR_STYLE;

	if (is_plain(text))
		style = YAML_PLAIN_SCALAR_STYLE;
	else if (strchr(text, '\n'))
		style = YAML_LITERAL_SCALAR_STYLE;
	emit_scalar(output, text, style);
}

/* The shortest plain decimal that reads back as the same number. */
static void emit_real(struct fleet_export *output, double value)
{
	char text[352];

	for (int digits = 1; digits <= 20; digits++) {
		snprintf(text, sizeof text, "%.*f", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	emit_scalar(output, text, YAML_PLAIN_SCALAR_STYLE);
}

static void begin_mapping(struct fleet_export *output, yaml_mapping_style_t style)
{
	yaml_event_t event;

	emit(output, &event, yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, style));
}

static void end_mapping(struct fleet_export *output)
{
	yaml_event_t event;

	emit(output, &event, yaml_mapping_end_event_initialize(&event));
}

/* What would be too long for one line. */
static bool is_long(const char *key)
{
	return strcmp(key, "routes") == 0 || strcmp(key, "origins") == 0;
}

/* One level of blocks, of what is long two; below it everything stands on one line. */
static void emit_json(struct fleet_export *output, const json_t *json, bool is_block)
{
	yaml_event_t event;
	const char *key;
	json_t *value;
	size_t index;

	if (json_is_object(json)) {
		begin_mapping(output, is_block ? YAML_BLOCK_MAPPING_STYLE : YAML_FLOW_MAPPING_STYLE);
		json_object_foreach ((json_t *)json, key, value) {
			emit_text(output, key);
			emit_json(output, value, is_block && is_long(key));
		}
		end_mapping(output);
	} else if (json_is_array(json)) {
		emit(output, &event,
		     yaml_sequence_start_event_initialize(&event, NULL, NULL, 1,
							  is_block ? YAML_BLOCK_SEQUENCE_STYLE
								   : YAML_FLOW_SEQUENCE_STYLE));
		json_array_foreach (json, index, value)
			emit_json(output, value, false);
		emit(output, &event, yaml_sequence_end_event_initialize(&event));
	} else if (json_is_real(json)) {
		emit_real(output, json_real_value(json));
	} else if (json_is_integer(json)) {
		char text[32];
		snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT, json_integer_value(json));
		emit_scalar(output, text, YAML_PLAIN_SCALAR_STYLE);
	} else if (json_is_boolean(json)) {
		emit_scalar(output, json_is_true(json) ? "true" : "false", YAML_PLAIN_SCALAR_STYLE);
	} else {
		emit_text(output, json_string_value(json));
	}
}

struct fleet_export *fleet_export_new(bool with_base)
{
	struct fleet_export *output = xcalloc(1, sizeof *output);
	yaml_event_t event;

	output->with_base = with_base;
	if (!yaml_emitter_initialize(&output->emitter))
		abort();
	yaml_emitter_set_output(&output->emitter, write_text, output);
	yaml_emitter_set_unicode(&output->emitter, 1);
	yaml_emitter_set_width(&output->emitter, -1);
	emit(output, &event, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING));
	emit(output, &event, yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1));
	begin_mapping(output, YAML_BLOCK_MAPPING_STYLE);
	return output;
}

void fleet_export_free(struct fleet_export *output)
{
	if (!output)
		return;
	yaml_emitter_delete(&output->emitter);
	free(output->text);
	free(output);
}

static void emit_object(struct fleet_export *output, const struct fleet_object *object)
{
	bool is_block = output->kind == FLEET_SERVICE || output->kind == FLEET_ZONE;
	json_t *json = fleet_object_to_json(object);

	assert(object->kind == output->kind);
	if (!output->has_begun) {
		emit_text(output, fleet_kind_key[output->kind]);
		begin_mapping(output, YAML_BLOCK_MAPPING_STYLE);
		output->has_begun = true;
	}
	emit_text(output, object->id);
	emit_json(output, json, is_block && json_object_size(json) > 0);
	json_decref(json);
}

static void end_kind(struct fleet_export *output)
{
	yaml_event_t event;

	assert(output->kind < FLEET_KINDS);
	if (output->has_begun)
		end_mapping(output);
	output->has_begun = false;
	output->at = 0;
	if (++output->kind < FLEET_KINDS)
		return;
	end_mapping(output);
	emit(output, &event, yaml_document_end_event_initialize(&event, 1));
	emit(output, &event, yaml_stream_end_event_initialize(&event));
}

bool fleet_export_step(struct fleet_export *output, const struct fleet *fleet, size_t most)
{
	for (; most > 0 && output->kind < FLEET_KINDS; most--) {
		const struct fleet_object *object = fleet_next(fleet, output->kind, &output->at);
		if (!object)
			end_kind(output);
		else if (object->source != FLEET_BASE || output->with_base)
			emit_object(output, object);
	}
	return output->kind < FLEET_KINDS;
}

char *fleet_export_take(struct fleet_export *output, size_t *ret_length)
{
	char *text = output->text;

	*ret_length = output->length;
	output->text = NULL;
	return text;
}

char *fleet_export_yaml(const struct fleet *fleet, bool with_base)
{
	struct fleet_export *output = fleet_export_new(with_base);
	size_t length;

	fleet_export_step(output, fleet, SIZE_MAX);
	write_text(output, (unsigned char *)"", 1);
	char *text = fleet_export_take(output, &length);
	fleet_export_free(output);
	return text;
}
