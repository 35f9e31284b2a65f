/*
 * The answer to a request for a token, under random bytes; a '$' in the input stands for a
 * secret. A token that is taken is one line of visible letters that stands in the answer as it
 * is, and lasts between a second and a year; nothing that is said of an answer that is not taken
 * holds a token. An answer that gives the same as JSON gives the same token.
 */
#include "config.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/secret.h"
#include "base/text.h"
#include "fuzz.h"
#include "tenant/oauth.h"

#define SECRET   "q7wKe9Tt4xVbuZm31"
#define YEAR_SEC (366 * 24 * 3600)

static void check_token(const char *token, uint64_t life, const char *body, size_t size)
{
    CLEANUP(secret_freep) struct secret *again = NULL;
    CLEANUP(freep) char *written = NULL;
    struct error e = {0};
    uint64_t life_again = 0;
    json_auto_t *object = json_loadb(body, size, 0, NULL);
    const char *whole = json_string_value(json_object_get(object, "access_token"));

    DEMAND(*token && whole && strcmp(whole, token) == 0);
    for (const char *p = token; *p; p++)
        DEMAND(*p > ' ' && *p < 0x7f);
    DEMAND(life >= 1 && life <= YEAR_SEC);
    json_auto_t *other = json_pack("{s:s,s:I,s:s}", "token_type", "bEARER", "expires_in",
                                   (json_int_t)life, "access_token", token);
    DEMAND((written = json_dumps(other, 0)));
    DEMAND(oauth_read_token(&again, &life_again, "acme.example.com", written, strlen(written), &e) == 0);
    DEMAND(strcmp(secret_text(again), token) == 0 && life_again == life);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(buffer_done) struct buffer b = {0};
    CLEANUP(secret_freep) struct secret *token = NULL;
    struct error e = {0};
    uint64_t life = 0;

    buffer_add_text(&b, "");
    for (size_t i = 0; i < size; i++)
        if (data[i] == '$')
            buffer_add_text(&b, SECRET);
        else
            buffer_add(&b, &data[i], 1);
    int r = oauth_read_token(&token, &life, "acme.example.com", b.data, b.size, &e);
    if (r == 0) {
        check_token(secret_text(token), life, b.data, b.size);
        return 0;
    }
    DEMAND(r == -EBADMSG && !token && e.message[0]);
    DEMAND(!text_has_control(e.message, strlen(e.message)));
    /* A word in another place is no secret. */
    json_auto_t *object = json_loadb(b.data, b.size, 0, NULL);
    const char *given = json_string_value(json_object_get(object, "access_token"));
    DEMAND((object && !(given && strstr(given, SECRET))) || !strstr(e.message, SECRET));
    return 0;
}
