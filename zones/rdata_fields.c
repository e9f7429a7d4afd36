/* See rdata_fields.h. Control path. */
#include "zones/rdata_fields.h"
#include "lib/text.h"
#include "zones/rrtype.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>

/*
 * One field behind the other, with commas. In front of its name: @ a domain name, # a number, = hexadecimal
 * or % base64 to the end. Behind it: + one word or more, * any number, ? one or none.
 */
struct syntax {
	uint16_t type;
	const char *fields;
};

static const struct syntax syntaxes[] = {
	{RR_A, "address"},
	{RR_NS, "@name server"},
	{RR_CNAME, "@target"},
	{RR_SOA, "@MNAME (primary server),@RNAME (mailbox name),#SERIAL,#REFRESH,#RETRY,#EXPIRE,#MINIMUM"},
	{7, "@host"},
	{8, "@mailbox"},
	{9, "@mailbox"},
	{RR_PTR, "@name"},
	{13, "CPU,OS"},
	{14, "@responsible mailbox,@error mailbox"},
	{RR_MX, "#preference,@exchange"},
	{RR_TXT, "text+"},
	{17, "@mailbox,@name of texts"},
	{18, "#subtype,@host"},
	{19, "address"},
	{20, "address,subaddress?"},
	{21, "#preference,@host"},
	{24,
	 "type covered,algorithm,#labels,#original TTL,#expiration,#inception,#key tag,@signer,%signature+"},
	{25, "#flags,#protocol,algorithm,%key+"},
	{RR_AAAA, "address"},
	{29, "position+"},
	{RR_SRV, "#priority,#weight,#port,@target"},
	{RR_NAPTR, "#order,#preference,flags,services,regexp,@replacement"},
	{36, "#preference,@exchanger"},
	{37, "type,#key tag,algorithm,%certificate+"},
	{RR_DNAME, "@target"},
	{42, "prefix*"},
	{RR_DS, "#key tag,algorithm,#digest type,=digest+"},
	{44, "#algorithm,#fingerprint type,=fingerprint+"},
	{45, "#precedence,#gateway type,#algorithm,gateway,%key*"},
	{RR_RRSIG,
	 "type covered,algorithm,#labels,#original TTL,#expiration,#inception,#key tag,@signer,%signature+"},
	{RR_NSEC, "@next name,type*"},
	{RR_DNSKEY, "#flags,#protocol,algorithm,%key+"},
	{49, "%data+"},
	{50, "#hash algorithm,#flags,#iterations,salt,next hash,type*"},
	{51, "#hash algorithm,#flags,#iterations,salt"},
	{52, "#usage,#selector,#matching type,=data+"},
	{53, "#usage,#selector,#matching type,=data+"},
	{55, "#algorithm,host identity tag,public key,@rendezvous server*"},
	{59, "#key tag,algorithm,#digest type,=digest+"},
	{60, "#flags,#protocol,algorithm,%key+"},
	{61, "%key+"},
	{62, "#serial,#flags,type*"},
	{63, "#serial,#scheme,#hash algorithm,=digest+"},
	{RR_SVCB, "#priority,@target,parameter*"},
	{RR_HTTPS, "#priority,@target,parameter*"},
	{99, "text+"},
	{104, "#preference,node ID"},
	{105, "#preference,locator"},
	{106, "#preference,locator"},
	{107, "#preference,@name"},
	{108, "address"},
	{109, "address"},
	{256, "#priority,#weight,target"},
	{RR_CAA, "#flags,tag,value"},
};

static const char *fields_of(uint16_t type)
{
	for (size_t i = 0; i < sizeof(syntaxes) / sizeof(syntaxes[0]); i++) {
		if (syntaxes[i].type == type)
			return syntaxes[i].fields;
	}
	return NULL;
}

/* A field of the table. */
struct entry {
	struct rdata_field field;
	bool is_optional, is_repeated;
};

/* Moves *fields behind it; false at the end. */
static bool next_field(const char **fields, struct entry *ret)
{
	static const char marks[] = "@#=%";
	static const enum rdata_field_kind kinds[] = {RDATA_FIELD_NAME, RDATA_FIELD_NUMBER, RDATA_FIELD_HEX,
						      RDATA_FIELD_BASE64};
	const char *at = *fields, *mark = *at ? strchr(marks, *at) : NULL;

	if (!*at)
		return false;
	*ret = (struct entry){.field = {.kind = mark ? kinds[mark - marks] : RDATA_FIELD_PLAIN}};
	at += mark != NULL;
	size_t length = strcspn(at, ",");
	*fields = at + length + (at[length] == ',');
	char last = at[length - 1];
	ret->is_optional = last == '*' || last == '?';
	ret->is_repeated = last == '*' || last == '+';
	length -= ret->is_optional || ret->is_repeated;
	assert(length < RDATA_FIELD_NAME_MAX);
	memcpy(ret->field.name, at, length);
	return true;
}

bool rdata_fields_at(uint16_t type, size_t number, struct rdata_field *ret)
{
	const char *fields = fields_of(type);
	struct entry entry = {.is_repeated = false};

	if (!fields)
		return false;
	for (size_t i = 0; i <= number && !entry.is_repeated; i++) {
		if (!next_field(&fields, &entry))
			return false;
	}
	*ret = entry.field;
	return true;
}

/* Whether the word may be meant for the field, where words are missing: only what is no number can be seen to
 * be none, and a name of digits alone is none that anybody gives. */
static bool may_be(const struct rdata_field *field, const char *word)
{
	bool is_number = word[strspn(word, "0123456789")] == '\0';

	switch (field->kind) {
	case RDATA_FIELD_NAME:
		return !is_number;
	case RDATA_FIELD_NUMBER:
		return *word >= '0' && *word <= '9';
	default:
		return true;
	}
}

bool rdata_fields_fit(uint16_t type, const struct zone_word *words, size_t count,
		      char reason[static RDATA_REASON_MAX])
{
	const char *fields = fields_of(type), *rest = fields;
	size_t fewest = 0, most = 0;
	struct entry entry = {.is_repeated = false};

	if (!fields)
		return true;
	while (next_field(&rest, &entry)) {
		fewest += !entry.is_optional;
		most = entry.is_repeated ? SIZE_MAX : most + 1;
	}
	if (count > most) {
		char word[TEXT_QUOTE_MAX];
		text_quote(words[most].text, word);
		snprintf(reason, RDATA_REASON_MAX, "%s behind the last field, %s", word, entry.field.name);
		return false;
	}
	if (count >= fewest)
		return true;
	rest = fields;
	for (size_t i = 0; next_field(&rest, &entry) && i < count && may_be(&entry.field, words[i].text);)
		i++;
	snprintf(reason, RDATA_REASON_MAX, "no %s", entry.field.name);
	return false;
}
