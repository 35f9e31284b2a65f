/* The SCIM 2.0 API (RFC 7643, RFC 7644) of the tenant. */
#pragma once

#include "property.h"
#include "simulator.h"

/* The endpoints; the token and whether SCIM is there at all have been checked. */
request_handler scim_create, scim_find, scim_get, scim_replace, scim_patch_user, scim_delete;

void scim_answer_error(struct request *q, unsigned status, const char *type,
                       const char *detail);

/* Why SCIM refuses; `type` is a scimType of RFC 7644, table 9, or NULL. */
struct scim_refusal {
    struct refusal why;
    const char *type;
    bool strict; /* in: a filtered path that matches nothing is refused, whatever the operation */
};

enum scim_kind {
    SCIM_SIMPLE,
    SCIM_COMPLEX,
    SCIM_MULTI,
    SCIM_READ_ONLY, /* accepted and ignored, as is what this tenant does not keep */
};

struct scim_attribute {
    const char *name;
    enum scim_kind kind;
    const char *const *subs; /* sub-attributes, NULL-terminated; NULL: none, or any */
};

/* Attribute names compare without case (RFC 7643, section 2.1). */
const struct scim_attribute *scim_attribute_find(const char *name, size_t length);
const char *scim_sub_find(const struct scim_attribute *a, const char *name, size_t length);

/* What of a user can be written, in a normal form that PATCH works on: roles and others as
 * objects. */
json_t *scim_document(const struct user *u);
/* The reverse, into a draft: what the document lacks is unset. `needs_mail`: an address is
 * required. */
int scim_document_read(const struct simulator *s, const json_t *document, bool needs_mail,
                       struct user *draft, struct scim_refusal *no);
/* The user as answers show it. */
json_t *scim_write(const struct simulator *s, const struct user *u);

/* Applies a PatchOp message to a document. 0, or -1 with the refusal and a document that is to
 * be thrown away. */
int scim_patch(json_t *document, const json_t *message, struct scim_refusal *no);
int scim_refuse(struct scim_refusal *no, unsigned status, const char *type, const char *format,
                ...) FORMAT(4, 5);
