/*
 * The built-in table: RFC 4512, 4519, 4524, 2798 and 2307, what OpenLDAP and 389 Directory
 * Server add for operation, and Active Directory's attributes of people and groups. Only what
 * differs from caseIgnoreMatch matters for matching; the others are here for their aliases and
 * for "did you mean".
 */
#include "config.h"

#include "model/schema-table.h"

#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/text.h"

#define IGNORE    MATCHING_CASE_IGNORE
#define EXACT     MATCHING_CASE_EXACT
#define INTEGER   MATCHING_INTEGER
#define BOOLEAN   MATCHING_BOOLEAN
#define DN        MATCHING_DN
#define OCTETS    MATCHING_OCTETS
#define TIME      MATCHING_TIME
#define NUMERIC   MATCHING_NUMERIC
#define TELEPHONE MATCHING_TELEPHONE
#define FILETIME  MATCHING_FILETIME
#define LIST      MATCHING_LIST
#define UUID      MATCHING_UUID
#define OID       MATCHING_OID
#define IA5       MATCHING_IA5_IGNORE
#define IA5_EXACT MATCHING_IA5_EXACT
#define ONE       true
#define MANY      false
#define PILOT     "0.9.2342.19200300.100.1."
#define NETSCAPE  "2.16.840.1.113730.3.1."
#define MICROSOFT "1.2.840.113556.1."
#define NIS       "1.3.6.1.1.1.1."
#define SYNTAX    "1.3.6.1.4.1.1466.115.121.1."

