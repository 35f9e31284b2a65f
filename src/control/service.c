/*
 * org.varlink.service: what a Varlink client asks of any service, answered without the daemon's
 * help. The description is docs/org.rosterd.varlink, compiled in.
 */
#include "config.h"

#include <string.h>

#include "control/protocol.h"

static const char own_description[] =
#include "control/interface.inc"
    ;
static const char service_description[] =
    "interface org.varlink.service\n"
    "method GetInfo() -> (vendor: string, product: string, version: string, url: string, "
    "interfaces: []string)\n"
    "method GetInterfaceDescription(interface: string) -> (description: string)\n"
    "error InterfaceNotFound (interface: string)\n"
    "error MethodNotFound (method: string)\n"
    "error MethodNotImplemented (method: string)\n"
    "error InvalidParameter (parameter: string)\n";

json_t *service_error(const char *error, const char *member, const char *value)
{
    char name[100] = SERVICE_INTERFACE ".";

    strncat(name, error, sizeof(name) - strlen(name) - 1);
    return json_pack("{s:s, s:{s:s}}", "error", name, "parameters", member, value);
}

static json_t *describe(const json_t *parameters)
{
    const char *name = json_string_value(json_object_get(parameters, "interface"));
    const char *text = NULL;

    if (!name)
        return service_error("InvalidParameter", "parameter", "interface");
    if (strcmp(name, PROTOCOL_INTERFACE) == 0)
        text = own_description;
    else if (strcmp(name, SERVICE_INTERFACE) == 0)
        text = service_description;
    else
        return service_error("InterfaceNotFound", "interface", name);
    return json_pack("{s:{s:s}}", "parameters", "description", text);
}

json_t *service_answer(const char *method, const json_t *parameters)
{
    static const char prefix[] = SERVICE_INTERFACE ".";

    if (strncmp(method, prefix, sizeof(prefix) - 1) != 0)
        return NULL;
    const char *name = method + sizeof(prefix) - 1;
    if (strcmp(name, "GetInfo") == 0)
        return json_pack("{s:{s:s, s:s, s:s, s:s, s:[s, s]}}", "parameters", "vendor", "rosterd",
                         "product", "rosterd", "version", PACKAGE_VERSION, "url", PACKAGE_URL,
                         "interfaces", SERVICE_INTERFACE, PROTOCOL_INTERFACE);
    if (strcmp(name, "GetInterfaceDescription") == 0)
        return describe(parameters);
    return service_error("MethodNotFound", "method", method);
}
