/*
 * Text into JSON. jansson refuses a string that is not UTF-8, and what was to hold it then lacks a member, or
 * is not made at all: json_text() is for text that may come from outside (files' names, words of a peer, rows
 * of a store), and everybody else uses it, too. Any thread.
 */
#pragma once
#include <jansson.h>

/* Octets that are no UTF-8 become '?'; null for NULL. Never NULL. */
json_t *json_text(const char *text);
