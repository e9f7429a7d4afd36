/* Text → domain names, for all that names one. Control thread. */
#include "fleet/fleet_internal.h"
#include "lib/idn.h"

bool fleet_read_name(const struct doc_reader *reader, const struct doc_node *node, enum fleet_read_part part,
		     const char *what, const char *text, const struct name *origin, struct name *ret)
{
	struct idn_hint hint = {.meant = ""};
	const char *reason = name_from_text(text, origin, ret);

	if (!reason)
		return true;
	if (idn_hint(text, &hint))
		reason = hint.reason;
	struct err *err = part == FLEET_READ_AT_KEY
				  ? doc_err_key(reader->errors, reader->doc, node, "%s: %s", what, reason)
				  : doc_err(reader->errors, reader->doc, node, "%s: %s", what, reason);
	if (hint.meant[0] != '\0')
		err_set_nearest(err, hint.meant);
	return false;
}
