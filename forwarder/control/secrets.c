/* See secrets.h. Control thread. */
#include "forwarder/control/secrets.h"
#include "forwarder/certificates/tickets.h"
#include "lib/log.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct published {
	const struct certnames *names;	/* a reference */
	struct ticket_secrets *tickets; /* a copy */
};

struct secrets {
	struct event_base *base;
	void (*changed)(void *user);
	void *user;
	struct certs *certs; /* NULL: no directory */
	struct ticket_secrets *tickets;
	bool is_random; /* no file was ever given: the same as long as the process lives */
	struct published now, before;
};

static void log_problems(const struct err_list *errors)
{
	for (size_t i = 0; i < errors->count; i++) {
		char *line = err_line(errors, i);
		if (errors->items[i].is_warning)
			log_warning("certificates: %s", line);
		else
			log_error("certificates: %s", line);
		free(line);
	}
}

static void on_loaded(void *user, const struct err_list *errors)
{
	struct secrets *secrets = user;

	log_problems(errors);
	log_info("%zu certificates are known, of %zu something is wrong", certs_count(secrets->certs),
		 certs_count_of(secrets->certs, CERTS_FAILED) +
			 certs_count_of(secrets->certs, CERTS_EXPIRED));
	secrets->changed(secrets->user);
}

static void configure_certs(struct secrets *secrets, const struct forwarder_config *config)
{
	const struct certs_hooks hooks = {on_loaded, secrets};

	if (!config->certificates) {
		certs_free(secrets->certs);
		secrets->certs = NULL;
	} else if (secrets->certs) {
		certs_configure(secrets->certs, config->certificates, config->default_certificate);
	} else {
		secrets->certs =
			certs_new(secrets->base, config->certificates, config->default_certificate, &hooks);
	}
}

/* A file that is wrong leaves the secrets that were; at the start, random ones. */
static void configure_tickets(struct secrets *secrets, const struct forwarder_config *config)
{
	struct err_list errors = {0};
	struct ticket_secrets *read = NULL;

	if (config->tickets || !secrets->is_random)
		read = tickets_read(config->tickets, &errors);
	log_problems(&errors);
	bool is_wrong = config->tickets && !read;
	if (is_wrong && !secrets->tickets) {
		err_done(&errors);
		read = tickets_read(NULL, &errors);
		log_warning("certificates: sessions are resumed by this process alone until the file of "
			    "secrets is good");
	}
	err_done(&errors);
	if (!read)
		return;
	secrets->is_random = !config->tickets;
	tickets_free(secrets->tickets);
	secrets->tickets = read;
}

struct secrets *secrets_new(struct event_base *base, const struct forwarder_config *config,
			    void (*changed)(void *user), void *user)
{
	struct secrets *secrets = xcalloc(1, sizeof *secrets);

	assert(changed);
	*secrets = (struct secrets){.base = base, .changed = changed, .user = user};
	configure_tickets(secrets, config);
	configure_certs(secrets, config);
	return secrets;
}

static void let_go(struct published *published)
{
	certnames_unref(published->names);
	tickets_free(published->tickets);
	*published = (struct published){0};
}

void secrets_free(struct secrets *secrets)
{
	if (!secrets)
		return;
	let_go(&secrets->before);
	let_go(&secrets->now);
	certs_free(secrets->certs);
	tickets_free(secrets->tickets);
	free(secrets);
}

void secrets_configure(struct secrets *secrets, const struct forwarder_config *config)
{
	configure_tickets(secrets, config);
	configure_certs(secrets, config);
}

bool secrets_are_ready(const struct secrets *secrets)
{
	return !secrets->certs || certs_is_ready(secrets->certs);
}

void secrets_fill(struct secrets *secrets, struct world *world)
{
	assert(!secrets->before.names && !secrets->before.tickets);
	secrets->before = secrets->now;
	secrets->now = (struct published){
		.names = secrets->certs ? certs_names(secrets->certs) : NULL,
		.tickets = secrets->tickets ? xmemdup(secrets->tickets, sizeof *secrets->tickets) : NULL,
	};
	world->certificates = secrets->now.names;
	world->tickets = secrets->now.tickets;
}

void secrets_settle(struct secrets *secrets)
{
	let_go(&secrets->before);
}

const struct certs *secrets_certs(const struct secrets *secrets)
{
	return secrets->certs;
}
