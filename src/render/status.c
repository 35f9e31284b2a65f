/* How the daemon is: status, holds and the findings of check, each with what to look at first.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "render/output.h"
#include "render/render.h"

static enum colour state_colour(const char *state)
{
    static const char *const good[] = {"ok", "connected", "up", "live", "following"};
    static const char *const bad[] = {"failed", "refused", "no-secret", "error"};

    for (size_t i = 0; state && i < ARRAY_SIZE(good); i++)
        if (strcmp(state, good[i]) == 0)
            return COLOUR_GREEN;
    for (size_t i = 0; state && i < ARRAY_SIZE(bad); i++)
        if (strcmp(state, bad[i]) == 0)
            return COLOUR_RED;
    return COLOUR_YELLOW;
}

static void label(struct output *o, const char *name)
{
    output_colour(o, COLOUR_BOLD, "%-10s", name);
}

static void more(struct output *o)
{
    output_format(o, "          ");
}

/* What does not fit stands below, beside the label. */
static void end(struct output *o)
{
    output_end(o, 10);
}

static void render_head(struct output *o, const json_t *a)
{
    output_format(o, "rosterd ");
    output_text(o, member_text(a, "version"));
    output_format(o, ", pid %lld, started ", member_number(a, "pid"));
    output_time(o, member_text(a, "started"));
    end(o);
    label(o, "Health");
    output_text_colour(o, state_colour(member_text(a, "health")), member_text(a, "health"));
    if (member_true(a, "observing"))
        output_colour(o, COLOUR_YELLOW, ", observing: nothing is written (rosterctl start)");
    if (member_true(a, "paused"))
        output_colour(o, COLOUR_YELLOW, ", paused: nothing is written to the tenant");
    if (member_true(json_object_get(a, "state"), "checking"))
        output_colour(o, COLOUR_YELLOW, ", checking the state file: nobody is removed yet");
    end(o);
    label(o, "Config");
    output_text(o, member_text(a, "config_file"));
    if (member_text(a, "fingerprint")) {
        output_format(o, "  ");
        output_colour(o, COLOUR_DIM, "%.12s", member_text(a, "fingerprint"));
    }
    end(o);
    const json_t *files = json_object_get(a, "config_files");
    if (member_text(files, "sentence")) {
        output_sentence(o, 10, member_text(files, "sentence"));
    }
}

static void render_trouble(struct output *o, const json_t *part)
{
    char age[80];

    if (!member_text(part, "error"))
        return;
    more(o);
    output_text_colour(o, COLOUR_RED, member_text(part, "error"));
    if (member_text(part, "since"))
        output_format(o, ", since %s", output_age(o, member_text(part, "since"), age, sizeof(age)));
    if (member_text(part, "next_attempt"))
        output_format(o, ", again %s",
                      output_age(o, member_text(part, "next_attempt"), age, sizeof(age)));
    end(o);
}

static void render_directory(struct output *o, const json_t *d)
{
    char age[80];

    if (!json_is_object(d))
        return;
    label(o, "Directory");
    output_text_colour(o, state_colour(member_text(d, "state")), member_text(d, "state"));
    if (member_text(d, "uri")) {
        output_format(o, "  ");
        output_text(o, member_text(d, "uri"));
    }
    if (member_text(d, "product")) {
        output_format(o, ", ");
        output_text(o, member_text(d, "product"));
    }
    if (member_text(d, "feed")) {
        output_format(o, ", feed ");
        output_text(o, member_text(d, "feed"));
    }
    end(o);
    render_trouble(o, d);
    if (member_text(d, "feed_reason"))
        output_sentence(o, 10, member_text(d, "feed_reason"));
    more(o);
    long long people = member_number(d, "people"), groups = member_number(d, "groups");
    output_format(o, "%lld %s, %lld %s, %lld gone", people, people == 1 ? "person" : "people",
                  groups, groups == 1 ? "group" : "groups", member_number(d, "gone"));
    output_format(o, "; last change %s",
                  output_age(o, member_text(d, "last_change"), age, sizeof(age)));
    output_format(o, ", last full read %s",
                  output_age(o, member_text(d, "last_full_read"), age, sizeof(age)));
    end(o);
}

