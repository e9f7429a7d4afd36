/* The decision about one response. The worker's thread, on the UDP path. */
#include "gslb/serve/rrl_table.h"
#include "lib/gcra.h"
#include "lib/hash.h"
#include "lib/inline.h"

static OUT_OF_LINE bool is_exempt(const struct serve_settings *settings, const struct ip *peer)
{
	for (unsigned i = 0; i < settings->rrl_exempt_count; i++)
		if (prefix_contains(&settings->rrl_exempt[i], peer))
			return true;
	return false;
}

static uint64_t prefix_hash(const struct ip *peer)
{
	if (peer->family == 4)
		return hash_mix(4, hash_load_tail(peer->bytes, 3));
	return hash_mix(6, hash_load_tail(peer->bytes, 7));
}

/* The bucket of the prefix, or the one of its line that is longest done with its debts. */
static struct rrl_bucket *find_bucket(struct rrl *rrl, uint64_t hash)
{
	uint32_t tag = (uint32_t)(hash >> 32) | 1;
	struct rrl_bucket *line = &rrl->buckets[hash % (RRL_BUCKETS / RRL_WAYS) * RRL_WAYS], *oldest = line;
	for (unsigned i = 0; i < RRL_WAYS; i++) {
		if (line[i].tag == tag)
			return &line[i];
		if (line[i].due_ns < oldest->due_ns)
			oldest = &line[i];
	}
	*oldest = (struct rrl_bucket){.tag = tag};
	return oldest;
}

enum rrl_action rrl_check(struct rrl *rrl, const struct serve_settings *settings, const struct ip *peer,
			  uint64_t now_ns)
{
	if (!settings->rrl_is_on || (settings->rrl_exempt_count != 0 && is_exempt(settings, peer)))
		return RRL_PASS;
	struct rrl_bucket *bucket = find_bucket(rrl, prefix_hash(peer));
	if (gcra_take(&bucket->due_ns, settings->rrl_interval_ns, now_ns))
		return RRL_PASS;
	bool slips = settings->rrl_slip > 0 && ++bucket->slips % settings->rrl_slip == 0;
	return slips ? RRL_SLIP : RRL_DROP;
}
