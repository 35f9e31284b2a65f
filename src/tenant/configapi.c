/*
 * The vendor's kind of tenant: its Configuration API, which goes by the login, and beside it SCIM,
 * which goes by an id. Each function builds one request (address, body, what it asks) and hands it
 * to call.c.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/secret.h"
#include "base/text.h"
#include "tenant/call.h"
#include "tenant/http.h"
#include "tenant/scim.h"
#include "tenant/user-api.h"

#define USER_PATH      "/configapi/v2/user"
#define TEAM_PATH      "/configapi/v2/team"
#define DIRECTORY_PATH "/configapi/v2/phone/user"
#define SCIM_PATH      "/configapi/v2/scim/users"

/* -- what answers bring -- */

static int read_user(struct tenant_client *c, const struct call_request *q,
                     const struct http_result *r, struct call_content *to, struct error *e)
{
    (void)c;
    int rc = user_api_read_user(&to->user, &to->logged_in, r->body, r->body_size, e);
    return rc < 0 || text_equal_fold(user_get(to->user, USER_LOGIN), q->login)
               ? rc
               : call_other_subject(e);
}

static int read_teams(struct tenant_client *c, const struct call_request *q,
                      const struct http_result *r, struct call_content *to, struct error *e)
{
    (void)c, (void)q;
    return user_api_read_teams(&to->names, r->body, r->body_size, e);
}

static int read_directory(struct tenant_client *c, const struct call_request *q,
                          const struct http_result *r, struct call_content *to, struct error *e)
{
    (void)c, (void)q;
    return user_api_read_directory(&to->names, r->body, r->body_size, e);
}

static int read_lookup(struct tenant_client *c, const struct call_request *q,
                       const struct http_result *r, struct call_content *to, struct error *e)
{
    (void)c;
    return scim_read_lookup(&to->id, q->login, r->body, r->body_size, e);
}

static int read_scim_user(struct tenant_client *c, const struct call_request *q,
                          const struct http_result *r, struct call_content *to, struct error *e)
{
    int rc = scim_read_user(&to->user, &to->id, r->body, r->body_size, e);
    if (rc == 0 && to->user->n_roles)
        c->roles_as_objects = to->user->roles_as_objects;
    return rc < 0 || text_equal(to->id, q->id) ? rc : call_other_subject(e);
}

/* RFC 7644, 3.5.2: the user is shown, or nothing is. */
static int read_scim_user_if_any(struct tenant_client *c, const struct call_request *q,
                                 const struct http_result *r, struct call_content *to,
                                 struct error *e)
{
    return r->body_size ? read_scim_user(c, q, r, to, e) : 0;
}

/* -- operations -- */

static int user_create(void *client, struct tenant_call **ret, const struct user *user,
                       const char *our_id, const struct secret *password, bool change_password,
                       tenant_done_fn done, void *userdata, struct error *e)
{
    (void)our_id; /* there is no place for it */
    const char *login = user_get(user, USER_LOGIN);
    struct call_request q = {
        .question = {.method = HTTP_POST,
                     .api = ANSWER_CONFIGURATION,
                     .team = user_get(user, USER_TEAM),
                     .role = user->n_roles > 0,
                     .skill = user->n_skills > 0},
    };
    if (!login || !*login)
        return error_set(e, -EINVAL, "a user without a login cannot be created");
    int r = call_url(&q.url, client, USER_PATH, NULL, e);
    if (r == 0)
        r = call_text(&q.login, login, e);
    if (r == 0 && password)
        r = call_text(&q.password, secret_text(password), e);
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
    int r = call_url(&q->url, c, USER_PATH, login, e);
    if (r == 0)
        r = call_text(&q->login, login, e);
    if (r < 0) {
        call_request_done(q);
        return r;
    }
    q->question.api = ANSWER_CONFIGURATION;
    q->question.names_user = true;
    return call_start(ret, c, q, done, userdata, e);
}

static int put(struct tenant_client *c, struct tenant_call **ret, const char *login,
               const struct tenant_write *w, tenant_done_fn done, void *userdata, struct error *e)
{
    const char *team = w->set & PART_FIELD(USER_TEAM) ? user_get(w->user, USER_TEAM) : NULL;
    const bool *disabled = w->set & PART_DISABLED ? &w->user->disabled : NULL;
    const struct user *skills = w->set & PART_SKILLS ? w->user : NULL;
    struct call_request q = {
        .question = {.method = HTTP_PUT, .team = team, .skill = skills && skills->n_skills > 0},
    };
    int r = user_api_put_body(&q.body, &q.body_size, team, disabled, skills, e);
    return r < 0 ? r : start_for_login(c, ret, &q, login, done, userdata, e);
}