/* null: not limited; a tenant that asked to wait is given a pace then, too. */
static void render_pace(struct output *o, const json_t *t)
{
    char rate[32], max[32];
    const char *rate_text = member_any(t, "rate", rate, sizeof(rate));
    const char *max_text = member_any(t, "max_rate", max, sizeof(max));

    output_format(o, ", pace ");
    output_text(o, rate_text ? rate_text : "not limited");
    if (rate_text && max_text) {
        output_format(o, " of ");
        output_text(o, max_text);
    }
    output_format(o, rate_text ? " a second" : "");
}

static void render_tenant(struct output *o, const json_t *t)
{
    if (!json_is_object(t))
        return;
    label(o, "Tenant");
    output_text_colour(o, state_colour(member_text(t, "state")), member_text(t, "state"));
    output_format(o, "  ");
    output_text(o, member_text(t, "url"));
    end(o);
    render_trouble(o, t);
    more(o);
    long long linked = member_number(t, "users_linked"), flying = member_number(t, "in_flight");
    output_format(o, "%lld %s linked, %lld disabled; %lld %s in flight", linked,
                  linked == 1 ? "user" : "users", member_number(t, "users_disabled"), flying,
                  flying == 1 ? "request" : "requests");
    render_pace(o, t);
    end(o);
}

/* A count, or an object of counts by code. */
static void render_total(struct output *o, const json_t *totals, const char *name, bool *first)
{
    const json_t *v = json_object_get(totals, name);

    if (json_is_object(v) ? json_object_size(v) == 0 : json_integer_value(v) == 0)
        return;
    output_format(o, *first ? "" : ", ");
    *first = false;
    if (json_is_object(v)) {
        output_format(o, "%s (", name);
        render_counts(o, v);
        output_format(o, ")");
    } else {
        output_format(o, "%lld %s", (long long)json_integer_value(v), name);
    }
}

static void render_run(struct output *o, const json_t *run)
{
    static const char *const names[] = {"seen",    "created", "adopted", "updated", "unchanged",
                                        "leaving", "skipped", "held",    "failed"};
    const json_t *last = json_object_get(run, "last");
    const json_t *totals = json_object_get(last, "totals");
    char id[32];
    bool first = true;

    label(o, "Last run");
    if (!json_is_object(last)) {
        output_format(o, "none yet\n");
        return;
    }
    const char *name = member_any(last, "id", id, sizeof(id));
    output_text(o, name);
    if (member_text(last, "trigger")) {
        output_format(o, ", ");
        output_text(o, member_text(last, "trigger"));
    }
    output_format(o, ", ended ");
    output_time(o, member_text(last, "ended"));
    end(o);
    if (!json_is_object(totals))
        return;
    more(o);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        render_total(o, totals, names[i], &first);
    output_format(o, "%s", first ? "nothing" : "");
    end(o);
}

/* "! 9 changes wait for you     rosterctl plan". */
static void attention(struct output *o, bool *first, long long n, const char *one, const char *many,
                      const char *verb)
{
    char text[160];
    if (*first)
        output_format(o, "\n");
    *first = false;
    if (n > 0)
        (void)snprintf(text, sizeof(text), "%lld %s", n, n == 1 ? one : many);
    else
        (void)snprintf(text, sizeof(text), "%s", one);
    output_colour(o, COLOUR_YELLOW, "! %-*s", o->width > 0 && o->width < 70 ? 34 : 44, text);
    output_colour(o, COLOUR_BOLD, "%s\n", verb);
}

