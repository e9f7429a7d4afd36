/* Which route of a list answers a request. */
#include "forwarder/plan/route.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define TEXT(text)                    \
	{                             \
		text, sizeof text - 1 \
	}
#define PAIR(name, value)               \
	{                               \
		TEXT(name), TEXT(value) \
	}

/* What a request's head says, as "name: value" lines; fields of cookies are known as such. */
static const char *octets;
static struct http_head head;

static void set_head(const char *lines)
{
	octets = lines;
	head.count = 0;
	for (const char *at = lines; *at;) {
		const char *colon = strchr(at, ':'), *end = strchr(at, '\n');
		struct http_head_field *field = &head.fields[head.count++];
		field->name = (uint32_t)(at - lines);
		field->name_length = (uint16_t)(colon - at);
		field->value = (uint32_t)(colon + 2 - lines);
		field->value_length = (uint16_t)(end - colon - 2);
		field->field = strncasecmp(at, "cookie:", 7) == 0 ? HTTP_FIELD_COOKIE : HTTP_FIELD_OTHER;
		at = end + 1;
	}
}

/* The number of the route, -1: none; 100 + number: but for its method. */
static int find(const struct route *routes, unsigned count, const char *method, const char *path,
		const char *query)
{
	struct route_service service = {.id = "shop", .route_count = count, .routes = routes};
	struct route_request request = {.path = path,
					.query = query,
					.path_length = (uint32_t)strlen(path),
					.query_length = query ? (uint32_t)strlen(query) : 0,
					.method = method,
					.method_length = (uint32_t)strlen(method),
					.head = &head,
					.octets = octets};
	const struct route *route = NULL;
	switch (route_find(&service, &request, &route)) {
	case ROUTE_FOUND:
		return (int)route->number;
	case ROUTE_BUT_METHOD:
		return 100 + (int)route->number;
	case ROUTE_NONE:
		break;
	}
	assert_null(route);
	return -1;
}

static void test_paths(void **state)
{
	const struct route routes[] = {
		{.number = 0, .exact = TEXT("/api/exact")},
		{.number = 1, .path = TEXT("/api")},
		{.number = 2, .path = TEXT("/dir/")},
	};
	const struct route all[] = {{.number = 7, .path = TEXT("/")}};
	set_head("");
	assert_int_equal(find(routes, 3, "GET", "/api", NULL), 1);
	assert_int_equal(find(routes, 3, "GET", "/api/", NULL), 1);
	assert_int_equal(find(routes, 3, "GET", "/api/x/y", NULL), 1);
	assert_int_equal(find(routes, 3, "GET", "/apix", NULL), -1);
	assert_int_equal(find(routes, 3, "GET", "/ap", NULL), -1);
	assert_int_equal(find(routes, 3, "GET", "/API", NULL), -1);
	assert_int_equal(find(routes, 3, "GET", "/", NULL), -1);
	assert_int_equal(find(routes, 3, "GET", "/api/exact", NULL), 0);
	assert_int_equal(find(routes, 3, "GET", "/api/exact/", NULL), 1);
	assert_int_equal(find(routes, 3, "GET", "/dir/x", NULL), 2);
	assert_int_equal(find(routes, 3, "GET", "/dir/", NULL), 2);
	assert_int_equal(find(routes, 3, "GET", "/dir", NULL), -1);
	assert_int_equal(find(all, 1, "GET", "/", NULL), 7);
	assert_int_equal(find(all, 1, "GET", "/x", NULL), 7);
	assert_int_equal(find(NULL, 0, "GET", "/", NULL), -1);
}

static void test_methods(void **state)
{
	const struct route_text get[] = {TEXT("GET"), TEXT("HEAD")}, post[] = {TEXT("POST")};
	const struct route routes[] = {
		{.number = 0, .path = TEXT("/a"), .method_count = 2, .methods = get},
		{.number = 1, .path = TEXT("/a"), .method_count = 1, .methods = post},
		{.number = 2, .path = TEXT("/b")},
	};
	set_head("");
	assert_int_equal(find(routes, 3, "HEAD", "/a", NULL), 0);
	assert_int_equal(find(routes, 3, "POST", "/a", NULL), 1);
	assert_int_equal(find(routes, 3, "PUT", "/a", NULL), 100);
	assert_int_equal(find(routes, 3, "get", "/a", NULL), 100);
	assert_int_equal(find(routes, 3, "PURGE", "/b", NULL), 2);
	assert_int_equal(find(routes, 3, "PUT", "/c", NULL), -1);
}