/* clang-format off */
const struct schema_row schema_table[] = {
    /* RFC 4512 and operational attributes */
    {"2.5.4.0",              "objectClass",                     OID,       MANY},
    {"2.5.4.1",              "aliasedObjectName aliasedEntryName", DN,     ONE},
    {"2.5.18.1",             "createTimestamp",                 TIME,      ONE},
    {"2.5.18.2",             "modifyTimestamp",                 TIME,      ONE},
    {"2.5.18.3",             "creatorsName",                    DN,        ONE},
    {"2.5.18.4",             "modifiersName",                   DN,        ONE},
    {"2.5.18.9",             "hasSubordinates",                 BOOLEAN,   ONE},
    {"2.5.18.10",            "subschemaSubentry",               DN,        ONE},
    {"2.5.21.9",             "structuralObjectClass",           OID,       ONE},
    {"1.3.6.1.1.20",         "entryDN",                         DN,        ONE},
    {"1.3.6.1.1.16.4",       "entryUUID",                       UUID,      ONE},
    {"1.3.6.1.4.1.4203.666.1.7", "entryCSN",                    EXACT,     ONE},
    {"1.2.840.113556.1.2.102", "memberOf",                      DN,        MANY},
    {NETSCAPE "542",         "nsUniqueId",                      IGNORE,    ONE},
    {"1.3.6.1.4.1.42.2.27.8.1.16", "pwdChangedTime",            TIME,      ONE},
    {"1.3.6.1.4.1.42.2.27.8.1.17", "pwdAccountLockedTime",      TIME,      ONE},
    {NULL,                   "nsAccountLock",                   IGNORE,    ONE},
    {NULL,                   "nsRoleDN",                        DN,        MANY},
    {NULL,                   "nsRole",                          DN,        MANY},
    {NULL,                   "authTimestamp",                   TIME,      ONE},
    {NULL,                   "lastLoginTime",                   TIME,      ONE},
    {NULL,                   "accountUnlockTime",               TIME,      ONE},
    {NULL,                   "passwordExpirationTime",          TIME,      ONE},
    {NULL,                   "parentid",                        INTEGER,   ONE},
    /* RFC 4519 */
    {"2.5.4.3",              "cn commonName",                   IGNORE,    MANY},
    {"2.5.4.4",              "sn surname",                      IGNORE,    MANY},
    {"2.5.4.5",              "serialNumber",                    IGNORE,    MANY},
    {"2.5.4.6",              "c countryName",                   IGNORE,    ONE},
    {"2.5.4.7",              "l localityName",                  IGNORE,    MANY},
    {"2.5.4.8",              "st stateOrProvinceName",          IGNORE,    MANY},
    {"2.5.4.9",              "street streetAddress",            IGNORE,    MANY},
    {"2.5.4.10",             "o organizationName",              IGNORE,    MANY},
    {"2.5.4.11",             "ou organizationalUnitName",       IGNORE,    MANY},
    {"2.5.4.12",             "title",                           IGNORE,    MANY},
    {"2.5.4.13",             "description",                     IGNORE,    MANY},
    {"2.5.4.15",             "businessCategory",                IGNORE,    MANY},
    {"2.5.4.16",             "postalAddress",                   LIST,      MANY},
    {"2.5.4.17",             "postalCode",                      IGNORE,    MANY},
    {"2.5.4.18",             "postOfficeBox",                   IGNORE,    MANY},
    {"2.5.4.19",             "physicalDeliveryOfficeName",      IGNORE,    MANY},
    {"2.5.4.20",             "telephoneNumber",                 TELEPHONE, MANY},
    {"2.5.4.23",             "facsimileTelephoneNumber fax",    TELEPHONE, MANY},
    {"2.5.4.24",             "x121Address",                     NUMERIC,   MANY},
    {"2.5.4.25",             "internationalISDNNumber",         NUMERIC,   MANY},
    {"2.5.4.31",             "member",                          DN,        MANY},
    {"2.5.4.32",             "owner",                           DN,        MANY},
    {"2.5.4.33",             "roleOccupant",                    DN,        MANY},
    {"2.5.4.34",             "seeAlso",                         DN,        MANY},
    {"2.5.4.35",             "userPassword",                    OCTETS,    MANY},
    {"2.5.4.36",             "userCertificate",                 OCTETS,    MANY},
    {"2.5.4.41",             "name",                            IGNORE,    MANY},
    {"2.5.4.42",             "givenName gn",                    IGNORE,    MANY},
    {"2.5.4.43",             "initials",                        IGNORE,    MANY},
    {"2.5.4.44",             "generationQualifier",             IGNORE,    MANY},
    {"2.5.4.45",             "x500UniqueIdentifier",            EXACT,     MANY},
    {"2.5.4.46",             "dnQualifier",                     IGNORE,    MANY},
    {"2.5.4.49",             "distinguishedName",               DN,        MANY},
    {"2.5.4.50",             "uniqueMember",                    DN,        MANY},
    {PILOT "1",              "uid userid",                      IGNORE,    MANY},
    {PILOT "25",             "dc domainComponent",              IGNORE,    ONE},
    /* RFC 4524 */
    {PILOT "2",              "textEncodedORAddress",            IGNORE,    MANY},
    {PILOT "3",              "mail rfc822Mailbox",              IGNORE,    MANY},
    {PILOT "4",              "info",                            IGNORE,    MANY},
    {PILOT "5",              "drink favouriteDrink",            IGNORE,    MANY},
    {PILOT "6",              "roomNumber",                      IGNORE,    MANY},
    {PILOT "7",              "photo",                           OCTETS,    MANY},
    {PILOT "8",              "userClass",                       IGNORE,    MANY},
    {PILOT "9",              "host",                            IGNORE,    MANY},
    {PILOT "10",             "manager",                         DN,        MANY},
    {PILOT "20",             "homePhone homeTelephoneNumber",   TELEPHONE, MANY},
    {PILOT "21",             "secretary",                       DN,        MANY},
    {PILOT "39",             "homePostalAddress",               LIST,      MANY},
    {PILOT "40",             "personalTitle",                   IGNORE,    MANY},
    {PILOT "41",             "mobile mobileTelephoneNumber",    TELEPHONE, MANY},
    {PILOT "42",             "pager pagerTelephoneNumber",      TELEPHONE, MANY},
    {PILOT "44",             "uniqueIdentifier",                IGNORE,    MANY},
    {PILOT "45",             "organizationalStatus",            IGNORE,    MANY},
    {PILOT "48",             "buildingName",                    IGNORE,    MANY},
    {PILOT "60",             "jpegPhoto",                       OCTETS,    MANY},
    {"1.2.840.113549.1.9.1", "email emailAddress pkcs9email",   IGNORE,    MANY},
    /* RFC 2798 */
    {NETSCAPE "1",           "carLicense",                      IGNORE,    MANY},
    {NETSCAPE "2",           "departmentNumber",                IGNORE,    MANY},
    {NETSCAPE "3",           "employeeNumber",                  IGNORE,    ONE},
    {NETSCAPE "4",           "employeeType",                    IGNORE,    MANY},
    {NETSCAPE "39",          "preferredLanguage",               IGNORE,    ONE},
    {NETSCAPE "40",          "userSMIMECertificate",            OCTETS,    MANY},
    {NETSCAPE "216",         "userPKCS12",                      OCTETS,    MANY},
    {NETSCAPE "241",         "displayName",                     IGNORE,    ONE},
    {"1.3.6.1.4.1.250.1.57", "labeledURI",                      EXACT,     MANY},
    /* RFC 2307 */
    {NIS "0",                "uidNumber",                       INTEGER,   ONE},
    {NIS "1",                "gidNumber",                       INTEGER,   ONE},
    {NIS "2",                "gecos",                           IGNORE,    ONE},
    {NIS "3",                "homeDirectory",                   EXACT,     ONE},
    {NIS "4",                "loginShell",                      EXACT,     ONE},
    {NIS "5",                "shadowLastChange",                INTEGER,   ONE},
    {NIS "6",                "shadowMin",                       INTEGER,   ONE},
    {NIS "7",                "shadowMax",                       INTEGER,   ONE},
    {NIS "8",                "shadowWarning",                   INTEGER,   ONE},
    {NIS "9",                "shadowInactive",                  INTEGER,   ONE},
    {NIS "10",               "shadowExpire",                    INTEGER,   ONE},
    {NIS "11",               "shadowFlag",                      INTEGER,   ONE},
    {NIS "12",               "memberUid",                       EXACT,     MANY},
    {NIS "13",               "memberNisNetgroup",               EXACT,     MANY},
    {"1.3.6.1.4.1.24552.500.1.1.1.13", "sshPublicKey",          OCTETS,    MANY},
    /* Active Directory */
    {MICROSOFT "4.1",        "RDN",                             IGNORE,    ONE},
    {MICROSOFT "4.2",        "objectGUID",                      OCTETS,    ONE},
    {MICROSOFT "4.146",      "objectSid",                       OCTETS,    ONE},
    {MICROSOFT "4.609",      "sIDHistory",                      OCTETS,    MANY},
    {MICROSOFT "2.281",      "nTSecurityDescriptor",            OCTETS,    ONE},
    {NULL,                   "thumbnailPhoto",                  OCTETS,    ONE},
    {NULL,                   "unicodePwd",                      OCTETS,    ONE},
    {NULL,                   "logonHours",                      OCTETS,    ONE},
    {NULL,                   "mS-DS-ConsistencyGuid",           OCTETS,    ONE},
    {MICROSOFT "4.221",      "sAMAccountName",                  IGNORE,    ONE},
    {MICROSOFT "4.302",      "sAMAccountType",                  INTEGER,   ONE},
    {MICROSOFT "4.656",      "userPrincipalName",               IGNORE,    ONE},
    {MICROSOFT "4.771",      "servicePrincipalName",            IGNORE,    MANY},
    {MICROSOFT "4.8",        "userAccountControl",              INTEGER,   ONE},
    {NULL,                   "msDS-User-Account-Control-Computed", INTEGER, ONE},
    {MICROSOFT "4.750",      "groupType",                       INTEGER,   ONE},
    {MICROSOFT "4.98",       "primaryGroupID",                  INTEGER,   ONE},
    {NULL,                   "primaryGroupToken",               INTEGER,   ONE},
    {NULL,                   "msDS-PrincipalName",              IGNORE,    ONE},
    {MICROSOFT "4.159",      "accountExpires",                  FILETIME,  ONE},
    {MICROSOFT "4.96",       "pwdLastSet",                      FILETIME,  ONE},
    {MICROSOFT "4.49",       "badPasswordTime",                 FILETIME,  ONE},
    {MICROSOFT "4.52",       "lastLogon",                       FILETIME,  ONE},
    {MICROSOFT "4.51",       "lastLogoff",                      FILETIME,  ONE},
    {MICROSOFT "4.1696",     "lastLogonTimestamp",              FILETIME,  ONE},
    {MICROSOFT "4.662",      "lockoutTime",                     FILETIME,  ONE},
    {NULL,                   "msDS-LastSuccessfulInteractiveLogonTime", FILETIME, ONE},
    {NULL,                   "msDS-LastFailedInteractiveLogonTime", FILETIME, ONE},
    {NULL,                   "msDS-UserPasswordExpiryTimeComputed", FILETIME, ONE},
    {MICROSOFT "4.12",       "badPwdCount",                     INTEGER,   ONE},
    {MICROSOFT "4.169",      "logonCount",                      INTEGER,   ONE},
    {MICROSOFT "4.25",       "countryCode",                     INTEGER,   ONE},
    {MICROSOFT "4.16",       "codePage",                        INTEGER,   ONE},
    {MICROSOFT "2.1",        "instanceType",                    INTEGER,   ONE},
    {MICROSOFT "2.2",        "whenCreated",                     TIME,      ONE},
    {MICROSOFT "2.3",        "whenChanged",                     TIME,      ONE},
    {MICROSOFT "2.19",       "uSNCreated",                      INTEGER,   ONE},
    {MICROSOFT "2.120",      "uSNChanged",                      INTEGER,   ONE},
    {MICROSOFT "2.48",       "isDeleted",                       BOOLEAN,   ONE},
    {NULL,                   "isRecycled",                      BOOLEAN,   ONE},
    {MICROSOFT "4.868",      "isCriticalSystemObject",          BOOLEAN,   ONE},
    {NULL,                   "showInAdvancedViewOnly",          BOOLEAN,   ONE},
    {NULL,                   "msExchHideFromAddressLists",      BOOLEAN,   ONE},
    {MICROSOFT "2.13",       "displayNamePrintable",            IGNORE,    ONE},
    {MICROSOFT "2.131",      "co",                              IGNORE,    ONE},
    {MICROSOFT "2.141",      "department",                      IGNORE,    ONE},
    {MICROSOFT "2.146",      "company",                         IGNORE,    ONE},
    {MICROSOFT "2.210",      "proxyAddresses",                  IGNORE,    MANY},
    {MICROSOFT "2.436",      "directReports",                   DN,        MANY},
    {MICROSOFT "4.782",      "objectCategory",                  DN,        ONE},
    {MICROSOFT "4.653",      "managedBy",                       DN,        ONE},
    {MICROSOFT "4.654",      "managedObjects",                  DN,        MANY},
    {MICROSOFT "4.35",       "employeeID",                      IGNORE,    ONE},
    {NULL,                   "lastKnownParent",                 DN,        ONE},
    {NULL,                   "division",                        IGNORE,    ONE},
    {NULL,                   "ipPhone",                         IGNORE,    ONE},
    {NULL,                   "otherTelephone",                  TELEPHONE, MANY},
    {NULL,                   "otherMobile",                     TELEPHONE, MANY},
    {NULL,                   "otherHomePhone",                  TELEPHONE, MANY},
    {NULL,                   "wWWHomePage",                     IGNORE,    ONE},
    {NULL,                   "middleName",                      IGNORE,    ONE},
    {NULL,                   "mailNickname",                    IGNORE,    ONE},
    {NULL,                   "extensionAttribute1",             IGNORE,    ONE},
    {NULL,                   "extensionAttribute2",             IGNORE,    ONE},
    {NULL,                   "extensionAttribute3",             IGNORE,    ONE},
    {NULL,                   "extensionAttribute4",             IGNORE,    ONE},
    {NULL,                   "extensionAttribute5",             IGNORE,    ONE},
    {NULL,                   "extensionAttribute6",             IGNORE,    ONE},
    {NULL,                   "extensionAttribute7",             IGNORE,    ONE},
    {NULL,                   "extensionAttribute8",             IGNORE,    ONE},
    {NULL,                   "extensionAttribute9",             IGNORE,    ONE},
    {NULL,                   "extensionAttribute10",            IGNORE,    ONE},
    {NULL,                   "extensionAttribute11",            IGNORE,    ONE},
    {NULL,                   "extensionAttribute12",            IGNORE,    ONE},
    {NULL,                   "extensionAttribute13",            IGNORE,    ONE},
    {NULL,                   "extensionAttribute14",            IGNORE,    ONE},
    {NULL,                   "extensionAttribute15",            IGNORE,    ONE},
};

