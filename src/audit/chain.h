/* The hashes of the audit, and their text (docs/audit-format.md, "The chain"). */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/digest.h"

struct chain_hash {
    unsigned char bytes[DIGEST_SIZE];
};
#define CHAIN_TEXT_SIZE 44 /* 43 characters of base64url and NUL */

bool chain_equal(const struct chain_hash *a, const struct chain_hash *b);
void chain_text(char ret[static CHAIN_TEXT_SIZE], const struct chain_hash *h);
/* Reads exactly the 43 characters at text. */
bool chain_from_text(const char *text, struct chain_hash *ret);
/* Reads the 64 hexadecimal digits of the form before version 1. */
bool chain_from_hexadecimal(const char *text, struct chain_hash *ret);

/* A whole text in either form. */
bool chain_from_any(const char *text, struct chain_hash *ret);

/* 0 or -EIO. */
int chain_commitment(const char *personal, size_t size, struct chain_hash *ret);
int chain_content(const char *head, size_t size, struct chain_hash *ret);
int chain_link(const struct chain_hash *content, const struct chain_hash *prev,
               struct chain_hash *ret);
int chain_node(const struct chain_hash *left, const struct chain_hash *right,
               struct chain_hash *ret);
