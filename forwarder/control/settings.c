/* See the header. Control thread. */
#include "forwarder/control/settings.h"

void settings_of(const struct forwarder_config *config, uint16_t https_port, struct world_settings *ret)
{
	*ret = (struct world_settings){
		.head_bytes = config->head_bytes,
		.line_bytes = config->line_bytes,
		.fields_max = config->fields_max,
		.head_ms = config->head_ms,
		.body_ms = config->body_ms,
		.idle_ms = config->idle_ms,
		.write_ms = config->write_ms,
		.handshake_ms = config->handshake_ms,
		.tunnel_ms = config->tunnel_ms,
		.per_client = config->per_client,
		.trusted_count = config->trusted_count,
		.proxy_count = config->proxy_count,
		.trusted_proxies = config->trusted_proxies,
		.proxy_protocol = config->proxy_protocol,
		.coalesces_by_certificate = config->coalesces_by_certificate,
		.logs_access = config->access_log.is_on,
		.logs_errors_always = config->access_log.logs_errors,
		.logs_query = config->access_log.logs_query,
		.log_sample = config->access_log.sample_hundredths,
		.https_port = https_port,
	};
}
