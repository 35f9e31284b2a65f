/*
 * The client's face: each function builds one request (address, body, what it asks) and hands
 * it to call.c. Logins and SCIM ids are percent-encoded into the path; an empty one, "." and
 * ".." are refused, since they would name another resource.
 */
#include "config.h"

#include "tenant/client.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/secret.h"
#include "tenant/call.h"
#include "tenant/http.h"
#include "tenant/options.h"
#include "tenant/scim.h"
#include "tenant/user-api.h"

#define USER_PATH      "/configapi/v2/user"
#define TEAM_PATH      "/configapi/v2/team"
#define DIRECTORY_PATH "/configapi/v2/phone/user"
#define SCIM_PATH      "/configapi/v2/scim/users"

/* -- addresses -- */

static int take_text(char **to, const char *text, struct error *e)
{
    *to = strdup(text);
    return *to ? 0 : error_out_of_memory(e);
}

/* base + path, and "/" + name percent-encoded when there is one. */
static int make_url(char **ret, const struct tenant_client *c, const char *path,
                    const char *name, struct error *e)
{
    CLEANUP(freep) char *escaped = NULL;
    if (name && (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0))
        return error_set(e, -EINVAL, "'%s' cannot name a user of the tenant", name);
    if (name && !(escaped = http_escape(name)))
        return error_out_of_memory(e);
    if (asprintf(ret, "%s%s%s%s", http_base_url(c->http), path, name ? "/" : "",
                 name ? escaped : "") < 0) {
        *ret = NULL;
        return error_out_of_memory(e);
    }
    return 0;
}

/* -- operations -- */

static int user_create(void *client, struct tenant_call **ret, const struct user *user,
                       const struct secret *password, bool change_password, tenant_done_fn done,
                       void *userdata, struct error *e)
{
    const char *login = user_get(user, USER_LOGIN);
    struct call_request q = {
        .kind = CALL_CREATE,
        .question = {.method = HTTP_POST,
                     .api = ANSWER_CONFIGURATION,
                     .team = user_get(user, USER_TEAM),
                     .role = user->n_roles > 0,
                     .skill = user->n_skills > 0},
    };
    if (!login || !*login)
        return error_set(e, -EINVAL, "a user without a login cannot be created");
    int r = make_url(&q.url, client, USER_PATH, NULL, e);
    if (r == 0)
        r = take_text(&q.login, login, e);
    if (r == 0 && password)
        r = take_text(&q.password, secret_text(password), e);
    if (r == 0)
        r = user_api_create_body(&q.body, &q.body_size, user, password, change_password, e);
    if (r < 0) {
        call_request_done(&q);
        return r;
    }
    return call_start(ret, client, &q, done, userdata, e);
}

/* A call about one user of the Configuration API; takes the body in q. */
static int start_for_login(struct tenant_client *c, struct tenant_call **ret,
                           struct call_request *q, const char *login, tenant_done_fn done,
                           void *userdata, struct error *e)
{
    int r = make_url(&q->url, c, USER_PATH, login, e);
    if (r == 0)
        r = take_text(&q->login, login, e);
    if (r < 0) {
        call_request_done(q);
        return r;
    }
    q->question.api = ANSWER_CONFIGURATION;
    q->question.names_user = true;
    return call_start(ret, c, q, done, userdata, e);
}

static int put(struct tenant_client *c, struct tenant_call **ret, const char *login,
               const struct tenant_write *w, tenant_done_fn done, void *userdata,
               struct error *e)
{
    const char *team = w->set & PART_FIELD(USER_TEAM) ? user_get(w->user, USER_TEAM) : NULL;
    const bool *disabled = w->set & PART_DISABLED ? &w->user->disabled : NULL;
    const struct user *skills = w->set & PART_SKILLS ? w->user : NULL;
    struct call_request q = {
        .kind = CALL_PUT,
        .question = {.method = HTTP_PUT,
                     .team = team,
                     .skill = skills && skills->n_skills > 0},
    };
    int r = user_api_put_body(&q.body, &q.body_size, team, disabled, skills, e);
    return r < 0 ? r : start_for_login(c, ret, &q, login, done, userdata, e);
}

