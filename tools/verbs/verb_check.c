/*
 * check FILE: says what gslbd would say of node.yaml or of fleet documents, without a node; for a good
 * node.yaml it prints the order of regions for each service and continent. One thread.
 */
#include "fleet/fleet.h"
#include "gslb/compile/check_table.h"
#include "gslb/control/node_files.h"
#include "lib/file.h"
#include "lib/json_text.h"
#include "lib/mem.h"
#include "tools/ctl.h"
#include "tools/ctl_table.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_node_file(const struct doc *doc)
{
	static const char *const keys[] = {"node", "bus", "fleet", "geo", "dns", "admin", "probes"};
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		if (doc->root->kind == DOC_MAPPING && doc_get(doc->root, keys[i]))
			return true;
	return false;
}

/* ---- the effective table ---- */

static const char *text_of(const json_t *object, const char *key, const char *otherwise)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : otherwise;
}

static void print_clients(const json_t *clients)
{
	static const char *const heads[] = {"CONTINENT", "CLIENT", "COUNTRY", "AT", "FROM"};
	struct ctl_table table;
	if (json_array_size(clients) == 1) {
		puts("\nNo geo file and no location says where anybody is: all clients are without "
		     "location.");
		return;
	}
	ctl_table_init(&table, CTL_TABLE_CELLS(heads));
	for (size_t i = 0; i < json_array_size(clients); i++) {
		const json_t *client = json_array_get(clients, i), *at = json_object_get(client, "at");
		const char *from = text_of(client, "from", "no location");
		char *where = json_is_array(at)
				      ? xasprintf("%.2f, %.2f", json_number_value(json_array_get(at, 0)),
						  json_number_value(json_array_get(at, 1)))
				      : xstrdup("");
		const char *cells[] = {text_of(client, "continent", "(unknown)"),
				       text_of(client, "address", "(any)"), text_of(client, "country", ""),
				       where, strrchr(from, '/') ? strrchr(from, '/') + 1 : from};
		ctl_table_row(&table, CTL_TABLE_CELLS(cells));
		free(where);
	}
	puts("\nOne client stands for each continent: of the places that the geography knows there, the one\n"
	     "nearest to the middle of their addresses; \"centroid\" where it knows none: the middle of the\n"
	     "continent's countries. Others there may be answered differently: gslbctl explain tells.\n");
	ctl_table_print(&table, 0, stdout);
}

/* "eu > us = ap": us and ap share a tier. */
static char *order_words(const json_t *row)
{
	const json_t *tiers = json_object_get(row, "tiers");
	const char *step = text_of(row, "step", "");
	char *words = xstrdup(json_array_size(tiers) ? "" : "no address");
	for (size_t i = 0; i < json_array_size(tiers); i++) {
		const json_t *tier = json_array_get(tiers, i);
		for (size_t j = 0; j < json_array_size(tier); j++) {
			const char *between = j ? " = " : i ? " > " : "";
			char *longer = xasprintf("%s%s%s", words, between,
						 json_string_value(json_array_get(tier, j)));
			free(words);
			words = longer;
		}
	}
	if (strcmp(step, "tier") != 0 && strcmp(step, "none") != 0) {
		char *longer = xasprintf("%s (%s)", words, step);
		free(words);
		words = longer;
	}
	return words;
}

static void print_services(const json_t *services)
{
	static const char *const heads[] = {"SERVICE", "CONTINENT", "DOWN", "ORDER"};
	struct ctl_table table;
	ctl_table_init(&table, CTL_TABLE_CELLS(heads));
	for (size_t i = 0; i < json_array_size(services); i++) {
		const json_t *service = json_array_get(services, i), *rows = json_object_get(service, "rows");
		for (size_t j = 0; j < json_array_size(rows); j++) {
			const json_t *row = json_array_get(rows, j);
			char *order = order_words(row);
			const char *cells[] = {text_of(service, "service", ""),
					       text_of(row, "continent", "(unknown)"),
					       text_of(row, "down", ""), order};
			ctl_table_row(&table, CTL_TABLE_CELLS(cells));
			free(order);
		}
	}
	putchar('\n');
	ctl_table_print(&table, 0, stdout);
}

