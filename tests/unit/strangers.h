/*
 * What test-strangers.c plays, and the oracle of it: whose each user of the tenant is.
 */
#pragma once
#include "audit/view.h"
#include "histories.h"
#include "played.h"
#include "state/trail.h"
#include "trace.h"

#define N_PEOPLE 5
#define MOST     64

struct worker {
    bool here, sales, renamed, revoked;
    unsigned name;
};

enum whose {
    OURS,
    TWIN,
    STRANGER
};

struct is {
    char id[24], login[24], team[16];
    enum whose whose;
    int who;                         /* OURS, TWIN: of whom */
    bool gone, admin, told, removed; /* deleted by us, and kept there */
    bool excused;                    /* nothing but the login is known of the one before */
    struct user *kept;               /* as it was deleted */
};

struct history {
    struct bed *b;
    struct worker people[N_PEOPLE];
    bool left[N_PEOPLE], stayed[N_PEOPLE]; /* at any time since the last rest */
    bool support[N_PEOPLE], sales[N_PEOPLE];
    bool unknown[N_PEOPLE]; /* whose user somebody there touched before its id was known */
    struct is users[MOST];
    size_t n_users;
    unsigned faults, n_hands;
    int64_t seen_line;
    struct audit_view *view;
    void (*bed_request)(enum fake_kind kind, const char *login, const char *id, void *userdata);
};

static size_t n_strangers, n_twins, n_taken, n_swaps, n_restored, n_leavers;

/* -- what is known of the tenant's users -- */

static struct is *is_id(struct history *h, const char *id)
{
    for (size_t i = 0; i < h->n_users; i++)
        if (!strcmp(h->users[i].id, id))
            return &h->users[i];
    return NULL;
}

static struct is *is_login(struct history *h, const char *login)
{
    for (size_t i = 0; i < h->n_users; i++)
        if (!h->users[i].gone && !strcasecmp(h->users[i].login, login))
            return &h->users[i];
    return NULL;
}

static const struct is *is_of(const struct history *h, int who)
{
    for (size_t i = 0; i < h->n_users; i++)
        if (!h->users[i].gone && !h->users[i].removed && h->users[i].who == who &&
            h->users[i].whose == OURS)
            return &h->users[i];
    return NULL;
}

static struct is *add(struct history *h, const struct fake_user *u, enum whose whose, int who)
{
    assert_true(h->n_users < MOST);
    struct is *is = &h->users[h->n_users++];
    *is = (struct is){.whose = whose, .who = who, .admin = user_role(u->user, "Admin")};
    snprintf(is->id, sizeof(is->id), "%s", u->scim_id);
    snprintf(is->login, sizeof(is->login), "%s", u->login);
    snprintf(is->team, sizeof(is->team), "%s", user_get(u->user, USER_TEAM));
    trace_line("hand: %s is %s, whose %d of %d", is->login, is->id, whose, who);
    return is;
}

static int on_line(int64_t seq, const char *line, void *userdata)
{
    struct history *h = userdata;
    json_t *row = audit_view_read(h->view, line, strlen(line));
    assert_non_null(row);
    const json_t *person = json_object_get(row, "person");
    const char *event = json_string_value(json_object_get(row, "event")),
               *id = json_string_value(json_object_get(person, "id")),
               *login = json_string_value(json_object_get(person, "login")),
               *code = json_string_value(json_object_get(row, "code"));
    bool there = json_is_false(json_object_get(json_object_get(row, "details"), "gone")) ||
                 (code && !strcmp(code, "done") && !strcmp(event, "outcome"));
    h->seen_line = seq;
    struct is *is = there && login ? is_login(h, login) : NULL;
    if (is && is->whose == TWIN && id && id[4] - '0' == is->who)
        is->told = true;
    json_decref(row);
    return 0;
}

static void read_lines(struct history *h)
{
    struct error e = {0};
    bed_ok(h->b, trail_each(h->b->state, h->seen_line, on_line, h, &e));
}

/* -- what reaches the tenant -- */

static void check_twin(struct history *h, struct is *is, bool disabled)
{
    if (is->excused)
        return;
    if (is->admin)
        wrong("%s, made there with a privileged role, is written to", is->login);
    if (h->b->tenant->parts == &fake_hidden_groups && !disabled)
        wrong("%s, made there with hidden roles, is written to", is->login);
    /* Where a login shows no id, nobody asks for it as long as all else is as it was. */
    if (!is->told && !h->b->tenant->keeps_ids)
        wrong("%s, made there, is written to by no line of the audit", is->login);
    n_taken++;
    h->unknown[is->who] |= is_of(h, is->who) != NULL; /* which of two the link knows */
    is->whose = OURS;
}

/* Of the values that tell whose they are. */
static void check_values(const struct history *h, const struct is *is, const struct user *now)
{
    const char *team = user_get(now, USER_TEAM), *last = user_get(now, USER_LAST_NAME),
               *mail = user_get(now, USER_EMAIL), *login = user_get(now, USER_LOGIN);
    unsigned who = (unsigned)is->who;
    char digit = (char)('0' + who);
    if (last && !strncmp(last, "Last", 4) && last[4] != digit)
        wrong("%s of p%u is named %s", is->login, who, last);
    if (mail && mail[0] == 'p' && mail[1] != digit)
        wrong("%s of p%u has the mail %s", is->login, who, mail);
    if (strcasecmp(login, is->login) != 0 && login[0] == 'p' && login[1] != digit)
        wrong("%s of p%u is renamed to %s", is->login, who, login);
    if (team && strcmp(team, is->team) != 0 &&
        !(!strcmp(team, "Sales") ? h->sales : h->support)[who])
        wrong("%s of p%u is in the team %s", is->login, who, team);
}

static void on_create(struct history *h, const struct fake_user *u)
{
    int who = u->login[1] - '0';
    assert_true(u->login[0] == 'p' && who >= 0 && who < N_PEOPLE);
    const struct is *before = is_of(h, who);
    if (before && !h->unknown[who])
        wrong("%s is made beside %s", u->login, before->login);
    add(h, u, OURS, who);
}

/* Whoever is revoked before the id is known is disabled by the login, since there is no time.
 */
static bool is_blind(const struct history *h)
{
    bool blind = false;
    for (unsigned i = 0; i < N_PEOPLE; i++)
        blind |= h->unknown[i] && h->people[i].revoked;
    return blind;
}

static void on_write(enum fake_kind kind, const struct fake_user *after, const char *login,
                     void *userdata)
{
    struct history *h = userdata;
    read_lines(h);
    if (kind == FAKE_CREATE) {
        on_create(h, after);
        return;
    }
    struct is *is = after ? is_id(h, after->scim_id) : is_login(h, login);
    if (!is)
        abort();
    if (is->whose == STRANGER && is->excused && h->left[is->who] && after &&
        after->user->disabled)
        return;
    if (is->whose == STRANGER)
        wrong("%s (%s), a stranger, is written to", is->login, is->id);
    if (is->whose == TWIN)
        check_twin(h, is, !after || after->user->disabled);
    is->gone = !after;
    is->removed = kind == FAKE_DELETE || (is->removed && after->user->disabled);
    if (!after)
        return;
    check_values(h, is, after->user);
    if (kind == FAKE_ACTIVE && !is_blind(h) &&
        !(after->user->disabled ? h->left : h->stayed)[is->who])
        wrong("%s of p%d is %s", is->login, is->who,
              after->user->disabled ? "disabled" : "enabled");
    snprintf(is->login, sizeof(is->login), "%s", after->login);
    snprintf(is->team, sizeof(is->team), "%s", user_get(after->user, USER_TEAM));
}
