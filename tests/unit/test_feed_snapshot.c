/* The feed's lines on disk: what a restart reads is the last whole state, wherever the file ends. */
#include "forwarder/feed/feed_snapshot.h"
#include "tests/unit/feed_fixture.h"
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/feed_snapshot_XXXXXX";
static char path[64], new_path[80];
static struct feed_snapshot *snapshot;

static int set_up(void **state)
{
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof path, "%s/fleet", folder);
	snprintf(new_path, sizeof new_path, "%s.new", path);
	shared_new();
	copy_new();
	snapshot = feed_snapshot_new(path);
	return 0;
}

static int tear_down(void **state)
{
	feed_snapshot_free(snapshot);
	copy_free();
	shared_free();
	unlink(path);
	chmod(folder, 0700);
	return rmdir(folder); /* nothing else was left there */
}

/* As the feed does. */
static void feed(const char *lines)
{
	for (const char *end; (end = strchr(lines, '\n')); lines = end + 1) {
		uint64_t resets = feed_copy_resets(copy);
		size_t length = (size_t)(end - lines);
		enum feed_copy_result result = feed_copy_line(copy, lines, length);
		if (feed_copy_resets(copy) != resets)
			feed_snapshot_reset(snapshot);
		if (result != FEED_COPY_HEARTBEAT)
			feed_snapshot_line(snapshot, lines, length);
		if (result == FEED_COPY_WHOLE)
			feed_snapshot_whole(snapshot);
	}
}

static void restart(void)
{
	feed_snapshot_free(snapshot);
	copy_free();
	copy_new();
	snapshot = feed_snapshot_new(path);
	while (feed_snapshot_read(snapshot, copy))
		;
}

static off_t size_of_file(void)
{
	struct stat facts;
	return stat(path, &facts) == 0 ? facts.st_size : -1;
}

static void test_a_restart_knows_what_was_whole(void **state)
{
	feed(RESET REGION SERVICE ZONE TENANT("acme") VERSION("a-1"));
	feed(TENANT("beta") "{\"control\":{\"region\":\"eu\"},\"share\":0}\n" VERSION("a-2") VERSION("a-2"));
	feed(TENANT("gamma"));
	restart();
	assert_string_equal(feed_copy_version(copy), "a-2");
	assert_string_equal(who("acme.app.example.net"), "acme");
	assert_string_equal(who("beta.app.example.net"), "beta");
	assert_string_equal(who("gamma.app.example.net"), "");
	size_t at = 0;
	assert_non_null(feed_copy_next_control(copy, &at));
	struct stat facts;
	assert_int_equal(stat(path, &facts), 0);
	assert_int_equal(facts.st_mode & 0777, 0600);
	/* and goes on behind it */
	feed(TENANT("gamma") VERSION("a-3"));
	restart();
	assert_string_equal(feed_copy_version(copy), "a-3");
	assert_string_equal(who("gamma.app.example.net"), "gamma");
}

static void test_nothing_to_read(void **state)
{
	restart();
	assert_string_equal(feed_copy_version(copy), "0");
	assert_int_equal(replaced, 0);
	assert_int_equal(size_of_file(), -1);
	feed(RESET REGION VERSION("a-1"));
	restart();
	assert_string_equal(feed_copy_version(copy), "a-1");
}

static void test_wherever_it_is_cut(void **state)
{
	feed(RESET REGION SERVICE ZONE TENANT("acme") VERSION("a-1"));
	off_t first = size_of_file();
	feed(TENANT("beta") VERSION("a-2"));
	off_t whole = size_of_file();
	char *octets = xmalloc((size_t)whole);
	FILE *file = fopen(path, "r");
	assert_int_equal(fread(octets, 1, (size_t)whole, file), whole);
	fclose(file);
	for (off_t size = 0; size <= whole; size++) {
		file = fopen(path, "w");
		fwrite(octets, 1, (size_t)size, file);
		fclose(file);
		restart();
		assert_string_equal(feed_copy_version(copy), size == whole   ? "a-2"
							     : size >= first ? "a-1"
									     : "0");
		/* what is appended then is read, too */
		if (size < first || size % 7)
			continue;
		feed(TENANT("gamma") VERSION("a-3"));
		restart();
		assert_string_equal(feed_copy_version(copy), "a-3");
		assert_string_equal(who("gamma.app.example.net"), "gamma");
	}
	free(octets);
}

