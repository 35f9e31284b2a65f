/* A link: entry id ↔ login, with the user as the tenant last confirmed it. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/standing.h"

struct error;
struct state;
struct user;

/* How link.drift begins what it says of these; stored. */
#define LINK_DRIFT_DISABLED "disabled"
#define LINK_DRIFT_ROLE     "role"
#define LINK_DRIFT_ENABLED  LINK_DRIFT_DISABLED ": true -> false"
enum link_gone { /* stored: never renumber */
                 LINK_THERE = 0,
                 LINK_GONE = 1, /* the verification did not find it at the tenant */
                 LINK_GONE_OR_RENAMED =
                     2, /* likewise, and nothing tells whether it was renamed there */
};
struct link {
    bool stored; /* it was read from its row */
    char *entry_id;
    char *login, *login_key;
    char *remote_id; /* the tenant's own; NULL: not looked up yet */
    char *known;     /* user_to_json, without sources: what the tenant holds as far as we know */
    char *granted; /* JSON {"roles":[…],"skills":[…]}: what rosterd gave and so may take back */
    enum link_status status;
    bool disabled_by_us;
    char *origin; /* "create", "adopt" */
    uint64_t created_usec;
    uint64_t confirmed_usec; /* 0: made with many others, and not read at the tenant yet */
    uint64_t leaving_usec;   /* since when the person is leaving; 0: not */
    char *leaving_why;
    uint64_t disabled_usec; /* when we disabled; for delete_after */
    char *quirks; /* user_to_json, what the tenant did by itself: a field as it was sent where the
                     tenant shows it in another form, roles and skills that it gave; or NULL */
    char *skills_before; /* user_to_json of the skills that were read before the tenant was
                            asked to move the user, where they were not as known; else NULL */
    enum link_gone gone;
    uint64_t last_login_usec; /* as far as it was read; 0: never, or not known */
    uint64_t enabled_usec;    /* made or enabled, by whomever; by the clock of dates */
    uint64_t dormant_usec;    /* disabled since nobody logged in; 0: not */
    bool renamed_there;       /* `login` is not ours: somebody renamed the user at the tenant */
    char *drift; /* how the tenant's user differed when it was last verified; NULL: not at all */
};
/* The later of the last log-in and of the day when the user was made or enabled. */
uint64_t link_used_usec(const struct link *l);
/* Whether the tenant showed the user enabled that is known to be disabled. */
bool link_was_enabled(const struct link *l);
/* Whether the tenant showed the user disabled when it was last read, whoever did that. */
bool link_shown_disabled(const struct link *l);
/* Roles that somebody gave the user there, or took away, as a link's drift says; -ENOMEM. */
int link_drift_roles(const char *drift, bool gained, struct user *add);
void link_done(struct link *l);
int link_load(struct state *s, const char *entry_id, struct link *ret,
              struct error *e); /* or STATE_NONE */
int link_load_status(struct state *s, const char *entry_id, enum link_status *ret,
                     struct error *e); /* likewise */
int link_load_by_login(struct state *s, const char *login_key, struct link *ret, struct error *e);
/* -EEXIST with a sentence that names both people when another entry holds the login. */
int link_store(struct state *s, const struct link *l, struct error *e);
/* The tenant's id of the user of that login, where none is known. */
int link_learn_id(struct state *s, const char *entry_id, const char *login, const char *id,
                  struct error *e);
int link_remove(struct state *s, const char *entry_id, struct error *e);
/* Each active user but this entry's who is not about to be disabled, deleted or given other
 * roles, and of whom the tenant did not show that somebody disabled it there: what is known,
 * what the tenant gave by itself, and the drift; stops when fn returns non-zero, which is
 * returned. */
int link_each_active_other(struct state *s, const char *entry_id,
                           int (*fn)(const struct link *l, void *userdata), void *userdata,
                           struct error *e);
size_t link_count(struct state *s, enum link_status status);
int link_each(struct state *s, int (*fn)(const struct link *l, void *userdata), void *userdata,
              struct error *e);

/* Links to another tenant's users: set aside, taken back in the place of what is there, or
 * forgotten. */
int link_set_aside(struct state *s, struct error *e);
int link_take_back(struct state *s, struct error *e);
int link_drop_aside(struct state *s, struct error *e);
/* Of those, or of the links, the next of that status whose user has an id at the tenant and was not
 * found gone, after that entry id; or STATE_NONE. */
int link_next_known(struct state *s, bool aside, enum link_status status, const char *entry_id,
                    struct link *ret, struct error *e);

/* Which links were written from now on, whatever the clocks say; one watches at a time. */
void link_watch_begin(struct state *s);
bool link_watch_has(const struct state *s, const char *entry_id);
void link_watch_end(struct state *s);

/* The next link in order of entry id, after that id (NULL: the first), or STATE_NONE. */
int link_after(struct state *s, const char *entry_id, struct link *ret, struct error *e);
