/* One pass over the bytes. Texts without an escape, nearly all, are taken as they stand. */
#include "config.h"

#include "audit/form.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

#define DEPTH_MAX  16
#define DIGITS     18 /* always fit */
#define DIGITS_MAX 24 /* of a number with a point */
#define EXACT      15 /* a quotient of so many is the nearest double */

/* *ret is set only when something is built. */
static bool read_value(struct form_reader *f, json_t **ret);

static bool take(struct form_reader *f, char c)
{
    if (f->at == f->end || *f->at != c)
        return false;
    f->at++;
    return true;
}

static int nibble(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Behind a backslash. Only a control character that has no letter is written by its number. */
static bool undo_escape(struct form_reader *f, char *to)
{
    static const char letters[] = "\"\\bfnrt", meanings[] = "\"\\\b\f\n\r\t";
    char c = f->at < f->end ? *f->at++ : '\0';
    const char *letter = c ? strchr(letters, c) : NULL;

    if (letter) {
        *to = meanings[letter - letters];
        return true;
    }
    if (c != 'u' || f->end - f->at < 4 || memcmp(f->at, "00", 2) != 0)
        return false;
    int high = nibble(f->at[2]), low = nibble(f->at[3]);
    f->at += 4;
    if ((high != 0 && high != 1) || low < 0)
        return false;
    *to = (char)(high << 4 | low);
    return *to && !strchr(meanings, *to);
}

static bool read_escaped(struct form_reader *f, const char *begin, struct form_span *ret)
{
    size_t n = (size_t)(f->at - begin);

    if (!f->room && !(f->room = malloc(f->size)))
        return false;
    memcpy(f->room, begin, n);
    while (f->at < f->end && *f->at != '"') {
        char c = *f->at++;

        if ((unsigned char)c < 0x20 || (c == '\\' && !undo_escape(f, &c)))
            return false;
        f->room[n++] = c;
    }
    *ret = (struct form_span){f->room, n};
    return take(f, '"');
}

/* Is one of eight bytes a quote, a backslash or a control character? */
static bool ends_or_escapes(const char *at)
{
    const uint64_t ones = 0x0101010101010101ULL, highest = 0x8080808080808080ULL;
    uint64_t w, quote, backslash, control;

    memcpy(&w, at, sizeof(w));
    quote = w ^ ones * '"';
    backslash = w ^ ones * '\\';
    control = (w - ones * 0x20) & ~w;
    return (control | ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash)) & highest;
}

/* Valid until the next text is read. */
static bool read_text(struct form_reader *f, struct form_span *ret)
{
    const char *begin;

    if (!take(f, '"'))
        return false;
    begin = f->at;
    while (f->end - f->at >= 8 && !ends_or_escapes(f->at))
        f->at += 8;
    for (; f->at < f->end && *f->at != '"' && *f->at != '\\'; f->at++)
        if ((unsigned char)*f->at < 0x20)
            return false;
    if (f->at < f->end && *f->at == '\\')
        return read_escaped(f, begin, ret);
    *ret = (struct form_span){begin, (size_t)(f->at - begin)};
    return take(f, '"');
}

/* How many are counted, and more than fit are only looked at. */
static bool read_digits(struct form_reader *f, uint64_t *value, int *n)
{
    const char *begin = f->at;

    for (; f->at < f->end && *f->at >= '0' && *f->at <= '9'; f->at++, ++*n)
        if (*n < DIGITS)
            *value = *value * 10 + (uint64_t)(*f->at - '0');
    return f->at > begin && *n <= DIGITS_MAX;
}

