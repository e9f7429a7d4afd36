/* GET /v1/openapi.json: the API's own description, which the build writes into the program. Control thread.
 */
#include "gslb/api/api_internal.h"
#include <string.h>

void api_get_openapi(struct http_request *request, struct http_reply *reply)
{
	http_reply_constant(reply, 200, "application/json", api_openapi_text, strlen(api_openapi_text));
}
