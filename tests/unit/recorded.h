/* The parts of test-recorded.c: a wire of libldap, rosterd's readers, the servers of lives. */
#pragma once
#include <lber.h>
#include <ldap.h>
#include <stdbool.h>
#include <stddef.h>

#include "../lives/directory.h"
#include "base/buffer.h"

#define PEOPLE "ou=people,ou=crew," SUFFIX

extern struct known_person {
    char name[16];
    unsigned char id[16];
} people[16];
extern size_t n_people;

/* recorded-read.c: the other end of libldap's connection is `peer`. */
extern LDAP *ld;
extern int peer, search_id;
void begin(void); /* nobody is known, no cookie */
void connect_wire(void);
void disconnect_wire(void);
/* The search of a section: gives the bytes of the request. */
size_t ask_section(bool dirsync, const char *section, unsigned char *request, size_t size);
/* What rosterd's readers read in what has arrived. */
void read_messages(struct buffer *b);
__attribute__((format(printf, 2, 3))) void say(struct buffer *b, const char *format, ...);
int by_text(const void *a, const void *b);

/* recorded-play.c: the recorder's stories, with the servers of lives. */
void play_sync(enum server server, bool session_log, struct buffer *read);
void play_dirsync(bool sees_deleted, struct buffer *read);
