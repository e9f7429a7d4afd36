/* Tables of keys and typed values over a document. Control threads. */
#include "lib/doc_read.h"
#include "lib/text.h"
#include <assert.h>
#include <string.h>

static const char *kind_name(const struct doc_node *node)
{
	return node->kind == DOC_MAPPING ? "a mapping" : node->kind == DOC_SEQUENCE ? "a list" : "a value";
}

/* `key:` with nothing after it. */
static bool is_absent(const struct doc_node *node)
{
	return node->kind == DOC_SCALAR && !node->is_quoted && node->length == 0;
}

/* JSON's null says that nothing is there, never the word; in YAML it is one. */
static bool is_json_null(const struct doc_reader *reader, const struct doc_node *node)
{
	return !reader->doc->file && node->kind == DOC_SCALAR && !node->is_quoted &&
	       strcmp(node->text, "null") == 0;
}

static const struct doc_key *find_key(const struct doc_key *keys, const char *name)
{
	for (; keys->name; keys++)
		if (strcmp(keys->name, name) == 0)
			return keys;
	return NULL;
}

static void report_keys(const struct doc_reader *reader, const struct doc_node *node,
			const struct doc_key *keys)
{
	const char *words[DOC_KEYS_MAX + 1], *later[DOC_KEYS_MAX + 1];
	size_t word_count = 0, later_count = 0;

	for (const struct doc_key *key = keys; key->name; key++) {
		assert(key - keys < DOC_KEYS_MAX);
		if (key->read)
			words[word_count++] = key->name;
		else
			later[later_count++] = key->name;
	}
	words[word_count] = NULL;
	later[later_count] = NULL;
	doc_check_keys(reader->errors, reader->doc, node, words, later);
}

bool doc_read_mapping(const struct doc_reader *reader, const struct doc_node *node,
		      const struct doc_key *keys, void *target)
{
	size_t errors = reader->errors->errors;
	bool has_strangers = false;

	if (!is_absent(node) && !doc_read_is_mapping(reader, node, "a mapping"))
		return false;
	for (const struct doc_node *member = node->first; member; member = member->next) {
		const struct doc_key *key = find_key(keys, member->key);
		if (!key || !key->read)
			has_strangers = true;
		else
			key->read(reader, member, target);
	}
	if (has_strangers)
		report_keys(reader, node, keys);
	for (const struct doc_key *key = keys; key->name; key++)
		if (key->is_required && !doc_get(node, key->name))
			doc_err(reader->errors, reader->doc, node, "missing key '%s'", key->name);
	return reader->errors->errors == errors;
}

static bool is_kind(const struct doc_reader *reader, const struct doc_node *node, enum doc_kind kind,
		    const char *what)
{
	bool is_null = is_json_null(reader, node);
	if (node->kind == kind && !is_null)
		return true;
	doc_err(reader->errors, reader->doc, node, "must be %s, not %s", what,
		is_null		  ? "null"
		: is_absent(node) ? "empty"
				  : kind_name(node));
	return false;
}

bool doc_read_is_sequence(const struct doc_reader *reader, const struct doc_node *node, const char *what)
{
	return is_kind(reader, node, DOC_SEQUENCE, what);
}

bool doc_read_is_mapping(const struct doc_reader *reader, const struct doc_node *node, const char *what)
{
	return is_kind(reader, node, DOC_MAPPING, what);
}

bool doc_read_is_scalar(const struct doc_reader *reader, const struct doc_node *node, const char *what)
{
	return is_kind(reader, node, DOC_SCALAR, what);
}

bool doc_read_text(const struct doc_reader *reader, const struct doc_node *node, const char *what,
		   const char **ret)
{
	if (!doc_read_is_scalar(reader, node, what))
		return false;
	if (strlen(node->text) != node->length) {
		doc_err(reader->errors, reader->doc, node, "must be %s without NUL octets", what);
		return false;
	}
	*ret = node->text;
	return true;
}

/* Reports that the text of a scalar is not what it must be. */
static bool refuse(const struct doc_reader *reader, const struct doc_node *node, const char *what)
{
	char quoted[TEXT_QUOTE_MAX];

	text_quote(node->text, quoted);
	if (is_absent(node))
		doc_err(reader->errors, reader->doc, node, "must be %s, not empty", what);
	else
		doc_err(reader->errors, reader->doc, node, "%s must be %s", quoted, what);
	return false;
}

/* Numbers and booleans are plain: in quotes they are text. */
static bool refuse_plain(const struct doc_reader *reader, const struct doc_node *node, const char *what)
{
	char longer[120];

	snprintf(longer, sizeof longer, "%s%s", what, node->is_quoted ? ", without quotes" : "");
	return refuse(reader, node, longer);
}

bool doc_read_id(const struct doc_reader *reader, const struct doc_node *node, const char **ret)
{
	static const char what[] = "an id (1 to 63 of a-z, 0-9 and inner hyphens)";

	if (!doc_read_is_scalar(reader, node, what))
		return false;
	if (strlen(node->text) != node->length || !text_is_id(node->text))
		return refuse(reader, node, what);
	*ret = node->text;
	return true;
}

