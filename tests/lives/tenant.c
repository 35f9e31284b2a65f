/*
 * The tenant: HTTP by hand, and behind it the rules of the tenant simulator, whose objects are
 * linked with all their names hidden but these few. A request takes effect when it has arrived;
 * its answer leaves a moment later, unless something happens in between.
 */
#include "config.h"

#include "tenant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../simulator/http.h"
#include "causes.h"
#include "commands.h"
#include "hands.h"
#include "oracle.h"
#include "secrets.h"
#include "simulated.h"
#include "status.h"
#include "world.h"

struct simulator tenant;
static struct simulator other; /* another tenant, of somebody else */
static uint64_t longest_usec;  /* that an answer takes */
/* Whom alone something happens to; "": nobody. */
static char refused[40], mistaken[40], taken_for[40];
/* Since when every answer has this status; when one was another. */
static unsigned denied_status;
static uint64_t denied_usec, answered_usec, refused_usec;
static uint64_t trouble_usec; /* when it began; 0: there is none */

struct exchange { /* one request and its answer */
    struct exchange *next;
    struct line *line;
    struct request request;
    const char *head;
    size_t head_size;
};
static struct exchange *under_way;

/* The only function of libmicrohttpd that the rules call; its connection is our exchange. */
const char *MHD_lookup_connection_value(struct MHD_Connection *connection,
                                        enum MHD_ValueKind kind, const char *name)
{
    static char value[4096];
    const struct exchange *x = (const struct exchange *)connection;
    const char *p = x->head, *end = x->head + x->head_size;
    size_t n = strlen(name);
    (void)kind;
    while (p < end) {
        const char *eol = memchr(p, '\r', (size_t)(end - p));
        eol = eol ? eol : end;
        if ((size_t)(eol - p) > n && p[n] == ':' && strncasecmp(p, name, n) == 0) {
            p += n + 1;
            while (p < eol && *p == ' ')
                p++;
            snprintf(value, sizeof(value), "%.*s", (int)(eol - p), p);
            return value;
        }
        p = eol + 2;
    }
    return NULL;
}

uint64_t request_connection_number(const struct request *q)
{
    (void)q;
    return 1;
}

/* Its control interface refers to it; here no request stalls. */
void http_end_stalls(struct simulator *s)
{
    (void)s;
}

static void seed_one(struct simulator *s, const char *login, const char *team, const char *role)
{
    char mail[80];
    snprintf(mail, sizeof(mail), "%s@%s", login, s == &tenant ? "example.com" : "example.org");
    struct refusal why = {0};
    json_t *user = json_pack("{s:s,s:s,s:s,s:s,s:s,s:[s]}", "loginId", login, "firstName", "Some",
                             "lastName", "Body", "email", mail, "team", team, "roles", role);
    if (seed_user(s, user, &why) < 0)
        abort();
    json_decref(user);
}

static void begin(struct simulator *s, const char *domain)
{
    *s = (struct simulator){0};
    settings_init(&s->settings);
    store_init(&s->store);
    faults_init(&s->faults);
    TAILQ_INIT(&s->waiting);
    TAILQ_INIT(&s->presets);
    s->oauth.client = text_copy(API_USER);
    s->oauth.domain = text_copy(domain);
    s->oauth.secret = text_copy(CLIENT_SECRET);
    s->access_numbers = json_array();
    seed_names(s, NAME_TEAM, "Customer Service,Sales,Back Office");
    seed_names(s, NAME_ROLE, "Agent,Lead,Trainer,Coach,Auditor,Guest,Administrator");
    seed_names(s, NAME_SKILL, "English,Spanish,Billing,French,Chat");
    seed_one(s, API_USER, "Back Office", "Administrator");
}

static void end(struct simulator *s)
{
    faults_clear(&s->faults);
    oauth_done(&s->oauth);
    store_done(&s->store);
    json_decref(s->access_numbers);
    settings_done(&s->settings);
}

void tenant_begin(void)
{
    char login[24];
    longest_usec = 0;
    *refused = *mistaken = '\0';
    secrets_begin();
    begin(&tenant, "10.0.0.2");
    begin(&other, "10.0.0.3");
    for (unsigned i = 1; i < 9; i += 2) { /* who happen to have the logins of ours */
        snprintf(login, sizeof(login), "user%u", i);
        seed_one(&other, login, "Sales", "Agent");
    }
}