static void test_headers(void **state)
{
	const struct route_pair two[] = {PAIR("x-version", "2"), PAIR("x-kind", "a b")};
	const struct route routes[] = {
		{.number = 0, .header_count = 2, .headers = two},
		{.number = 1, .header_count = 1, .headers = two},
	};
	set_head("X-VERSION: 2\nx-other: 1\nX-Kind: a b\n");
	assert_int_equal(find(routes, 2, "GET", "/", NULL), 0);
	set_head("X-Version: 1\nX-Version: 2\nX-Kind: A b\n");
	assert_int_equal(find(routes, 2, "GET", "/", NULL), 1); /* any of the fields; octet by octet */
	set_head("X-Version: 22\nX-Versio: 2\n");
	assert_int_equal(find(routes, 2, "GET", "/", NULL), -1);
}

static void test_cookies(void **state)
{
	const struct route_pair one[] = {PAIR("beta", "yes")}, empty[] = {PAIR("beta", "")};
	const struct route routes[] = {
		{.number = 0, .cookie_count = 1, .cookies = one},
		{.number = 1, .cookie_count = 1, .cookies = empty},
	};
	static const char *const good[] = {
		"Cookie: beta=yes\n",
		"Cookie: a=b; beta=yes; c=d\n",
		"cookie: a=b;beta=yes\n",
		"Cookie: a=b\nCookie: x=y;  beta=yes \n",
	};
	static const char *const bad[] = {
		"Cookie: Beta=yes\n",	"Cookie: beta=yesno\n", "Cookie: xbeta=yes\n",
		"Cookie: a=beta=yes\n", "X-Cookie: beta=yes\n", "Cookie: beta==yes\n",
		"Cookie: beta = yes\n", "Cookie: \n",
	};
	for (unsigned i = 0; i < sizeof good / sizeof *good; i++) {
		set_head(good[i]);
		assert_int_equal(find(routes, 2, "GET", "/", NULL), 0);
	}
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
		set_head(bad[i]);
		assert_int_equal(find(routes, 2, "GET", "/", NULL), -1);
	}
	set_head("Cookie: a; beta\n");
	assert_int_equal(find(routes, 2, "GET", "/", NULL), 1);
}

static void test_queries(void **state)
{
	const struct route_pair two[] = {PAIR("v", "2"), PAIR("flag", "")};
	const struct route routes[] = {
		{.number = 0, .query_count = 2, .queries = two},
		{.number = 1, .query_count = 1, .queries = two},
	};
	set_head("");
	assert_int_equal(find(routes, 2, "GET", "/", "v=2"), 1);
	assert_int_equal(find(routes, 2, "GET", "/", "a=1&v=2&flag"), 0);
	assert_int_equal(find(routes, 2, "GET", "/", "flag=&v=2"), 0);
	assert_int_equal(find(routes, 2, "GET", "/", "v=1&v=2"), 1);
	assert_int_equal(find(routes, 2, "GET", "/", "v=22"), -1);
	assert_int_equal(find(routes, 2, "GET", "/", "V=2"), -1);
	assert_int_equal(find(routes, 2, "GET", "/", "v= 2"), -1);
	assert_int_equal(find(routes, 2, "GET", "/", ""), -1);
	assert_int_equal(find(routes, 2, "GET", "/", NULL), -1);
}

static void test_the_first_that_matches_wins(void **state)
{
	const struct route_text get[] = {TEXT("GET")};
	const struct route_pair version[] = {PAIR("x-version", "2")};
	const struct route routes[] = {
		{.number = 0, .path = TEXT("/a"), .header_count = 1, .headers = version},
		{.number = 1, .path = TEXT("/a"), .method_count = 1, .methods = get},
		{.number = 2},
		{.number = 3, .exact = TEXT("/a")},
	};
	set_head("X-Version: 2\n");
	assert_int_equal(find(routes, 4, "GET", "/a", NULL), 0);
	set_head("X-Version: 3\n");
	assert_int_equal(find(routes, 4, "GET", "/a", NULL), 1);
	assert_int_equal(find(routes, 4, "POST", "/a", NULL), 2);
	assert_int_equal(find(routes, 4, "POST", "/b", NULL), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),	cmocka_unit_test(test_methods),
		cmocka_unit_test(test_headers), cmocka_unit_test(test_cookies),
		cmocka_unit_test(test_queries), cmocka_unit_test(test_the_first_that_matches_wins),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
