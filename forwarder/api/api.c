/* The life of the API. Control thread. */
#include "forwarder/api/api.h"
#include "forwarder/api/api_internal.h"
#include "lib/mem.h"
#include <assert.h>
#include <stdlib.h>

static const char *why_unavailable(const void *user)
{
	const struct api *api = user;

	return server_world(api->server) ? NULL : "the fleet is not known yet";
}

static struct http_addresses addresses_of(const struct node_config *config)
{
	return (struct http_addresses){
		.socket = config->admin_socket,
		.plain_written = config->has_admin_http ? config->admin_http_written : NULL,
		.plain = config->admin_http,
	};
}

struct api *api_new(struct server *server, const struct seeing *seeing, struct err_list *errors)
{
	struct api *api = xcalloc(1, sizeof *api);
	struct http_addresses addresses = addresses_of(&server_config(server)->node);

	api->server = server;
	api->seeing = seeing;
	api->service = (struct http_service){
		.program = "forwarderd",
		.routes = api_routes,
		.route_count = api_route_count,
		.user = api,
		.unavailable = why_unavailable,
		.large_advice = "no call of forwarderd needs as much",
	};
	api->http = http_server_new(server_base(server), &api->service, &addresses, errors);
	if (api->http)
		return api;
	api_free(api);
	return NULL;
}

void api_free(struct api *api)
{
	if (!api)
		return;
	http_server_free(api->http);
	api_usage_free(api);
	free(api);
}

bool api_rebind(struct api *api, const struct node_config *config, struct err_list *errors)
{
	struct http_addresses addresses = addresses_of(config);

	assert(api->http);
	return http_server_rebind(api->http, &addresses, errors);
}
