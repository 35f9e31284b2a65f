/* rosterctl. All of it is in the library, so that tests can call it. */
#include "config.h"

#include <langinfo.h>
#include <locale.h>
#include <string.h>

#include "base/environment.h"
#include "ctl/verbs.h"

/* Which characters the terminal shows is the user's; how a number is written and what is a capital
 * of what is not, since answers are compared and handed on. */
static void take_character_set(void)
{
    if (setlocale(LC_CTYPE, "") && strcmp(nl_langinfo(CODESET), "UTF-8") == 0 &&
        !setlocale(LC_CTYPE, "C.UTF-8"))
        (void)setlocale(LC_CTYPE, "C.utf8");
}

int main(int argc, char **argv)
{
    environment_clean();
    take_character_set();
    return ctl_main(argc, argv);
}
