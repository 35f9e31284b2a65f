/* The journal's part of an audit line. */
#pragma once

/* Logs what a line says, with fields, if it is the outcome of an operation. */
void journal_send(const char *line);
