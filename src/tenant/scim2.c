/*
 * A service of SCIM 2.0 as RFC 7643 and RFC 7644 describe it. The login is userName, the team
 * is the department of the enterprise extension, the roles are groups by their displayName,
 * whose members are changed one a request. It has no skills.
 *
 * What the RFCs leave open is taken as it is met: a user's version is sent back where one is
 * shown (RFC 7644, 3.14); whether groups are shown in the user, which is optional, is known
 * from the first user who has one, and until then the roles count as not shown, as they do
 * where groups are shown without `display`, which is optional as well; whether externalId, the
 * entry's id, is kept, the answer to a create tells; DELETE may leave the
 * user there, disabled; lists may shift while their pages are read. No filter is trusted: what
 * comes is compared with what was asked for.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/secret.h"
#include "base/text.h"
#include "tenant/call.h"
#include "tenant/http.h"
#include "tenant/json.h"
#include "tenant/scim.h"

#define REMEDY                                                                                     \
    "Check the token in [tenant] client_secret_file, and that it may manage users and groups"
#define PAGE_SIZE   200
#define MOST_PASSES 4
#define MOST_USERS  500000 /* of one list: a service may name new ones for ever */
#define LONGEST     1024   /* of their names */

/* -- parts -- */

#define FIELDS (PART_FIELD(USER_N_FIELDS) - 1)

static const struct part rows[] = {
    {.name = "users",
     .kind = OPERATION_PROFILE,
     .key = PART_BY_ID,
     .writes = FIELDS | PART_DISABLED,
     .cause = "scim-users",
     .holds = "names, mail, phones, teams and logins",
     .remedy = "give its token access to users"},
    {.name = "groups",
     .kind = OPERATION_UPDATE,
     .key = PART_BY_ID,
     .writes = PART_ROLES,
     .by_value = true,
     .cause = "scim-groups",
     .holds = "roles",
     .remedy = "give its token access to groups"},
};

#define PARTS(hidden, ids)                                                                         \
    {                                                                                              \
        .items = rows, .n_items = ARRAY_SIZE(rows), .created_later = PART_ROLES,                   \
        .hides = (hidden) ? PART_ROLES : 0, .keeps_removed = true, .has_pages = true,              \
        .token_alone = true, .takes_our_id = (ids) != OUR_IDS_LOST,                                \
        .keeps_our_id = (ids) == OUR_IDS_KEPT                                                      \
    }

static const struct parts *parts_of(const void *client)
{
    static const struct parts parts[2][3] = {
        {PARTS(0, OUR_IDS_UNKNOWN), PARTS(0, OUR_IDS_KEPT), PARTS(0, OUR_IDS_LOST)},
        {PARTS(1, OUR_IDS_UNKNOWN), PARTS(1, OUR_IDS_KEPT), PARTS(1, OUR_IDS_LOST)}};
    const struct tenant_client *c = client;
    return &parts[!c || !c->shows_groups || c->shuns_names][c ? c->our_ids : OUR_IDS_UNKNOWN];
}

/* Nobody has skills there. */
static int canon(const void *client, struct user *wanted, struct error *e)
{
    (void)client, (void)e;
    user_clear_skills(wanted);
    return 0;
}

/* -- requests -- */

static int url_of(char **ret, const struct tenant_client *c, const char *kind, const char *name,
                  struct error *e)
{
    CLEANUP(freep) char *path = NULL;
    if (asprintf(&path, "%s/%s", c->scim_path, kind) < 0) {
        path = NULL;
        return error_out_of_memory(e);
    }
    return call_url(ret, c, path, name, e);
}

/* Replaces the address by one with the query. */
static int url_with(char **url, const struct tenant_client *c, const char *kind, const char *query,
                    struct error *e)
{
    CLEANUP(freep) char *base = NULL;
    int r = url_of(&base, c, kind, NULL, e);
    if (r < 0)
        return r;
    free(TAKE(*url));
    if (asprintf(url, "%s%s", base, query) < 0) {
        *url = NULL;
        return error_out_of_memory(e);
    }
    return 0;
}

