/*
 * An LDAP server: bind, searches with pages, and what it is by its root entry. It speaks as
 * OpenLDAP's slapd, 389 Directory Server, Active Directory or somebody who only answers; each habit
 * names the test against the real server that showed it. Troubles are drawn from the same tests.
 */
#include "config.h"

#include "directory.h"

#include <ldap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "peer.h"
#include "reads.h"
#include "secrets.h"
#include "world.h"

static struct search *followers;

static void answer(const struct search *s, BerElement *taken)
{
    const struct answer_to to = answer_by(s->line);
    answer_say(&to, taken);
}

BerElement *entry_begin(const struct search *s, const char *dn)
{
    BerElement *ber = answer_new();
    ber_printf(ber, "{it{s{", s->q.id, (ber_tag_t)LDAP_RES_SEARCH_ENTRY, dn);
    return ber;
}

static void say_entry(const struct search *s, const struct item *i)
{
    BerElement *ber = entry_begin(s, i->dn);
    put_entry(s, ber, i, SHOWN_AS_ASKED);
    ber_printf(ber, "}}}");
    answer(s, ber);
}

static void plain(const struct search *s)
{
    const struct answer_to to = answer_by(s->line);
    size_t n = 0, k = strtoul(s->q.page, NULL, 10);
    bool found = s->q.scope != LDAP_SCOPE_BASE;
    bool limited = s->q.scope != LDAP_SCOPE_BASE;
    if (directory_troubles("busy") && chance_percent(CHANCE_DIRECTORY, 50)) {
        bool busy = chance(CHANCE_DIRECTORY, 2);
        say_end(s, busy ? LDAP_BUSY : LDAP_UNAVAILABLE, "");
        return;
    }
    size_t page = s->q.page_size;
    /* test_syncrepl.py:test_small_pages; the place is lost with the connection, or the server
     * forgets it (test_proof.py:test_connection_lost_between_pages,
     * test_feed_faults.py:test_cut_between_pages). */
    if (s->q.paged && directory_troubles("small pages")) {
        page = page > 3 ? 3 : page;
        if (k && chance_percent(CHANCE_DIRECTORY, 15)) {
            seen(POINT_SMALL_PAGES);
            if (chance(CHANCE_DIRECTORY, 2))
                line_hang_up(s->line);
            else
                say_end(s, LDAP_PROTOCOL_ERROR, "paged results cookie is invalid");
            return;
        }
    }
    for (; k < directory_data.n_items && !(s->q.paged && n == page); k++) {
        const struct item *i = directory_data.items[k];
        found = found || shows_base(s, i);
        if (!selects(s, i))
            continue;
        if (limited && n == 3 && ends_early(s))
            return;
        say_entry(s, i);
        n++;
    }
    BerElement *control = s->q.paged ? answer_new() : NULL;
    char next[24] = "";
    if (k < directory_data.n_items)
        snprintf(next, sizeof(next), "%zu", k);
    else
        reads_served(s);
    if (control)
        ber_printf(control, "{is}", 0, next);
    answer_result(&to, s->q.id, LDAP_RES_SEARCH_RESULT,
                  found ? LDAP_SUCCESS : LDAP_NO_SUCH_OBJECT, "", OID_PAGED, control);
}

static void say_root(const struct search *s)
{
    struct item root = {.dn = ""};
    item_add(&root, "objectClass", "top");
    item_add(&root, "namingContexts", SUFFIX);
    item_add(&root, "supportedControl", OID_PAGED);
    item_add(&root, "supportedLDAPVersion", "3");
    if (directory_data.server == SERVER_OTHER)
        item_add(&root, "vendorName", "Anybody");
    else if (directory_data.server == SERVER_AD)
        dirsync_put_root(&root);
    else
        sync_put_root(&root);
    say_entry(s, &root);
    item_empty(&root);
    say_end(s, LDAP_SUCCESS, "");
}

static void search_free(struct search *s)
{
    free(s->copy);
    free(s);
}

/* "<GUID=…>" means an entry by its id (test_feed_dirsync.py). */
static void resolve(struct question *q)
{
    char text[37];
    for (size_t k = 0; strncasecmp(q->base, "<GUID=", 6) == 0 && k < directory_data.n_items; k++) {
        guid_write(directory_data.items[k], text);
        if (!directory_data.items[k]->gone && strncasecmp(q->base + 6, text, 36) == 0)
            snprintf(q->base, sizeof(q->base), "%s", directory_data.items[k]->dn);
    }
}

static void serve_search(struct line *l, int id, struct part request, struct part rest)
{
    struct search *s = calloc(1, sizeof(*s));
    size_t size = (size_t)(rest.data + rest.size - request.data);
    bool stays = false;
    if (!s || !(s->copy = malloc(size)))
        abort();
    memcpy(s->copy, request.data, size);
    rest.data = s->copy + (rest.data - request.data);
    request.data = s->copy;
    s->line = l;
    question_read(&s->q, id, request, rest);
    resolve(&s->q);
    if (directory_troubles("freezes")) /* test_feed_syncrepl.py:test_frozen_server */
        stays = s->q.sync || s->q.notifies;
    else if (!*s->q.base && s->q.scope == LDAP_SCOPE_BASE)
        say_root(s);
    else if (directory_data.server == SERVER_AD && dirsync_answer_own(s))
        ;
    else if (s->q.sync)
        stays = sync_begin(s);
    else if (s->q.dirsync)
        dirsync_answer(s);
    else if (s->q.notifies)
        stays = true;
    else
        plain(s);
    if (!stays || l->fd < 0) { /* its answer may have been cut short */
        search_free(s);
        return;
    }
    s->next = followers;
    followers = s;
}