static int user_password(void *client, struct tenant_call **ret, struct tenant_ref ref,
                         const struct secret *password, bool change_password, tenant_done_fn done,
                         void *userdata, struct error *e)
{
    struct call_request q = {.question = {.method = HTTP_PUT}};
    int r = call_text(&q.password, secret_text(password), e);
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
    struct call_request q = {.question = {.method = HTTP_DELETE}};
    return start_for_login(client, ret, &q, ref.login, done, userdata, e);
}

static int list_start(struct tenant_client *c, struct tenant_call **ret, call_reader *read,
                      const char *path, tenant_done_fn done, void *userdata, struct error *e)
{
    struct call_request q = {.read = read,
                             .is_list = true,
                             .question = {.method = HTTP_GET, .api = ANSWER_CONFIGURATION}};
    int r = call_url(&q.url, c, path, NULL, e);
    return r < 0 ? r : call_start(ret, c, &q, done, userdata, e);
}

static int team_list(void *client, struct tenant_call **ret, tenant_done_fn done, void *userdata,
                     struct error *e)
{
    return list_start(client, ret, read_teams, TEAM_PATH, done, userdata, e);
}

static int directory_list(void *client, struct tenant_call **ret, tenant_done_fn done,
                          void *userdata, struct error *e)
{
    return list_start(client, ret, read_directory, DIRECTORY_PATH, done, userdata, e);
}

static int scim_lookup(void *client, struct tenant_call **ret, const char *login,
                       tenant_done_fn done, void *userdata, struct error *e)
{
    const struct tenant_client *c = client;
    struct call_request q = {.read = read_lookup,
                             .question = {.method = HTTP_GET, .api = ANSWER_SCIM}};
    CLEANUP(freep) char *query = scim_lookup_query(login);
    if (!query || asprintf(&q.url, "%s" SCIM_PATH "%s", http_base_url(c->http), query) < 0) {
        q.url = NULL;
        return error_out_of_memory(e);
    }
    int r = call_text(&q.login, login, e);
    if (r < 0) {
        call_request_done(&q);
        return r;
    }
    return call_start(ret, client, &q, done, userdata, e);
}

/* A call about one user of SCIM; takes the body in q. */
static int start_for_id(struct tenant_client *c, struct tenant_call **ret, struct call_request *q,
                        const char *id, tenant_done_fn done, void *userdata, struct error *e)
{
    int r = call_url(&q->url, c, SCIM_PATH, id, e);
    if (r == 0)
        r = call_text(&q->id, id, e);
    if (r < 0) {
        call_request_done(q);
        return r;
    }
    q->question.api = ANSWER_SCIM;
    q->question.names_user = true;
    return call_start(ret, c, q, done, userdata, e);
}

static int patch(struct tenant_client *c, struct tenant_call **ret, const char *id,
                 const struct tenant_write *w, tenant_done_fn done, void *userdata, struct error *e)
{
    const struct user *roles = w->set & PART_ROLES ? w->user : NULL, *current = w->current;
    /* Whoever has no role shows no form: then as others were shown. */
    bool objects = current && current->n_roles ? current->roles_as_objects : c->roles_as_objects;
    const char *fields[USER_N_FIELDS] = {0};
    struct call_request q = {
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
    struct call_request q = {.read = read_scim_user_if_any, .question = {.method = HTTP_PATCH}};
    int r = scim_active_body(&q.body, &q.body_size, active, e);
    return r < 0 ? r : start_for_id(c, ret, &q, id, done, userdata, e);
}

static int user_read(void *client, struct tenant_call **ret, struct tenant_ref ref,
                     tenant_done_fn done, void *userdata, struct error *e)
{
    struct call_request q = {.read = ref.id ? read_scim_user : read_user,
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
     .writes = PART_FIELD(USER_LOGIN) | PART_FIELD(USER_FIRST_NAME) | PART_FIELD(USER_LAST_NAME) |
               PART_FIELD(USER_EMAIL) | PART_FIELD(USER_WORK_PHONE) |
               PART_FIELD(USER_MOBILE_PHONE) | PART_FIELD(USER_EXTENSION) | PART_ROLES,
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

const struct tenant_ops tenant_configapi_ops = {
    .parts = parts_of,
    .create = user_create,
    .read = user_read,
    .write = user_write,
    .password = user_password,
    .remove = user_remove,
    .find = scim_lookup,
    .team_list = team_list,
    .directory_list = directory_list,
    .ahead = call_ahead,
    .call_ask = call_ask,
    .call_hurry = call_hurry,
    .call_free = call_free,
};
