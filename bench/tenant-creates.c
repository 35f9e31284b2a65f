/*
 * How many creates a second the tenant client carries, and what one costs in processor time.
 *
 *     tenant-creates URL CLIENT SECRET_FILE SCOPE CA_FILE|- COUNT CONCURRENT [TEAM [RATE]]
 *
 * CA_FILE "-" means plain HTTP. Users are new ones each time (the login holds time and number).
 * RATE: no more than so many a second, which is for one at a time: each begins with cold
 * caches. The measure begins after the first create, so that the token and the first handshake
 * are out of it; it includes building the bodies and understanding the answers. Anything but
 * "done" for a create is counted and makes the exit status 1.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "model/user.h"
#include "tenant/client.h"
#include "tenant/options.h"

struct bench {
    sd_event *event;
    struct tenant_client *client;
    const char *team;
    uint64_t count, n_started, n_done, n_bad;
    uint64_t run; /* makes the logins new */
    uint64_t pause_usec, next_usec;
    bool failed;
    struct slot {
        struct bench *bench;
        struct tenant_call *call;
    } * slots;
    char first_problem[512];
};

static void fill_slot(struct slot *slot);

static uint64_t cpu_usec(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * USEC_PER_SEC +
           (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void on_done(const struct tenant_answer *a, void *userdata)
{
    struct slot *slot = userdata;
    struct bench *b = slot->bench;
    slot->call = tenant_configapi_ops.call_free(slot->call);
    b->n_done++;
    if (a->class != TENANT_DONE && b->n_bad++ == 0)
        snprintf(b->first_problem, sizeof(b->first_problem), "%s (%d): %s",
                 tenant_answer_class_name(a->class), a->status, a->hint);
    fill_slot(slot);
}

static int start(struct slot *slot, struct error *e)
{
    struct bench *b = slot->bench;
    char login[64], mail[96], phone[32];
    uint64_t n = b->n_started;
    CLEANUP(user_freep) struct user *u = user_new();
    if (!u)
        return error_out_of_memory(e);
    snprintf(login, sizeof(login), "bench-%" PRIu64 "-%" PRIu64, b->run, n);
    snprintf(mail, sizeof(mail), "%s@example.com", login);
    snprintf(phone, sizeof(phone), "4151%07" PRIu64, n);
    if (user_set(u, USER_LOGIN, login, NULL) < 0 || user_set(u, USER_EMAIL, mail, NULL) < 0 ||
        user_set(u, USER_FIRST_NAME, "Sheila", NULL) < 0 ||
        user_set(u, USER_LAST_NAME, "Thomas", NULL) < 0 ||
        user_set(u, USER_WORK_PHONE, phone, NULL) < 0 ||
        user_set(u, USER_MOBILE_PHONE, phone, NULL) < 0 ||
        user_set(u, USER_TEAM, b->team, NULL) < 0 || user_add_role(u, "Agent", NULL) < 0 ||
        user_add_skill(u, "English", 100, NULL) < 0 ||
        user_add_skill(u, "Spanish", 50, NULL) < 0)
        return error_out_of_memory(e);
    return tenant_configapi_ops.create(b->client, &slot->call, u, NULL, NULL, false, on_done, slot,
                                        e);
}

static void wait_for_its_time(struct bench *b)
{
    uint64_t now = clock_monotonic_usec();
    if (b->next_usec > now)
        usleep((useconds_t)(b->next_usec - now));
    b->next_usec = (b->next_usec ? b->next_usec : now) + b->pause_usec;
}

static void fill_slot(struct slot *slot)
{
    struct bench *b = slot->bench;
    struct error e;
    if (b->n_started >= b->count)
        return;
    wait_for_its_time(b);
    if (start(slot, &e) < 0) {
        fprintf(stderr, "%s\n", e.message);
        b->failed = true;
        return;
    }
    b->n_started++;
}

/* Runs until `count` creates are through, `concurrent` at a time. */
static int run(struct bench *b, uint64_t count, unsigned concurrent)
{
    b->count = count;
    for (unsigned i = 0; i < concurrent; i++)
        if (!b->slots[i].call)
            fill_slot(&b->slots[i]);
    while (b->n_done < count)
        if (b->failed || (b->n_done == 1 && b->n_bad == 1) ||
            sd_event_run(b->event, UINT64_MAX) < 0)
            return -1;
    return 0;
}

static void report(const struct bench *b, uint64_t count, uint64_t wall_usec, uint64_t cpu)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    printf("%" PRIu64
           " creates, %.0f creates/s, %.1f us CPU per create, %ld KiB resident at most, "
           "%" PRIu64 " not done\n",
           count, (double)count * USEC_PER_SEC / (double)wall_usec, (double)cpu / (double)count,
           u.ru_maxrss, b->n_bad);
    if (b->n_bad)
        printf("first that was not done: %s\n", b->first_problem);
}

int main(int argc, char **argv)
{
    uint64_t count = 0, concurrent = 0, rate = 0;
    if (argc < 8 || text_parse_unsigned(argv[6], 100000000, &count) < 0 ||
        text_parse_unsigned(argv[7], 1024, &concurrent) < 0 || count < 2 || concurrent < 1 ||
        (argc > 9 && text_parse_unsigned(argv[9], 100000, &rate) < 0)) {
        fprintf(
            stderr,
            "usage: %s URL CLIENT SECRET_FILE SCOPE CA_FILE|- COUNT CONCURRENT [TEAM [RATE]]\n",
            argv[0]);
        return 2;
    }
    bool plain = strcmp(argv[5], "-") == 0;
    struct tenant_options options = {
        .url = argv[1],
        .client_id = argv[2],
        .client_secret_file = argv[3],
        .scope = argv[4],
        .tls_ca_file = plain ? NULL : argv[5],
        .allow_plain_http = plain,
        .max_concurrent = (unsigned)concurrent,
        .connect_timeout_usec = 5 * USEC_PER_SEC,
        .request_timeout_usec = 30 * USEC_PER_SEC,
        .max_answer_bytes = 1024 * 1024,
    };
    struct bench b = {.team = argc > 8 ? argv[8] : "Customer Service",
                      .run = clock_now_usec() / USEC_PER_SEC,
                      .pause_usec = rate ? USEC_PER_SEC / rate : 0};
    struct error e;
    b.slots = calloc(concurrent, sizeof(*b.slots));
    if (!b.slots || sd_event_new(&b.event) < 0 ||
        tenant_client_new(&b.client, b.event, &options, &e) < 0) {
        fprintf(stderr, "%s\n", b.slots && b.event ? e.message : "out of memory");
        return 1;
    }
    for (uint64_t i = 0; i < concurrent; i++)
        b.slots[i].bench = &b;
    int r = run(&b, 1, 1); /* token and first connection */
    uint64_t wall = clock_monotonic_usec(), cpu = cpu_usec();
    if (r == 0)
        r = run(&b, count, (unsigned)concurrent);
    report(&b, r == 0 ? count - 1 : b.n_done, clock_monotonic_usec() - wall, cpu_usec() - cpu);
    for (uint64_t i = 0; i < concurrent; i++)
        tenant_configapi_ops.call_free(b.slots[i].call);
    tenant_client_free(b.client);
    sd_event_unref(b.event);
    free(b.slots);
    return r < 0 || b.n_bad > 0;
}
