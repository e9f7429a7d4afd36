/* See rdata_fields.h. Control path. */
#include "zones/rdata/rdata_fields.h"
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
	{258, "text+"},
};

static const char *text_of(uint16_t type)
{
	size_t low = 0, high = sizeof syntaxes / sizeof syntaxes[0];

	while (low < high) {
		size_t middle = (low + high) / 2;
		if (syntaxes[middle].type == type)
			return syntaxes[middle].fields;
		if (syntaxes[middle].type < type)
			low = middle + 1;
		else
			high = middle;
	}
	return "";
}

/* The field at the beginning of `text`, which goes on behind it. */
static const char *read_field(const char *text, struct rdata_field *ret)
{
	static const char marks[] = "@#=%";
	static const enum rdata_field_kind kinds[] = {RDATA_FIELD_NAME, RDATA_FIELD_NUMBER, RDATA_FIELD_HEX,
						      RDATA_FIELD_BASE64};
	const char *mark = strchr(marks, *text);

	*ret = (struct rdata_field){.kind = mark ? kinds[mark - marks] : RDATA_FIELD_PLAIN};
	ret->name = text + (mark != NULL);
	size_t length = strcspn(ret->name, ",");
	assert(length > 0);
	char last = ret->name[length - 1];
	ret->is_optional = last == '*' || last == '?';
	ret->is_repeated = last == '*' || last == '+';
	ret->name_length = (int)length - (ret->is_optional || ret->is_repeated);
	return ret->name + length + (ret->name[length] == ',');
}

void rdata_fields_of(uint16_t type, struct rdata_fields *ret)
{
	ret->count = 0;
	for (const char *text = text_of(type); *text; ret->count++) {
		assert(ret->count < RDATA_FIELDS_MAX);
		assert(ret->count == 0 || !ret->field[ret->count - 1].is_repeated); /* only the last may be */
		text = read_field(text, &ret->field[ret->count]);
	}
}

const struct rdata_field *rdata_fields_at(const struct rdata_fields *fields, size_t number)
{
	if (number < fields->count)
		return &fields->field[number];
	bool is_known = fields->count > 0 && fields->field[fields->count - 1].is_repeated;
	return is_known ? &fields->field[fields->count - 1] : NULL;
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

bool rdata_fields_fit(const struct rdata_fields *fields, const struct zone_word *words, size_t count,
		      char reason[static RDATA_REASON_MAX])
{
	const struct rdata_field *field = fields->field, *end = field + fields->count;

	if (fields->count == 0)
		return true;
	if (count > fields->count && !end[-1].is_repeated) {
		char word[TEXT_QUOTE_MAX];
		text_quote(words[fields->count].text, word);
		snprintf(reason, RDATA_REASON_MAX, "%s behind the last field, %.*s", word,
			 end[-1].name_length, end[-1].name);
		return false;
	}
	/* optional fields stand last */
	if (count >= fields->count || fields->field[count].is_optional)
		return true;
	for (size_t i = 0; i < count && may_be(field, words[i].text); i++)
		field++;
	assert(field < end);
	snprintf(reason, RDATA_REASON_MAX, "no %.*s", field->name_length, field->name);
	return false;
}
