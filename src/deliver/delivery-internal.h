/*
 * What the files of delivery share. Calls go down: delivery.c starts the machine (machine.h); its
 * steps end in renamed.c, outcome.c, refusal.c and ending.c, which write through execution.c.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "books/books.h"
#include "books/engine-types.h"
#include "contact/contact.h"
#include "contact/health.h"
#include "contact/vain.h"
#include "deliver/content.h"
#include "deliver/delivery.h"
#include "deliver/password.h"
#include "deliver/slowed.h"
#include "deliver/sweep.h"
#include "intake/rules.h"
#include "judge/gate.h"
#include "judge/planner.h"
#include "model/operation.h"
#include "model/user.h"
#include "state/link.h"
#include "state/person.h"
#include "state/queue.h"
#include "tenant/client.h"

struct delivery {
    struct books *books;
    struct gate *gate;
    struct health *health;
    const struct contact *contact;
    struct rules *rules;
    struct passwords *passwords;
    struct sweep *sweep;
    struct state *state;
    const struct engine_options *options;
    struct execution *executions, *newest; /* the oldest first */
    struct execution *to_start; /* of the newest, which wait for a commit, the first; or NULL */
    size_t n_executions;
    uint64_t n_done; /* since the start */
    struct engine_revocation past_revocations[ENGINE_PAST_REVOCATIONS];
    size_t n_past_revocations; /* since the start; the newest is at (n - 1) % size */
    struct vain our_id_errors;
    struct slowed slowed;
    bool newcomer_next; /* of two that are tried while it is slow */
};

/* What is asked, and what was known, when it began; written by execution.c. */
struct basis {
    struct user *wanted;        /* by the rules; NULL for a leaver */
    struct user *known;         /* of the link; NULL without one */
    struct user *granted;       /* of the link */
    struct planner_input merge; /* of these, for planner_adoption_changes() */
    unsigned epoch;             /* books_epoch() */
    char *made_before;          /* the id of the user of the link, in which a create has no part */
    char *listed;               /* the login of whom to adopt, as the tenant writes it; or NULL */
    bool looked;                /* what the operation's `looks` was */
    bool was_unclear;           /* an earlier attempt's outcome was */
    bool is_distrusted; /* a create, and an older state was restored at some time before it */
};

/* The call under way, and whether anything may have been done; written by calls.c. */
struct sending {
    struct tenant_call *call;
    bool left;         /* a request of it left, and is not answered; else it waits */
    bool writes;       /* it is a write … */
    bool wrote;        /* what may have been done … */
    bool wrote_before; /* … before the write under way */
};

/* The answers that count, without what they borrow; written by machine.c. */
struct heard {
    struct tenant_answer answer; /* of the write, while what came of it is read */
    struct user *shown;          /* the user as the tenant shows it, with what it never shows */
    char *version;               /* as it was read last; NULL: not known */
    unsigned n_races;            /* lost since the start */
    tenant_done_fn then;         /* what the login is read for, when our id is nobody's */
    bool id_was_stale;           /* the remembered id is nobody's, and was looked up anew */
};

/* What came of it so far, for its end; written by execution.c. */
struct learnt {
    struct user *quirks; /* of the link, then as they are learnt; an empty user without any */
    char *details;       /* JSON for the audit row: what was found there */
    /* An attempt's outcome is, this one's or an earlier one's: it is read before anything else. */
    bool is_unclear;
    char *renamed;  /* of a create: somebody gave the user this login since; NULL: nobody did */
    bool as_wanted; /* of a create: the tenant has taken just what the rules wanted */
    bool unread;    /* of a create: how the tenant shows the user is learnt later */
};

/* Whose the login is; written by renamed.c. */
struct proof {
    bool proved;                     /* the login is that of the user that is known */
    bool id_failed;                  /* the remembered id is not there, or cannot be asked for */
    bool id_unread;                  /* what is shown by it is too large to be used */
    bool other_id;                   /* the login is shown with another one */
    bool is_alike;                   /* by the name or the mail; no id is shown with the login */
    bool knows_ours;                 /* nobody has the id that we gave the user */
    void (*go)(struct execution *x); /* what follows when it is proved */
    /* What is called anew when its id has proved whom a login is of. */
    tenant_done_fn again;
    tenant_done_fn gone_everywhere; /* what a 404 means when the id knows nothing else either */
};