static void test_a_reset_that_is_not_whole_changes_nothing(void **state)
{
	feed(RESET REGION SERVICE ZONE TENANT("acme") VERSION("a-1"));
	feed(RESET REGION TENANT("new"));
	assert_int_equal(access(new_path, F_OK), 0);
	feed_copy_abandon(copy);
	feed_snapshot_abandon(snapshot);
	assert_int_not_equal(access(new_path, F_OK), 0);
	feed(TENANT("beta") VERSION("a-2"));
	restart();
	assert_string_equal(feed_copy_version(copy), "a-2");
	assert_string_equal(who("acme.app.example.net"), "acme");
	feed(RESET REGION VERSION("b-1"));
	restart();
	assert_string_equal(feed_copy_version(copy), "b-1");
	assert_string_equal(who("acme.app.example.net"), "");
}

/* A tenant that changes ever and again, with what is said of it being long. */
static void change_often(unsigned times)
{
	static char line[40000];
	for (unsigned i = 0; i < times; i++) {
		size_t used = (size_t)snprintf(line, sizeof line,
					       "{\"put\":\"tenant\",\"id\":\"acme\",\"object\":{\"zone\":"
					       "\"app.example.net.\",\"service\":\"shop\",\"hosts\":[");
		for (unsigned host = 0; host < 1000; host++)
			used += (size_t)snprintf(line + used, sizeof line - used, "%s\"h%u-%u\"",
						 host ? "," : "", host, i);
		snprintf(line + used, sizeof line - used, "]}}\n{\"version\":\"a-%u\"}\n", i + 2);
		feed(line);
	}
}

static void test_the_file_does_not_grow_for_ever(void **state)
{
	feed(RESET REGION SERVICE ZONE);
	for (unsigned i = 0; i < 1200; i++) {
		char line[200];
		snprintf(line, sizeof line, TENANT("t%u"), i);
		feed(line);
	}
	feed(TENANT("acme") TENANT("beta") VERSION("a-1"));
	feed("{\"control\":{\"region\":\"eu\"},\"share\":0}\n" VERSION("a-1b"));
	assert_false(feed_snapshot_renew(snapshot, fleet, copy));
	change_often(900);
	off_t before = size_of_file();
	assert_true(before > 8 << 20);
	/* not while a change is under way */
	feed(HOSTS("acme", "x"));
	assert_false(feed_snapshot_renew(snapshot, fleet, copy));
	feed(VERSION("a-1000"));
	assert_true(feed_snapshot_renew(snapshot, fleet, copy));
	/* what changes meanwhile, before and behind where the list is: names move */
	feed(HOSTS("acme", "y") HOSTS("beta", "x") VERSION("a-1001"));
	feed(GONE("tenant", "t3") HOSTS("t4", "y2") HOSTS("acme", "z") HOSTS("beta", "y") VERSION("a-1002"));
	while (feed_snapshot_renew(snapshot, fleet, copy))
		;
	assert_true(size_of_file() < before / 10);
	feed(HOSTS("t5", "five") VERSION("a-1003"));
	restart();
	assert_string_equal(feed_copy_version(copy), "a-1003");
	assert_int_equal(feed_copy_set_aside(copy), 0);
	assert_string_equal(who("z.app.example.net"), "acme");
	assert_string_equal(who("y.app.example.net"), "beta");
	assert_string_equal(who("x.app.example.net"), "");
	assert_string_equal(who("t3.app.example.net"), "");
	assert_string_equal(who("y2.app.example.net"), "t4");
	assert_string_equal(who("five.app.example.net"), "t5");
	assert_string_equal(who("t1199.app.example.net"), "t1199");
	size_t at = 0;
	assert_non_null(feed_copy_next_control(copy, &at));
}

static void test_no_room_on_disk_harms_nothing(void **state)
{
	feed_snapshot_free(snapshot);
	snapshot = feed_snapshot_new("/dev/null/fleet");
	feed(RESET REGION SERVICE ZONE TENANT("acme") VERSION("a-1"));
	feed(TENANT("beta") VERSION("a-2"));
	assert_string_equal(who("beta.app.example.net"), "beta");
	assert_false(feed_snapshot_renew(snapshot, fleet, copy)); /* not at once again */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_restart_knows_what_was_whole),
		TEST(test_nothing_to_read),
		TEST(test_wherever_it_is_cut),
		TEST(test_a_reset_that_is_not_whole_changes_nothing),
		TEST(test_the_file_does_not_grow_for_ever),
		TEST(test_no_room_on_disk_harms_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
