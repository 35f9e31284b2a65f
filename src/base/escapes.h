/* Texts in which characters are written by escapes. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct escaped {
    char *data;
    size_t size;
};

/* One pass, in place; true when something was undone. mail: quoted-printable too. */
bool escapes_undo(struct escaped *b, bool mail);
int escapes_hex(char c); /* the value of a hexadecimal digit; -1: it is none */