bool doc_read_bool(const struct doc_reader *reader, const struct doc_node *node, bool *ret)
{
	if (!doc_read_is_scalar(reader, node, "true or false"))
		return false;
	bool is_true = strcmp(node->text, "true") == 0;
	if (node->is_quoted || (!is_true && strcmp(node->text, "false") != 0))
		return refuse_plain(reader, node, "true or false");
	*ret = is_true;
	return true;
}

bool doc_read_uint(const struct doc_reader *reader, const struct doc_node *node, uint64_t min, uint64_t max,
		   uint64_t *ret)
{
	uint64_t value;
	char what[80];

	snprintf(what, sizeof what, "a plain whole number from %llu to %llu", (unsigned long long)min,
		 (unsigned long long)max);
	if (!doc_read_is_scalar(reader, node, what))
		return false;
	if (node->is_quoted || !text_to_uint(node->text, &value) || value < min || value > max)
		return refuse_plain(reader, node, what);
	*ret = value;
	return true;
}

bool doc_read_double(const struct doc_reader *reader, const struct doc_node *node, double min, double max,
		     double *ret)
{
	double value;
	char what[80];

	snprintf(what, sizeof what, "a plain decimal number from %g to %g", min, max);
	if (!doc_read_is_scalar(reader, node, what))
		return false;
	if (node->is_quoted || !text_to_double(node->text, &value) || value < min || value > max)
		return refuse_plain(reader, node, what);
	*ret = value;
	return true;
}

/* A number with a unit, which `parse` and `print` know. */
struct measure {
	const char *what;
	bool (*parse)(const char *text, uint64_t *ret);
	void (*print)(uint64_t value, char out[static 24]);
};

static bool read_measure(const struct doc_reader *reader, const struct doc_node *node,
			 const struct measure *measure, uint64_t min, uint64_t max, uint64_t *ret)
{
	uint64_t value;
	char what[120], least[24], most[24];

	measure->print(min, least);
	measure->print(max, most);
	snprintf(what, sizeof what, "%s from %s to %s", measure->what, least, most);
	if (!doc_read_is_scalar(reader, node, what))
		return false;
	if (!measure->parse(node->text, &value) || value < min || value > max)
		return refuse(reader, node, what);
	*ret = value;
	return true;
}

bool doc_read_duration_ms(const struct doc_reader *reader, const struct doc_node *node, uint64_t min_ms,
			  uint64_t max_ms, uint64_t *ret_ms)
{
	static const struct measure duration = {"a duration (500ms, 2s, 5m, 12h, 30d)", text_to_duration_ms,
						text_from_duration_ms};

	return read_measure(reader, node, &duration, min_ms, max_ms, ret_ms);
}

bool doc_read_bytes(const struct doc_reader *reader, const struct doc_node *node, uint64_t min, uint64_t max,
		    uint64_t *ret)
{
	static const struct measure size = {"a size (64KiB, 4MiB, 50MB)", text_to_bytes, text_from_bytes};

	return read_measure(reader, node, &size, min, max, ret);
}

bool doc_read_percent(const struct doc_reader *reader, const struct doc_node *node, uint32_t *ret_hundredths)
{
	static const char what[] = "a percentage from 0% to 100%";

	if (!doc_read_is_scalar(reader, node, what))
		return false;
	if (!text_to_percent(node->text, ret_hundredths))
		return refuse(reader, node, what);
	return true;
}

bool doc_read_rate(const struct doc_reader *reader, const struct doc_node *node, double *ret_per_second)
{
	static const char what[] = "a rate (500/s, 600/m, 50/h, 20/d) from 0/s to 10000000/s";

	if (!doc_read_is_scalar(reader, node, what))
		return false;
	if (!text_to_rate(node->text, ret_per_second))
		return refuse(reader, node, what);
	return true;
}

bool doc_read_word(const struct doc_reader *reader, const struct doc_node *node, const char *what,
		   const char *const *words, const char *const *later, unsigned *ret)
{
	if (node->kind == DOC_SCALAR && strlen(node->text) == node->length) {
		for (unsigned i = 0; words[i]; i++) {
			if (strcmp(node->text, words[i]) == 0) {
				*ret = i;
				return true;
			}
		}
		for (unsigned i = 0; later && later[i]; i++) {
			if (strcmp(node->text, later[i]) == 0) {
				doc_err(reader->errors, reader->doc, node,
					"%s '%s' is not supported by this build", what, later[i]);
				return false;
			}
		}
	}
	doc_err_word(reader->errors, reader->doc, node, what, words);
	return false;
}

void doc_read_unsupported(const struct doc_reader *reader, const struct doc_node *node, const char *what)
{
	doc_err(reader->errors, reader->doc, node, "%s is not supported by this build", what);
}
