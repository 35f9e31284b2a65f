/*
 * The one table of keys. The parser, --check, reload, `rosterctl config show`, the sample file
 * and the manual page's test all read it; no other file knows a key's name unless a check
 * speaks of it.
 */
#include "config.h"

#include "config/keys.h"

#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "config/settings.h"
#include "model/user.h"

#define SLOT(member)    offsetof(struct settings, member)
#define RULE(member)    offsetof(struct mapping_rule, member)
#define FIELD(f)        (SLOT(mapping.fields) + (f) * sizeof(struct mapping_text))
#define BUDGET(kind)    (SLOT(sync.budgets) + (kind) * sizeof(struct budget))
#define DAYS            (86400 * USEC)
#define USEC            1000000ULL
#define RANGE(low, top) .min = (low), .max = (top)

static const struct config_choice values_choices[] = {
    {"full", AUDIT_VALUES_FULL}, {"names", AUDIT_VALUES_NAMES}, {NULL, 0}};
static const struct config_choice bind_choices[] = {
    {"auto", DIRECTORY_BIND_ANONYMOUS},      {"simple", DIRECTORY_BIND_SIMPLE},
    {"external", DIRECTORY_BIND_EXTERNAL},   {"gssapi", DIRECTORY_BIND_GSSAPI},
    {"anonymous", DIRECTORY_BIND_ANONYMOUS}, {NULL, 0},
};
static const struct config_choice tls_choices[] = {
    {"auto", DIRECTORY_TLS_AUTO},
    {"ldaps", DIRECTORY_TLS_LDAPS},
    {"starttls", DIRECTORY_TLS_STARTTLS},
    {"no", DIRECTORY_TLS_NO},
    {NULL, 0},
};
static const struct config_choice feed_choices[] = {
    {"auto", DIRECTORY_FEED_AUTO},
    {"syncrepl", DIRECTORY_FEED_SYNCREPL},
    {"dirsync", DIRECTORY_FEED_DIRSYNC},
    {"poll", DIRECTORY_FEED_POLL},
    {NULL, 0},
};
static const struct config_choice referral_choices[] = {
    {"notice", DIRECTORY_REFERRALS_NOTICE},
    {"ignore", DIRECTORY_REFERRALS_IGNORE},
    {"follow", DIRECTORY_REFERRALS_FOLLOW},
    {NULL, 0},
};
static const struct config_choice kind_choices[] = {
    {"configapi", TENANT_CONFIGAPI}, {"scim2", TENANT_SCIM2}, {NULL, 0}};
static const struct config_choice password_choices[] = {
    {"none", INITIAL_PASSWORD_NONE}, {"generate", INITIAL_PASSWORD_GENERATE}, {NULL, 0}};
static const struct config_choice mode_choices[] = {
    {"active", SYNC_ACTIVE}, {"observe", SYNC_OBSERVE}, {NULL, 0}};
static const struct config_choice rename_choices[] = {
    {"rename", ON_RENAME_RENAME}, {"hold", ON_RENAME_HOLD}, {NULL, 0}};
static const struct config_choice drift_choices[] = {
    {"report", DRIFT_REPORT}, {"repair", DRIFT_REPAIR}, {NULL, 0}};
static const struct config_choice dormant_choices[] = {
    {"report", DORMANT_REPORT}, {"disable", DORMANT_DISABLE}, {NULL, 0}};
static const struct config_choice empty_choices[] = {
    {"keep", MAPPING_EMPTY_KEEP}, {"clear", MAPPING_EMPTY_CLEAR}, {NULL, 0}};

/* clang-format off */
const struct config_section_help config_sections[] = {
    { "directory", "The LDAP directory that people and groups are read from." },
    { "tenant", "The contact center whose users are kept in step." },
    { "sync", "Whether anything is written." },
    { "scope", "Which entries are people that rosterd looks after at all." },
    { "user", "What a user gets from its entry: templates with ${attribute}." },
    { "rule", "Who gets a team, roles and skills; as many as needed, each with its own name. The first rule in file order that gives a team wins; roles and skills add up." },
    { "conflict", "Roles that nobody may have together; as many as needed, each with its own name." },
    { "lifecycle", "What happens to users over time." },
    { "guard", "How much may happen without a person's approval, and what may not." },
    { "notify", "How alarms reach a person." },
    { "retry", "The pace of repeated attempts." },
    { "state", "The state file." },
    { "audit", "The audit." },
    { "control", "The socket of rosterctl." },
    { "metrics", "Figures for a monitoring system." },
    { "log", "The log." },
};
const size_t config_n_sections = ARRAY_SIZE(config_sections);

