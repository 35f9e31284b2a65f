/* Single facts of the state, by name. */
#include "config.h"

#include "base/error.h"
#include "base/text.h"
#include "state/db.h"
#include "state/state.h"

int state_meta_get(struct state *s, const char *name, char **ret, struct error *e)
{
    return db_text(s, "SELECT value FROM meta WHERE name = ?1", WITH(as_text(name)), ret, e);
}

int state_meta_set(struct state *s, const char *name, const char *value, struct error *e)
{
    if (!value)
        return db_write(s, "DELETE FROM meta WHERE name = ?1", WITH(as_text(name)), e);
    return db_write(s, "INSERT OR REPLACE INTO meta(name, value) VALUES(?1, ?2)",
                    WITH(as_text(name), as_text(value)), e);
}

int64_t state_meta_number(struct state *s, const char *name, int64_t otherwise)
{
    CLEANUP(freep) char *text = NULL;
    int64_t value;

    if (state_meta_get(s, name, &text, NULL) != 0 || text_parse_signed(text, &value) < 0)
        return otherwise;
    return value;
}
