/* The servers that lives play, without the rest of their world, in the stories of the recorder.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../lives/peer.h"
#include "../lives/plan.h"
#include "../lives/secrets.h"
#include "../lives/world.h"
#include "recorded.h"
#include "unit.h"

struct world world;

void line_say(struct line *l, const void *data, size_t size)
{
    (void)l;
    assert_int_equal(write(peer, data, size), size);
}
void line_hang_up(struct line *l)
{
    (void)l;
}
void world_at(uint64_t steady_usec, event_fn fn, void *userdata, uint64_t argument)
{
    (void)steady_usec, (void)fn, (void)userdata, (void)argument;
}
void trace(const char *format, ...)
{
    (void)format;
}
struct line *line_ref(struct line *l)
{
    return l;
}
struct line *line_unref(struct line *l)
{
    return l;
}
void line_eat(struct line *l, size_t size)
{
    memmove(l->in, l->in + size, l->n_in - size);
    l->n_in -= size;
}
void sockets_cut(enum peer_kind kind)
{
    (void)kind;
}
void secrets_check(const void *data, size_t size, enum peer_kind who, const char *where)
{
    (void)data, (void)size, (void)who, (void)where;
}
void seen(enum point p)
{
    (void)p;
}
uint64_t chance(enum stream s, uint64_t below)
{
    (void)s, (void)below;
    return 0;
}
bool chance_percent(enum stream s, unsigned percent)
{
    (void)s, (void)percent;
    return false;
}
uint64_t chance_of(const char *text, uint64_t number)
{
    uint64_t h = 1469598103934665603ULL ^ number;
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 1099511628211ULL;
    return h >> 20;
}

static unsigned char inbox[4096];
static struct line *line_now;

static struct item *place(const char *dn, const char *class)
{
    struct item *i = item_new(dn);
    item_add(i, "objectClass", class);
    change_begin(i);
    i->gone = false;
    change_end(i);
    return i;
}

static struct item *hire(const char *name, bool dirsync)
{
    char dn[160];
    snprintf(dn, sizeof(dn), dirsync ? "cn=%s,cn=Users," SUFFIX : "uid=%s," PEOPLE, name);
    struct item *i = item_new(dn);
    item_add(i, "objectClass", "inetOrgPerson");
    item_add(i, "uid", name);
    item_add(i, "sn", name);
    item_add(i, "mail", "somebody@example.com");
    struct known_person *p = &people[n_people++];
    snprintf(p->name, sizeof(p->name), "%s", name);
    memcpy(p->id, i->uuid, 16);
    change_begin(i);
    i->gone = false;
    change_end(i);
    return i;
}

static void change(struct item *i, const char *name, const char *text)
{
    change_begin(i);
    item_set(i, name, text);
    change_end(i);
}

static void go(struct item *i)
{
    change_begin(i);
    i->gone = true;
    change_end(i);
}

/* The request goes to the server as libldap made it. */
static void serve_section(struct buffer *read, bool dirsync, const char *name)
{
    static struct line lines[8];
    static size_t n_lines;
    unsigned char request[2048];
    if (ld) {
        directory_hung_up(line_now);
        disconnect_wire();
    }
    connect_wire();
    line_now = &lines[n_lines++ % 8];
    *line_now = (struct line){.in = inbox, .in_room = sizeof(inbox)};
    say(read, "[%s]\n", name);
    size_t n = ask_section(dirsync, name, request, sizeof(request));
    memcpy(inbox, request, n);
    line_now->n_in = n;
    directory_hear(line_now);
    read_messages(read);
}

static void begin_server(enum server server, bool session_log)
{
    const struct plan p = {.server = server, .session_log = session_log, .chance = 7};
    begin();
    directory_begin(&p);
    place(SUFFIX, "domain");
}

static void end_server(void)
{
    directory_hung_up(line_now);
    disconnect_wire();
    directory_end();
}

/* As record_sync() of the recorder. */
void play_sync(enum server server, bool session_log, struct buffer *read)
{
    begin_server(server, session_log);
    place("ou=crew," SUFFIX, "organizationalUnit");
    place(PEOPLE, "organizationalUnit");
    struct item *ada = hire("ada", false), *bob = hire("bob", false), *eve = hire("eve", false);
    serve_section(read, false, "refresh");
    say(read, "[follow]\n");
    change(ada, "sn", "Lovelace");
    struct item *joe = hire("joe", false);
    change(eve, "employeeType", "Gone");
    go(bob);
    read_messages(read);
    directory_hung_up(line_now);
    hire("kim", false);
    go(joe);
    change(ada, "sn", "King");
    serve_section(read, false, "back");
    end_server();
}

static void join(struct item *group, struct item *who_joins, bool add)
{
    change_begin(group);
    if (add)
        item_add(group, "member", who_joins->dn);
    else
        item_drop(group, "member", who_joins->dn);
    change_end(group);
}

/* As record_dirsync() of the recorder. */
void play_dirsync(bool sees_deleted, struct buffer *read)
{
    begin_server(SERVER_AD, sees_deleted);
    struct item *ada = hire("ada", true), *bob = hire("bob", true), *crew = hire("crew", true);
    serve_section(read, true, "cookie");
    change_begin(crew);
    item_add(crew, "member", ada->dn);
    item_add(crew, "member", bob->dn);
    change_end(crew);
    serve_section(read, true, "joined");
    join(crew, bob, false);
    change(ada, "sn", "Lovelace");
    hire("joe", true);
    serve_section(read, true, "left");
    item_link_follows(crew, bob->dn, NULL);
    go(bob);
    serve_section(read, true, "deleted");
    end_server();
}
