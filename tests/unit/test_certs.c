/* A directory of certificates, as it is filled, changed and broken: what is served, and how soon. */
#include "forwarder/certificates/certs.h"
#include "lib/clock.h"
#include "tests/support/certificate.h"
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct event_base *base;
static char directory[] = "/tmp/gslb-certs-XXXXXX";
static struct certs *certs;
static unsigned loads;
static char problems[4096]; /* of the last load, a line each, without the directory */

static void on_loaded(void *user, const struct err_list *errors)
{
	loads++;
	problems[0] = '\0';
	for (size_t i = 0; i < errors->count; i++) {
		const char *path = errors->items[i].file + strlen(directory);
		size_t length = strlen(problems);
		snprintf(problems + length, sizeof problems - length, "%s%s%s: %s\n", path, *path ? "" : "/",
			 errors->items[i].is_warning ? ": warning" : "", errors->items[i].message);
	}
	event_base_loopbreak(base);
}

static const struct certs_hooks hooks = {on_loaded, NULL};

static void write_file(const char *name, const char *text, mode_t mode)
{
	char *path = NULL;
	assert_true(asprintf(&path, "%s/%s", directory, name) > 0);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	free(path);
}

static void write_pair(const char *certificate_name, const char *key_name,
		       const struct certificate *certificate)
{
	char *pem = certificate_pem(certificate), *key = certificate_key_pem(certificate);
	write_file(certificate_name, pem, 0644);
	write_file(key_name, key, 0600);
	free(pem);
	free(key);
}

/* Waits for the next load; the time it took. */
static uint64_t wait_for_load(void)
{
	unsigned before = loads;
	uint64_t start = clock_mono_ms();
	struct event *bound = evtimer_new(base, (event_callback_fn)(void (*)(void))abort, NULL);
	event_add(bound, &(struct timeval){.tv_sec = 20});
	while (loads == before)
		event_base_dispatch(base);
	event_free(bound);
	return clock_mono_ms() - start;
}

static const struct certnames_entry *served(const char *name)
{
	const struct certnames *names = certs_names(certs);
	struct certnames_found found = {0};
	if (*name)
		certnames_find(names, name, strlen(name), &found);
	else
		certnames_default(names, &found);
	certnames_unref(names);
	return found.ecdsa ? found.ecdsa : found.rsa;
}

static bool serves(const char *name, const struct certificate *certificate)
{
	const struct certnames_entry *entry = served(name);
	uint8_t *der = NULL;
	int length = i2d_X509(certificate->x509, &der);
	bool is_it = entry && entry->leaf_length == (uint32_t)length &&
		     memcmp(entry->leaf, der, (size_t)length) == 0;
	OPENSSL_free(der);
	return is_it;
}

static int set_up(void **state)
{
	base = event_base_new();
	strcpy(directory + strlen(directory) - 6, "XXXXXX");
	loads = 0;
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
	return remove(path);
}

static int tear_down(void **state)
{
	certs_free(certs);
	certs = NULL;
	nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	event_base_free(base);
	return 0;
}

static void start(const char *default_name)
{
	certs = certs_new(base, directory, default_name, &hooks);
	assert_false(certs_is_ready(certs));
	wait_for_load();
	assert_true(certs_is_ready(certs));
}

static void make_folder(const char *name)
{
	char *path = NULL;
	assert_true(asprintf(&path, "%s/%s", directory, name) > 0);
	assert_int_equal(mkdir(path, 0755), 0);
	free(path);
}

static void test_all_forms(void **state)
{
	struct certificate a = certificate_make("P-256", "a.example", NULL, false, 90);
	struct certificate b = certificate_make("RSA-2048", "b.example,*.b.example", NULL, false, 90);
	struct certificate c = certificate_make("P-256", "c.example", NULL, false, 90);
	write_pair("one.crt", "one.key", &a);
	char *pem = certificate_pem(&b), *key = certificate_key_pem(&b), *both = NULL;
	assert_true(asprintf(&both, "%s%s", pem, key) > 0);
	write_file("two.pem", both, 0600);
	/* as certbot: links to what is elsewhere */
	make_folder("three");
	make_folder(".archive");
	write_pair(".archive/fullchain1.pem", ".archive/privkey1.pem", &c);
	char *link = NULL;
	assert_true(asprintf(&link, "%s/three/fullchain.pem", directory) > 0);
	assert_int_equal(symlink("../.archive/fullchain1.pem", link), 0);
	free(link);
	assert_true(asprintf(&link, "%s/three/privkey.pem", directory) > 0);
	assert_int_equal(symlink("../.archive/privkey1.pem", link), 0);
	free(link);
	write_file("README", "words", 0644);
	make_folder("empty");
	start("two");
	assert_string_equal(problems, "");
	assert_true(serves("a.example", &a));
	assert_true(serves("b.example", &b));
	assert_true(serves("x.b.example", &b));
	assert_true(serves("c.example", &c));
	assert_true(serves("", &b));
	assert_null(served("one"));
	assert_int_equal(certs_count(certs), 3);
	struct certs_row row;
	certs_row(certs, 2, &row);
	assert_string_equal(row.name, "two");
	assert_string_equal(row.file, "two.pem");
	assert_string_equal(row.kind, "rsa");
	assert_int_equal(row.state, CERTS_VALID);
	assert_int_equal(row.name_count, 2);
	assert_int_equal(certs_count_of(certs, CERTS_VALID), 3);
	free(pem);
	free(key);
	free(both);
	certificate_free(&a);
	certificate_free(&b);
	certificate_free(&c);
}

