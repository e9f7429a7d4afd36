/* Text into JSON: see json_text.h. Any thread. */
#include "lib/json_text.h"
#include "lib/mem.h"
#include "lib/text.h"
#include <stdlib.h>

json_t *json_text(const char *text)
{
	if (!text)
		return json_null();
	json_t *json = json_string(text);
	if (json)
		return json;
	char *mended = xstrdup(text);
	text_mend_utf8(mended);
	json = json_string(mended);
	free(mended);
	if (!json)
		abort(); /* no memory */
	return json;
}