static int start(struct tenant_client *c, struct tenant_call **ret, struct call_request *q, int r,
                 tenant_done_fn done, void *userdata, struct error *e)
{
    q->question.api = ANSWER_SCIM;
    q->question.remedy = REMEDY;
    if (r == 0)
        return call_start(ret, c, q, done, userdata, e);
    call_request_done(q);
    return r;
}

/* -- what answers bring -- */

/* RFC 9110, 8.8.3; nothing else may stand in a header. */
static bool is_version(const char *text)
{
    size_t n = 0;
    for (; text && text[n]; n++)
        if (text[n] <= ' ' || text[n] > '~' || n > 200)
            return false;
    return n > 0;
}

static int take_user(struct tenant_client *c, const json_t *object, struct call_content *to,
                     struct error *e)
{
    const char *version =
        json_string_value(json_object_get(json_object_get(object, "meta"), "version"));
    const char *our_id = json_string_value(json_object_get(object, "externalId"));
    int r = scim_take_user(&to->user, &to->id, object, true, e);
    if (r < 0)
        return r;
    c->shows_groups |= json_array_size(json_object_get(object, "groups")) > 0;
    c->shuns_names |= !scim_names_groups(object);
    if (our_id && (r = call_text(&to->our_id, our_id, e)) < 0)
        return r;
    return is_version(version) ? call_text(&to->version, version, e) : 0;
}

static int read_user(struct tenant_client *c, const struct call_request *q,
                     const struct http_result *r, struct call_content *to, struct error *e)
{
    json_auto_t *object = NULL;
    int rc = r->body_size ? json_from_body(&object, r->body, r->body_size, e) : 0;
    if (rc < 0 || !object || (rc = take_user(c, object, to, e)) < 0) /* or it is 204 */
        return rc;
    bool meant = q->id ? text_equal(to->id, q->id)
                       : text_equal_fold(user_get(to->user, USER_LOGIN), q->login);
    if (!meant)
        return call_other_subject(e);
    if (q->question.method == HTTP_POST) /* RFC 7643, 3.1: it must be kept, and often is not */
        c->our_ids = text_equal(to->our_id, q->our_id) ? OUR_IDS_KEPT : OUR_IDS_LOST;
    return 0;
}

/* By the login or our id. For that a filter that is not heeded is as good as none: whoever is meant
 * is found by the login then. */
static int read_named(struct tenant_client *c, const struct call_request *q,
                      const struct http_result *r, struct call_content *to, struct error *e)
{
    json_auto_t *list = NULL;
    int rc = scim_list_read(&list, r->body, r->body_size, e);
    if (rc < 0)
        return rc;
    const json_t *user = NULL;
    if (!q->our_id)
        user = scim_list_named(list, "userName", q->login);
    else if ((rc = scim_list_ours(list, q->our_id, q->login, &user, e)) < 0)
        return rc;
    rc = user ? take_user(c, user, to, e) : CALL_ABSENT;
    return rc != CALL_ABSENT || q->our_id || scim_list_shows_all(list)
               ? rc
               : error_set(e, -EBADMSG, "the SCIM list is longer than what it shows");
}

/* Nobody of that login is an answer, too. */
static int find_by_login(struct tenant_client *c, const struct call_request *q,
                         const struct http_result *r, struct call_content *to, struct error *e)
{
    int rc = read_named(c, q, r, to, e);
    return rc == CALL_ABSENT ? 0 : rc;
}

static int read_group(struct tenant_client *c, const struct call_request *q,
                      const struct http_result *r, struct call_content *to, struct error *e)
{
    json_auto_t *list = NULL;
    (void)c;
    int rc = scim_list_read(&list, r->body, r->body_size, e);
    if (rc < 0)
        return rc;
    const json_t *group = scim_list_named(list, "displayName", q->value);
    const char *id = json_string_value(json_object_get(group, "id"));
    if (group && !id)
        return error_set(e, -EBADMSG, "the SCIM group in the answer has no id");
    if (!group && !scim_list_shows_all(list))
        return error_set(e, -EBADMSG, "the SCIM list is longer than what it shows");
    return id ? call_text(&to->id, id, e) : 0;
}

