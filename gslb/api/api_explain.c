/*
 * POST /v1/explain: reads the question and the what-ifs; the answer is explain()'s. Control thread.
 */
#include "gslb/api/api_internal.h"

#include "gslb/api/explain.h"
#include "lib/idn.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const char *const words[] = {"name", "type", "client", "via", "what_if", NULL};
static const char *const nothing_later[] = {NULL};
static const char *const what_if_words[] = {"region", "vip", "state", "share", NULL};

struct question_reader {
	const struct fleet *fleet;
	const struct doc *doc;
	struct err_list *errors;
	struct explain_request question;
	struct what_if *what_if;
	char (*address)[IP_TEXT_MAX]; /* of each what_if */
};

static void read_name(struct question_reader *reader)
{
	const struct doc_node *root = reader->doc->root;
	const char *text = http_body_required(reader->doc, root, "name", NAME_TEXT_MAX, reader->errors);
	if (!text)
		return;
	const char *fault = *text ? name_from_text(text, NULL, &reader->question.name) : "it is empty";
	struct idn_hint hint = {.meant = ""};
	if (!fault)
		return;
	struct err *err = doc_err(reader->errors, reader->doc, doc_get(root, "name"), "no domain name: %s",
				  idn_hint(text, &hint) ? hint.reason : fault);
	if (*hint.meant)
		err_set_nearest(err, hint.meant);
}

static void read_type(struct question_reader *reader)
{
	const struct doc_node *root = reader->doc->root;
	const char *text = http_body_text(reader->doc, root, "type", 32, reader->errors);
	reader->question.type = RR_A;
	if (text && !rrtype_from_text(text, &reader->question.type))
		doc_err(reader->errors, reader->doc, doc_get(root, "type"), "unknown record type '%s'", text);
}

static void read_client(struct question_reader *reader)
{
	const struct doc_node *root = reader->doc->root;
	const char *client = http_body_text(reader->doc, root, "client", PREFIX_TEXT_MAX, reader->errors);
	const char *via = http_body_text(reader->doc, root, "via", IP_TEXT_MAX, reader->errors);
	reader->question.has_client = client && prefix_parse(client, &reader->question.client);
	if (client && !reader->question.has_client)
		doc_err(reader->errors, reader->doc, doc_get(root, "client"),
			"'%s' is no address and no prefix without host bits", client);
	reader->question.has_via = via && ip_parse(via, &reader->question.via);
	if (via && !reader->question.has_via)
		doc_err(reader->errors, reader->doc, doc_get(root, "via"), "'%s' is no address", via);
}

static bool is_vip(const struct fleet *fleet, const struct ip *ip)
{
	const struct fleet_object *object;
	for (size_t at = 0; (object = fleet_next(fleet, FLEET_SERVICE, &at));) {
		const struct fleet_service *service = (const struct fleet_service *)object;
		for (size_t r = 0; r < service->vip_region_count; r++)
			for (size_t v = 0; v < service->vips[r].count; v++)
				if (ip_equal(&service->vips[r].vips[v].ip, ip))
					return true;
	}
	return false;
}

static void read_what_if_object(struct question_reader *reader, const struct doc_node *node,
				char address[static IP_TEXT_MAX], struct what_if *ret)
{
	struct ip ip;
	if ((doc_get(node, "region") != NULL) == (doc_get(node, "vip") != NULL)) {
		doc_err(reader->errors, reader->doc, node, "give one of 'region' and 'vip'");
		return;
	}
	if (doc_get(node, "region")) {
		if (http_body_required(reader->doc, node, "region", NAME_TEXT_MAX, reader->errors))
			ret->region = api_member_object(reader->fleet, FLEET_REGION, reader->doc, node,
							"region", reader->errors);
		return;
	}
	const char *vip = http_body_required(reader->doc, node, "vip", IP_TEXT_MAX, reader->errors);
	if (!vip)
		return;
	if (!ip_parse(vip, &ip) || !is_vip(reader->fleet, &ip)) {
		doc_err(reader->errors, reader->doc, doc_get(node, "vip"), "'%s' is no VIP of the fleet",
			vip);
		return;
	}
	ip_format(&ip, address);
	ret->address = address;
}

static void read_what_if(struct question_reader *reader, const struct doc_node *node,
			 char address[static IP_TEXT_MAX], struct what_if *ret)
{
	if (node->kind != DOC_MAPPING) {
		doc_err(reader->errors, reader->doc, node, "a what-if is an object with region or vip");
		return;
	}
	doc_check_keys(reader->errors, reader->doc, node, what_if_words, nothing_later);
	read_what_if_object(reader, node, address, ret);
	const struct doc_node *share = doc_get(node, "share");
	const char *state = http_body_text(reader->doc, node, "state", 16, reader->errors);
	if ((share != NULL) == (doc_get(node, "state") != NULL)) {
		doc_err(reader->errors, reader->doc, node, "give one of 'state' and 'share'");
	} else if (share) {
		ret->kind = WHAT_IF_SHARE;
		api_member_share(reader->doc, share, doc_get(node, "vip") != NULL, &ret->share,
				 reader->errors);
	} else {
		ret->kind = WHAT_IF_STATE;
		ret->is_up = state && strcmp(state, "up") == 0;
		if (!state || (!ret->is_up && strcmp(state, "down") != 0))
			doc_err(reader->errors, reader->doc, doc_get(node, "state"), "state is up or down");
	}
}

static void read_what_ifs(struct question_reader *reader)
{
	const struct doc_node *list = doc_get(reader->doc->root, "what_if");
	if (!list)
		return;
	if (list->kind != DOC_SEQUENCE || list->count > API_WHAT_IF_MAX) {
		doc_err(reader->errors, reader->doc, list, "'what_if' is a list of at most %d",
			API_WHAT_IF_MAX);
		return;
	}
	size_t count = 0;
	reader->what_if = xcalloc(list->count + 1, sizeof *reader->what_if);
	reader->address = xcalloc(list->count + 1, sizeof *reader->address);
	for (const struct doc_node *node = list->first; node; node = node->next, count++)
		read_what_if(reader, node, reader->address[count], &reader->what_if[count]);
	assert(count == list->count);
	reader->question.what_if = reader->what_if;
	reader->question.what_if_count = count;
}

void api_post_explain(struct http_request *request, struct http_reply *reply)
{
	struct doc *doc = http_body_read(request, reply);
	if (!doc)
		return;
	struct err_list errors = {0};
	struct question_reader reader = {
		.fleet = server_fleet(api_server(request)), .doc = doc, .errors = &errors};
	doc_check_keys(&errors, doc, doc->root, words, nothing_later);
	read_name(&reader);
	read_type(&reader);
	read_client(&reader);
	read_what_ifs(&reader);
	if (err_has_errors(&errors))
		api_reply_outcome(request, reply, CHANGE_INVALID, &errors);
	else
		http_reply_json(reply, 200, explain(api_server(request), &reader.question));
	free(reader.what_if);
	free(reader.address);
	err_done(&errors);
	doc_free(doc);
}
