/*
 * What the decision alone costs: rules over a person who is in a few of many groups.
 *
 *     rules PEOPLE RULES
 *
 * RULES rules name a group each; every person is in three of them. Prints microseconds a
 * person.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "mapping/options.h"
#include "mapping/ruleset.h"
#include "model/schema.h"

#define GROUPS_OF_A_PERSON 3

static char *text_of(const char *before, size_t i, const char *after)
{
    char *text = NULL;

    if (asprintf(&text, "%s%zu%s", before, i, after) < 0)
        abort();
    return text;
}

static struct entry *person(size_t i)
{
    CLEANUP(entry_freep)
    struct entry *e = entry_new("id", "uid=p,ou=people,dc=example,dc=com", ENTRY_PERSON);
    CLEANUP(freep) char *uid = text_of("p", i, "");
    const char *const pairs[] = {"uid",
                                 uid,
                                 "givenName",
                                 "Ada",
                                 "sn",
                                 "Byron",
                                 "mail",
                                 "ada@example.com",
                                 "title",
                                 "Agent",
                                 "telephoneNumber",
                                 "+44 20 7946",
                                 "departmentNumber",
                                 "7",
                                 "employeeType",
                                 "Staff"};

    for (size_t k = 0; e && k < ARRAY_SIZE(pairs); k += 2)
        if (entry_add_value(e, pairs[k], pairs[k + 1], strlen(pairs[k + 1])) < 0)
            abort();
    if (!e)
        abort();
    entry_sort(e);
    return TAKE(e);
}

static void fill_rules(struct mapping_options *o, size_t n)
{
    o->rules = calloc(n, sizeof(*o->rules));
    if (!o->rules)
        abort();
    o->n_rules = n;
    o->fields[USER_LOGIN].text = strdup("${uid}");
    o->fields[USER_FIRST_NAME].text = strdup("${givenName}");
    o->fields[USER_LAST_NAME].text = strdup("${sn}");
    o->fields[USER_EMAIL].text = strdup("${mail}");
    for (size_t i = 0; i < n; i++) {
        struct mapping_rule *r = &o->rules[i];

        r->name = text_of("rule ", i, "");
        r->group.text = text_of("cn=g", i, ",ou=groups,dc=example,dc=com");
        r->team.text = strdup("Support");
        r->skills.text = text_of("Skill", i % 20, ":50");
    }
}

static void problem(const struct problem *p, void *userdata)
{
    (void)userdata;
    fprintf(stderr, "%s\n", p->sentence);
}

int main(int argc, char **argv)
{
    size_t n_people = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000;
    size_t n_rules = argc > 2 ? strtoul(argv[2], NULL, 10) : 10;
    struct mapping_options options = {0};
    struct schema *schema = schema_new();
    struct ruleset *rules = NULL;
    struct error e = {0};
    uint64_t took = 0;

    fill_rules(&options, n_rules ? n_rules : 1);
    if (!schema || ruleset_new(&rules, &options, schema, problem, NULL) < 0)
        return EXIT_FAILURE;
    struct membership *memberships = calloc(n_rules + 1, sizeof(*memberships));
    for (size_t i = 0; memberships && i < n_people; i++) {
        CLEANUP(entry_freep) struct entry *entry = person(i);
        struct verdict v = {0};

        for (size_t k = 0; k < n_rules; k++)
            memberships[k] = (struct membership){.state = GROUP_PRESENT};
        for (size_t k = 0; k < GROUPS_OF_A_PERSON && n_rules; k++)
            memberships[(i * 7 + k * 31) % n_rules].member = true;
        uint64_t begun = clock_monotonic_usec();
        if (ruleset_evaluate(rules, entry, memberships, 1, false, &v, &e) < 0)
            return EXIT_FAILURE;
        verdict_done(&v);
        took += clock_monotonic_usec() - begun;
    }
    printf("%.2f\n", (double)took / (double)(n_people ? n_people : 1));
    free(memberships);
    ruleset_free(rules);
    schema_free(schema);
    return EXIT_SUCCESS;
}