const size_t schema_table_size = ARRAY_SIZE(schema_table);

/* RFC 4517 section 4.2, RFC 4530, and those of OpenLDAP: equality, ordering and substrings */
static const struct {
    const char *name, *oid;
    enum matching matching;
} rules[] = {
    {"objectIdentifierMatch",               "2.5.13.0",                     OID},
    {"distinguishedNameMatch",              "2.5.13.1",                     DN},
    {"caseIgnoreMatch",                     "2.5.13.2",                     IGNORE},
    {"caseExactMatch",                      "2.5.13.5",                     EXACT},
    {"numericStringMatch",                  "2.5.13.8",                     NUMERIC},
    {"caseIgnoreOrderingMatch",             "2.5.13.3",                     IGNORE},
    {"caseIgnoreSubstringsMatch",           "2.5.13.4",                     IGNORE},
    {"caseExactOrderingMatch",              "2.5.13.6",                     EXACT},
    {"caseExactSubstringsMatch",            "2.5.13.7",                     EXACT},
    {"numericStringOrderingMatch",          "2.5.13.9",                     NUMERIC},
    {"numericStringSubstringsMatch",        "2.5.13.10",                    NUMERIC},
    {"caseIgnoreListMatch",                 "2.5.13.11",                    LIST},
    {"caseIgnoreListSubstringsMatch",       "2.5.13.12",                    LIST},
    {"integerOrderingMatch",                "2.5.13.15",                    INTEGER},
    {"octetStringOrderingMatch",            "2.5.13.18",                    OCTETS},
    {"octetStringSubstringsMatch",          "2.5.13.19",                    OCTETS},
    {"telephoneNumberSubstringsMatch",      "2.5.13.21",                    TELEPHONE},
    {"generalizedTimeOrderingMatch",        "2.5.13.28",                    TIME},
    {"booleanMatch",                        "2.5.13.13",                    BOOLEAN},
    {"integerMatch",                        "2.5.13.14",                    INTEGER},
    {"bitStringMatch",                      "2.5.13.16",                    EXACT},
    {"octetStringMatch",                    "2.5.13.17",                    OCTETS},
    {"telephoneNumberMatch",                "2.5.13.20",                    TELEPHONE},
    {"uniqueMemberMatch",                   "2.5.13.23",                    DN},
    {"protocolInformationMatch",            "2.5.13.24",                    IGNORE},
    {"generalizedTimeMatch",                "2.5.13.27",                    TIME},
    {"integerFirstComponentMatch",          "2.5.13.29",                    IGNORE},
    {"objectIdentifierFirstComponentMatch", "2.5.13.30",                    IGNORE},
    {"directoryStringFirstComponentMatch",  "2.5.13.31",                    IGNORE},
    {"certificateExactMatch",               "2.5.13.34",                    OCTETS},
    {"certificateMatch",                    "2.5.13.35",                    OCTETS},
    {"caseExactIA5Match",                   "1.3.6.1.4.1.1466.109.114.1",   IA5_EXACT},
    {"caseIgnoreIA5Match",                  "1.3.6.1.4.1.1466.109.114.2",   IA5},
    {"caseIgnoreIA5SubstringsMatch",        "1.3.6.1.4.1.1466.109.114.3",   IA5},
    {"caseExactIA5SubstringsMatch",         "1.3.6.1.4.1.4203.1.2.1",       IA5_EXACT},
    {"UUIDMatch",                           "1.3.6.1.1.16.2",               UUID},
    {"UUIDOrderingMatch",                   "1.3.6.1.1.16.3",               UUID},
    {"CSNMatch",                            "1.3.6.1.4.1.4203.666.11.2.2",  EXACT},
    {"CSNOrderingMatch",                    "1.3.6.1.4.1.4203.666.11.2.3",  EXACT},
    {"authPasswordExactMatch",              "1.3.6.1.4.1.4203.1.2.2",       OCTETS},
};