static void print_effective(const json_t *effective)
{
	for (size_t i = 0; i < json_array_size(effective); i++) {
		const json_t *one = json_array_get(effective, i),
			     *services = json_object_get(one, "services");
		if (json_array_size(services) == 0)
			continue;
		print_clients(json_object_get(one, "clients"));
		print_services(services);
	}
}

/* ---- the check ---- */

static void check_node(const char *path, json_t *effective, struct err_list *errors)
{
	struct node_files files;
	struct load_previous nothing = {0};
	node_files_read(path, LOAD_CHECK, &nothing, &files);
	assert(files.config || err_has_errors(&files.errors));
	if (files.config && !err_has_errors(&files.errors)) {
		json_t *one = check_table(files.parts.fleet, files.parts.places);
		json_object_set_new(one, "file", json_text(path));
		json_array_append_new(effective, one);
	}
	err_move(errors, &files.errors);
	node_files_done(&files);
}

/* gslbd reads regular files alone; a shell may give gslbctl a pipe. */
static struct doc *read_document(const char *path, struct err_list *errors)
{
	struct stat status;
	size_t length;
	const char *reason;
	if (stat(path, &status) != 0 || !S_ISFIFO(status.st_mode))
		return doc_from_file(path, errors);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text = fd >= 0 ? file_read(fd, DOC_BYTES_MAX, &length, &reason) : NULL;
	struct doc *doc = text ? doc_from_yaml(path, text, length, errors) : NULL;
	if (!text)
		err_add(errors, path, 0, 0, "cannot read: %s", fd >= 0 ? reason : strerror(errno));
	if (fd >= 0)
		close(fd);
	free(text);
	return doc;
}

static enum ctl_exit run_check(struct ctl *ctl)
{
	struct err_list errors = {0};
	struct fleet_change *change = fleet_change_new(FLEET_BASE);
	json_t *effective = json_array();
	for (size_t i = 0; i < ctl->arg_count; i++) {
		struct doc *doc = read_document(ctl->args[i], &errors);
		if (doc && is_node_file(doc))
			check_node(ctl->args[i], effective, &errors);
		else if (doc)
			fleet_change_add_document(change, doc, &errors);
		doc_free(doc);
	}
	/* Documents with errors are applied, too, so that one run also finds what is wrong between them. */
	struct fleet *fleet = fleet_new();
	struct fleet_result result = {0};
	bool is_applied = fleet_apply(fleet, change, 1, false, &result, &errors);
	fleet_result_done(&result);
	if (is_applied && !err_has_errors(&errors))
		fleet_warn(fleet, &errors);
	fleet_free(fleet);
	fleet_change_free(change);
	bool is_good = !err_has_errors(&errors);
	assert(ctl->arg_count > 0);
	err_sort(&errors);
	err_print(&errors, stderr);
	err_done(&errors);
	if (is_good && ctl->output == CTL_JSON) {
		json_t *reply = json_pack("{s:b, s:O}", "good", 1, "effective", effective);
		json_dumpf(reply, stdout, JSON_COMPACT | JSON_REAL_PRECISION(8));
		putchar('\n');
		json_decref(reply);
	} else if (is_good) {
		puts(ctl->arg_count == 1 ? "good" : "all good");
		print_effective(effective);
	}
	json_decref(effective);
	return is_good ? CTL_DONE : CTL_FAILED;
}

const struct ctl_verb verb_check = {
	.group = "Tenants and fleet",
	.words = "check",
	.args = "FILE…",
	.least = 1,
	.most = CTL_ARGS_MAX,
	.run = run_check,
	.help = "validate node.yaml or fleet documents here, without a node",
	.more = "A file with a key of node.yaml at its top (node, dns, …) is checked with all files that\n"
		"it names; fleet documents are checked together, as one fleet. For a good node.yaml it\n"
		"prints in which order each service's regions answer a client of each continent, with all\n"
		"up and with each one down.\n",
};
