/*
 * What makes one kind of probe. Each kind is a constant in a file of its own (probe_tcp.c, probe_http.c, …)
 * and a row of probe_kinds.c; probe.c runs it without knowing which it is.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct probe;

/* Keys of a check that not all kinds have. */
enum probe_key {
	PROBE_KEY_HOST = 1 << 0,
	PROBE_KEY_METHOD = 1 << 1,
	PROBE_KEY_PATH = 1 << 2,
	PROBE_KEY_HEADERS = 1 << 3,
	PROBE_KEY_EXPECT = 1 << 4,
	PROBE_KEY_BODY = 1 << 5,
	PROBE_KEY_SNI = 1 << 6,
	PROBE_KEY_VERIFY = 1 << 7,
	PROBE_KEY_EXPIRES_WITHIN = 1 << 8
};
#define PROBE_KEYS_HTTP                                                                              \
	(PROBE_KEY_HOST | PROBE_KEY_METHOD | PROBE_KEY_PATH | PROBE_KEY_HEADERS | PROBE_KEY_EXPECT | \
	 PROBE_KEY_BODY)
#define PROBE_KEYS_TLS (PROBE_KEY_HOST | PROBE_KEY_SNI | PROBE_KEY_VERIFY | PROBE_KEY_EXPIRES_WITHIN)

struct probe_kind {
	const char *name;      /* a check's `type` */
	uint16_t default_port; /* 0: the check has to name one */
	unsigned keys;	       /* PROBE_KEY_…: what a check may say */
	bool asks_for_host;    /* `host` is a DNS name that the question is about */
	const char *alpn;      /* offered inside TLS; NULL: none */
	size_t state_bytes;    /* of probe->state, which begins zeroed; 0: none */
	/* The turns of the kind. Each ends by waiting, by a verdict, or by handing over to the next. */
	void (*start)(struct probe *probe);  /* NULL: by a TCP connection */
	void (*secure)(struct probe *probe); /* the connection is there; NULL: it stays plain */
	void (*ask)(struct probe *probe);    /* the connection can be spoken over */
	void (*part)(struct probe *probe);   /* after the verdict; NULL: nothing is to be said */
	/* Frees what the state holds, also where nothing began; NULL: nothing. */
	void (*done)(struct probe *probe);
};
