/* The journal's part of an audit line. */
#pragma once

struct audit_view;

/* Logs what a line says, with fields, if it is the outcome of an operation. Sees all lines, in
 * their order. */
void journal_send(struct audit_view *v, const char *line);
