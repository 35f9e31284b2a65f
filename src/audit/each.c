/* The lines about one person. It reads and does not judge: what is no line is passed over, as
 * audit_verify() is there to say so. */
#include "config.h"

#include <jansson.h>
#include <string.h>

#include "audit/audit.h"
#include "audit/files.h"
#include "audit/line.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "model/dn.h"

/* A plain word stands in the line as it is, but for its case, so most lines need no parsing. */
static bool is_plain(const char *text)
{
    for (; *text; text++)
        if (*text <= ' ' || *text > '~' || strchr("\"\\=,", *text))
            return false;
    return true;
}

static bool is_about(const char *line, const char *person, bool plain)
{
    const char *id, *dn, *login;
    json_t *row, *object;
    bool about;

    if (plain && !strcasestr(line, person))
        return false;
    row = json_loads(line, 0, NULL);
    object = json_object_get(row, "person");
    id = json_string_value(json_object_get(object, "id"));
    dn = json_string_value(json_object_get(object, "dn"));
    login = json_string_value(json_object_get(object, "login"));
    about = (id && text_equal_ascii_case(id, person)) ||
            (login && text_equal_fold(login, person)) || (dn && dn_equal(NULL, dn, person));
    json_decref(row);
    return about;
}

int audit_each(const char *const *paths, size_t n_files, const char *person,
               int (*fn)(const char *line, void *userdata), void *userdata, struct error *e)
{
    CLEANUP(audit_files_done) struct audit_files files = {0};
    CLEANUP(line_reader_done) struct line_reader l = {.files = &files};
    bool plain = person && is_plain(person);
    struct line_chain chain;
    int r = audit_files_order(&files, paths, n_files, e);

    while (r == 0 && (r = line_reader_next(&l, e)) > 0) {
        r = 0;
        if (l.torn || !line_parse(l.line, l.size, &chain))
            continue;
        if (!person || is_about(l.line, person, plain))
            r = fn(l.line, userdata);
    }
    return r;
}
