/* Look-up of hosts. Pure; the data path. hosts_edit.c builds what is read here. */
#include "forwarder/plan/hosts_layout.h"

static bool found(const struct node *node, struct hosts_entry *ret)
{
	*ret = (struct hosts_entry){node->policy, node->state, node->text + node->tenant_at,
				    node->tenant_length};
	return true;
}

/* The closest wildcard above a name that is no host; no host may stand between. */
static bool find_wildcard(const struct hosts *hosts, const char *name, size_t length, struct hosts_entry *ret)
{
	char text[HOSTS_NAME_MAX];
	unsigned labels = host_labels(name, length);

	memcpy(text, name, length);
	for (size_t at = 1; at + 1 < length; at++) {
		if (text[at] != '.')
			continue;
		const char *suffix = text + at + 1;
		size_t rest = length - at - 1;
		labels--; /* of the suffix */
		if (labels > hosts->labels_max)
			continue; /* no host is as deep, be the name of 127 labels */
		if (labels <= HOSTS_LABELS_MAX && hosts->wildcards[labels]) {
			text[at - 1] = '*';
			const struct node *node =
				hosts_get(hosts, suffix - 2, rest + 2, host_hash(suffix - 2, rest + 2));
			if (node)
				return found(node, ret);
		}
		if (hosts_get(hosts, suffix, rest, host_hash(suffix, rest)))
			return false;
	}
	return false;
}

bool hosts_find(const struct hosts *hosts, const char *name, size_t length, struct hosts_entry *ret)
{
	if (length == 0 || length > HOSTS_NAME_MAX)
		return false;
	const struct node *node = hosts_get(hosts, name, length, host_hash(name, length));
	if (node)
		return found(node, ret);
	return hosts->wildcard_count && find_wildcard(hosts, name, length, ret);
}
