/*
 * The client's life and its limits. What it sends is a matter of the kind of tenant
 * (configapi.c, scim2.c), when that leaves one of call.c.
 */
#include "config.h"

#include "tenant/client.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/timer.h"
#include "tenant/call.h"
#include "tenant/http.h"
#include "tenant/options.h"

/* A row for each kind of tenant. */
const struct tenant_ops *tenant_kind_ops(const struct tenant_options *options)
{
    static const struct tenant_ops *const kinds[TENANT_N_KINDS] = {
        [TENANT_CONFIGAPI] = &tenant_configapi_ops,
        [TENANT_SCIM2] = &tenant_scim2_ops,
    };
    return kinds[options->kind];
}

const char *tenant_path(const struct tenant_options *options)
{
    return options->kind == TENANT_SCIM2 ? options->scim_path : NULL;
}

static void on_token(const struct tenant_answer *failure, void *userdata)
{
    call_token_came(userdata, failure);
}

static int on_pump(sd_event_source *s, void *userdata)
{
    (void)s;
    call_pump(userdata);
    return 0;
}

static int on_pace(sd_event_source *s, uint64_t usec, void *userdata)
{
    (void)s, (void)usec;
    call_pump(userdata);
    return 0;
}

static int add_sources(struct tenant_client *c, struct error *e)
{
    int r = sd_event_add_defer(c->event, &c->pump_source, on_pump, c);
    if (r >= 0)
        r = sd_event_source_set_enabled(c->pump_source, SD_EVENT_OFF);
    if (r >= 0)
        r = timer_at(c->event, &c->pace_source, UINT64_MAX, on_pace, c);
    if (r >= 0)
        r = sd_event_source_set_enabled(c->pace_source, SD_EVENT_OFF);
    return r < 0 ? error_set(e, r, "the tenant client's event sources: %s", strerror(-r)) : 0;
}

int tenant_client_new(struct tenant_client **ret, struct sd_event *event,
                      const struct tenant_options *options, struct error *e)
{
    struct tenant_client *c = calloc(1, sizeof(*c));
    if (!c)
        return error_out_of_memory(e);
    TAILQ_INIT(&c->waiting);
    TAILQ_INIT(&c->sent);
    c->event = sd_event_ref(event);
    c->max_concurrent = options->max_concurrent > 0 ? options->max_concurrent : 1;
    pace_init(&c->pace, options->max_rate, clock_monotonic_usec());
    c->scim_works = options->kind == TENANT_SCIM2; /* there is nothing else */
    int r = options->scim_path ? call_text(&c->scim_path, options->scim_path, e) : 0;
    for (size_t n = c->scim_path ? strlen(c->scim_path) : 0; n && c->scim_path[n - 1] == '/'; n--)
        c->scim_path[n - 1] = '\0';
    if (r == 0)
        r = http_new(&c->http, event, options, e);
    if (r == 0)
        r = oauth_new(&c->oauth, c->http, options, on_token, c, e);
    if (r == 0)
        r = add_sources(c, e);
    if (r < 0) {
        tenant_client_free(c);
        return r;
    }
    *ret = c;
    return 0;
}

struct tenant_client *tenant_client_free(struct tenant_client *c)
{
    if (!c)
        return NULL;
    assert(!c->pumping); /* not from inside done */
    while (!TAILQ_EMPTY(&c->sent))
        call_orphan(TAILQ_FIRST(&c->sent));
    while (!TAILQ_EMPTY(&c->waiting))
        call_orphan(TAILQ_FIRST(&c->waiting));
    oauth_free(c->oauth);
    http_free(c->http);
    sd_event_source_disable_unref(c->pump_source);
    pace_done(&c->pace);
    sd_event_source_disable_unref(c->pace_source);
    sd_event_unref(c->event);
    free(c->scim_path);
    free(c);
    return NULL;
}

void tenant_client_set_limits(struct tenant_client *c, double max_rate, unsigned max_concurrent)
{
    c->max_concurrent = max_concurrent > 0 ? max_concurrent : 1;
    pace_set_max_rate(&c->pace, max_rate, clock_monotonic_usec());
    http_set_parallel(c->http, c->max_concurrent);
    if (!c->pumping)
        sd_event_source_set_enabled(c->pump_source, SD_EVENT_ONESHOT);
}

const char *tenant_client_token_url(const struct tenant_client *c)
{
    return oauth_url(c->oauth);
}

void tenant_client_on_request(struct tenant_client *c,
                              void (*fn)(const char *method, const char *url, void *userdata),
                              void *userdata)
{
    c->on_request = fn;
    c->on_request_userdata = userdata;
}

void tenant_client_on_other_token(struct tenant_client *c, bool (*fn)(void *userdata),
                                  void *userdata)
{
    c->on_other_token = fn;
    c->on_other_token_userdata = userdata;
    if (!c->pumping)
        sd_event_source_set_enabled(c->pump_source, SD_EVENT_ONESHOT);
}

void tenant_client_status(const struct tenant_client *c, struct tenant_client_status *ret)
{
    *ret = (struct tenant_client_status){
        .in_flight = c->n_sent,
        .waiting = c->n_waiting,
        .rate_now = c->pace.rate,
        .has_token = oauth_token(c->oauth),
        .token_expires_usec = oauth_expires_usec(c->oauth),
        .n_requests = c->n_requests + oauth_n_requests(c->oauth),
        .n_throttled = c->n_throttled,
        .n_failed = c->n_failed,
        .certificate_expires_usec = http_certificate_expires_usec(c->http),
    };
    memcpy(ret->n_answers, c->n_answers, sizeof(ret->n_answers));
}
