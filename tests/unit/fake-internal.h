/*
 * What the files of the fake tenant share: fake-tenant.c has the requests arrive and answers them,
 * fake-requests.c carries them out.
 */
#pragma once
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "fake-tenant.h"

struct tenant_call {
    struct fake_tenant *tenant;
    struct tenant_call *previous, *next;
    bool queued, left, hurries;
    tenant_leave_fn may_leave;
    enum fake_kind kind;
    char *of_login, *of_id; /* whose user it is about; of which one goes with the request */
    char *login, *scim_id, *our_id, *team, *version, *value;
    bool gives;
    uint32_t set; /* of a write */
    bool disabled, has_password;
    struct user *user;           /* of a create, the skills of a PUT, the roles of a PATCH */
    char *fields[USER_N_FIELDS]; /* of a PATCH */
    tenant_done_fn done;
    void *userdata;
    struct tenant_answer answer;
    struct user *shown;
    struct string_list names;
    char shown_id[24], shown_version[24];
};

static inline unsigned kind_index(enum fake_kind kind)
{
    return (unsigned)__builtin_ctz((unsigned)kind);
}

/* A test that runs out of memory has nothing to say: it ends. */
static inline void *must(void *p)
{
    if (!p)
        abort();
    return p;
}

static inline void must_not_fail(int r)
{
    if (r < 0)
        abort();
}

static inline char *copy(const char *text)
{
    return text ? must(strdup(text)) : NULL;
}

/* As user-api.c has it: it may have been today. */
static inline void fake_hide_login(struct user *shown, const struct fake_user *u)
{
    if (u->unreadable_login)
        shown->last_login_usec = clock_date_usec();
}

static inline char *fold(const char *text)
{
    return must(text_fold(text, strlen(text)));
}

const struct parts *fake_parts_of(const struct fake_tenant *t);
void fake_answer(struct tenant_call *c, enum tenant_answer_class class, int status,
                 const char *hint);
void fake_carry_out(struct tenant_call *c);
void fake_round_levels(const struct fake_tenant *t, struct user *u);
void fake_user_done(struct fake_user *u);
