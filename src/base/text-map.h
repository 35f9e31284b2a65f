/* What each of many texts stands for, found in about log(n) steps. */
#pragma once

struct text_map {
    void *tree;
};
void text_map_done(struct text_map *m);
/* Text and value are borrowed. *ret: what the text stood for already, else value, which it stands
 * for from now on. 0 or -ENOMEM. */
int text_map_add(struct text_map *m, const char *text, const void *value, const void **ret);
