/*
 * The transfers that libcurl has in flight, on the event loop. An easy handle that was added is
 * handed out once, from the loop and never from inside transfers_add(), when libcurl is through
 * with it; until it is removed it stays libcurl's.
 */
#pragma once
#include <curl/curl.h>
#include <stdbool.h>

struct error;
struct sd_event;
struct transfers;

/* private_data: CURLINFO_PRIVATE of the handle, which is still to be removed. */
typedef void (*transfers_done_fn)(void *private_data, CURLcode code);

int transfers_new(struct transfers **ret, struct sd_event *event, transfers_done_fn done,
                  struct error *e);
struct transfers *transfers_free(struct transfers *t); /* all removed; not from inside done */
bool transfers_are_over(const struct transfers *t);    /* all removed, and not inside done */
void transfers_set_kept(struct transfers *t, long n_connections); /* when idle */

CURLcode transfers_set(struct transfers *t, CURL *easy);  /* once, before it is added */
CURLMcode transfers_add(struct transfers *t, CURL *easy); /* borrowed until it is removed */
void transfers_remove(struct transfers *t, CURL *easy);
