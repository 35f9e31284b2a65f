/* The journal's part of an audit line. */
#pragma once

struct audit_view;

/* Logs what a line says, with fields, if it is the outcome of an operation or a checkpoint. Sees
 * all lines, in their order. signer: the name of the key, or NULL. */
void journal_send(struct audit_view *v, const char *line, const char *signer);
