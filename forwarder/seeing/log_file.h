/*
 * A file of lines that only grows: whole lines or none, also where the disk is full; renamed when it is long
 * enough, and opened anew when another program has renamed it. One thread.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct log_file {
	char *path; /* NULL: standard error */
	uint64_t rotate_bytes;
	uint32_t keep; /* renamed ones: PATH.1 is the newest */
	int fd;	       /* -1: not open */
	uint64_t size;
	bool is_regular;
	uint64_t said_ms;  /* when a failure was said last; 0: never */
	bool is_cut;	   /* it ends within a line */
	uint64_t retry_ms; /* when it is opened again */
};

/* `path` NULL: standard error. Opened by the first append. */
void log_file_init(struct log_file *file, const char *path, uint64_t rotate_bytes, uint32_t keep);
void log_file_done(struct log_file *file);
/* Opened anew by the next append. */
void log_file_reopen(struct log_file *file);
/* Returns the octets of the whole lines that it took; the others are lost. now_ms: monotonic. */
size_t log_file_append(struct log_file *file, const char *lines, size_t length, uint64_t now_ms);
