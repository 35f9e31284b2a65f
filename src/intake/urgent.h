/*
 * What the directory tells ahead of a read that is under way: revocations, see intake/told.h.
 */
#pragma once
#include <stdbool.h>

struct error;
struct feed_urgent;
struct reading;

extern const struct feed_urgent intake_urgent; /* userdata: struct reading */

/* The entry of a person came, and does or does not say by itself that access is to end; it came as
 * it was before. */
int urgent_came(struct reading *g, const char *entry_id, bool revoked, bool changed,
                struct error *e);
int urgent_is_unchanged(struct reading *g, const char *entry_id, struct error *e);
