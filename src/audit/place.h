/* The audit file at its place. */
#pragma once

struct error;

/* Opened for appending, made (0640) if it is not there, judged (src/base/file.h) and locked. */
int place_open(const char *path, int *ret_fd, struct error *e);
