/* The report of a forwarder: what is written is read back, and what is wrong is told with its place. */
#include "health/load_report.h"
#include "lib/mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define GOOD                                                                                           \
	"{\"v\":1,\"node\":\"fwd-eu-1\",\"region\":\"eu\",\"epoch\":1722,\"seq\":88,\"state\":\"up\"," \
	"\"part\":1,\"parts\":1,\"services\":[{\"service\":\"shop\",\"current\":812,\"target\":3200,"  \
	"\"max\":4000,\"origins\":{\"usable\":3,\"total\":4,\"weight\":0.75,\"panic\":false},"         \
	"\"requests\":9120,\"errors\":3,\"limited\":40,\"queued\":0,\"p50_us\":2100,\"p99_us\":9000,"  \
	"\"tail_in\":0,\"tail_out\":0}]}"

/* The errors, one a line; "" when it is good, and then *ret is filled. */
static char *read_text(const char *text, struct load_report *ret)
{
	struct err_list errors = {0};
	struct doc *doc = doc_from_json(text, strlen(text), &errors);
	assert_non_null(doc);
	bool is_good = load_report_read(doc, ret, &errors);
	assert_int_equal(is_good, !err_has_errors(&errors));
	char *out = NULL;
	size_t size;
	FILE *file = open_memstream(&out, &size);
	err_print(&errors, file);
	fclose(file);
	err_done(&errors);
	doc_free(doc);
	return out;
}

static void test_what_is_written_is_read_back(void **state)
{
	struct load_report report;
	char *errors = read_text(GOOD, &report);
	assert_string_equal(errors, "");
	free(errors);
	assert_string_equal(report.node, "fwd-eu-1");
	assert_string_equal(report.region, "eu");
	assert_int_equal(report.epoch, 1722);
	assert_int_equal(report.seq, 88);
	assert_int_equal(report.state, LOAD_UP);
	assert_int_equal(report.service_count, 1);
	const struct load_service *shop = report.services;
	assert_string_equal(shop->service, "shop");
	assert_int_equal(shop->current, 812);
	assert_int_equal(shop->target, 3200);
	assert_int_equal(shop->max, 4000);
	assert_int_equal(shop->origins_usable, 3);
	assert_int_equal(shop->origins_total, 4);
	assert_true(shop->weight == 0.75);
	assert_int_equal(shop->p99_us, 9000);
	char *text = load_report_write(&report);
	assert_string_equal(text, GOOD);
	free(text);
	load_report_done(&report);
}

static char *with(const char *from, const char *to)
{
	const char *at = strstr(GOOD, from);
	assert_non_null(at);
	return xasprintf("%.*s%s%s", (int)(at - GOOD), GOOD, to, at + strlen(from));
}

static void assert_said(const char *from, const char *to, const char *expected)
{
	struct load_report report = {.node = "untouched"};
	char *text = with(from, to), *errors = read_text(text, &report);
	assert_string_equal(errors, expected);
	assert_string_equal(report.node, "untouched");
	free(errors);
	free(text);
}

static void test_what_is_wrong_is_told(void **state)
{
	assert_said("\"v\":1", "\"v\":2", "/v: version 1 alone is known\n");
	assert_said("\"node\":\"fwd-eu-1\",", "", "'node' is required\n");
	assert_said("\"up\"", "\"asleep\"", "/state: unknown state 'asleep'; one of up, draining\n");
	assert_said("\"part\":1", "\"part\":2", "'part' is 1 to 'parts'\n");
	assert_said("\"target\":3200", "\"target\":4001", "/services/0/target: 'target' is above 'max'\n");
	assert_said("\"usable\":3", "\"usable\":5",
		    "/services/0/origins: more origins are usable than there are\n");
	assert_said("\"weight\":0.75", "\"weight\":1.5",
		    "/services/0/origins/weight: '1.5' must be a plain decimal number from 0 to 1\n");
	assert_said("\"current\":812", "\"current\":-1",
		    "/services/0/current: '-1' must be a plain whole number from 0 to 1000000000\n");
}

static void test_little_is_not_nothing(void **state)
{
	struct load_service service = {.service = "shop", .origins_total = 9, .origins_usable = 1};
	struct load_report again, report = {.node = "f",
					    .region = "eu",
					    .part = 1,
					    .parts = 1,
					    .service_count = 1,
					    .services = &service};
	const double weights[][2] = {{1e-9, 0.0001}, {0, 0}, {1, 1}, {2.0 / 3, 0.6667}};
	for (size_t i = 0; i < sizeof weights / sizeof *weights; i++) {
		service.weight = weights[i][0];
		char *text = load_report_write(&report), *errors = read_text(text, &again);
		assert_string_equal(errors, "");
		assert_true(again.services[0].weight == weights[i][1]);
		free(errors);
		free(text);
		load_report_done(&again);
	}
}

static void test_unknown_members_are_passed_over(void **state)
{
	struct load_report report;
	char *text = with("\"seq\":88", "\"seq\":88,\"weather\":{\"rain\":[1]}"), *errors;
	errors = read_text(text, &report);
	assert_string_equal(errors, "");
	free(errors);
	free(text);
	load_report_done(&report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_written_is_read_back),
		cmocka_unit_test(test_what_is_wrong_is_told),
		cmocka_unit_test(test_little_is_not_nothing),
		cmocka_unit_test(test_unknown_members_are_passed_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
