/* A page of metrics in Prometheus text format 0.0.4. */
#include "lib/exposition.h"
#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_SIZE 32

static void add(struct exposition *page, const char *text, size_t length)
{
	if (evbuffer_add(page->out, text, length) < 0)
		abort();
}

static void add_text(struct exposition *page, const char *text)
{
	add(page, text, strlen(text));
}

/* Backslash, quote and line feed are escaped. */
static void add_escaped(struct exposition *page, const char *text)
{
	for (;;) {
		size_t plain = strcspn(text, "\\\"\n");
		add(page, text, plain);
		text += plain;
		if (*text == '\0')
			return;
		add_text(page, *text == '\n' ? "\\n" : *text == '"' ? "\\\"" : "\\\\");
		text++;
	}
}

/* This and the next are for assertions, which a build may leave out. */
__attribute__((unused)) static bool is_name(const char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
	return *text && !(*text >= '0' && *text <= '9') && text[strspn(text, letters)] == '\0';
}

__attribute__((unused)) static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), end_length = strlen(end);
	return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

static void add_label(struct exposition *page, bool is_first, const char *name, const char *value)
{
	assert(is_name(name) && value);
	add_text(page, is_first ? "{" : ",");
	add_text(page, name);
	add_text(page, "=\"");
	add_escaped(page, value);
	add_text(page, "\"");
}

/* One line. `bound` NULL: no bucket of a histogram. */
static void add_sample(struct exposition *page, const char *suffix, va_list labels, const char *bound,
		       const char *value)
{
	bool is_first = true;
	const char *name;
	add_text(page, page->family);
	add_text(page, suffix);
	while ((name = va_arg(labels, const char *))) {
		assert(strcmp(name, "le") != 0 && strcmp(name, "quantile") != 0);
		add_label(page, is_first, name, va_arg(labels, const char *));
		is_first = false;
	}
	if (bound) {
		add_label(page, is_first, "le", bound);
		is_first = false;
	}
	add_text(page, is_first ? " " : "} ");
	add_text(page, value);
	add_text(page, "\n");
}

/* 15 digits are what a double keeps of a decimal number. */
static const char *format_number(double value, char text[static NUMBER_SIZE])
{
	snprintf(text, NUMBER_SIZE, "%.15g", value);
	return text;
}

static const char *format_count(uint64_t value, char text[static NUMBER_SIZE])
{
	snprintf(text, NUMBER_SIZE, "%" PRIu64, value);
	return text;
}

void exposition_init(struct exposition *page, struct evbuffer *out)
{
	*page = (struct exposition){.out = out};
}

void exposition_begin(struct exposition *page, const char *name, enum exposition_type type, const char *help)
{
	static const char *const words[] = {[EXPOSITION_COUNTER] = "counter",
					    [EXPOSITION_GAUGE] = "gauge",
					    [EXPOSITION_HISTOGRAM] = "histogram"};
	assert(is_name(name) && (type == EXPOSITION_COUNTER) == ends_with(name, "_total"));
	assert(!strpbrk(help, "\\\n"));
	page->family = name;
	page->type = type;
	add_text(page, "# HELP ");
	add_text(page, name);
	add_text(page, " ");
	add_text(page, help);
	add_text(page, "\n# TYPE ");
	add_text(page, name);
	add_text(page, " ");
	add_text(page, words[type]);
	add_text(page, "\n");
}

void exposition_sample(struct exposition *page, double value, ...)
{
	char text[NUMBER_SIZE];
	va_list labels;
	assert(page->family && page->type != EXPOSITION_HISTOGRAM);
	va_start(labels, value);
	add_sample(page, "", labels, NULL, format_number(value, text));
	va_end(labels);
}

void exposition_count(struct exposition *page, uint64_t value, ...)
{
	char text[NUMBER_SIZE];
	va_list labels;
	assert(page->family && page->type != EXPOSITION_HISTOGRAM);
	va_start(labels, value);
	add_sample(page, "", labels, NULL, format_count(value, text));
	va_end(labels);
}

void exposition_gauge(struct exposition *page, const char *name, const char *help, double value)
{
	exposition_begin(page, name, EXPOSITION_GAUGE, help);
	exposition_sample(page, value, NULL);
}

static void add_histogram_line(struct exposition *page, const char *suffix, va_list labels, const char *bound,
			       const char *value)
{
	va_list own;
	va_copy(own, labels);
	add_sample(page, suffix, own, bound, value);
	va_end(own);
}

void exposition_histogram(struct exposition *page, const struct exposition_buckets *buckets, ...)
{
	char bound[NUMBER_SIZE], text[NUMBER_SIZE];
	uint64_t count = 0;
	va_list labels;
	assert(page->family && page->type == EXPOSITION_HISTOGRAM);
	va_start(labels, buckets);
	for (size_t i = 0; i < buckets->bound_count; i++) {
		assert(i == 0 || buckets->bounds[i - 1] < buckets->bounds[i]);
		count += buckets->counts[i];
		add_histogram_line(page, "_bucket", labels, format_number(buckets->bounds[i], bound),
				   format_count(count, text));
	}
	count += buckets->counts[buckets->bound_count];
	add_histogram_line(page, "_bucket", labels, "+Inf", format_count(count, text));
	add_histogram_line(page, "_sum", labels, NULL, format_number(buckets->sum, text));
	add_histogram_line(page, "_count", labels, NULL, format_count(count, text));
	va_end(labels);
}