/* -- reading -- */

static int filter(struct call_request *q, const struct tenant_client *c, struct tenant_ref ref,
                  struct error *e)
{
    CLEANUP(freep)
    char *query = ref.our_id ? scim_our_id_query(ref.our_id) : scim_lookup_query(ref.login);
    int r = query ? url_with(&q->url, c, "Users", query, e) : error_out_of_memory(e);
    if (r == 0)
        r = call_text(&q->login, ref.login, e); /* whose call it is, also by our id */
    return r == 0 && ref.our_id ? call_text(&q->our_id, ref.our_id, e) : r;
}

static int user_read(void *client, struct tenant_call **ret, struct tenant_ref ref,
                     tenant_done_fn done, void *userdata, struct error *e)
{
    struct call_request q = {.question = {.method = HTTP_GET, .names_user = ref.id},
                             .read = ref.id ? read_user : read_named};
    int r = ref.id ? url_of(&q.url, client, "Users", ref.id, e) : filter(&q, client, ref, e);
    if (r == 0 && ref.id)
        r = call_text(&q.id, ref.id, e);
    return start(client, ret, &q, r, done, userdata, e);
}

static int user_find(void *client, struct tenant_call **ret, const char *login, tenant_done_fn done,
                     void *userdata, struct error *e)
{
    struct call_request q = {.question = {.method = HTTP_GET}, .read = find_by_login};
    return start(client, ret, &q, filter(&q, client, by_login(login), e), done, userdata, e);
}

/* -- lists -- */

/* There is no list of teams: this says whether the tenant is there and lets us in. */
static int read_nothing(struct tenant_client *c, const struct call_request *q,
                        const struct http_result *r, struct call_content *to, struct error *e)
{
    json_auto_t *list = NULL;
    (void)c, (void)q, (void)to;
    return scim_list_read(&list, r->body, r->body_size, e);
}

static int team_list(void *client, struct tenant_call **ret, tenant_done_fn done, void *userdata,
                     struct error *e)
{
    struct call_request q = {.question = {.method = HTTP_GET}, .read = read_nothing};
    int r = url_with(&q.url, client, "Users", "?startIndex=1&count=1&attributes=userName", e);
    return start(client, ret, &q, r, done, userdata, e);
}

static int read_page(struct tenant_client *c, const struct call_request *q,
                     const struct http_result *r, struct call_content *to, struct error *e)
{
    json_auto_t *list = NULL;
    (void)c, (void)q;
    int rc = scim_list_read(&list, r->body, r->body_size, e);
    const json_t *resources = json_object_get(list, "Resources");
    json_int_t total = json_integer_value(json_object_get(list, "totalResults"));
    size_t n = json_array_size(resources), n_before = to->names.n_items;
    for (size_t i = 0; i < n && rc == 0; i++) {
        const char *name =
            json_string_value(json_object_get(json_array_get(resources, i), "userName"));
        if (!name || strlen(name) > LONGEST)
            rc = error_set(e, -EBADMSG, "the list of users has an item without a usable userName");
        else if (to->names.n_items < MOST_USERS && string_list_add_once(&to->names, name) < 0)
            rc = error_out_of_memory(e);
    }
    to->n_repeated = to->names.n_items > n_before ? 0 : to->n_repeated + n;
    to->index += n;
    to->total = total > 0 ? (size_t)total : 0;
    if (!n) /* the last one, whatever is said of how many there are */
        to->index = to->total;
    return rc;
}

static int page(struct call_request *q, const struct tenant_client *c, size_t index,
                struct error *e)
{
    char query[100];
    snprintf(query, sizeof(query), "?attributes=userName&startIndex=%zu&count=%d", index + 1,
             PAGE_SIZE);
    return url_with(&q->url, c, "Users", query, e);
}

/* RFC 7644, 3.4.2.4: pages are not of one moment. Where somebody is missing, they are read
 * again; who moves for ever stays missing, and what shows the same people for ever has an end.
 */
