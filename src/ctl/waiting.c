#include "config.h"

#include "ctl/waiting.h"

#include <jansson.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/meter.h"
#include "control/control.h"

#define ANSWER_SECONDS 5
#define TICKS          2 /* a second */

DEFINE_CLEANUP(struct control_client *, control_client_free)

static void look(const struct waiting *w, struct meter *m)
{
    CLEANUP(control_client_freep) struct control_client *client = NULL;
    CLEANUP(freep) char *code = NULL;
    json_auto_t *answer = NULL;
    struct error e = {""};

    if (control_client_open(&client, w->socket, &e) < 0 ||
        control_client_call(client, "status", json_object(), ANSWER_SECONDS, &answer, &code, &e) !=
            0)
        return;
    const json_t *now = json_object_get(answer, "look");
    const char *stage = json_string_value(json_object_get(now, "stage"));
    if (stage)
        meter_show(m, strcmp(stage, "reading") == 0 ? "Reading the directory" : "Evaluating people",
                   (uint64_t)json_integer_value(json_object_get(now, "done")),
                   (uint64_t)json_integer_value(json_object_get(now, "total")), METER_THINGS);
}

static void *run(void *userdata)
{
    struct waiting *w = userdata;
    struct meter m = {0};

    while (!atomic_load(&w->over)) {
        struct timespec tick = {.tv_nsec = 1000000000L / TICKS};
        look(w, &m);
        (void)nanosleep(&tick, NULL);
    }
    meter_end(&m);
    return NULL;
}

void waiting_begin(struct waiting *w, const char *socket)
{
    w->socket = socket;
    atomic_init(&w->over, false);
    w->running = isatty(STDERR_FILENO) == 1 && pthread_create(&w->thread, NULL, run, w) == 0;
}

void waiting_end(struct waiting *w)
{
    atomic_store(&w->over, true);
    if (w->running)
        (void)pthread_join(w->thread, NULL);
    w->running = false;
}
