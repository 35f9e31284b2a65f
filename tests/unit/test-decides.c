/* Which settings decide about people: by the mapping's fingerprint, by the other one, by none. */
#include "config.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "config/settings.h"
#include "mapping/ruleset.h"
#include "model/schema.h"
#include "model/user.h"
#include "unit.h"

static void ignore_problem(const struct problem *p, void *userdata)
{
    (void)p, (void)userdata;
}

static bool map_otherwise(const struct settings *a, const struct settings *b)
{
    struct schema *schema = schema_new();
    struct ruleset *rules[2] = {0};
    const struct settings *const both[] = {a, b};
    for (size_t i = 0; i < 2; i++) {
        struct mapping_options o = both[i]->mapping;
        for (int f = USER_FIRST_NAME; f <= USER_LAST_NAME; f++) /* the base sets none */
            if (!o.fields[f].text)
                o.fields[f] = (struct mapping_text){.text = (char *)"${sn}", .file = (char *)"-"};
        assert_int_equal(ruleset_new(&rules[i], &o, schema, ignore_problem, NULL), 0);
    }
    bool otherwise =
        strcmp(ruleset_fingerprint(rules[0]), ruleset_fingerprint(rules[1])) != 0;
    ruleset_free(rules[0]);
    ruleset_free(rules[1]);
    schema_free(schema);
    return otherwise;
}

/* What only concerns how rosterd reads, writes and logs leaves everybody as decided; whatever
 * may decide about a person does not, and what the mapping says is told apart. */
static void test_what_decides(void **state)
{
    static const char base[] = "[directory]\nuri = ldap://a\ntls = no\nbase = dc=t\n[tenant]\n"
                               "url = https://t.example.com\nclient_id = c\n"
                               "client_secret_file = /etc/s\n[user]\nlogin_id = ${uid}\n"
                               "[rule \"A\"]\nteam = T\n";
    static const struct {
        const char *more;
        bool decides, maps;
    } rows[] = {
        {"[directory]\nfeed = poll\n", false, false},
        {"[directory]\nfull_interval = 2h\n", false, false},
        {"[log]\nlevel = debug\n", false, false},
        {"[audit]\nvalues = names\n", false, false},
        {"[tenant]\nmax_rate = 7\n", false, false},
        {"[lifecycle]\nleave_grace = 3d\n", true, false},
        {"[lifecycle]\nrevoke_when = (uid=b*)\n", false, true},
        {"[guard]\nmax_disable = 7\n", true, false},
        {"[scope]\nwhen = (uid=a*)\n", false, true},
        {"[user]\nlast_name = ${cn}\n", false, true},
        {"[user]\nexpires_at = accountExpires\n", false, true},
        {"[user]\nempty_values = clear\n", false, true},
        {"[rule \"B\"]\nteam = U\n", false, true},
        {"[rule \"A\"]\nskills = English:3\n", false, true},
        {"[conflict \"C\"]\nroles = Agent, Supervisor\n", false, true},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(settings_freep) struct settings *was = NULL, *is = NULL;
        struct problem_list problems = {0};
        struct error e = {0};
        struct settings_text texts[] = {{"a.conf", base, strlen(base)},
                                        {"b.conf", rows[i].more, strlen(rows[i].more)}};
        assert_int_equal(settings_load_texts(&was, texts, 1, &problems, &e), 0);
        int r = settings_load_texts(&is, texts, 2, &problems, &e);
        if (r != 0)
            fail_msg("%s: %s", rows[i].more, problems.n_items ? problems.items[0].sentence : e.message);
        assert_string_not_equal(was->fingerprint, is->fingerprint);
        if ((strcmp(was->decisions, is->decisions) != 0) != rows[i].decides)
            fail_msg("%s decides %s", rows[i].more, rows[i].decides ? "and must count" : "nothing");
        if (map_otherwise(was, is) != rows[i].maps)
            fail_msg("%s maps %s", rows[i].more, rows[i].maps ? "and must count" : "nothing");
        problem_list_done(&problems);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_decides)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