void tenant_end(void)
{
    end(&tenant);
    end(&other);
}

/* That somebody still waits for the answer of. A token is asked for beside them. */
static unsigned count_under_way(void)
{
    unsigned n = 0;
    for (const struct exchange *x = under_way; x; x = x->next)
        n += x->line->fd >= 0 && !x->line->is_other && !strstr(x->request.target, "/oauth/");
    return n;
}

static void exchange_free(struct exchange *x)
{
    struct request *q = &x->request;
    struct exchange **p = &under_way;
    while (*p != x)
        p = &(*p)->next;
    *p = x->next;
    fault_unref(q->fault);
    json_decref(q->json);
    buffer_done(&q->body);
    buffer_done(&q->answer);
    while (q->n_headers)
        free(q->header_text[--q->n_headers]);
    free(q->target);
    free(q->argument);
    free(q->login);
    line_unref(x->line);
    free(x);
}

static void answer(void *userdata, uint64_t cut)
{
    struct exchange *x = userdata;
    struct request *q = &x->request;
    char head[1024];
    if (!crash_point(NULL) && x->line->fd >= 0) {
        int n = snprintf(head, sizeof(head),
                         "HTTP/1.1 %u Simulated\r\nContent-Length: %zu\r\nContent-Type: %s\r\n",
                         q->status, q->answer.length,
                         q->content_type ? q->content_type : "text/plain");
        for (size_t i = 0; i < q->n_headers; i++)
            n += snprintf(head + n, sizeof(head) - (size_t)n, "%s\r\n", q->header_text[i]);
        n += snprintf(head + n, sizeof(head) - (size_t)n, "\r\n");
        trace("tenant to %d: %s %s: %u, %zu bytes%s", x->line->fd, q->method_text, q->target,
              q->status, q->answer.length, cut ? ", cut" : "");
        if (!cut) {
            line_say(x->line, head, (size_t)n);
            if (q->answer.data)
                secrets_learn_token(q->answer.data, q->answer.length);
            line_say(x->line, q->answer.data, q->answer.length);
        } else {
            line_hang_up(x->line);
        }
    }
    exchange_free(x);
}

static void see_trouble(const struct request *q, enum route_result result)
{
    if (q->method == METHOD_GET || !q->login)
        return;
    if (result == ROUTE_CUT)
        seen(POINT_LOST_ANSWER);
    else if (q->status == 429)
        oracle_throttled(q->login);
    else if (q->status == 401)
        seen(POINT_UNAUTHORISED);
    else if (q->status == 503)
        seen(POINT_ERROR);
    else if (q->fault && q->fault->action == FAULT_HTML)
        seen(POINT_PAGE);
    else if (q->method == METHOD_DELETE && q->status == 200)
        seen(POINT_DELETED);
}

#define USER_PATH "/configapi/v2/user"

/* Whatever is asked of one user (test_refusals.py:test_one_refusal_is_one_persons). */
static bool is_refused(struct request *q)
{
    static const char text[] =
        "{\"error\": \"forbidden\", \"error_description\": \"This user is protected\"}";
    if (!*refused || !q->login || strcasecmp(q->login, refused) != 0 ||
        strncmp(q->target, USER_PATH, strlen(USER_PATH)) != 0)
        return false;
    if (q->method != METHOD_GET && !refused_usec)
        refused_usec = world.steady_usec;
    q->status = 403;
    q->content_type = "application/json";
    buffer_append(&q->answer, text, sizeof(text) - 1);
    seen(POINT_REFUSED);
    return true;
}

/* Something in between answers with what it was asked of somebody else, which no tenant was seen to
 * do. */
static void mistake(const char *method, char target[1024])
{
    char asked[100];
    snprintf(asked, sizeof(asked), USER_PATH "/%s", mistaken);
    if (!*mistaken || strcmp(method, "GET") != 0 || strcasecmp(target, asked) != 0 ||
        !store_user(&tenant.store, taken_for))
        return;
    snprintf(target, 1024, USER_PATH "/%s", taken_for);
    seen(POINT_MISTAKEN);
}

