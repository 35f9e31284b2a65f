/* rosterctl. All of it is in the library, so that tests can call it. */
#include "config.h"

#include <locale.h>

#include "base/environment.h"
#include "ctl/verbs.h"

int main(int argc, char **argv)
{
    environment_clean();
    (void)setlocale(LC_ALL, "");
    return ctl_main(argc, argv);
}