static const struct {
    const char *oid;
    enum matching matching;
} syntaxes[] = {
    {SYNTAX "4",  OCTETS},     /* audio */
    {SYNTAX "5",  OCTETS},     /* binary */
    {SYNTAX "6",  EXACT},      /* bit string */
    {SYNTAX "7",  BOOLEAN},
    {SYNTAX "8",  OCTETS},     /* certificate */
    {SYNTAX "9",  OCTETS},     /* certificate list */
    {SYNTAX "10", OCTETS},     /* certificate pair */
    {SYNTAX "12", DN},
    {SYNTAX "15", IGNORE},     /* directory string */
    {SYNTAX "22", TELEPHONE},  /* facsimile */
    {SYNTAX "23", OCTETS},     /* fax */
    {SYNTAX "24", TIME},       /* generalized time */
    {SYNTAX "26", IGNORE},     /* IA5 */
    {SYNTAX "27", INTEGER},
    {SYNTAX "28", OCTETS},     /* JPEG */
    {SYNTAX "34", DN},         /* name and optional UID */
    {SYNTAX "36", NUMERIC},
    {SYNTAX "38", OID},
    {SYNTAX "40", OCTETS},
    {SYNTAX "41", LIST},       /* postal address */
    {SYNTAX "44", IGNORE},     /* printable string */
    {SYNTAX "50", TELEPHONE},
    {"1.3.6.1.1.16.1", UUID},
    {MICROSOFT "4.903", OCTETS},  /* DN with octets */
    {MICROSOFT "4.904", IGNORE},  /* DN with a string */
    {MICROSOFT "4.905", IGNORE},  /* teletex */
    {MICROSOFT "4.906", INTEGER}, /* large integer */
    {MICROSOFT "4.907", OCTETS},  /* security descriptor */
    {MICROSOFT "4.1362", EXACT},  /* case-exact string */
};
/* clang-format on */

