/* Days that are written out, for whoever reads them with other eyes. */
#pragma once

struct person;

extern const char *written_folder; /* NULL: none is */
/* The day that ends: the directory, the configuration and the tenant as they are now. excused:
 * whether lives themselves expect nothing exact of somebody. */
void written_day(int (*is_excused)(struct person *p));
