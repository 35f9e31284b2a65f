/*
 * Reading JSON from one end to the other without building it: the reader of the texts that the
 * program wrote itself and reads again for each person. It takes all of RFC 8259 but real
 * numbers, NUL characters in texts, and more than JSON_READ_DEPTH things in each other.
 *
 *     json_read_start(&r, text);
 *     json_read_open(&r, '{');
 *     while (json_read_name(&r, name)) {
 *         ... one of json_read_text(), json_read_integer(), json_read_open(), json_read_skip() ...
 *     }
 *     return json_read_end(&r);
 *
 * The first error stays: whatever is read after it is empty, and loops end. Whether a key comes
 * twice is for the caller to see, who knows what keys there are.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_READ_DEPTH 8

struct json_reader {
    const char *at;
    int failed; /* 0, -EINVAL, -ENOMEM */
    unsigned depth;
    char closing[JSON_READ_DEPTH]; /* what ends each thing that is open */
    bool any[JSON_READ_DEPTH];     /* something of it was read */
};

void json_read_start(struct json_reader *r, const char *text); /* borrowed */
/* What comes next: one of { [ " n t f, 0 for a digit or minus, -1 for nothing. */
int json_read_peek(struct json_reader *r);
void json_read_open(struct json_reader *r, char bracket); /* '{' or '[' */
/* The next member of the open object: its key, malloc'd. False at the object's end, which is
 * consumed, and after an error. */
bool json_read_key(struct json_reader *r, char **ret);
/* The same where only short keys are known; a longer one is cut. */
#define JSON_NAME_SIZE 48
bool json_read_name(struct json_reader *r, char ret[static JSON_NAME_SIZE]);
/* Does another item of the open array follow? False likewise. */
bool json_read_item(struct json_reader *r);
/* A text, malloc'd, with its size or NULL; NULL for null, and after an error. */
char *json_read_text(struct json_reader *r, size_t *ret_size);
int64_t json_read_integer(struct json_reader *r);
bool json_read_boolean(struct json_reader *r);
void json_read_skip(struct json_reader *r);            /* whatever it is, with all that is in it */
void json_read_fail(struct json_reader *r, int error); /* the caller did not like it */
/* Nothing but blanks may follow. 0, or the error. */
int json_read_end(struct json_reader *r);
