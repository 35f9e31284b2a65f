/*
 * What the environment may not bring in.
 */
#pragma once

/* Takes out of the environment what would make a library write secrets or keys somewhere, or
 * take options from somebody's home. First thing in main(), before any thread. */
void environment_clean(void);