/* A user that becomes the person's; written by create.c and adopt.c. */
struct making {
    struct secret *password; /* kept until it is handed on */
    bool of_many;            /* sent while many others are under way */
    bool was_there;          /* an attempt whose answer was lost had made the user */
    bool ours_if_disabled;   /* that it is disabled is our doing, and ours to undo */
};

/* One operation in flight. Each of its parts is written by its owner alone. */
struct execution {
    struct delivery *delivery;
    struct execution *next, *previous;
    struct operation *operation;
    const struct kind_steps *kind; /* its row, see machine.h */
    struct intent intent;
    bool is_recorded; /* its intent is; else it only looks, see execution_intend() */
    bool has_link;
    struct link link; /* as the state has it, then as it is learnt; stored with the end */
    struct basis basis;
    struct sending sending;
    struct user_content content;
    struct heard heard;
    struct learnt learnt;
    struct proof proof;
    struct making making;
};

/* execution.c */
/* In flight, with its intent open; NULL: no memory. */
struct execution *execution_new(struct delivery *d, struct operation *taken,
                                const struct kind_steps *kind);
struct execution *execution_free(struct execution *x);
/* What the rules want now, and what is known, at the moment the operation starts. */
int execution_load(struct execution *x, struct error *e);
uint64_t execution_next_wait(const struct execution *x); /* before another attempt */
bool execution_approval_is_over(const struct operation *o);
/* It was kept for what was not settled alone. True: it was over, and is taken away. */
bool execution_end_approval(struct execution *x);
void execution_set_unclear(struct execution *x, bool unclear);
void execution_learn_made(struct execution *x, bool as_wanted, bool unread); /* struct learnt */
int execution_learn_renamed(struct execution *x, const char *login, struct error *e);
int execution_learn_id(struct execution *x, const char *id, struct error *e);
void execution_forget_id(struct execution *x);
void execution_note(struct execution *x, char *details_taken); /* JSON for the audit row */

/* ending.c */
/* The user is one of ours, whatever entry it belonged to by that link: what rosterd gave it, it
 * may take back, and what no read shows is as it was confirmed then. l NULL: nothing is known
 * of it. */
int execution_recall(struct execution *x, const struct link *l, struct error *e);
/* content_next_value(), by the rules in force. */
bool execution_next_value(struct execution *x);
/* Its intent, if that does not stand in the audit yet. */
int execution_record_intent(struct execution *x, struct error *e);
/* Before each write: its intent is on record and durable. What waits for the user to be otherwise
 * at the tenant looks there again and again, which is an attempt only when something is written.
 * False: x has ended. */
bool execution_intend(struct execution *x);
/* The write that was begun did nothing, and it is read again: durable before that, since what is
 * shown then is no doing of ours, also after a death. False: x has ended. */
bool execution_raced(struct execution *x, const struct tenant_answer *a);
/* An execution ends in one of these; x is freed. */
void execution_finish(struct execution *x, const struct tenant_answer *a,
                      enum person_bucket bucket);
void execution_hold(struct execution *x, const struct tenant_answer *a, const char *reason,
                    const char *cause, const char *sentence, uint64_t wait_usec);
/* For [retry] hold; … and for whoever has a login that cannot be had. */
void execution_hold_long(struct execution *x, const struct tenant_answer *a, const char *reason,
                         const char *cause, const char *sentence);
void execution_hold_login(struct execution *x, const struct tenant_answer *a, const char *login,
                          const char *sentence);
void execution_return(struct execution *x, const struct tenant_answer *a);
void execution_withdrawn(struct execution *x, const char *sentence); /* withdraw.c puts it back */
void execution_drop(struct execution *x,
                    const char *sentence); /* the operation has become pointless */
/* The operation leaves the queue, and the person is looked at again with what was learnt. */
void execution_replan(struct execution *x, const struct tenant_answer *a, const char *code,
                      const char *sentence);
/* The person's link to the user of the operation's login, which is as `known` says; not stored. */
int execution_start_link(struct execution *x, const char *origin, const struct user *known,
                         struct error *e);
/* The tenant was read: an earlier attempt did not do it. Back to the queue, and the person is
 * looked at again, since what is wanted may be something else by now. */
void execution_undone(struct execution *x, const struct tenant_answer *a);
void execution_fail(struct execution *x,
                    const struct tenant_answer *a); /* outcome.c: every other answer */
void execution_broken(struct execution *x, const struct error *e); /* our own failure */
/* On record with the outcome: what is known of the user from now on, where the changes do not
 * say it; the text of user_to_json(). */
