/* Reports of forwarders: any JSON is refused with a reason, or means the same when it is written again. */
#include "health/load_report.h"
#include "tests/fuzz/fuzz_target.h"
#include <stdlib.h>
#include <string.h>

static void check(bool is_right)
{
	if (!is_right)
		abort();
}

static bool read_text(const char *text, size_t length, struct load_report *ret)
{
	struct err_list errors = {.items = NULL};
	struct doc *doc = doc_from_json(text, length, &errors);
	bool is_good = doc && load_report_read(doc, ret, &errors);

	check(is_good == !err_has_errors(&errors));
	err_done(&errors);
	doc_free(doc);
	return is_good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct load_report report, again;

	if (!read_text((const char *)data, size, &report))
		return 0;
	char *text = load_report_write(&report);
	check(read_text(text, strlen(text), &again));
	char *second = load_report_write(&again);
	check(strcmp(text, second) == 0);
	free(text);
	free(second);
	load_report_done(&report);
	load_report_done(&again);
	return 0;
}