static int user_password(void *client, struct tenant_call **ret, struct tenant_ref ref,
                         const struct secret *password, bool change_password,
                         tenant_done_fn done, void *userdata, struct error *e)
{
    struct call_request q = {.kind = CALL_PUT, .question = {.method = HTTP_PUT}};
    int r = take_text(&q.password, secret_text(password), e);
    if (r == 0)
        r = user_api_password_body(&q.body, &q.body_size, password, change_password, e);
    if (r < 0) {
        call_request_done(&q);
        return r;
    }
    return start_for_login(client, ret, &q, ref.login, done, userdata, e);
}

static int user_remove(void *client, struct tenant_call **ret, struct tenant_ref ref,
                       tenant_done_fn done, void *userdata, struct error *e)
{
    struct call_request q = {.kind = CALL_DELETE, .question = {.method = HTTP_DELETE}};
    return start_for_login(client, ret, &q, ref.login, done, userdata, e);
}

static int list_start(struct tenant_client *c, struct tenant_call **ret, enum call_kind kind,
                      const char *path, tenant_done_fn done, void *userdata, struct error *e)
{
    struct call_request q = {.kind = kind,
                             .question = {.method = HTTP_GET, .api = ANSWER_CONFIGURATION}};
    int r = make_url(&q.url, c, path, NULL, e);
    return r < 0 ? r : call_start(ret, c, &q, done, userdata, e);
}

static int team_list(void *client, struct tenant_call **ret, tenant_done_fn done,
                     void *userdata, struct error *e)
{
    return list_start(client, ret, CALL_TEAMS, TEAM_PATH, done, userdata, e);
}

static int directory_list(void *client, struct tenant_call **ret, tenant_done_fn done,
                          void *userdata, struct error *e)
{
    return list_start(client, ret, CALL_DIRECTORY, DIRECTORY_PATH, done, userdata, e);
}

static int scim_lookup(void *client, struct tenant_call **ret, const char *login,
                       tenant_done_fn done, void *userdata, struct error *e)
{
    const struct tenant_client *c = client;
    struct call_request q = {.kind = CALL_SCIM_LOOKUP,
                             .question = {.method = HTTP_GET, .api = ANSWER_SCIM}};
    CLEANUP(freep) char *query = scim_lookup_query(login);
    if (!query || asprintf(&q.url, "%s" SCIM_PATH "%s", http_base_url(c->http), query) < 0) {
        q.url = NULL;
        return error_out_of_memory(e);
    }
    int r = take_text(&q.login, login, e);
    if (r < 0) {
        call_request_done(&q);
        return r;
    }
    return call_start(ret, client, &q, done, userdata, e);
}

/* A call about one user of SCIM; takes the body in q. */
static int start_for_id(struct tenant_client *c, struct tenant_call **ret,
                        struct call_request *q, const char *id, tenant_done_fn done,
                        void *userdata, struct error *e)
{
    int r = make_url(&q->url, c, SCIM_PATH, id, e);
    if (r == 0)
        r = take_text(&q->scim_id, id, e);
    if (r < 0) {
        call_request_done(q);
        return r;
    }
    q->question.api = ANSWER_SCIM;
    q->question.names_user = true;
    return call_start(ret, c, q, done, userdata, e);
}

static int patch(struct tenant_client *c, struct tenant_call **ret, const char *id,
                 const struct tenant_write *w, tenant_done_fn done, void *userdata,
                 struct error *e)
{
    const struct user *roles = w->set & PART_ROLES ? w->user : NULL, *current = w->current;
    /* Whoever has no role shows no form: then as others were shown. */
    bool objects = current && current->n_roles ? current->roles_as_objects : c->roles_as_objects;
    const char *fields[USER_N_FIELDS] = {0};
    struct call_request q = {
        .kind = CALL_SCIM_PATCH,
        .question = {.method = HTTP_PATCH, .role = roles && roles->n_roles > 0},
    };
    for (int f = 0; f < USER_N_FIELDS; f++) {
        const char *value = user_get(w->user, (enum user_field)f);
        if (w->set & PART_FIELD(f))
            fields[f] = value ? value : "";
    }
    int r = scim_patch_body(&q.body, &q.body_size, fields, roles, current, objects, e);
    return r < 0 ? r : start_for_id(c, ret, &q, id, done, userdata, e);
}

