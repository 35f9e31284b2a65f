/*
 * Configurations under random bytes: the reader, the table, the checks and the mapping. What
 * was taken must come back from its canonical form as the same settings.
 */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "config/settings.h"
#include "../unit/config-forms.h"
#include "fuzz.h"

static int load(struct settings **ret, const char *content, size_t size)
{
    struct settings_text text = {"rosterd.conf", content, size};
    CLEANUP(problem_list_done) struct problem_list problems = {0};
    struct error e;

    int r = settings_load_texts(ret, &text, 1, &problems, &e);
    CLEANUP(freep) char *said = problem_list_to_text(&problems);
    CLEANUP(freep) char *json = problem_list_to_json(&problems);
    if (!said || !json || (r == 0) != (problems.n_errors == 0))
        abort();
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(settings_freep) struct settings *s = NULL, *again = NULL;

    if (load(&s, (const char *)data, size) < 0)
        return 0;
    CLEANUP(freep) char *ini = config_ini(s);
    CLEANUP(freep) char *json = settings_to_json(s);
    if (!ini || !json || load(&again, ini, strlen(ini)) < 0 ||
        strcmp(s->fingerprint, again->fingerprint) != 0)
        abort();
    CLEANUP(freep) char *difference = NULL;
    if (settings_compare(s, again, &difference) < 0 || difference)
        abort();
    return 0;
}
