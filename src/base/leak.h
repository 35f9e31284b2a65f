/*
 * Does a text that is about to be shown give a secret away, in any of the ways in which
 * programs write text into text?
 */
#pragma once
#include <stdbool.h>

/* True when `text` shows the secret or a telling part of it: as it is, in another case, with
 * blanks in between, escaped as in JSON, JavaScript, C, URLs, HTML or mail, in hexadecimal,
 * base32 or base64 of either alphabet, or several of these one in the other, or with signs between
 * its letters and digits; also when the text
 * was cut (it ends in an ellipsis, or `cut` says so) in the middle of it. NULL and "" are in no
 * text. */
bool leak_shows(const char *text, bool cut, const char *secret);
