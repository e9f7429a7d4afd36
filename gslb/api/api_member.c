/* Members of JSON bodies that know the fleet and controls. Control thread. */
#include "gslb/api/api_internal.h"
#include "lib/text.h"
#include <assert.h>
#include <string.h>

const char *api_member_object(const struct fleet *fleet, enum fleet_kind kind, const struct doc *doc,
			      const struct doc_node *node, const char *key, struct err_list *errors)
{
	assert((unsigned)kind < FLEET_KINDS);
	const char *id = http_body_text(doc, node, key, NAME_TEXT_MAX, errors);
	if (!id || fleet_get(fleet, kind, id))
		return id;
	char known[TEXT_KNOWN_MAX];
	const char *nearest = fleet_known(fleet, kind, id, known);
	struct err *err = doc_err(errors, doc, doc_get(node, key), "unknown %s '%s'%s", fleet_kind_name[kind],
				  id, known);
	err_set_nearest(err, nearest);
	return NULL;
}

bool api_member_share(const struct doc *doc, const struct doc_node *node, bool is_vip, int *ret,
		      struct err_list *errors)
{
	uint64_t share;
	bool is_number = node->kind == DOC_SCALAR && !node->is_quoted && text_to_uint(node->text, &share) &&
			 share <= 100;
	if (is_number && (!is_vip || share == 0 || share == 100)) {
		*ret = (int)share;
		return true;
	}
	if (!is_vip && node->kind == DOC_SCALAR && node->is_quoted && strcmp(node->text, "down") == 0) {
		*ret = SHARE_DOWN;
		return true;
	}
	doc_err(errors, doc, node, is_vip ? "the share of a VIP is 0 or 100" : "share is 0..100 or \"down\"");
	return false;
}

void api_member_control(const struct doc *doc, const struct doc_node *node, bool is_vip,
			struct control_request *ret, struct err_list *errors)
{
	const struct doc_node *share = doc_get(node, "share");
	if (share)
		api_member_share(doc, share, is_vip, &ret->share, errors);
	else
		doc_err(errors, doc, node, "'share' is required");
	const char *duration = http_body_text(doc, node, "for", 32, errors);
	if (duration && (!text_to_duration_ms(duration, &ret->for_ms) || ret->for_ms == 0))
		doc_err(errors, doc, doc_get(node, "for"),
			"'for' is a duration from 1ms to 365d, as 90s, 10m or 2h");
	ret->reason = http_body_text(doc, node, "reason", API_REASON_MAX, errors);
}
