/*
 * What nghttp2 costs a server for each request: a client's session and a server's in one process, octets
 * handed over by memory, header fields as a browser sends them, 128 octets of body. Only the server's half is
 * timed. With malloc and with an allocator of its own (size classes, free lists), which forwarderd would give
 * it.
 *
 *   spike_nghttp2 [REQUESTS [STREAMS]]
 */
#include "tests/bench/l7_common.h"
#include <nghttp2/nghttp2.h>

enum { OCTETS_MAX = 1 << 20, CLASSES = 16, CLASS_BYTES = 64, SLAB_BYTES = 1 << 16, BODY = 128 };

struct octets {
	uint8_t data[OCTETS_MAX];
	size_t length;
};

static struct octets g_to_server, g_to_client;
static uint64_t g_allocations, g_answered, g_fields;
static const uint8_t g_body[BODY];

/* ---- the allocator: 16 classes of multiples of 64 octets, larger ones are malloc's ---- */

struct slot {
	struct slot *next;
};

static struct slot *g_free[CLASSES];

static size_t class_of(size_t bytes)
{
	return (bytes + sizeof(size_t) * 2 - 1) / CLASS_BYTES;
}

static void *slab_alloc(size_t bytes, void *user)
{
	size_t class = class_of(bytes), room = (class + 1) * CLASS_BYTES;
	g_allocations++;
	size_t *head;
	if (class >= CLASSES) {
		head = malloc(bytes + 16);
	} else {
		if (!g_free[class]) {
			char *slab = l7_alloc(1, SLAB_BYTES);
			for (size_t at = 0; at + room <= SLAB_BYTES; at += room) {
				struct slot *slot = (struct slot *)(slab + at);
				slot->next = g_free[class];
				g_free[class] = slot;
			}
		}
		head = (size_t *)g_free[class];
		g_free[class] = g_free[class]->next;
	}
	head[0] = bytes;
	return head + 2;
}

static void slab_free(void *memory, void *user)
{
	if (!memory)
		return;
	size_t *head = (size_t *)memory - 2, class = class_of(head[0]);
	if (class >= CLASSES) {
		free(head);
		return;
	}
	struct slot *slot = (struct slot *)head;
	slot->next = g_free[class];
	g_free[class] = slot;
}

static void *slab_calloc(size_t count, size_t bytes, void *user)
{
	void *memory = slab_alloc(count * bytes, user);
	return memset(memory, 0, count * bytes);
}

static void *slab_realloc(void *memory, size_t bytes, void *user)
{
	if (!memory)
		return slab_alloc(bytes, user);
	size_t had = ((size_t *)memory - 2)[0];
	if (class_of(had) < CLASSES && class_of(had) == class_of(bytes)) {
		((size_t *)memory - 2)[0] = bytes;
		return memory;
	}
	void *copy = slab_alloc(bytes, user);
	memcpy(copy, memory, had < bytes ? had : bytes);
	slab_free(memory, user);
	return copy;
}

static nghttp2_mem g_slabs = {NULL, slab_alloc, slab_free, slab_calloc, slab_realloc};

/* ---- both ends ---- */

#define FIELD(n, v)                                                                                \
	{                                                                                          \
		(uint8_t *)(n), (uint8_t *)(v), sizeof(n) - 1, sizeof(v) - 1, NGHTTP2_NV_FLAG_NONE \
	}

static ssize_t put(nghttp2_session *session, const uint8_t *data, size_t length, int flags, void *user)
{
	struct octets *to = user;
	if (to->length + length > OCTETS_MAX)
		return NGHTTP2_ERR_WOULDBLOCK;
	memcpy(to->data + to->length, data, length);
	to->length += length;
	return (ssize_t)length;
}

static ssize_t read_body(nghttp2_session *session, int32_t stream, uint8_t *buffer, size_t length,
			 uint32_t *flags, nghttp2_data_source *source, void *user)
{
	memcpy(buffer, g_body, BODY);
	*flags = NGHTTP2_DATA_FLAG_EOF;
	return BODY;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
		     size_t name_length, const uint8_t *value, size_t value_length, uint8_t flags, void *user)
{
	g_fields++;
	return 0;
}

static int on_request(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	static const nghttp2_nv fields[] = {FIELD(":status", "200"), FIELD("server", "origin"),
					    FIELD("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
					    FIELD("content-type", "text/plain"),
					    FIELD("content-length", "128")};
	static const nghttp2_data_provider provider = {.read_callback = read_body};
	if (frame->hd.type == NGHTTP2_HEADERS && frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
		return nghttp2_submit_response(session, frame->hd.stream_id, fields, 5, &provider);
	return 0;
}

static int on_answer(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	if (frame->hd.type == NGHTTP2_DATA && frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
		g_answered++;
	return 0;
}

static nghttp2_session *make(bool is_server, nghttp2_mem *memory)
{
	nghttp2_session_callbacks *callbacks;
	nghttp2_session *session;
	nghttp2_option *options;
	nghttp2_session_callbacks_new(&callbacks);
	nghttp2_option_new(&options);
	nghttp2_option_set_no_closed_streams(options, 1);
	nghttp2_session_callbacks_set_send_callback(callbacks, put);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, is_server ? on_request : on_answer);
	if (is_server)
		nghttp2_session_server_new3(&session, callbacks, &g_to_client, options, memory);
	else
		nghttp2_session_client_new3(&session, callbacks, &g_to_server, options, NULL);
	nghttp2_session_callbacks_del(callbacks);
	nghttp2_option_del(options);
	nghttp2_settings_entry entry = {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 100};
	nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, &entry, 1);
	return session;
}

static void give(nghttp2_session *to, struct octets *octets)
{
	if (nghttp2_session_mem_recv(to, octets->data, octets->length) != (ssize_t)octets->length)
		l7_die("nghttp2_session_mem_recv");
	octets->length = 0;
}

static double run(nghttp2_mem *memory, unsigned requests, unsigned streams)
{
	static const nghttp2_nv fields[] = {
		FIELD(":method", "GET"),
		FIELD(":scheme", "https"),
		FIELD(":authority", "t17.example.test"),
		FIELD(":path", "/128"),
		FIELD("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101"),
		FIELD("accept", "*/*"),
		FIELD("accept-encoding", "gzip, deflate, br"),
		FIELD("cookie", "session=0123456789")};
	nghttp2_session *client = make(false, NULL), *server = make(true, memory);
	uint64_t server_ns = 0;
	g_answered = g_allocations = 0;
	while (g_answered < requests) {
		for (unsigned i = 0; i < streams; i++)
			nghttp2_submit_request(client, NULL, fields, 8, NULL, NULL);
		nghttp2_session_send(client);
		uint64_t begin_ns = l7_now_ns();
		give(server, &g_to_server);
		nghttp2_session_send(server);
		server_ns += l7_now_ns() - begin_ns;
		give(client, &g_to_client);
	}
	nghttp2_session_del(client);
	nghttp2_session_del(server);
	return (double)server_ns / 1e3 / (double)g_answered;
}

int main(int argc, char **argv)
{
	unsigned requests = argc > 1 ? (unsigned)atoi(argv[1]) : 200000,
		 streams = argc > 2 ? (unsigned)atoi(argv[2]) : 8;
	for (int round = 0; round < 5; round++) {
		double with_malloc = run(NULL, requests, streams),
		       with_slabs = run(&g_slabs, requests, streams);
		printf("%u streams at once, us of the server a request: malloc %.2f, own allocator %.2f "
		       "(%.1f allocations "
		       "a request)\n",
		       streams, with_malloc, with_slabs, (double)g_allocations / (double)g_answered);
	}
}
