/* Reads `notify` of node.yaml: a command that can be run, or a URL with an address. Control thread. */
#include "health/notify_settings.h"
#include "lib/file.h"
#include "lib/mem.h"
#include "lib/net.h"
#include <event2/http.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORDS_MAX 64 /* of a command */

struct draft {
	const char *file;
	struct notify_settings *settings;
};

static void read_exec(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	const struct draft *draft = target;
	struct notify_settings *settings = draft->settings;
	const char *word;

	if (!doc_read_is_sequence(reader, value, "a command, as [/usr/local/bin/hook, --fast]"))
		return;
	if (value->count < 1 || value->count > WORDS_MAX) {
		doc_err(reader->errors, reader->doc, value, "lists %u words; 1 to %d are needed",
			value->count, WORDS_MAX);
		return;
	}
	settings->exec = xcalloc(value->count + 1, sizeof *settings->exec);
	for (const struct doc_node *item = value->first; item; item = item->next) {
		if (!doc_read_text(reader, item, "a word of the command", &word))
			return;
		bool is_path = settings->exec_count == 0;
		char *owned = is_path ? file_beside(draft->file, word) : xstrdup(word);
		settings->exec[settings->exec_count++] = owned;
		if (is_path && access(owned, X_OK) != 0)
			doc_err(reader->errors, reader->doc, item, "cannot be run: %m");
	}
}

/* An address, not a name: looking one up would be one more thing that can hang. */
static bool take_url(struct notify_settings *settings, const struct evhttp_uri *uri)
{
	const char *scheme = evhttp_uri_get_scheme(uri), *host = evhttp_uri_get_host(uri);
	const char *path = evhttp_uri_get_path(uri), *query = evhttp_uri_get_query(uri);
	int port = evhttp_uri_get_port(uri);
	struct ip ip;
	char text[IP_TEXT_MAX];
	char *address = NULL;

	if (!scheme || strcasecmp(scheme, "http") != 0 || !host || port == 0 || evhttp_uri_get_userinfo(uri))
		return false;
	address = host[0] == '[' ? xstrndup(host + 1, strcspn(host + 1, "]")) : xstrdup(host);
	bool is_address = ip_parse(address, &ip);
	free(address);
	if (!is_address)
		return false;
	ip_format(&ip, text);
	settings->post_address = xstrdup(text);
	settings->post_port = port < 0 ? 80 : (uint16_t)port;
	settings->post_host = xasprintf(ip.family == 6 ? "[%s]:%u" : "%s:%u", text, settings->post_port);
	settings->post_target = xasprintf("%s%s%s", !path || path[0] == '\0' ? "/" : path, query ? "?" : "",
					  query ? query : "");
	return true;
}

static void read_post(const struct doc_reader *reader, const struct doc_node *value, void *target)
{
	struct notify_settings *settings = ((struct draft *)target)->settings;
	const char *text;

	if (!doc_read_text(reader, value, "a URL", &text))
		return;
	struct evhttp_uri *uri = evhttp_uri_parse(text);
	if (!uri || !take_url(settings, uri))
		doc_err(reader->errors, reader->doc, value,
			"must be a plain URL with an address, as http://127.0.0.1:9000/hook");
	else
		settings->post = xstrdup(text);
	if (uri)
		evhttp_uri_free(uri);
}

static const struct doc_key notify_keys[] = {{"exec", read_exec}, {"post", read_post}, {NULL}};

void notify_settings_read(const struct doc_reader *reader, const struct doc_node *value, const char *file,
			  struct notify_settings *settings)
{
	struct draft draft = {file, settings};

	if (!doc_read_mapping(reader, value, notify_keys, &draft))
		return;
	bool has_exec = doc_get(value, "exec"), has_post = doc_get(value, "post");
	if (has_exec == has_post)
		doc_err(reader->errors, reader->doc, value, "needs one of 'exec' and 'post'");
}

void notify_settings_done(struct notify_settings *settings)
{
	for (size_t i = 0; i < settings->exec_count; i++)
		free(settings->exec[i]);
	free(settings->exec);
	free(settings->post);
	free(settings->post_address);
	free(settings->post_host);
	free(settings->post_target);
	*settings = (struct notify_settings){0};
}
