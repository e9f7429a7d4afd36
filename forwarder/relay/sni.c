/* Answers a ClientHello from the world of this turn. A worker's thread. */
#include "forwarder/relay/sni.h"
#include "forwarder/plan/world.h"
#include "forwarder/relay/worker.h"
#include "forwarder/traffic/limit.h"

enum tls_verdict sni_hello(void *user, void *connection, struct tls_hello *hello)
{
	struct worker *worker = user;
	const struct world *world = publish_get(worker->relay->world);
	struct hosts_entry entry;

	hello->certificates = world->certificates;
	hello->secrets = world->tickets;
	if (hello->length == 0 || !hosts_find(world->hosts, hello->name, hello->length, &entry))
		return TLS_HELLO_GOES_ON; /* without a certificate for the name it goes no further */
	hello->tenant_hash = hosts_tenant_hash(&entry);
	if (hello->is_again)
		return TLS_HELLO_GOES_ON;
	tenant_notice_touch(&worker->notices, worker->stats, entry.state, hello->tenant_hash, entry.tenant,
			    entry.tenant_length);
	counter_add(&worker->stats->tenants[entry.state].handshakes, 1);
	return limit_connection(&world->states[entry.state], world->policies[entry.policy], worker->now_ns)
		       ? TLS_HELLO_GOES_ON
		       : TLS_HELLO_LIMITED;
}