/* What waits for a person comes first. */
static void render_attention(struct output *o, const json_t *a)
{
    const json_t *queue = json_object_get(a, "queue");
    const char *files = member_text(json_object_get(a, "config_files"), "state");
    long long parked = member_number(queue, "parked"), held = member_number(queue, "held");
    bool first = true;

    if (member_true(a, "observing"))
        attention(o, &first, 0, "it only observes: nothing is written", NULL, "rosterctl start");
    if (member_true(a, "paused"))
        attention(o, &first, 0, "it is paused: nothing is written", NULL, "rosterctl resume");
    if (parked > 0)
        attention(o, &first, parked, "change waits for you", "changes wait for you",
                  "rosterctl plan");
    if (held > 0)
        attention(o, &first, held, "change cannot be made", "changes cannot be made",
                  "rosterctl holds");
    if (files && strcmp(files, "broken") == 0)
        attention(o, &first, 0, "the files on disk cannot be loaded", NULL, "rosterctl check");
    else if (files && strcmp(files, "in-force") != 0)
        attention(o, &first, 0, "the configuration files are not what is in force", NULL,
                  "rosterctl reload");
    if (!first)
        output_format(o, "\n");
}

static void render_progress(struct output *o, const json_t *p)
{
    enum { BAR = 24 };
    char bar[BAR + 1], left[64] = "";
    long long done = member_number(p, "done"), total = member_number(p, "total");

    if (!json_is_object(p) || total <= 0 || done < 0 || done > total)
        return;
    size_t full = (size_t)(BAR * done / total);
    memset(bar, '.', BAR);
    memset(bar, '#', full);
    bar[BAR] = '\0';
    label(o, "Loading");
    output_format(o, "[%s]  %lld of %lld   %.1f/s", bar, done, total,
                  json_number_value(json_object_get(p, "rate")));
    if (member_number(p, "left_seconds") > 0)
        output_format(o, "   %s left",
                      text_format_duration(left, sizeof(left),
                                           (uint64_t)member_number(p, "left_seconds") * 1000000));
    end(o);
}

static void render_next(struct output *o, const json_t *next)
{
    if (!json_is_object(next))
        return;
    label(o, "Next");
    output_time(o, member_text(next, "at"));
    output_format(o, "  ");
    output_text(o, member_text(next, "kind"));
    output_format(o, " ");
    output_text_colour(o, COLOUR_BOLD, member_text(next, "login"));
    end(o);
    if (member_text(next, "why"))
        output_sentence(o, 10, member_text(next, "why"));
}

static void render_lanes(struct output *o, const json_t *lanes)
{
    long long revocations = member_number(lanes, "revocations"), due = member_number(lanes, "due"),
              newcomers = member_number(lanes, "newcomers");
    if (revocations + due + newcomers == 0)
        return;
    more(o);
    output_format(o, "in this order: %lld revocation%s, %lld due, %lld newcomer%s", revocations,
                  revocations == 1 ? "" : "s", due, newcomers, newcomers == 1 ? "" : "s");
    end(o);
}

static void render_queue(struct output *o, const json_t *q)
{
    if (!json_is_object(q))
        return;
    label(o, "Queue");
    output_format(o, "%lld ready, %lld under way, ", member_number(q, "ready"),
                  member_number(q, "started"));
    if (member_number(q, "waiting") > 0)
        output_format(o, "%lld waiting for their time, ", member_number(q, "waiting"));
    output_colour(o, member_number(q, "parked") > 0 ? COLOUR_YELLOW : COLOUR_NONE,
                  "%lld waiting for approval", member_number(q, "parked"));
    output_format(o, ", ");
    output_colour(o, member_number(q, "held") > 0 ? COLOUR_YELLOW : COLOUR_NONE, "%lld held",
                  member_number(q, "held"));
    end(o);
    render_lanes(o, json_object_get(q, "by_lane"));
}