const struct config_key config_keys[] = {
    { "directory", "uri", config_parse_uri_list, NULL, SLOT(directory.uris), SLOT(directory.n_uris),
      .flags = KEY_REQUIRED | KEY_IN_SAMPLE, .example = "ldaps://ldap1.example.com, ldaps://ldap2.example.com",
      .help = "The servers, in order of preference: ldap://, ldaps://, ldapi://, or srv:DOMAIN for the servers that DNS names. An element that contains a comma stands in double quotes." },
    { "directory", "base", config_parse_dn_list, NULL, SLOT(directory.bases), SLOT(directory.n_bases),
      .flags = KEY_REQUIRED | KEY_REPEATED | KEY_IN_SAMPLE, .example = "ou=people,dc=example,dc=com",
      .help = "Where people are looked for: this entry and all below it. For several places the key is given several times, since names hold commas." },
    { "directory", "filter", config_parse_filter, "(objectClass=person)", SLOT(directory.filter),
      .help = "Selects candidates by what never changes, such as their class. Who is in scope is said in [scope], since no directory reports reliably that an entry left a filter." },
    { "directory", "bind", config_parse_choice, "auto", SLOT(directory.bind), .choices = bind_choices,
      .help = "How to log in. auto: gssapi when keytab or principal is set, simple when bind_dn is set, external when tls_certificate_file is set or every uri is ldapi://, else anonymous." },
    { "directory", "bind_dn", config_parse_bind_name, NULL, SLOT(directory.bind_dn),
      .flags = KEY_IN_SAMPLE, .example = "cn=rosterd,ou=services,dc=example,dc=com",
      .help = "The name for a simple bind: a DN, or for Active Directory also user@domain or DOMAIN\\user." },
    { "directory", "bind_password_file", config_parse_path, NULL, SLOT(directory.bind_password_file),
      .flags = KEY_SECRET | KEY_ONE_WORD | KEY_IN_SAMPLE, .example = "/etc/rosterd/bind-password",
      .help = "The file that holds its password, readable by rosterd alone; or, without a slash, the name of a systemd credential." },
    { "directory", "keytab", config_parse_path, NULL, SLOT(directory.keytab),
      .flags = KEY_SECRET, .example = "/etc/rosterd/rosterd.keytab",
      .help = "The keytab for GSSAPI; the system's default keytab unless given." },
    { "directory", "principal", config_parse_text, NULL, SLOT(directory.principal), .example = "rosterd/host.example.com@EXAMPLE.COM",
      .help = "The principal to use of the keytab." },
    { "directory", "tls", config_parse_choice, "auto", SLOT(directory.tls), .choices = tls_choices,
      .help = "auto: TLS from the first byte for ldaps://, StartTLS for ldap://, none for ldapi://. ldaps and starttls insist on one of them. no: without encryption; it must be written out." },
    { "directory", "tls_ca_file", config_parse_absolute_path, NULL, SLOT(directory.tls_ca_file), .flags = KEY_FILE, .example = "/etc/rosterd/directory-ca.pem",
      .help = "Certificates that the server's is checked against, in PEM; the system's unless given." },
    { "directory", "tls_ca_directory", config_parse_absolute_path, NULL, SLOT(directory.tls_ca_directory), .flags = KEY_FILE, .example = "/etc/ssl/certs",
      .help = "The same as a directory of hashed names." },
    { "directory", "tls_certificate_file", config_parse_path, NULL, SLOT(directory.tls_certificate_file), .flags = KEY_FILE, .example = "/etc/rosterd/client.pem",
      .help = "A client certificate, for bind = external or a server that asks for one." },
    { "directory", "tls_key_file", config_parse_path, NULL, SLOT(directory.tls_key_file), .flags = KEY_SECRET, .example = "/etc/rosterd/client.key",
      .help = "Its private key." },
    { "directory", "feed", config_parse_choice, "auto", SLOT(directory.feed), .choices = feed_choices,
      .help = "How changes are learnt of. auto takes the best that the server really offers: syncrepl (OpenLDAP, 389 Directory Server), dirsync (Active Directory), poll (any server)." },
    { "directory", "poll_interval", config_parse_duration, "30s", SLOT(directory.poll_interval_usec), RANGE(USEC, 30 * DAYS),
      .help = "feed = poll: time between two polls. feed = dirsync: the same when no change notification came. Groups whose members the server finds by a memberURL are read again at this interval, with any feed." },
    { "directory", "full_interval", config_parse_duration, "1d", SLOT(directory.full_interval_usec), RANGE(0, 365 * DAYS),
      .help = "How often everything is read and compared, behind any feed; 0: never." },
    { "directory", "group_base", config_parse_dn_list, NULL, SLOT(directory.group_bases), SLOT(directory.n_group_bases), .flags = KEY_REPEATED, .example = "ou=groups,dc=example,dc=com",
      .help = "Where groups are looked for; the same as base unless given. It may be given several times." },
    { "directory", "group_filter", config_parse_filter, "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup)(objectClass=group))", SLOT(directory.group_filter),
      .help = "What is a group." },
    { "directory", "id_attribute", config_parse_attribute, NULL, SLOT(directory.id_attribute), .example = "entryUUID",
      .help = "The attribute that identifies an entry for its whole life; found by the server's product unless given: entryUUID, objectGUID or nsUniqueId." },
    { "directory", "login_attribute", config_parse_attribute, "uid", SLOT(directory.login_attribute),
      .help = "The attribute that memberUid of a posixGroup refers to." },
    { "directory", "referrals", config_parse_choice, "notice", SLOT(directory.referrals), .choices = referral_choices,
      .help = "What a referral in an answer means. notice: the read is not complete, so nobody is disabled because of it. ignore: it is known to lead to nobody of interest. follow: the server that it names is asked too if referral_hosts lists it, with the same credentials and over verified TLS only, at each full read; what changes there is seen by the next one." },
    { "directory", "referral_hosts", config_parse_list, NULL, SLOT(directory.referral_hosts), SLOT(directory.n_referral_hosts), .example = "ldap2.example.com, ldap3.example.com:1636",
      .help = "The hosts to which referrals = follow may lead, each with its port or for every port. Whoever can write a referral into the directory names a host, and rosterd sends its password there: so none is followed that is not listed." },
    { "directory", "srv_hosts", config_parse_list, NULL, SLOT(directory.srv_hosts), SLOT(directory.n_srv_hosts), .example = "dc1.example.com, dc2.example.com",
      .help = "The hosts that srv:DOMAIN may lead to, when DNS names them; their certificates must name them. Unless given, the domain itself and every host below it: DNS can be forged, and a certificate for a host elsewhere proves nothing." },
    { "directory", "max_message", config_parse_bytes, "64M", SLOT(directory.max_message_bytes), RANGE(65536, 1ULL << 31),
      .help = "The largest message, one entry with all its values, that is taken from the server. A larger one ends the connection before it is read." },
    { "directory", "paging", config_parse_yes_no, "yes", SLOT(directory.paging),
      .help = "Read in pages (RFC 2696), which most servers need for large results." },
    { "directory", "page_size", config_parse_unsigned, "500", SLOT(directory.page_size), RANGE(1, 100000),
      .help = "Entries in a page." },
    { "directory", "connect_timeout", config_parse_duration, "5s", SLOT(directory.connect_timeout_usec), RANGE(USEC / 10, 3600 * USEC),
      .help = "How long one server may take to accept a connection, TLS included." },
    { "directory", "bind_timeout", config_parse_duration, "10s", SLOT(directory.bind_timeout_usec), RANGE(USEC / 10, 3600 * USEC),
      .help = "How long it may take to log in." },
    { "directory", "search_timeout", config_parse_duration, "2min", SLOT(directory.search_timeout_usec), RANGE(USEC, 86400 * USEC),
      .help = "How long it may take from one answer of a search to the next." },
    { "directory", "keepalive", config_parse_duration, "2min", SLOT(directory.keepalive_usec), RANGE(USEC, 86400 * USEC),
      .help = "After how long a silence the connection is probed." },
    { "directory", "return_interval", config_parse_duration, "10min", SLOT(directory.return_interval_usec), RANGE(USEC, 30 * DAYS),
      .help = "How often a preferred server is tried again while another one is in use." },

    { "tenant", "url", config_parse_url, NULL, SLOT(tenant.url),
      .flags = KEY_REQUIRED | KEY_IN_SAMPLE, .example = "https://acme.example.com",
      .help = "The tenant's address, without a path." },
    { "tenant", "kind", config_parse_choice, "configapi", SLOT(tenant.kind), .choices = kind_choices,
      .help = "configapi: a tenant with the Configuration API. scim2: a service of SCIM 2.0 (RFC 7643, RFC 7644), where a role is a group of that name, the team is the department and nobody has skills." },
    { "tenant", "scim_path", config_parse_text, "/scim/v2", SLOT(tenant.scim_path), .example = "/scim/v2",
      .help = "With kind = scim2: the path below which the service has Users and Groups." },
    { "tenant", "client_id", config_parse_text, NULL, SLOT(tenant.client_id),
      .flags = KEY_REQUIRED | KEY_IN_SAMPLE, .example = "rosterd",
      .help = "The API user of the tenant that rosterd acts as; it needs the privileges to manage users and all teams." },
    { "tenant", "client_secret_file", config_parse_path, NULL, SLOT(tenant.client_secret_file),
      .flags = KEY_REQUIRED | KEY_SECRET | KEY_ONE_WORD | KEY_IN_SAMPLE, .example = "/etc/rosterd/client-secret",
      .help = "The file that holds the API secret of that user, readable by rosterd alone; or, without a slash, the name of a systemd credential. It is read again for every token, so a rotated secret works. With kind = scim2 the file holds the bearer token itself." },
    { "tenant", "scope", config_parse_text, NULL, SLOT(tenant.scope), .example = "acme.example.com",
      .help = "The OAuth scope: the tenant's domain name; the host of url unless given." },
    { "tenant", "tls_ca_file", config_parse_absolute_path, NULL, SLOT(tenant.tls_ca_file), .flags = KEY_FILE, .example = "/etc/rosterd/tenant-ca.pem",
      .help = "Certificates that the tenant's is checked against, in PEM; the system's unless given." },
    { "tenant", "tls_ca_directory", config_parse_absolute_path, NULL, SLOT(tenant.tls_ca_directory), .flags = KEY_FILE, .example = "/etc/ssl/certs",
      .help = "The same as a directory of hashed names." },
    { "tenant", "tls", config_parse_no_yes, "yes", SLOT(tenant.allow_plain_http),
      .help = "no allows an http:// address, for a simulator on the same machine; it must be written out." },
    { "tenant", "max_rate", config_parse_rate, "50", SLOT(tenant.max_rate), RANGE(0, 100000), .flags = KEY_RELOAD,
      .help = "Requests a second at most; 0: no limit. After the tenant throttled, the pace is lower by itself." },
    { "tenant", "max_concurrent", config_parse_unsigned, "16", SLOT(tenant.max_concurrent), RANGE(1, 1024), .flags = KEY_RELOAD,
      .help = "Requests at the same time at most." },
    { "tenant", "connect_timeout", config_parse_duration, "10s", SLOT(tenant.connect_timeout_usec), RANGE(USEC / 10, 3600 * USEC),
      .help = "How long it may take to connect." },
    { "tenant", "request_timeout", config_parse_duration, "30s", SLOT(tenant.request_timeout_usec), RANGE(USEC / 10, 3600 * USEC),
      .help = "How long one request may take." },
    { "tenant", "initial_password", config_parse_choice, "none", SLOT(sync.initial_password), .choices = password_choices, .flags = KEY_RELOAD,
      .help = "none: a new user gets no password and logs in by single sign-on. generate: a random one, given to password_command. If password_command fails, or rosterd ends before the tenant has answered, nobody knows the password: another one is set and handed on every [retry] hold, and until then holds and audit name the user." },
    { "tenant", "change_password", config_parse_yes_no, "yes", SLOT(sync.change_password), .flags = KEY_RELOAD,
      .help = "Whether a generated password must be changed at the first login." },
    { "tenant", "password_length", config_parse_size, "16", SLOT(sync.password_length), RANGE(8, 128), .flags = KEY_RELOAD,
      .help = "Characters of a generated password." },
    { "tenant", "password_classes", config_parse_text, "lower, upper, digit, symbol", SLOT(sync.password_classes), .flags = KEY_RELOAD,
      .help = "At least one of each is in a generated password." },
    { "tenant", "password_command", config_parse_command, NULL, SLOT(sync.password_command), .flags = KEY_RELOAD, .example = "/usr/local/sbin/deliver-password",
      .help = "Gets {\"login\":…,\"password\":…} as JSON on its standard input. Words are split at blanks; a word with blanks stands in double quotes; no shell." },

    { "sync", "mode", config_parse_choice, "active", SLOT(sync.mode), .choices = mode_choices, .flags = KEY_RELOAD | KEY_IN_SAMPLE, .example = "observe",
      .help = "observe: everything is read and planned, and nothing is written to the contact center, until rosterctl start or the approval of the whole plan; one approved group does not begin it. That it began is kept in the state. active: writing begins by itself." },

    { "scope", "when", config_parse_mapping, NULL, SLOT(mapping.scope_when), .flags = KEY_RELOAD, .example = "(&(objectClass=inetOrgPerson)(!(employeeType=Service)))",
      .help = "An LDAP filter that rosterd itself evaluates: who does not match is out of scope. Everybody unless given." },

    { "user", "login_id", config_parse_mapping, "${uid}", FIELD(USER_LOGIN), .flags = KEY_RELOAD,
      .help = "The login. ${uid,,} is in lower case; rosterd-rules(5) has the whole language." },
    { "user", "first_name", config_parse_mapping, "${givenName}", FIELD(USER_FIRST_NAME), .flags = KEY_RELOAD,
      .help = "The first name." },
    { "user", "last_name", config_parse_mapping, "${sn}", FIELD(USER_LAST_NAME), .flags = KEY_RELOAD,
      .help = "The last name." },
    { "user", "email", config_parse_mapping, "${mail}", FIELD(USER_EMAIL), .flags = KEY_RELOAD | KEY_CLEARABLE,
      .help = "The mail address; an empty value leaves it to the tenant." },
    { "user", "work_phone", config_parse_mapping, NULL, FIELD(USER_WORK_PHONE), .flags = KEY_RELOAD, .example = "${telephoneNumber}",
      .help = "The work phone; not managed unless given." },
    { "user", "mobile_phone", config_parse_mapping, NULL, FIELD(USER_MOBILE_PHONE), .flags = KEY_RELOAD, .example = "${mobile}",
      .help = "The mobile phone; not managed unless given." },
    { "user", "extension", config_parse_mapping, NULL, FIELD(USER_EXTENSION), .flags = KEY_RELOAD, .example = "${ipPhone}",
      .help = "The extension; not managed unless given." },
    { "user", "disabled_when", config_parse_mapping, NULL, SLOT(mapping.disabled_when), .flags = KEY_RELOAD, .example = "(|(employeeType=Terminated)(userAccountControl:1.2.840.113556.1.4.803:=2))",
      .help = "A filter: whoever matches has a disabled user and gets no new one." },
    { "user", "expires_at", config_parse_mapping, NULL, SLOT(mapping.account_expires), .flags = KEY_RELOAD, .example = "accountExpires",
      .help = "An attribute that holds a time; from then on the user is disabled." },
    { "user", "starts_at", config_parse_mapping, NULL, SLOT(mapping.starts_at), .flags = KEY_RELOAD, .example = "employmentStart",
      .help = "An attribute that holds a time; before it nobody gets a user, or gets it disabled (create_ahead). Whoever has an enabled user keeps it." },
    { "user", "empty_values", config_parse_choice, "keep", SLOT(mapping.empty), .choices = empty_choices, .flags = KEY_RELOAD,
      .help = "What an attribute that is missing does to an optional field: keep what the tenant has, or clear it." },

    { "rule", "group", config_parse_mapping, NULL, RULE(group), .flags = KEY_RELOAD | KEY_IN_SAMPLE, .example = "cn=cc-support,ou=groups,dc=example,dc=com",
      .help = "The DN of a group: who is a member, directly or through another group." },
    { "rule", "when", config_parse_mapping, NULL, RULE(when), .flags = KEY_RELOAD, .example = "(preferredLanguage=es*)",
      .help = "A filter on the entry. With both, both must hold; with neither the rule is for everybody in scope." },
    { "rule", "team", config_parse_mapping, NULL, RULE(team), .flags = KEY_RELOAD | KEY_IN_SAMPLE, .example = "Customer Service",
      .help = "The team, as it is called at the tenant." },
    { "rule", "roles", config_parse_mapping, NULL, RULE(roles), .flags = KEY_RELOAD | KEY_IN_SAMPLE, .example = "Agent",
      .help = "Roles, separated by commas." },
    { "rule", "skills", config_parse_mapping, NULL, RULE(skills), .flags = KEY_RELOAD | KEY_IN_SAMPLE, .example = "English:100",
      .help = "Skills with a level from 0 to 100, separated by commas." },
    { "rule", "skills_from", config_parse_mapping, NULL, RULE(skills_from), .flags = KEY_RELOAD, .example = "ccSkill",
      .help = "An attribute whose values are skills, such as \"Billing:80\"." },

    { "conflict", "roles", config_parse_mapping, NULL, RULE(roles), .flags = KEY_RELOAD, .example = "Cashier, Auditor",
      .help = "Roles, separated by commas: who has one of them does not get another. What a rule would give is held until a person decides; who exchanges one for the other is not held." },

    { "lifecycle", "leave_grace", config_parse_duration, "1h", SLOT(sync.leave_grace_usec), RANGE(0, 365 * DAYS), .flags = KEY_RELOAD,
      .help = "How long after a person left the user is disabled; 0: at once. An hour lets a mistake in the directory be put right." },
    { "lifecycle", "revoke_when", config_parse_mapping, NULL, SLOT(mapping.revoke_when), .flags = KEY_RELOAD, .example = "(employeeType=Revoked)",
      .help = "A filter: whose access must end now. The user is disabled at once, before everything else that waits, without a grace time and also in the middle of a shift, also when the entry is unusable otherwise; within max_revoke." },
    { "lifecycle", "create_ahead", config_parse_duration, "0", SLOT(sync.create_ahead_usec), RANGE(0, 365 * DAYS), .flags = KEY_RELOAD,
      .help = "How long before the time of starts_at a user is made, disabled; it is enabled at that time." },
    { "lifecycle", "create_disabled", config_parse_yes_no, "no", SLOT(sync.create_disabled), .flags = KEY_RELOAD,
      .help = "Whether people for whom disabled_when or expires_at holds get a user all the same, disabled." },
    { "lifecycle", "delete_after", config_parse_duration, "0", SLOT(sync.delete_after_usec), RANGE(0, 3650 * DAYS), .flags = KEY_RELOAD,
      .help = "How long after somebody left, and after that user was disabled, the user is deleted; 0: never." },
    { "lifecycle", "on_rename", config_parse_choice, "rename", SLOT(sync.on_rename), .choices = rename_choices, .flags = KEY_RELOAD,
      .help = "What a changed login does: rename the user, or hold until a person decides." },
    { "lifecycle", "logged_in_wait", config_parse_duration, "12h", SLOT(sync.logged_in_wait_usec), RANGE(0, 30 * DAYS), .flags = KEY_RELOAD,
      .help = "How long a disable waits at most while the user is logged in." },
    { "lifecycle", "verify_interval", config_parse_duration, "1d", SLOT(sync.verify_interval_usec), RANGE(0, 365 * DAYS), .flags = KEY_RELOAD,
      .help = "How often every user is read at the tenant, one after the other, and compared, which finds what others changed there; 0: never." },
    { "lifecycle", "drift", config_parse_choice, "report", SLOT(sync.on_drift), .choices = drift_choices, .flags = KEY_RELOAD,
      .help = "What it does about a difference: report it, or repair it." },
    { "lifecycle", "dormant_after", config_parse_duration, "0", SLOT(sync.dormant_after_usec), RANGE(0, 3650 * DAYS), .flags = KEY_RELOAD,
      .help = "Whoever has not logged in for this long is dormant; 0: nobody is. PCI DSS asks for 90 days. The verification reads the last log-in." },
    { "lifecycle", "dormant", config_parse_choice, "report", SLOT(sync.dormant), .choices = dormant_choices, .flags = KEY_RELOAD,
      .help = "What is done about whoever is dormant: report it, or disable the user, within max_dormant." },

    { "guard", "max_create", config_parse_budget, "unlimited", BUDGET(BUDGET_CREATE), .flags = KEY_RELOAD,
      .help = "Users that may be created within the window without approval: a number, a share of all linked users as in \"5%\", with bounds as in \"5%, at least 5, at most 100\", or unlimited. What is beyond waits for rosterctl approve." },
    { "guard", "max_update", config_parse_budget, "25%, at least 20", BUDGET(BUDGET_UPDATE), .flags = KEY_RELOAD,
      .help = "Changes of names, addresses, skills and ordinary roles." },
    { "guard", "max_team_change", config_parse_budget, "20%, at least 20", BUDGET(BUDGET_TEAM), .flags = KEY_RELOAD,
      .help = "Changes of the team." },
    { "guard", "max_privileged", config_parse_budget, "0", BUDGET(BUDGET_PRIVILEGED), .flags = KEY_RELOAD,
      .help = "Grants of a role of privileged_roles." },
    { "guard", "max_disable", config_parse_budget, "5%, at least 5", BUDGET(BUDGET_DISABLE), .flags = KEY_RELOAD,
      .help = "Disables." },
    { "guard", "max_revoke", config_parse_budget, "5%, at least 20", BUDGET(BUDGET_REVOKE), .flags = KEY_RELOAD,
      .help = "Disables by revoke_when, which max_disable does not count." },
    { "guard", "max_remake", config_parse_budget, "5%, at least 5", BUDGET(BUDGET_REMAKE), .flags = KEY_RELOAD,
      .help = "With drift = repair: users made anew because somebody deleted them at the tenant, which max_create does not count." },
    { "guard", "max_dormant", config_parse_budget, "5%, at least 5", BUDGET(BUDGET_DORMANT), .flags = KEY_RELOAD,
      .help = "Disables of users who did not log in for dormant_after, which max_disable does not count." },
    { "guard", "max_delete", config_parse_budget, "5%, at least 5", BUDGET(BUDGET_DELETE), .flags = KEY_RELOAD,
      .help = "Deletes." },
    { "guard", "max_rename", config_parse_budget, "5%, at least 5", BUDGET(BUDGET_RENAME), .flags = KEY_RELOAD,
      .help = "Changes of the login." },
    { "guard", "max_users", config_parse_size, "0", SLOT(sync.max_users), RANGE(0, 100000000), .flags = KEY_RELOAD,
      .help = "The seats: how many users may be enabled, including those who are being made. Whoever would be one more waits until there is room; 0: no limit." },
    { "guard", "window", config_parse_duration, "1d", SLOT(sync.budget_window_usec), RANGE(60 * USEC, 365 * DAYS), .flags = KEY_RELOAD,
      .help = "The time over which the budgets count." },
    { "guard", "approval_valid", config_parse_duration, "1h", SLOT(sync.approval_valid_usec), RANGE(60 * USEC, 30 * DAYS), .flags = KEY_RELOAD,
      .help = "How long an approval holds." },
    { "guard", "privileged_roles", config_parse_list, NULL, SLOT(sync.privileged_roles), SLOT(sync.n_privileged_roles), .flags = KEY_RELOAD, .example = "Administrator, Supervisor",
      .help = "Roles that are given only within max_privileged, and whose holders are never adopted without approval. Compared without case." },
    { "guard", "protected_logins", config_parse_list, NULL, SLOT(sync.protected_logins), SLOT(sync.n_protected_logins), .flags = KEY_RELOAD, .example = "admin, wallboard",
      .help = "Users of the tenant who are never disabled, deleted, renamed or deprived of a role, not even by revoke_when. The API user and the last active user with a privileged role are protected without being listed." },
    { "guard", "four_eyes", config_parse_yes_no, "no", SLOT(four_eyes), .flags = KEY_RELOAD,
      .help = "Whether somebody else must approve what follows from a configuration than the one who loaded it." },
    { "guard", "attribute_vanish", config_parse_percent, "20%", SLOT(sync.attribute_vanish_percent), RANGE(0, 100), .flags = KEY_RELOAD,
      .help = "When an attribute vanishes from more than this share of all entries at once, what follows from it is held: an access rule of the directory has probably changed." },

    { "notify", "command", config_parse_command, NULL, SLOT(sync.notify_command), .flags = KEY_RELOAD, .example = "/usr/local/sbin/rosterd-alarm",
      .help = "Runs once for each alarm and once when it is over. Gets JSON with event (alarm or alarm-over), cause, code, sentence and since on its standard input. Words as for password_command." },
    { "notify", "alarm_after", config_parse_duration, "15min", SLOT(sync.alarm_after_usec), RANGE(0, 30 * DAYS), .flags = KEY_RELOAD,
      .help = "How long directory or tenant must be away, or people wait while writing is paused, before that is an alarm." },
    { "notify", "checkpoints", config_parse_yes_no, "no", SLOT(sync.notify_checkpoints), .flags = KEY_RELOAD,
      .help = "Whether the command gets the audit's checkpoints too, one an hour at most of those that follow from the number of lines: event (checkpoint), line, and note, a signed note to be kept on another machine." },

    { "retry", "min", config_parse_duration, "1s", SLOT(sync.retry_min_usec), RANGE(USEC / 100, 3600 * USEC), .flags = KEY_RELOAD,
      .help = "The first wait after a failure; it doubles each time." },
    { "retry", "max", config_parse_duration, "5min", SLOT(sync.retry_max_usec), RANGE(USEC / 10, 86400 * USEC), .flags = KEY_RELOAD,
      .help = "The longest wait." },
    { "retry", "hold", config_parse_duration, "10min", SLOT(sync.hold_retry_usec), RANGE(USEC, 30 * DAYS), .flags = KEY_RELOAD,
      .help = "How often rosterd looks for what is missing at the tenant, such as a team." },

    { "state", "file", config_parse_absolute_path, "/var/lib/rosterd/state.db", SLOT(state_file), .flags = KEY_INSTANCE,
      .help = "What rosterd knows, as an SQLite file. NAME.conf has /var/lib/rosterd/NAME/state.db." },
    { "audit", "file", config_parse_absolute_path, "/var/log/rosterd/audit.jsonl", SLOT(audit_file), .flags = KEY_INSTANCE,
      .help = "What was done, as JSON lines, each with a hash over the one before. NAME.conf has /var/log/rosterd/NAME/audit.jsonl." },
    { "audit", "key_file", config_parse_absolute_path, NULL, SLOT(audit_key_file), .example = "/var/lib/rosterd/audit.key",
      .help = "The key that signs the audit; audit.key beside the state file unless given. Made at the first start, mode 0600. A systemd credential named audit-key is taken before it. rosterctl audit key shows the public part: keep that elsewhere." },
    { "audit", "rotate", config_parse_rotation, "64M", SLOT(audit_rotate), .flags = KEY_RELOAD,
      .help = "When the file is closed, as FILE-DATE-TIME, and another one begun: at a size (64M, 1G), after a time (30d), or never (no). Closed files may be compressed with gzip." },
    { "audit", "keep", config_parse_duration, "0", SLOT(audit_keep_usec), RANGE(0, 36500 * DAYS), .flags = KEY_RELOAD,
      .help = "How long closed files are kept; 0: for ever. What was removed is on record." },
    { "audit", "values", config_parse_choice, "full", SLOT(audit_values), .choices = values_choices, .flags = KEY_RELOAD,
      .help = "Whether lines hold all values (full), or leave out mail addresses, phone numbers and extensions that were set (names)." },
    { "audit", "require_reason", config_parse_yes_no, "no", SLOT(audit_require_reason), .flags = KEY_RELOAD,
      .help = "Whether rosterctl approve, pause, resume, retry, sync, reload and audit erase need a --reason, such as the number of a change request." },
    { "control", "socket", config_parse_absolute_path, "/run/rosterd/control.sock", SLOT(control_socket), .flags = KEY_INSTANCE,
      .help = "Operators and, if a group of readers is named, readers may connect to it. NAME.conf has /run/rosterd/NAME/control.sock." },
    { "control", "group", config_parse_text, NULL, SLOT(control_group), .example = "contact-center",
      .help = "The group of operators, who may do everything that rosterctl can; the service's own group, rosterd, unless given. The service must be a member: SupplementaryGroups= in a drop-in of the unit." },
    { "control", "readers", config_parse_text, NULL, SLOT(control_readers), .example = "auditors",
      .help = "The group whose members may look but change nothing: status, plan, explain, history, holds. The socket is then open to everybody, and rosterd looks at who the caller is." },
    { "metrics", "file", config_parse_absolute_path, NULL, SLOT(metrics_file), .example = "/var/lib/prometheus/node-exporter/rosterd.prom",
      .help = "A Prometheus textfile for node_exporter's textfile collector, written whole every interval and removed at the end. The service must be allowed to write there: ReadWritePaths= in a drop-in of the unit." },
    { "metrics", "interval", config_parse_duration, "15s", SLOT(metrics_interval_usec), RANGE(USEC, DAYS),
      .help = "How often it is written." },
    { "log", "level", config_parse_level, "info", SLOT(log_level), .flags = KEY_RELOAD,
      .help = "err, warning, notice, info or debug. Messages name people by login, DN or mail address; other values of attributes appear with debug alone." },
};
/* clang-format on */
const size_t config_n_keys = ARRAY_SIZE(config_keys);