static bool read_number(struct form_reader *f, json_t **ret)
{
    const char *all = f->at, *begin;
    bool negative = take(f, '-'), real, zero = f->at < f->end && *f->at == '0';
    uint64_t value = 0;
    double divisor = 1;
    int n = 0, whole;

    begin = f->at;
    if (!read_digits(f, &value, &n) || (zero && f->at - begin > 1))
        return false;
    whole = n;
    real = take(f, '.');
    if (real ? !read_digits(f, &value, &n) : n > DIGITS)
        return false;
    for (; whole < n; whole++)
        divisor *= 10;
    if (!f->build)
        return true;
    if (real && n > EXACT)
        *ret = json_loadb(all, (size_t)(f->at - all), JSON_DECODE_ANY, NULL);
    else if (real)
        *ret = json_real((negative ? -1 : 1) * ((double)value / divisor));
    else
        *ret = json_integer((negative ? -1 : 1) * (json_int_t)value);
    return *ret;
}

static bool read_word(struct form_reader *f, json_t **ret)
{
    static const char *const words[] = {"true", "false", "null"};

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        size_t n = strlen(words[i]);

        if ((size_t)(f->end - f->at) < n || memcmp(f->at, words[i], n) != 0)
            continue;
        f->at += n;
        if (f->build)
            *ret = i == 2 ? json_null() : json_boolean(i == 0);
        return true;
    }
    return false;
}

static bool is_among(const struct form_span *keys, size_t n, const struct form_span *key)
{
    for (size_t i = 0; i < n; i++)
        if (keys[i].size == key->size && memcmp(keys[i].text, key->text, key->size) == 0)
            return true;
    return false;
}

/* A key of ours has no escape; one of details may. */
static bool read_key(struct form_reader *f, struct form_span *ret)
{
    return read_text(f, ret) && memchr(ret->text, '\0', ret->size) == NULL && take(f, ':');
}

static bool look_at_object(struct form_reader *f)
{
    struct form_span keys[FORM_KEYS_MAX];
    size_t n = 0;

    do {
        struct form_span key;

        if (!read_key(f, &key))
            return false;
        if (n == FORM_KEYS_MAX || key.text == f->room) {
            f->many = true;
            return false;
        }
        if (is_among(keys, n, &key))
            return false;
        keys[n++] = key;
        if (!read_value(f, NULL))
            return false;
    } while (take(f, ','));
    return take(f, '}');
}

static bool build_object(struct form_reader *f, json_t *object)
{
    size_t n = 0;

    do {
        CLEANUP(freep) char *kept = NULL;
        struct form_span key;
        json_t *value = NULL;

        if (!read_key(f, &key))
            return false;
        if (key.text == f->room)
            key.text = kept = strndup(key.text, key.size);
        if (!key.text || !read_value(f, &value) ||
            json_object_setn_new_nocheck(object, key.text, key.size, value) < 0)
            return false;
        if (json_object_size(object) != ++n)
            return false; /* the key was there already */
    } while (take(f, ','));
    return take(f, '}');
}

static bool read_object(struct form_reader *f, json_t **ret)
{
    if (f->build && !(*ret = json_object()))
        return false;
    if (take(f, '}'))
        return true;
    if (f->build ? build_object(f, *ret) : look_at_object(f))
        return true;
    if (f->build) {
        json_decref(*ret);
        *ret = NULL;
    }
    return false;
}

static bool read_array(struct form_reader *f, json_t **ret)
{
    json_t *array = f->build ? json_array() : NULL;
    bool fine = !f->build || array;

    if (fine && take(f, ']')) {
        if (f->build)
            *ret = array;
        return true;
    }
    do {
        json_t *value = NULL;

        fine = fine && read_value(f, &value) &&
               (!f->build || json_array_append_new(array, value) == 0);
    } while (fine && take(f, ','));
    if (fine && take(f, ']')) {
        if (f->build)
            *ret = array;
        return true;
    }
    json_decref(array);
    return false;
}