static int next_page(struct tenant_client *c, struct call_request *q, struct call_content *got,
                     struct tenant_answer *a, struct error *e)
{
    if (got->names.n_items >= MOST_USERS) { /* as if it gave none */
        string_list_done(&got->names);
        a->class = TENANT_UNSUPPORTED;
        snprintf(a->hint, sizeof(a->hint), "the list of users has no end: %d, and more",
                 MOST_USERS);
        return 0;
    }
    if (got->n_repeated > got->names.n_items * MOST_PASSES)
        return 0;
    if (got->index >= got->total) {
        if (got->names.n_items >= got->total || ++got->n_passes >= MOST_PASSES)
            return 0;
        got->index = 0;
    }
    int r = page(q, c, got->index, e);
    return r < 0 ? r : CALL_GOES_ON;
}

static int directory_list(void *client, struct tenant_call **ret, tenant_done_fn done,
                          void *userdata, struct error *e)
{
    struct call_request q = {
        .question = {.method = HTTP_GET}, .read = read_page, .then = next_page, .is_list = true};
    return start(client, ret, &q, page(&q, client, 0, e), done, userdata, e);
}

/* -- writing -- */

static int user_create(void *client, struct tenant_call **ret, const struct user *user,
                       const char *our_id, const struct secret *password, bool change_password,
                       tenant_done_fn done, void *userdata, struct error *e)
{
    const char *login = user_get(user, USER_LOGIN);
    struct call_request q = {.question = {.method = HTTP_POST}, .read = read_user};
    (void)change_password; /* there is no word for it */
    if (!login || !*login)
        return error_set(e, -EINVAL, "a user without a login cannot be created");
    int r = url_of(&q.url, client, "Users", NULL, e);
    if (r == 0)
        r = call_text(&q.login, login, e);
    if (r == 0)
        r = call_text(&q.our_id, our_id, e);
    if (r == 0 && password)
        r = call_text(&q.password, secret_text(password), e);
    if (r == 0)
        r = scim_create_body(&q.body, &q.body_size, user, our_id, password, e);
    return start(client, ret, &q, r, done, userdata, e);
}

/* A request about the user of that id, with the body in q. */
static int begin_write(struct call_request *q, const struct tenant_client *c, const char *id,
                       const char *version, struct error *e)
{
    q->question.names_user = true;
    free(TAKE(q->url));
    int r = url_of(&q->url, c, "Users", id, e);
    if (r == 0 && !q->id)
        r = call_text(&q->id, id, e);
    return r == 0 && version ? call_text(&q->version, version, e) : r;
}

/* The group is known now: its member is changed. It may be shown then with all its members. */
static int write_member(struct tenant_client *c, struct call_request *q, struct call_content *got,
                        struct tenant_answer *a, struct error *e)
{
    CLEANUP(freep) char *group = TAKE(got->id);
    if (q->body) /* and that is done */
        return 0;
    if (!group) {
        a->class = q->gives ? TENANT_REFERENCE_MISSING : TENANT_DONE;
        a->reference = q->gives ? TENANT_REFERENCE_ROLE : TENANT_REFERENCE_NONE;
        snprintf(a->hint, sizeof(a->hint), "there is no group of that name");
        return 0;
    }
    q->question.method = HTTP_PATCH;
    q->question.group = q->question.role = q->is_large = true;
    q->read = NULL;
    free(TAKE(q->url));
    int r = url_of(&q->url, c, "Groups", group, e);
    if (r == 0)
        r = scim_member_body(&q->body, &q->body_size, q->id, q->gives, e);
    return r < 0 ? r : CALL_GOES_ON;
}