static void test_a_swapped_pair_is_served_within_a_second(void **state)
{
	struct certificate a = certificate_make("P-256", "a.example", NULL, false, 90);
	struct certificate other = certificate_make("P-256", "other.example", NULL, false, 90);
	struct certificate renewed = certificate_make("P-256", "a.example,new.example", NULL, false, 91);
	write_pair("a.crt", "a.key", &a);
	write_pair("other.crt", "other.key", &other);
	start(NULL);
	const struct certnames_entry *kept = served("other.example");
	uint64_t begin = clock_mono_ms();
	write_pair("a.crt", "a.key", &renewed);
	wait_for_load();
	assert_in_range(clock_mono_ms() - begin, 0, 1000);
	assert_true(serves("a.example", &renewed));
	assert_true(serves("new.example", &renewed));
	assert_ptr_equal(served("other.example"), kept); /* it was not read again */
	/* one that is new, and one that goes */
	write_pair("late.crt", "late.key", &a);
	wait_for_load();
	assert_true(serves("a.example", &renewed)); /* it is valid longer */
	char *path = NULL;
	assert_true(asprintf(&path, "%s/other.crt", directory) > 0);
	unlink(path);
	wait_for_load();
	assert_null(served("other.example"));
	free(path);
	certificate_free(&a);
	certificate_free(&other);
	certificate_free(&renewed);
}

static void test_a_link_that_is_moved(void **state)
{
	struct certificate old = certificate_make("P-256", "a.example", NULL, false, 90);
	struct certificate renewed = certificate_make("P-256", "a.example", NULL, false, 91);
	make_folder("site");
	write_pair("site/fullchain.pem", "site/privkey.pem", &old);
	start(NULL);
	assert_true(serves("a.example", &old));
	make_folder(".next");
	write_pair(".next/fullchain.pem", ".next/privkey.pem", &renewed);
	for (int i = 0; i < 2; i++) {
		char *from = NULL, *to = NULL;
		assert_true(asprintf(&from, "%s/.next/%s", directory, i ? "privkey.pem" : "fullchain.pem") >
			    0);
		assert_true(asprintf(&to, "%s/site/%s", directory, i ? "privkey.pem" : "fullchain.pem") > 0);
		assert_int_equal(rename(from, to), 0);
		free(from);
		free(to);
	}
	wait_for_load();
	assert_true(serves("a.example", &renewed));
	certificate_free(&old);
	certificate_free(&renewed);
}

static void test_what_is_wrong_keeps_the_one_before(void **state)
{
	struct certificate good = certificate_make("P-256", "a.example", NULL, false, 90);
	struct certificate other = certificate_make("P-256", "a.example", NULL, false, 91);
	struct certificate expired = certificate_make("P-256", "a.example", NULL, false, -1);
	write_pair("a.crt", "a.key", &good);
	start(NULL);
	char *pem = certificate_pem(&other), *key = certificate_key_pem(&other);
	write_file("a.crt", pem, 0644); /* its key is not there yet */
	wait_for_load();
	assert_string_equal(problems,
			    "/a.crt: the key is not the certificate's; the one before it is served\n");
	assert_true(serves("a.example", &good));
	assert_int_equal(certs_count_of(certs, CERTS_FAILED), 1);
	write_pair("a.crt", "a.key", &expired);
	wait_for_load();
	assert_string_equal(problems, "/a.crt: the certificate has expired; the one before it is served\n");
	assert_true(serves("a.example", &good));
	write_file("a.crt", "", 0644);
	wait_for_load();
	assert_string_equal(problems, "/a.crt: there is no certificate; the one before it is served\n");
	assert_true(serves("a.example", &good));
	char *path = NULL;
	assert_true(asprintf(&path, "%s/a.key", directory) > 0);
	unlink(path);
	wait_for_load();
	assert_string_equal(problems,
			    "/a.crt: a.key: No such file or directory; the one before it is served\n");
	assert_true(serves("a.example", &good));
	write_pair("a.crt", "a.key", &other);
	wait_for_load();
	assert_string_equal(problems, "");
	assert_true(serves("a.example", &other));
	free(path);
	free(pem);
	free(key);
	certificate_free(&good);
	certificate_free(&other);
	certificate_free(&expired);
}

