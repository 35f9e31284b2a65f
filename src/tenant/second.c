/*
 * The last second, in milliseconds: a part is emptied when it has passed, so that the size is the
 * same for every rate. It knows nothing of requests.
 */
#include "config.h"

#include "tenant/second.h"

#include <string.h>

#include "base/clock.h"

static void advance(struct second *s, uint64_t now_msec)
{
    if (now_msec >= s->at_msec + SECOND_PARTS) {
        memset(s->parts, 0, sizeof(s->parts));
        s->n = 0;
        s->at_msec = now_msec;
    }
    while (s->at_msec < now_msec) {
        unsigned *part = &s->parts[++s->at_msec % SECOND_PARTS];
        s->n -= *part;
        *part = 0;
    }
}

void second_add(struct second *s, uint64_t now_usec)
{
    advance(s, now_usec / USEC_PER_MSEC);
    s->parts[s->at_msec % SECOND_PARTS]++;
    s->n++;
}

uint64_t second_wait(struct second *s, uint64_t now_usec, size_t most)
{
    advance(s, now_usec / USEC_PER_MSEC);
    size_t n = s->n;
    uint64_t msec = s->at_msec;
    for (; n > most; msec++) /* the oldest part is the one behind the newest */
        n -= s->parts[(msec + 1) % SECOND_PARTS];
    return msec > s->at_msec ? msec * USEC_PER_MSEC - now_usec : 0;
}
