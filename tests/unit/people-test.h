/*
 * What the tests of single people at the tenant share.
 */
#pragma once
#include "engine-test.h"

static inline struct mapping_text text_of(unsigned line, const char *text)
{
    return (struct mapping_text){
        .text = (char *)text, .file = (char *)"test.conf", .line = line};
}

static inline struct user *user_at(struct bed *b, const char *login)
{
    struct fake_user *u = fake_tenant_find(b->tenant, login);
    return u ? u->user : NULL;
}

static inline bool has(struct bed *b, const char *login, const char *role)
{
    return user_role(user_at(b, login), role) != NULL;
}

static inline void no_waits(struct bed *b)
{
    assert_int_equal(bed_queue(b, 0, NULL), 0);
}

static inline size_t n_enabled(struct bed *b)
{
    size_t n = 0;
    for (size_t i = 0; i < b->tenant->n_users; i++)
        n += !b->tenant->users[i].user->disabled;
    return n;
}