static bool has_word(const char *words, const char *word)
{
    for (size_t n; *words; words += n + strspn(words + n, " ")) {
        n = strcspn(words, " ");
        if (strlen(word) == n && strncasecmp(words, word, n) == 0)
            return true;
    }
    return false;
}

const char *schema_table_superior(const char *name)
{
    static const char *const superiors[][2] = {
        {"name", "cn sn c l st o ou title givenName initials generationQualifier"},
        {"distinguishedName", "member owner roleOccupant seeAlso"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(superiors); i++)
        if (has_word(superiors[i][1], name))
            return superiors[i][0];
    return NULL;
}

bool schema_table_is_hidden(const char *name)
{
    return has_word(
        "objectClass structuralObjectClass createTimestamp modifyTimestamp creatorsName "
        "modifiersName hasSubordinates subschemaSubentry entryDN entryUUID entryCSN",
        name);
}

enum matching schema_matching_of_rule(const char *rule)
{
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
        if (text_equal_ascii_case(rules[i].name, rule) || text_equal(rules[i].oid, rule))
            return rules[i].matching;
    return 0;
}

enum matching schema_matching_of_syntax(const char *oid)
{
    for (size_t i = 0; i < ARRAY_SIZE(syntaxes); i++)
        if (text_equal(syntaxes[i].oid, oid))
            return syntaxes[i].matching;
    return 0;
}