/* Of the line all, or the one with the number. */
static void forget(const struct line *l, const struct part *number)
{
    for (struct search **p = &followers, *s; (s = *p);) {
        if (s->line != l || (number && s->q.id != (int)part_number(number))) {
            p = &s->next;
            continue;
        }
        *p = s->next;
        search_free(s);
    }
}

static void serve(struct line *l, struct part message)
{
    const struct answer_to to = answer_by(l);
    struct part id, request;
    if (!part_take(&message, &id) || !part_take(&message, &request))
        return;
    int number = (int)part_number(&id);
    switch (request.tag) {
    case LDAP_REQ_BIND:
        answer_result(&to, number, LDAP_RES_BIND, LDAP_SUCCESS, "", NULL, NULL);
        break;
    case LDAP_REQ_SEARCH: serve_search(l, number, request, message); break;
    case LDAP_REQ_UNBIND: line_hang_up(l); break;
    case LDAP_REQ_ABANDON: forget(l, &request); break;
    default:
        answer_result(&to, number, LDAP_RES_EXTENDED, LDAP_UNWILLING_TO_PERFORM, "", NULL, NULL);
    }
}

void directory_hear(struct line *l)
{
    struct part left = {0, l->in, l->n_in}, message;
    secrets_check(l->in, l->n_in, PEER_DIRECTORY, "a request to the directory");
    line_ref(l);
    while (l->fd >= 0 && part_take(&left, &message)) {
        trace_message(l, false, message);
        serve(l, message);
    }
    line_eat(l, l->n_in - left.size);
    line_unref(l);
}

void directory_hung_up(struct line *l)
{
    forget(l, NULL);
}

void directory_cut(void)
{
    sockets_cut(PEER_DIRECTORY);
}

bool directory_troubles(const char *name)
{
    return strcmp(directory_data.trouble, name) == 0;
}

bool directory_hides(void)
{
    return strncmp(directory_data.trouble, "hides", 5) == 0;
}

/* Who has what nobody may see from now on. */
static void count_values(void)
{
    directory_data.n_at_trouble = 0;
    for (size_t k = 0; k < directory_data.n_items; k++) {
        const struct item *i = directory_data.items[k];
        directory_data.n_at_trouble +=
            !i->gone && item_get(i, "uid") && item_get(i, "mail") && item_get(i, "givenName");
    }
}

void directory_trouble(const char *name)
{
    snprintf(directory_data.trouble, sizeof(directory_data.trouble), "%s", name);
    seen(POINT_LIES);
    /* The session's log goes with a restart (test_feed_syncrepl.py:test_provider_restarts,
     * test_389ds.py:test_trimmed_changelog): what it told of until now it tells no more. */
    if (directory_troubles("forgets"))
        directory_data.log_csn = directory_data.csn;
    if (directory_troubles("another controller")) /* test_feed_dirsync.py:test_other_controller */
        directory_data.n_controllers++;
    /* While following as well (test_syncrepl.py:test_refresh_required_while_following). */
    for (struct search *s = followers, *next; directory_troubles("wants all") && s; s = next) {
        next = s->next;
        if (s->q.sync)
            say_end(s, LDAP_SYNC_REFRESH_REQUIRED, "");
    }
    directory_data.trouble_csn = directory_data.csn;
    directory_data.trouble_usec = world.steady_usec;
    count_values();
    rights_change();
    if (directory_hides()) /* no connection ends for an access rule */
        seen(strstr(name, "members") ? POINT_MEMBERS_HIDDEN
             : strstr(name, "mails") || strstr(name, "names") ? POINT_VALUES_HIDDEN
                                                              : POINT_PEOPLE_HIDDEN);
    else if (!directory_troubles("wants all") && !directory_troubles("pushes less"))
        directory_cut();
}

void directory_trouble_ends(void)
{
    /* Whom it let wait it does not remember. */
    if (directory_troubles("freezes"))
        directory_cut();
    *directory_data.trouble = '\0';
    directory_data.fine_usec = world.steady_usec;
    rights_change();
}

void change_begin(struct item *i)
{
    for (struct search *s = followers; s; s = s->next) {
        s->was = selects(s, i);
        s->told = false;
    }
}

/* A message that is cut short ends its line, and with it all that is followed over it. */
static struct search *next_untold(void)
{
    struct search *s = followers;
    while (s && s->told)
        s = s->next;
    return s;
}

void change_end(struct item *i)
{
    if (!i->csn)
        i->made_csn = directory_data.csn + 1;
    i->csn = ++directory_data.csn;
    i->changed_usec = world.steady_usec;
    world.n_changes++;
    rights_change();
    for (struct search *s; (s = next_untold());) {
        s->told = true;
        if (s->q.notifies)
            dirsync_notify(s, i);
        else if (s->was || selects(s, i))
            sync_push(s, i);
    }
}
