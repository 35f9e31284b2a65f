/*
 * The control protocol under random bytes: the framing takes messages apart, however they are
 * cut, and what it took is rendered as an answer by rosterctl, since a daemon may be a newer
 * one.
 */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "control/protocol.h"
#include "fuzz.h"
#include "render/output.h"
#include "render/render.h"

#define LIMIT 4096

static int render_whole_plan(struct output *o, const json_t *answer)
{
    return render_plan(o, answer, false);
}

static void render(const json_t *message)
{
    static int (*const all[])(struct output * o, const json_t *answer) = {
        render_status, render_whole_plan, render_approve, render_explain,
        render_holds,  render_config,     render_history, render_check,
    };

    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        CLEANUP(output_done) struct output o = {.width = i % 2 ? 60 : 0};
        (void)all[i](&o, message);
        if (o.text.data && strchr(o.text.data, '\033'))
            abort(); /* nothing moves the cursor of a terminal */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;

    while (size > 0) {
        json_auto_t *message = NULL;
        struct error e = {""};
        size_t used = 0;
        int r = protocol_next(bytes, size, LIMIT, &message, &used, &e);
        if (used > size || (r == 0) != (message != NULL) || (r < 0) != (e.message[0] != '\0'))
            abort();
        if (r == 0)
            render(message);
        if (used == 0)
            break;
        bytes += used;
        size -= used;
    }
    return 0;
}
