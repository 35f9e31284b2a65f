/* A configuration and entries that several tests of the mapping use. */
#pragma once
#include <string.h>

#include "base/memory.h"
#include "mapping/options.h"
#include "model/entry.h"
#include "model/user.h"

/* Literals in the writable fields of the options: nothing here writes to them. */
#define WRITABLE(s) ((char *)(s))
#define TEXT(l, s)                                                                             \
    {                                                                                          \
        .text = WRITABLE(s), .file = WRITABLE("test.conf"), .line = l                          \
    }
#define RULE(l, n, ...)                                                                        \
    {                                                                                          \
        .name = WRITABLE(n), .file = WRITABLE("test.conf"), .line = l, __VA_ARGS__             \
    }

/* Attribute and value pairs, NULL at the end, as an entry; sorted. NULL when out of memory. */
static inline struct entry *entry_of(const char *dn, const char *const *pairs)
{
    CLEANUP(entry_freep) struct entry *e = entry_new("id-1", dn, ENTRY_PERSON);
    for (; e && pairs[0]; pairs += 2)
        if (entry_add_value(e, pairs[0], pairs[1], strlen(pairs[1])) < 0)
            return NULL;
    if (e)
        entry_sort(e);
    return TAKE(e);
}

static struct mapping_rule sample_rules[] __attribute__((unused)) = {
    RULE(10, "Support agents", .group = TEXT(11, "cn=cc-support,ou=groups,dc=example,dc=com"),
         .team = TEXT(12, "Customer Service"), .roles = TEXT(13, "Agent"),
         .skills = TEXT(14, "English:100, \"Billing, high\":30")),
    RULE(20, "Sales", .group = TEXT(21, "CN=cc-sales,OU=groups,DC=example,DC=com"),
         .when = TEXT(22, "(!(employeeType=Temp))"), .team = TEXT(23, "Sales"),
         .roles = TEXT(24, "Agent, Seller"), .skills = TEXT(25, "English:50")),
    RULE(30, "Spanish speakers", .when = TEXT(31, "(preferredLanguage=es*)"),
         .skills = TEXT(32, "Spanish:100")),
    RULE(40, "Skills from HR", .skills_from = TEXT(41, "ccSkill")),
    RULE(50, "Support again", .group = TEXT(51, "cn=cc-support, ou=groups, dc=example, dc=com"),
         .roles = TEXT(52, "Phone")),
};

static struct mapping_options sample_options __attribute__((unused)) = {
    .scope_when = TEXT(2, "(objectClass=inetOrgPerson)"),
    .fields = {[USER_LOGIN] = TEXT(60, "${uid,,}"),
               [USER_FIRST_NAME] = TEXT(61, "${givenName:-${displayName:-${cn%% *}}}"),
               [USER_LAST_NAME] = TEXT(62, "${sn}"),
               [USER_EMAIL] = TEXT(63, "${mail}"),
               [USER_WORK_PHONE] = TEXT(64, "${telephoneNumber}"),
               [USER_EXTENSION] = TEXT(65, "${ipPhone}")},
    .disabled_when = TEXT(66, "(|(employeeType=Terminated)"
                              "(userAccountControl:1.2.840.113556.1.4.803:=2))"),
    .account_expires = TEXT(67, "accountExpires"),
    .rules = sample_rules,
    .n_rules = ARRAY_SIZE(sample_rules),
};
