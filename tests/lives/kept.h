/* What the daemon keeps in memory beside its tables, so as not to ask them. */
#pragma once

/* Each answer that it gives by what it keeps is what somebody gives who begins with the file.
 */
void kept_check(void);