static void note_answer(const struct request *q, enum route_result result)
{
    if (result == ROUTE_ANSWER && q->status < 300)
        answered_usec = world.steady_usec;
    if (denied_status != q->status)
        denied_usec = world.steady_usec;
    denied_status = q->status;
}

bool tenant_is_troubled(void)
{
    return trouble_usec || world.tenant_away;
}

uint64_t tenant_trouble_usec(void)
{
    return world.tenant_away ? world.away_usec : trouble_usec;
}

uint64_t tenant_denies_usec(unsigned status)
{
    return denied_status == status ? denied_usec : 0;
}

uint64_t tenant_answered_usec(void)
{
    return answered_usec;
}

uint64_t tenant_refused_usec(const char *login)
{
    return *refused && strcasecmp(refused, login) == 0 ? refused_usec : 0;
}

static enum route_result carry_out(struct request *q)
{
    enum route_result result = ROUTE_ANSWER;
    route_resolve(&tenant, q);
    oracle_request(q, count_under_way());
    if (!is_refused(q))
        result = route_serve(&tenant, q);
    note_answer(q, result);
    oracle_answered(q);
    see_trouble(q, result);
    /* Another first password, since that could not be handed on, is nothing of a load. */
    bool again =
        q->method == METHOD_PUT && commands_tells_password(q->body.data, q->body.length);
    if (q->method != METHOD_GET && q->login && q->status < 300 && !again)
        status_written();
    return result;
}

static void serve(struct line *l, const char *head, size_t head_size, const char *body,
                  size_t body_size)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};
    struct exchange *x = calloc(1, sizeof(*x));
    char target[1024] = "";
    if (!x)
        abort();
    struct request *q = &x->request;
    x->next = under_way;
    under_way = x;
    x->line = line_ref(l);
    x->head = head;
    x->head_size = head_size;
    q->simulator = l->is_other ? &other : &tenant;
    q->connection = (struct MHD_Connection *)x;
    q->method = METHOD_OTHER;
    sscanf(head, "%15s %1023s", q->method_text, target);
    for (unsigned i = 0; i < 5; i++)
        if (strcmp(q->method_text, methods[i]) == 0)
            q->method = (enum method)i;
    if (!l->is_other)
        mistake(q->method_text, target);
    q->target = text_copy(target);
    buffer_append(&q->body, body, body_size);
    world.n_requests++;
    trace("to tenant from %d: %s %s, %zu bytes", l->fd, q->method_text, target, body_size);
    /* A death as it arrives: it was carried out or not. */
    if (crash_point(NULL) && chance_percent(CHANCE_CRASH, 50)) {
        exchange_free(x);
        return;
    }
    enum route_result result;
    if (l->is_other) {
        route_resolve(&other, q);
        if (q->method != METHOD_GET && q->login)
            broken(2, "%s of %s at another tenant, which nobody approved", q->method_text, q->login);
        result = route_serve(&other, q);
    } else {
        result = carry_out(q);
    }
    x->head = NULL;
    x->head_size = 0;
    uint64_t takes = 2000 + chance(CHANCE_TENANT, longest_usec ? longest_usec : 30000);
    if (takes > 2 * MINUTE)
        seen(POINT_VERY_LATE);
    world_at(world.steady_usec + takes, answer, x, result != ROUTE_ANSWER);
}

void tenant_hear(struct line *l)
{
    for (;;) {
        const char *in = (const char *)l->in, *end = memmem(in, l->n_in, "\r\n\r\n", 4);
        if (!end)
            return;
        size_t head_size = (size_t)(end - in) + 4;
        const char *length = memmem(in, head_size, "Content-Length:", 15);
        size_t body_size = length ? strtoul(length + 15, NULL, 10) : 0;
        if (l->n_in < head_size + body_size)
            return;
        secrets_check(in, head_size + body_size, PEER_TENANT, "a request to the tenant");
        serve(l, in, head_size, in + head_size, body_size);
        line_eat(l, head_size + body_size);
    }
}