static int write_value(struct tenant_client *c, struct tenant_call **ret, struct tenant_ref ref,
                       const struct tenant_write *w, tenant_done_fn done, void *userdata,
                       struct error *e)
{
    struct call_request q = {.question = {.method = HTTP_GET},
                             .read = read_group,
                             .then = write_member,
                             .gives = w->gives};
    CLEANUP(freep) char *query = scim_group_query(w->value);
    int r = query ? url_with(&q.url, c, "Groups", query, e) : error_out_of_memory(e);
    if (r == 0)
        r = call_text(&q.value, w->value, e);
    if (r == 0)
        r = call_text(&q.id, ref.id, e);
    if (r == 0)
        r = call_text(&q.login, ref.login, e); /* whose call it is, if it is refused */
    return start(c, ret, &q, r, done, userdata, e);
}

static int user_write(void *client, struct tenant_call **ret, struct tenant_ref ref,
                      const struct tenant_write *w, tenant_done_fn done, void *userdata,
                      struct error *e)
{
    const char *fields[USER_N_FIELDS] = {0};
    struct call_request q = {.question = {.method = HTTP_PATCH}, .read = read_user};
    assert(w->set && !(w->set & ~w->part->writes));
    if (w->part->by_value)
        return write_value(client, ret, ref, w, done, userdata, e);
    for (int f = 0; f < USER_N_FIELDS; f++) {
        const char *value = user_get(w->user, (enum user_field)f);
        if (w->set & PART_FIELD(f))
            fields[f] = value ? value : "";
    }
    int r = w->set == PART_DISABLED
                ? scim_active_body(&q.body, &q.body_size, !w->user->disabled, e)
                : scim_patch_body(&q.body, &q.body_size, fields, NULL, w->current, false, e);
    if (r == 0)
        r = begin_write(&q, client, ref.id, ref.version, e);
    return start(client, ret, &q, r, done, userdata, e);
}

/* The user is known now: the request that was meant. */
static int write_found(struct tenant_client *c, struct call_request *q, struct call_content *got,
                       struct tenant_answer *a, struct error *e)
{
    CLEANUP(freep) char *id = TAKE(got->id);
    if (q->id)
        return 0;
    if (!id) {
        a->class = TENANT_NOT_FOUND;
        return 0;
    }
    q->question.method = q->body ? HTTP_PATCH : HTTP_DELETE;
    q->read = NULL;
    got->user = user_free(got->user);
    int r = begin_write(q, c, id, NULL, e);
    return r < 0 ? r : CALL_GOES_ON;
}

/* By the id, or, when that is not known, whoever has the login; the body is in q. */
static int start_write(struct tenant_client *c, struct tenant_call **ret, struct call_request *q,
                       int r, struct tenant_ref ref, tenant_done_fn done, void *userdata,
                       struct error *e)
{
    q->question.method = !ref.id ? HTTP_GET : q->body ? HTTP_PATCH : HTTP_DELETE;
    q->read = ref.id ? NULL : find_by_login;
    q->then = ref.id ? NULL : write_found;
    if (r == 0)
        r = ref.id ? begin_write(q, c, ref.id, NULL, e) : filter(q, c, by_login(ref.login), e);
    return start(c, ret, q, r, done, userdata, e);
}

static int user_password(void *client, struct tenant_call **ret, struct tenant_ref ref,
                         const struct secret *password, bool change_password, tenant_done_fn done,
                         void *userdata, struct error *e)
{
    struct call_request q = {0};
    (void)change_password;
    int r = call_text(&q.password, secret_text(password), e);
    if (r == 0)
        r = scim_password_body(&q.body, &q.body_size, secret_text(password), e);
    return start_write(client, ret, &q, r, ref, done, userdata, e);
}

static int user_remove(void *client, struct tenant_call **ret, struct tenant_ref ref,
                       tenant_done_fn done, void *userdata, struct error *e)
{
    struct call_request q = {0};
    return start_write(client, ret, &q, 0, ref, done, userdata, e);
}

const struct tenant_ops tenant_scim2_ops = {
    .parts = parts_of,
    .canon = canon,
    .create = user_create,
    .read = user_read,
    .write = user_write,
    .password = user_password,
    .remove = user_remove,
    .find = user_find,
    .team_list = team_list,
    .directory_list = directory_list,
    .ahead = call_ahead,
    .call_ask = call_ask,
    .call_hurry = call_hurry,
    .call_free = call_free,
};
