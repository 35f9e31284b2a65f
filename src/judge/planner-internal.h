/*
 * What the files of the planner share. Functions return 0 or -ENOMEM.
 */
#pragma once
#include "judge/planner.h"

/* planner-changes.c */
/* Puts an operation into its waiting state; texts may be NULL. What is held here has no time:
 * whatever it waits for, the passing of the grace time does not release it. */
int plan_wait(struct operation *o, enum operation_state state, const char *reason,
              const char *cause, const char *sentence, uint64_t now_usec);
/* Adds an operation of this kind for the person; *ret is borrowed from the list. */
int plan_add(const struct planner_input *in, struct planner_result *r, enum operation_kind kind,
             const char *login, const char *why, struct operation **ret);
/* An operation that stands for a person who waits: what it would do is not known yet. */
int plan_hold_person(const struct planner_input *in, struct planner_result *r, const char *login,
                     const char *reason, const char *cause_head, const char *cause_tail,
                     const char *sentence);
int plan_why(struct operation *o, const char *sentence);
int plan_add_level(struct operation *o, const char *name, const struct user_skill *from,
                   const struct user_skill *to);
int plan_add_role(struct operation *o, const char *name, bool gives, const struct source *source);
int plan_diff_field(const struct planner_input *in, struct operation *o, enum user_field f);
int plan_diff_roles(const struct planner_input *in, struct operation *o);
int plan_diff_skills(const struct planner_input *in, struct operation *o);
/* Drops the last operation when it turned out to change nothing. */
void plan_drop_if_empty(struct planner_result *r, const struct operation *o);
const char *plan_vanished_sentence(const struct planner_input *in, char *buffer, size_t size);

/* planner-newcomer.c */
/* The tenant has a user who is, or may be, this person's. */
bool planner_may_be_at_tenant(const struct planner_input *in);
int plan_newcomer(const struct planner_input *in, struct planner_result *r);

/* planner-linked.c */
int plan_linked(const struct planner_input *in, struct planner_result *r);
/* Whose access must end now: no grace, no doubt, and nothing else for that person. It needs the
 * link alone; who left otherwise goes on leaving, and is deleted in time. */
int plan_revoked(const struct planner_input *in, struct planner_result *r);