static void test_what_is_wrong_at_the_start(void **state)
{
	struct certificate soon = certificate_make("P-256", "soon.example", NULL, false, 5);
	struct certificate expired = certificate_make("P-256", "old.example", NULL, false, -1);
	write_pair("soon.crt", "soon.key", &soon);
	write_pair("old.crt", "old.key", &expired);
	write_file("broken.pem", "words", 0600);
	char *path = NULL;
	assert_true(asprintf(&path, "%s/soon.key", directory) > 0);
	chmod(path, 0644);
	free(path);
	start("nobody");
	assert_string_equal(problems, "/broken.pem: there is no certificate\n"
				      "/old.crt: the certificate has expired\n"
				      "/soon.crt: warning: the key can be read by everybody\n"
				      "/: default_certificate: there is no 'nobody'\n");
	assert_true(serves("old.example", &expired)); /* clients say best what is wrong with it */
	assert_int_equal(certs_count_of(certs, CERTS_EXPIRED), 1);
	assert_int_equal(certs_count_of(certs, CERTS_EXPIRING), 1);
	assert_int_equal(certs_count_of(certs, CERTS_FAILED), 1);
	assert_int_equal(certs_first_expiry_s(certs), served("old.example")->not_after_s);
	certificate_free(&soon);
	certificate_free(&expired);
}

static void test_a_directory_that_goes_keeps_all(void **state)
{
	struct certificate a = certificate_make("P-256", "a.example", NULL, false, 90);
	write_pair("a.crt", "a.key", &a);
	start(NULL);
	char away[] = "/tmp/gslb-certs-away-XXXXXX";
	assert_non_null(mkdtemp(away));
	assert_int_equal(rename(directory, away), 0);
	wait_for_load();
	assert_string_equal(problems, "/: No such file or directory\n");
	assert_true(serves("a.example", &a));
	assert_int_equal(rename(away, directory), 0);
	certs_reload(certs);
	wait_for_load();
	assert_string_equal(problems, "");
	assert_true(serves("a.example", &a));
	certificate_free(&a);
}

static void test_another_directory(void **state)
{
	struct certificate a = certificate_make("P-256", "a.example", NULL, false, 90);
	struct certificate b = certificate_make("P-256", "b.example", NULL, false, 90);
	make_folder("a");
	make_folder("b");
	write_pair("a/x.crt", "a/x.key", &a);
	write_pair("b/y.crt", "b/y.key", &b);
	char *from = NULL, *to = NULL;
	assert_true(asprintf(&from, "%s/a", directory) > 0 && asprintf(&to, "%s/b", directory) > 0);
	certs = certs_new(base, from, NULL, &hooks);
	wait_for_load();
	assert_true(serves("a.example", &a));
	certs_configure(certs, to, "y");
	wait_for_load();
	assert_null(served("a.example"));
	assert_true(serves("b.example", &b));
	assert_true(serves("", &b));
	/* the default alone */
	certs_configure(certs, to, NULL);
	wait_for_load();
	assert_null(served(""));
	free(from);
	free(to);
	certificate_free(&a);
	certificate_free(&b);
}

static void test_a_table_outlives_a_reload(void **state)
{
	struct certificate a = certificate_make("P-256", "a.example", NULL, false, 90);
	struct certificate renewed = certificate_make("P-256", "a.example", NULL, false, 91);
	write_pair("a.crt", "a.key", &a);
	start(NULL);
	const struct certnames *world = certs_names(certs);
	write_pair("a.crt", "a.key", &renewed);
	wait_for_load();
	struct certnames_found found;
	assert_true(certnames_find(world, "a.example", 9, &found));
	assert_ptr_not_equal(found.ecdsa, served("a.example"));
	assert_true(found.ecdsa->leaf_length > 100 && found.ecdsa->leaf[0] == 0x30);
	certnames_unref(world);
	certificate_free(&a);
	certificate_free(&renewed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_all_forms),
		TEST(test_a_swapped_pair_is_served_within_a_second),
		TEST(test_a_link_that_is_moved),
		TEST(test_what_is_wrong_keeps_the_one_before),
		TEST(test_what_is_wrong_at_the_start),
		TEST(test_a_directory_that_goes_keeps_all),
		TEST(test_another_directory),
		TEST(test_a_table_outlives_a_reload),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
