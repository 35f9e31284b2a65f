/*
 * A tenant without a network, as docs/tenant-api.md describes one: a table of users behind
 * struct tenant_ops, answered in order from the loop, with faults that a test asks for.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "model/user.h"
#include "tenant/client.h"
#include "tenant/pace.h"

struct fake_tenant;
struct sd_event;

enum fake_kind {
    FAKE_CREATE = 1 << 0,
    FAKE_GET = 1 << 1,
    FAKE_PUT = 1 << 2,
    FAKE_DELETE = 1 << 3,
    FAKE_TEAMS = 1 << 4,
    FAKE_LIST = 1 << 5,
    FAKE_LOOKUP = 1 << 6,
    FAKE_SCIM_GET = 1 << 7,
    FAKE_PATCH = 1 << 8,
    FAKE_ACTIVE = 1 << 9,
    FAKE_PASSWORD = 1 << 10,
};
#define FAKE_N_KINDS 11
#define FAKE_WRITES                                                                            \
    (FAKE_CREATE | FAKE_PUT | FAKE_DELETE | FAKE_PATCH | FAKE_ACTIVE | FAKE_PASSWORD)
#define FAKE_ALL     ((1 << FAKE_N_KINDS) - 1)

/* What is answered instead of the truth. */
struct fake_fault {
    unsigned kinds;
    const char *login; /* copied; NULL: of any user */
    int skips;         /* so many are let through before */
    int times;         /* -1: until fake_tenant_heal() */
    bool takes_effect; /* the request is carried out all the same: only its answer is lost */
    bool no_token; /* the request never left: one for a token was answered so */
    enum tenant_answer_class class;
    int status;
    uint64_t retry_after_usec;
    bool too_large; /* of a read: more is shown of this user than may be */
};

struct fake_user {
    char *login, *key;
    char scim_id[24];
    char *our_id; /* as it was given with the create, where the parts say so */
    struct user *user; /* everything that the tenant holds of the user */
    bool logged_in;
    bool unreadable_login; /* its last log-in is shown in a form that nobody knows */
    bool removed; /* deleted, and there all the same */
    bool had_password;
    unsigned n_read;
    unsigned n_created; /* how often a create of this login was carried out */
};

struct fake_tenant {
    struct sd_event *event;
    struct sd_event_source *source;
    struct fake_user *users;
    size_t n_users, capacity;
    struct string_list teams;
    struct string_list roles, skills; /* what exists; empty: everything does */
    bool no_scim;                     /* no integration account */
    bool no_rename;
    bool no_listing;
    bool
        keeps_ids; /* a look at a login does not show the user's id, as with the vendor's own */
    bool shuns_active, ignores_active; /* what SCIM does to another `active` */
    unsigned forgets; /* so many PUTs that change something are answered with OK, and do nothing */
    bool merges_skills; /* a PUT adds skills and never takes one away */
    const struct parts *parts; /* NULL: those of the first kind */
    /* What another kind of tenant does; its parts say so, too. */
    bool has_versions; /* a write that names another one than the user's is refused with 412 */
    bool deactivates;  /* who is deleted is disabled, and its login stays taken */
    bool rounds;       /* levels are kept in steps of twenty */
    bool loses_our_ids; /* what a create names so is not kept */
    int shuns_our_ids; /* the status by which each look for a user by it is refused; 0: none is */
    bool shifts;       /* who moves while a list is read is missing from it */
    size_t slots, ahead; /* so many are under way at a time, and so many more may wait in a line; 0:
                            all that is started leaves in the next moment */
    struct pace *pace;   /* borrowed: nothing leaves before it lets it; NULL: at once */
    bool hold;          /* requests arrive, and nothing is answered until this is false */
    const char *late; /* the next read of this login is carried out, and answered only by … */
    struct tenant_call *late_call; /* … fake_tenant_answer_late(); borrowed, NULL: none */
    /* What happens to a request whose caller went away: asked for each, with `cancel_data`. */
    bool (*cancelled_takes_effect)(void *userdata);
    void *cancel_data;
    /* Called before a request is carried out; may change class (0: the truth) and effect. */
    void (*chaos)(enum fake_kind kind, struct fake_fault *ret, void *userdata);
    void *chaos_data;
    struct fake_fault *faults;
    size_t n_faults, faults_capacity;
    struct tenant_call *first, *last; /* what left, in its order, then what waits */
    /* What it saw. */
    size_t n_calls[FAKE_N_KINDS];  /* arrived */
    size_t n_effect[FAKE_N_KINDS]; /* changed a user */
    size_t n_under_way, most_under_way;
    unsigned next_id, n_listed;
    void (*on_write)(
        enum fake_kind kind, const struct fake_user *after, const char *login,
        void *userdata); /* each change that was carried out; after NULL: deleted */
    void *write_data;
    /* Each request that is to change a user, when it leaves; the id may be NULL. */
    void (*on_request)(enum fake_kind kind, const char *login, const char *id, void *userdata);
    void *request_data;
};

extern const struct tenant_ops fake_tenant_ops; /* client: struct fake_tenant */
/* Of another kind, which goes by its own id: all in one part, or the roles as groups whose members
 * are changed one a request, which are shown or not. */
extern const struct parts fake_one_part, fake_groups, fake_hidden_groups;

struct fake_tenant *fake_tenant_new(struct sd_event *event);
struct fake_tenant *fake_tenant_free(struct fake_tenant *t);
void fake_tenant_fail(struct fake_tenant *t, struct fake_fault fault);
void fake_tenant_heal(struct fake_tenant *t);    /* forgets all faults */
void fake_tenant_release(struct fake_tenant *t); /* ends `hold` */
void fake_tenant_answer_late(struct fake_tenant *t);
uint64_t fake_tenant_pace_usec(
    struct fake_tenant *t); /* until the next one may leave; UINT64_MAX: never */
void fake_tenant_pump(struct fake_tenant *t); /* time has passed */
size_t fake_tenant_calls(const struct fake_tenant *t, unsigned kinds);
size_t fake_tenant_effects(const struct fake_tenant *t, unsigned kinds);
void fake_tenant_forget_calls(struct fake_tenant *t);
/* Somebody there makes a user; borrowed. */
struct fake_user *fake_tenant_add(struct fake_tenant *t, const char *login, const char *first,
                                  const char *last, const char *mail, const char *team);
struct fake_user *fake_tenant_find(struct fake_tenant *t, const char *login); /* or NULL */
void fake_tenant_rename(struct fake_user *u, const char *login); /* somebody there does */
void fake_tenant_remove(struct fake_tenant *t, const char *login);
unsigned fake_tenant_level(const struct fake_tenant *t, unsigned level); /* as it is kept */