static int set_active(struct tenant_client *c, struct tenant_call **ret, const char *id,
                      bool active, tenant_done_fn done, void *userdata, struct error *e)
{
    struct call_request q = {.kind = CALL_SCIM_ACTIVE, .question = {.method = HTTP_PATCH}};
    int r = scim_active_body(&q.body, &q.body_size, active, e);
    return r < 0 ? r : start_for_id(c, ret, &q, id, done, userdata, e);
}

static int user_read(void *client, struct tenant_call **ret, struct tenant_ref ref,
                     tenant_done_fn done, void *userdata, struct error *e)
{
    struct call_request q = {.kind = ref.id ? CALL_SCIM_GET : CALL_GET,
                             .question = {.method = HTTP_GET}};
    return ref.id ? start_for_id(client, ret, &q, ref.id, done, userdata, e)
                  : start_for_login(client, ret, &q, ref.login, done, userdata, e);
}

static int user_write(void *client, struct tenant_call **ret, struct tenant_ref ref,
                      const struct tenant_write *w, tenant_done_fn done, void *userdata,
                      struct error *e)
{
    assert(w->set && !(w->set & ~(w->part->writes | w->part->also)));
    if (w->part->key == PART_BY_LOGIN)
        return put(client, ret, ref.login, w, done, userdata, e);
    if (w->set == PART_DISABLED)
        return set_active(client, ret, ref.id, !w->user->disabled, done, userdata, e);
    return patch(client, ret, ref.id, w, done, userdata, e);
}

/* Nobody who waits here may be forgotten for long when the tenant becomes slow. */
#define AHEAD_MAX 256

static size_t ahead(void *client)
{
    const struct tenant_client *c = client;
    size_t a_second = pace_second(&c->pace, clock_monotonic_usec());
    size_t most = (size_t)c->max_concurrent * 4;
    if (most > AHEAD_MAX)
        most = AHEAD_MAX;
    return a_second < most ? a_second : most;
}

/* A team brings skills and takes them. */
static const struct part rows[] = {
    {.name = "Configuration API",
     .kind = OPERATION_UPDATE,
     .key = PART_BY_LOGIN,
     .writes = PART_FIELD(USER_TEAM) | PART_SKILLS | PART_DISABLED,
     .tenant_acts = true},
    {.name = "SCIM",
     .kind = OPERATION_PROFILE,
     .key = PART_BY_ID,
     .writes = PART_FIELD(USER_LOGIN) | PART_FIELD(USER_FIRST_NAME) |
               PART_FIELD(USER_LAST_NAME) | PART_FIELD(USER_EMAIL) |
               PART_FIELD(USER_WORK_PHONE) | PART_FIELD(USER_MOBILE_PHONE) |
               PART_FIELD(USER_EXTENSION) | PART_ROLES,
     .also = PART_DISABLED,
     .may_be_missing = true,
     .cause = "scim",
     .holds = "names, mail, phones, roles and logins",
     .remedy = "make an integration account for SCIM"},
};

static const struct parts *parts_of(const void *client)
{
    static const struct parts parts = {.items = rows, .n_items = ARRAY_SIZE(rows)};
    (void)client; /* each tenant of this kind has both */
    return &parts;
}

const struct tenant_ops tenant_https_ops = {
    .parts = parts_of,
    .create = user_create,
    .read = user_read,
    .write = user_write,
    .password = user_password,
    .remove = user_remove,
    .find = scim_lookup,
    .team_list = team_list,
    .directory_list = directory_list,
    .ahead = ahead,
    .call_hurry = call_hurry,
    .call_free = call_free,
};

/* -- the client -- */

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
        r = sd_event_add_time(c->event, &c->pace_source, CLOCK_MONOTONIC, UINT64_MAX,
                              USEC_PER_MSEC, on_pace, c);
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
    int r = http_new(&c->http, event, options, e);
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
    sd_event_source_disable_unref(c->pace_source);
    sd_event_unref(c->event);
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