int execution_note_found(struct execution *x, const char *known, struct error *e);
/* The operation is done and ends: its outcome sets what is so now, of which `known` and `quirks`
 * tell, and leaves out what was intended besides. What is known instead is found. */
int execution_note_done(struct execution *x, const struct user *known, const struct user *quirks,
                        struct error *e);
/* What rosterd gave and so may take back, with what this operation did; as far as it was done by
 * value. */
int execution_note_granted(struct execution *x, const struct operation *o, struct error *e);
int execution_note_values(struct execution *x, struct error *e);
/* What is sent whole, for the audit row of the end; NULL: not sent. */
int execution_note_sent(struct execution *x, const struct user *roles, const struct user *skills,
                        struct error *e);

/* withdraw.c: the one rule for leaving, see there. */
/* May the request that would leave now? False: x was withdrawn, and is gone. */
bool execution_leaves(struct execution *x);
/* Likewise of what did not leave yet, as far as it is known without asking the state. */
bool execution_stays(struct execution *x);

/* calls.c */
/* Where the next call of this execution goes; the one before is freed, and with it the answer
 * that its `done` was given. */
struct tenant_call **execution_next_call(struct execution *x);
void execution_begin_write(struct execution *x);
void execution_end_write(struct execution *x, bool done); /* done: perhaps */
/* What follows a start that returned r. */
void execution_called(struct execution *x, int r, const struct error *e);
void execution_read_login(struct execution *x, tenant_done_fn done);
void execution_read_id(struct execution *x, tenant_done_fn done); /* the remembered one */
void execution_read_our_id(struct execution *x, tenant_done_fn done);
const struct parts *delivery_parts(const struct delivery *d);
/* The part of the tenant that the operation writes; NULL: the user as a whole. */
const struct part *execution_part(const struct execution *x);

/* outcome.c: what to do about a team, role or skill that the tenant does not show. */
void reference_sentence(const char *cause, char *sentence, size_t size);

/* refusal.c: holds it under a cause that everybody shares to whom the tenant says the same.
 * advice: what a person can do, a sentence without its end. */
void refusal_hold(struct execution *x, const struct tenant_answer *a, const char *reason,
                  const char *advice);
void refusal_hold_user(struct execution *x, const struct tenant_answer *a);
int execution_store_link(struct execution *x, struct error *e);
/* A tenant that moves a user acts on the skills itself: which were there before is kept, and
 * what the user was then, as far as known. Durable when it returns, before the move. */
int execution_keep_skills(struct execution *x, const struct user *shown, struct error *e);
int execution_before_move(const struct execution *x, struct user **ret, struct error *e);
int execution_set_quirks(struct execution *x, const struct user *quirks, struct error *e);
int execution_set_known(struct execution *x, const struct user *known, struct error *e);

/* renamed.c: users whom somebody renamed at the tenant. */
/* A 404 for a user whose id is remembered: it is looked for by that, and `otherwise` is called
 * with the 404 when that does not help. False: nothing is looked for. */
bool execution_look_by_id(struct execution *x, const struct tenant_answer *a,
                          tenant_done_fn otherwise);
/* Whoever has the login now was made anew by somebody: the link goes over to the user when that
 * is the same one, on record before anything is written; else, true, and x is held. */
bool execution_is_another(struct execution *x, const struct tenant_answer *a);
/* A user with another name and another mail, or another id: the remembered one is asked whether
 * it is the one that was known. True: `again` is called with the user when it is, else x ends.
 */
bool execution_doubt_user(struct execution *x, const struct tenant_answer *a, tenant_done_fn again);
/* Before a write that concerns the account as a whole: the remembered id, or what is known of the
 * user, is proved to be whose the login is; then `go`. Else x ends, held with the reason. */
void execution_prove(struct execution *x, void (*go)(struct execution *x));
/* What the tenant shows is too large to be used, and whoever it is leaves: then that need not
 * be read, as of whoever is revoked. */
bool execution_ends_unread(const struct execution *x, const struct tenant_answer *a);
/* The user that was read has neither mail nor name of the one that was known, and no id tells:
 * true, and x is held. */
bool execution_is_stranger(struct execution *x, const struct tenant_answer *a);
/* Likewise, of one whose id was not remembered when the operation began. */
bool execution_is_unproved(struct execution *x, const struct tenant_answer *a);
/* The user has this login now: x ends. */
void execution_renamed(struct execution *x, const struct tenant_answer *a, const char *login);