const struct config_key *config_key_find(const char *section, const char *name)
{
    for (size_t i = 0; i < config_n_keys; i++)
        if (strcmp(config_keys[i].section, section) == 0 && strcmp(config_keys[i].name, name) == 0)
            return &config_keys[i];
    return NULL;
}

bool config_is_key(const char *word)
{
    return config_key_elsewhere(word) != NULL;
}

bool config_is_named(const char *section)
{
    return strcmp(section, "rule") == 0 || strcmp(section, "conflict") == 0;
}

bool config_is_section(const char *name)
{
    for (size_t i = 0; i < config_n_sections; i++)
        if (strcmp(config_sections[i].name, name) == 0)
            return true;
    return false;
}

const char *config_key_elsewhere(const char *name)
{
    for (size_t i = 0; i < config_n_keys; i++)
        if (strcmp(config_keys[i].name, name) == 0)
            return config_keys[i].section;
    return NULL;
}

const char *config_key_nearest(const char *section, const char *name)
{
    const char *names[ARRAY_SIZE(config_keys)];
    size_t n = 0;

    for (size_t i = 0; i < config_n_keys; i++)
        if (strcmp(config_keys[i].section, section) == 0)
            names[n++] = config_keys[i].name;
    return text_nearest(name, names, n);
}

const char *config_section_nearest(const char *name)
{
    const char *names[ARRAY_SIZE(config_sections)];

    for (size_t i = 0; i < config_n_sections; i++)
        names[i] = config_sections[i].name;
    return text_nearest(name, names, config_n_sections);
}
