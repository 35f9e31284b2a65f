/* What rotate.c needs of an open audit file; export.c owns it. */
#pragma once
#include <stdint.h>

#include "audit/audit.h"

struct state;

struct state *export_state(const struct audit_export *x);
const char *export_path(const struct audit_export *x);
const struct audit_limits *export_limits(const struct audit_export *x);
uint64_t export_size(const struct audit_export *x);
/* Microseconds since 1970 of the file's first line; 0: not known. */
uint64_t export_begun(const struct audit_export *x);
/* A checkpoint in a transaction of its own, written to the file. */
int export_checkpoint(struct audit_export *x, const char *why, struct error *e);
