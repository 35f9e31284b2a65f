/* rosterctl. All of it is in the library, so that tests can call it. */
#include "config.h"

#include <locale.h>

#include "base/environment.h"
#include "ctl/verbs.h"

int main(int argc, char **argv)
{
    environment_clean();
    (void)setlocale(LC_ALL, "");
    /* What is read and written is UTF-8, and so are its widths, whatever the user's locale. */
    if (!setlocale(LC_CTYPE, "C.UTF-8"))
        (void)setlocale(LC_CTYPE, "C.utf8");
    return ctl_main(argc, argv);
}