/* The simulator's own faults, by their names there. */
void tenant_trouble(const char *trouble, unsigned percent, uint64_t number)
{
    static const struct {
        const char *name, *action;
        int status;
    } rows[] = {{"lost answers", "lost-answer", 500}, {"throttles", "status", 429},
                {"errors", "status", 503},            {"unauthorised", "status", 401},
                {"pages", "html", 500},               {"forgets", "revoke", 500},
                {"lost creates", "lost-answer", 500}};
    long id;
    trouble_usec = world.steady_usec;
    longest_usec = strcmp(trouble, "slow") == 0   ? 40 * SECOND
                   : strcmp(trouble, "late") == 0 ? 5 * MINUTE
                                                  : 0;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        if (strcmp(rows[i].name, trouble) != 0)
            continue;
        json_t *rule = json_pack("{s:s,s:i,s:i,s:f,s:I}", "action", rows[i].action, "count", -1,
                                 "status", rows[i].status, "probability", percent / 100.0,
                                 "seed", (json_int_t)(number + 1));
        if (strcmp(trouble, "lost creates") == 0) {
            json_object_set_new(rule, "method", json_string("POST"));
            json_object_set_new(rule, "path", json_string("/configapi/v2/user"));
        }
        if (rows[i].status == 429 && number % 2)
            json_object_set_new(rule, "headers", json_pack("{s:s}", "Retry-After", "5"));
        if (faults_add(&tenant.faults, rule, &id))
            abort();
        json_decref(rule);
    }
}

void tenant_trouble_of(const char *trouble, const char *login, const char *other_login)
{
    if (strcmp(trouble, "refuses one") == 0)
        snprintf(refused, sizeof(refused), "%s", login);
    else
        snprintf(mistaken, sizeof(mistaken), "%s", login);
    snprintf(taken_for, sizeof(taken_for), "%s", other_login);
}

void tenant_trouble_of_ends(void)
{
    causes_look();
    *refused = *mistaken = '\0';
    refused_usec = 0;
}

void tenant_trouble_ends(void)
{
    trouble_usec = 0;
    denied_status = 0;
    world.refused_usec = 0;
    longest_usec = 0;
    faults_clear(&tenant.faults);
}

void tenant_logs_in(const char *login, uint64_t seconds_ago)
{
    struct user *u = store_user(&tenant.store, login);
    if (u)
        u->last_login_ms = (int64_t)(world.wall_usec / 1000 - seconds_ago * 1000);
}

bool tenant_enable(const char *login)
{
    struct user *u = store_user(&tenant.store, login);
    if (!u || !u->disabled)
        return false;
    u->disabled = false;
    return true;
}

void tenant_shift(const char *login, bool on)
{
    struct user *u = store_user(&tenant.store, login);
    if (u)
        u->logged_in = on;
}

bool tenant_disable(const char *login)
{
    struct user *u = store_user(&tenant.store, login);
    if (!u || u->disabled)
        return false;
    u->disabled = true;
    return true;
}

bool tenant_dues(const char *login, struct dues *ret)
{
    const struct user *u = store_user(&tenant.store, login);
    *ret = (struct dues){0};
    for (unsigned d = DUE_AGENT; u && d < DUES; d++) {
        for (size_t i = 0; i < u->n_roles; i++)
            if (strcmp(u->roles[i]->text, due_names[d]) == 0)
                ret->of[d] = 1;
        for (size_t i = 0; i < u->n_skills; i++)
            if (strcmp(u->skills[i].name->text, due_names[d]) == 0)
                ret->of[d] = u->skills[i].level;
    }
    return u;
}

const char *tenant_team(const char *login)
{
    const struct user *u = store_user(&tenant.store, login);
    return !u ? NULL : u->team ? u->team->text : "";
}

bool tenant_set(const char *login, const char *fact, int level)
{
    struct user *u = store_user(&tenant.store, login);
    for (size_t i = 0; u && i < u->n_roles; i++)
        if (strcmp(u->roles[i]->text, fact) == 0 && !level) {
            u->roles[i] = u->roles[--u->n_roles];
            return true;
        }
    for (size_t i = 0; u && i < u->n_skills; i++)
        if (strcmp(u->skills[i].name->text, fact) == 0) {
            u->skills[i].level = level;
            if (!level)
                u->skills[i] = u->skills[--u->n_skills];
            return true;
        }
    return false;
}

void tenant_cut(void)
{
    sockets_cut(PEER_TENANT);
}

void tenant_hung_up(struct line *l)
{
    (void)l;
}