static void render_budgets(struct output *o, const json_t *budgets)
{
    static const char *const heads[] = {"BUDGET", "LIMIT", "SPENT", "PENDING", ""};
    CLEANUP(table_done) struct table t = {.n_columns = 5, .heads = heads, .right = 0x0e};
    char space[32];
    size_t i;
    json_t *b;

    if (json_array_size(budgets) == 0)
        return;
    json_array_foreach (budgets, i, b) {
        bool tripped = member_true(b, "tripped");
        const char *limit = member_any(b, "limit", space, sizeof(space));
        table_add(&t, COLOUR_NONE, member_text(b, "kind"));
        table_add(&t, COLOUR_NONE, limit ? limit : "unlimited");
        table_format(&t, COLOUR_NONE, "%lld", member_number(b, "spent"));
        table_format(&t, COLOUR_NONE, "%lld", member_number(b, "pending"));
        table_add(&t, COLOUR_RED, tripped ? "tripped" : "");
    }
    output_format(o, "\n");
    table_print(&t, o, 0);
}

/* Where there is a limit. */
static void render_seats(struct output *o, const json_t *seats)
{
    long long used = member_number(seats, "used"), max = member_number(seats, "max"),
              waiting = member_number(seats, "waiting");

    if (max <= 0)
        return;
    label(o, "Seats");
    output_format(o, "%lld of %lld used", used, max);
    if (waiting > 0)
        output_colour(o, COLOUR_YELLOW, ", %lld %s for one", waiting,
                      waiting == 1 ? "waits" : "wait");
    end(o);
}

static void render_revocations(struct output *o, const json_t *revocations)
{
    char age[80];
    size_t i;
    json_t *r;

    if (json_array_size(revocations) == 0)
        return;
    output_format(o, "\n");
    output_colour(o, COLOUR_BOLD, "Revoked\n");
    json_array_foreach (revocations, i, r) {
        output_format(o, "  ");
        output_text(o, member_text(r, "login"));
        output_format(o, "  %s, the request left %.3f s after the directory reported it\n",
                      output_age(o, member_text(r, "at"), age, sizeof(age)),
                      (double)member_number(r, "took_usec") / 1e6);
    }
}

static void render_alarms(struct output *o, const json_t *alarms)
{
    char age[80];
    size_t i;
    json_t *a;

    if (json_array_size(alarms) == 0)
        return;
    output_format(o, "\n");
    output_colour(o, COLOUR_BOLD, "Alarms\n");
    json_array_foreach (alarms, i, a) {
        output_format(o, "  ");
        output_text_colour(o, COLOUR_RED, member_text(a, "code"));
        output_format(o, "  ");
        output_text(o, member_text(a, "cause"));
        output_format(o, "  since %s\n", output_age(o, member_text(a, "since"), age, sizeof(age)));
        output_sentence(o, 4, member_text(a, "sentence"));
    }
}

/* Groups that rules name and that the directory does not have. */
static void render_groups(struct output *o, const json_t *mapping)
{
    size_t i;
    json_t *g;

    json_array_foreach (json_object_get(mapping, "groups"), i, g) {
        const char *state = member_text(g, "state");
        if (!state || strcmp(state, "present") == 0)
            continue;
        label(o, "Group");
        output_text_colour(o, COLOUR_YELLOW, state);
        output_format(o, "  ");
        output_text(o, member_text(g, "dn"));
        if (member_text(g, "dn_now") && strcmp(state, "renamed") == 0) {
            output_format(o, ", now ");
            output_text(o, member_text(g, "dn_now"));
        }
        render_source(o, g);
        end(o);
    }
}

static void render_files(struct output *o, const json_t *a)
{
    const json_t *audit = json_object_get(a, "audit"), *state = json_object_get(a, "state");

    if (json_is_object(audit)) {
        label(o, "Audit");
        output_text(o, member_text(audit, "file"));
        long long n = member_number(audit, "last_seq");
        output_format(o, ", %lld line%s", n, n == 1 ? "" : "s");
        end(o);
        render_trouble(o, audit);
    }
    if (json_is_object(state)) {
        label(o, "State");
        output_text(o, member_text(state, "file"));
        end(o);
        render_trouble(o, state);
    }
}