static bool read_value(struct form_reader *f, json_t **ret)
{
    struct form_span text;
    bool fine;

    if (f->at == f->end || f->depth == DEPTH_MAX)
        return false;
    f->depth++;
    switch (*f->at) {
    case '{':
        f->at++;
        fine = read_object(f, ret);
        break;
    case '[':
        f->at++;
        fine = read_array(f, ret);
        break;
    case '"':
        fine = read_text(f, &text);
        if (fine && f->build)
            fine = (*ret = json_stringn_nocheck(text.text, text.size));
        break;
    case 't':
    case 'f':
    case 'n': fine = read_word(f, ret); break;
    default: fine = read_number(f, ret);
    }
    f->depth--;
    return fine;
}

static bool is_utf8(const char *text, size_t size)
{
    uint64_t all = 0, w;
    size_t i = 0;

    for (; i + sizeof(w) <= size; i += sizeof(w)) {
        memcpy(&w, text + i, sizeof(w));
        all |= w;
    }
    for (; i < size; i++)
        all |= (unsigned char)text[i];
    return !(all & 0x8080808080808080ULL) || text_is_utf8(text, size);
}

bool form_begin(struct form_reader *f, const char *line, size_t size)
{
    *f = (struct form_reader){
        .line = line, .at = line, .end = line + size, .build = true, .size = size};
    return size && is_utf8(line, size);
}

bool form_end(struct form_reader *f)
{
    free(f->room);
    f->room = NULL;
    return f->at == f->end;
}

bool form_value(struct form_reader *f, json_t **ret)
{
    if (read_value(f, ret))
        return true;
    json_decref(*ret);
    *ret = NULL;
    return false;
}

/* An object with more keys than are looked at without building it is built. */
bool form_pass(struct form_reader *f)
{
    const char *at = f->at;
    int depth = f->depth;
    json_t *value = NULL;
    bool fine;

    f->build = f->many = false;
    fine = read_value(f, NULL);
    f->build = true;
    if (fine || !f->many)
        return fine;
    f->at = at;
    f->depth = depth;
    fine = form_value(f, &value);
    json_decref(value);
    return fine;
}

static bool open_bracket(struct form_reader *f, char bracket)
{
    if (f->depth >= DEPTH_MAX || !take(f, bracket))
        return false;
    f->depth++;
    return true;
}

bool form_open_object(struct form_reader *f, struct form_object *ret)
{
    ret->n = 0;
    ret->begun = false;
    return open_bracket(f, '{');
}

bool form_open_array(struct form_reader *f)
{
    return open_bracket(f, '[');
}

static bool close_bracket(struct form_reader *f, char bracket)
{
    if (!take(f, bracket))
        return false;
    f->depth--;
    return true;
}

bool form_item(struct form_reader *f, size_t i, bool *fine)
{
    if (i == 0 ? close_bracket(f, ']') : !take(f, ',')) {
        *fine = i == 0 || close_bracket(f, ']');
        return false;
    }
    return true;
}

/* The keys of ours are few and have no escape: of others the line as a whole must be fine. */
static bool is_odd(struct form_reader *f, const struct form_object *o, const struct form_span *key)
{
    return key->text == f->room || o->n == FORM_KEYS_MAX;
}

bool form_member(struct form_reader *f, struct form_object *o, struct form_span *ret, bool *fine)
{
    if (!o->begun ? close_bracket(f, '}') : !take(f, ',')) {
        *fine = !o->begun || close_bracket(f, '}');
        return false;
    }
    o->begun = true;
    *fine = read_key(f, ret);
    if (*fine && is_odd(f, o, ret)) {
        *fine = f->checked = f->checked || form_is_ours(f->line, f->size);
        if (ret->text == f->room)
            ret->size = 0;
    } else if (*fine) {
        *fine = !is_among(o->keys, o->n, ret);
        o->keys[o->n++] = *ret;
    }
    return *fine;
}

bool form_is_ours(const char *line, size_t size)
{
    struct form_reader f;
    bool fine = form_begin(&f, line, size) && *line == '{' && form_pass(&f);

    return form_end(&f) && fine;
}
