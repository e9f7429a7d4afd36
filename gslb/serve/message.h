/*
 * A query as it came: header, question and OPT record read, all else skipped. Any reader thread; no
 * allocation, no copy but that of the name.
 */
#pragma once
#include "gslb/serve/edns.h"
#include "zones/name.h"

#define HEADER_OCTETS 12

enum parse {
	PARSE_ANSWER,	    /* one well-formed question of class IN */
	PARSE_NOT_A_HEADER, /* shorter than a header: silence */
	PARSE_NOT_A_QUERY,  /* itself a response: silence, or two servers talk for ever */
	PARSE_COOKIE,	    /* no question, but a cookie: RFC 7873 §5.4 */
	PARSE_FORMERR,
	PARSE_NOTIMP,
	PARSE_BADVERS,
	PARSE_NOT_READY,   /* as PARSE_ANSWER, but there is nothing yet to answer from: answer.c says so */
	PARSE_UNSUPPORTED, /* a class or a zone transfer that nobody gets here: REFUSED */
};

struct message {
	const uint8_t *wire; /* the packet */
	size_t length;
	uint16_t question_end; /* what a reply repeats; HEADER_OCTETS: no question could be read */
	uint16_t class;
	struct question question; /* of length 0 where none could be read; points into `wire` and `name` */
	struct edns edns;
	uint8_t name[NAME_MAX_OCTETS + 1]; /* of the question, lower case */
};

/* Fills *ret as far as the packet could be read, whatever it returns; for the two that mean silence
 * nothing is filled. With `believe_ecs` false the client subnet counts as an unknown option. */
enum parse message_parse(const uint8_t *wire, size_t length, bool believe_ecs, struct message *ret);