int render_status(struct output *o, const json_t *a)
{
    const json_t *adoption = json_object_get(a, "adoption");
    const char *health = member_text(a, "health");

    render_head(o, a);
    render_attention(o, a);
    render_directory(o, json_object_get(a, "directory"));
    render_tenant(o, json_object_get(a, "tenant"));
    render_progress(o, json_object_get(a, "progress"));
    render_queue(o, json_object_get(a, "queue"));
    render_seats(o, json_object_get(a, "seats"));
    render_next(o, json_object_get(a, "next"));
    render_run(o, json_object_get(a, "run"));
    render_groups(o, json_object_get(a, "mapping"));
    render_files(o, a);
    if (member_true(adoption, "needed")) {
        label(o, "Adoption");
        output_colour(o, COLOUR_YELLOW,
                      "users of the tenant wait to be adopted: see rosterctl plan");
        end(o);
    }
    render_budgets(o, json_object_get(a, "budgets"));
    render_revocations(o, json_object_get(a, "revocations"));
    render_alarms(o, json_object_get(a, "alarms"));
    return health && strcmp(health, "ok") == 0 ? EXIT_FINE : EXIT_FOUND;
}

void render_needs(struct output *o, const json_t *needs)
{
    size_t i;
    json_t *need;

    if (json_array_size(needs) == 0)
        return;
    output_sentence(
        o, 0, "The plan needs this at the tenant, where it can be created in the console only:");
    json_array_foreach (needs, i, need) {
        long long n = member_number(need, "people");
        output_format(o, "  ");
        output_text(o, member_text(need, "kind"));
        output_format(o, " ");
        output_text_colour(o, COLOUR_BOLD, member_text(need, "name"));
        output_format(o, "  %lld %s, %s\n", n, n == 1 ? "person" : "people",
                      member_true(need, "certain") ? "not there" : "no user is known to have it");
    }
    output_format(o, "\n");
}

int render_holds(struct output *o, const json_t *answer)
{
    const json_t *holds = json_object_get(answer, "holds");
    char since[80], next[80];
    size_t i, k;
    json_t *h, *example;

    render_needs(o, json_object_get(answer, "needs"));
    if (json_array_size(holds) == 0) {
        output_format(o, "Nothing is held.\n");
        return EXIT_FINE;
    }
    json_array_foreach (holds, i, h) {
        const json_t *examples = json_object_get(h, "examples");
        long long n = member_number(h, "people");
        output_text_colour(o, COLOUR_YELLOW, member_text(h, "reason"));
        output_format(o, "  ");
        output_text_colour(o, COLOUR_BOLD, member_text(h, "cause"));
        output_format(o, "  %lld %s, ", n, n == 1 ? "person" : "people");
        output_text(o, member_text(h, "state"));
        if (member_text(h, "since"))
            output_format(o, " since %s",
                          output_age(o, member_text(h, "since"), since, sizeof(since)));
        if (member_text(h, "next_attempt"))
            output_format(o, ", again %s",
                          output_age(o, member_text(h, "next_attempt"), next, sizeof(next)));
        output_format(o, "\n");
        output_sentence(o, 4, member_text(h, "sentence"));
        if (member_text(h, "remedy")) {
            output_format(o, "    What to do: ");
            output_text(o, member_text(h, "remedy"));
            output_end(o, 6);
        }
        json_array_foreach (examples, k, example) {
            output_format(o, "    ");
            render_person(o, example);
            output_format(o, "\n");
        }
        if (n > (long long)json_array_size(examples))
            output_format(o, "    and %lld more\n", n - (long long)json_array_size(examples));
    }
    return EXIT_FOUND;
}
