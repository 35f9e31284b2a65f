/* What the daemon that runs would tell an operator. */
#include "config.h"

#include "base/error.h"
#include "base/memory.h"
#include "daemon/daemon.h"
#include "life.h"
#include "world.h"

json_t *life_plan(void)
{
    CLEANUP(engine_view_freep) struct engine_view *view = NULL;
    struct error e = {0};
    bool noted = engine_view_new(&view, life_running()->engine, &e) == 0;
    json_t *found = noted ? report_plan(view, life_running()->state, &e) : NULL;
    if (!found)
        broken(0, "the plan cannot be shown: %s", e.message);
    return found;
}

json_t *life_explain(const char *person)
{
    bool found = false;
    struct error e = {0};
    return report_explain(life_running()->engine, life_running()->state, person, &found, &e);
}
