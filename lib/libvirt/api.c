#include "libvirt/api.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define LIBVIRT      "libvirt.so.0"
#define LIBVIRT_QEMU "libvirt-qemu.so.0"

struct symbol {
	const char *name;
	size_t offset; /* in struct libvirt_api */
};

/* clang-format off */
static const struct symbol symbols[] = {
	{ "virGetLastErrorCode", offsetof(struct libvirt_api, get_last_error_code) },
	{ "virGetLastErrorMessage", offsetof(struct libvirt_api, get_last_error_message) },
	{ "virResetLastError", offsetof(struct libvirt_api, reset_last_error) },
	{ "virSetErrorFunc", offsetof(struct libvirt_api, set_error_func) },
	{ "virConnectOpen", offsetof(struct libvirt_api, connect_open) },
	{ "virConnectClose", offsetof(struct libvirt_api, connect_close) },
	{ "virConnectGetType", offsetof(struct libvirt_api, connect_get_type) },
	{ "virConnectGetURI", offsetof(struct libvirt_api, connect_get_uri) },
	{ "virConnectGetDomainCapabilities", offsetof(struct libvirt_api, connect_get_domain_capabilities) },
	{ "virConnectListAllDomains", offsetof(struct libvirt_api, connect_list_all_domains) },
	{ "virDomainLookupByName", offsetof(struct libvirt_api, domain_lookup_by_name) },
	{ "virDomainLookupByUUIDString", offsetof(struct libvirt_api, domain_lookup_by_uuid) },
	{ "virDomainFree", offsetof(struct libvirt_api, domain_free) },
	{ "virDomainGetUUIDString", offsetof(struct libvirt_api, domain_get_uuid) },
	{ "virDomainIsActive", offsetof(struct libvirt_api, domain_is_active) },
	{ "virDomainIsPersistent", offsetof(struct libvirt_api, domain_is_persistent) },
	{ "virDomainGetXMLDesc", offsetof(struct libvirt_api, domain_get_xml) },
	{ "virDomainGetJobInfo", offsetof(struct libvirt_api, domain_get_job_info) },
	{ "virDomainDefineXML", offsetof(struct libvirt_api, domain_define_xml) },
	{ "virDomainCreateWithFlags", offsetof(struct libvirt_api, domain_create) },
	{ "virDomainDestroy", offsetof(struct libvirt_api, domain_destroy) },
	{ "virStoragePoolLookupByName", offsetof(struct libvirt_api, pool_lookup_by_name) },
	{ "virStoragePoolFree", offsetof(struct libvirt_api, pool_free) },
	{ "virStorageVolLookupByName", offsetof(struct libvirt_api, volume_lookup_by_name) },
	{ "virStorageVolGetPath", offsetof(struct libvirt_api, volume_get_path) },
	{ "virStorageVolFree", offsetof(struct libvirt_api, volume_free) },
};
static const struct symbol qemu_symbols[] = {
	{ "virDomainQemuMonitorCommand", offsetof(struct libvirt_api, monitor_command) },
	{ "virDomainQemuMonitorCommandWithFiles", offsetof(struct libvirt_api, monitor_command_with_files) },
	{ "virDomainQemuAgentCommand", offsetof(struct libvirt_api, agent_command) },
};
/* clang-format on */

static bool is_optional(const struct symbol *s)
{
	return s->offset == offsetof(struct libvirt_api, monitor_command_with_files);
}

/* libvirt keeps data of threads, so it must never be unloaded. */
static int load(const char *name, const struct symbol *list, size_t n, struct libvirt_api *ret,
		struct error **err)
{
	void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);

	if (!library)
		return error_set(err, ERR_UNSUPPORTED,
				 "cannot load libvirt (%s): install the package libvirt0 (libvirt-libs)",
				 dlerror());
	for (size_t i = 0; i < n; i++) {
		void *symbol = dlsym(library, list[i].name);

		if (!symbol && !is_optional(&list[i]))
			return error_set(err, ERR_UNSUPPORTED,
					 "%s has no function %s: it needs libvirt 4.5 or later", name,
					 list[i].name);
		memcpy((char *)ret + list[i].offset, &symbol, sizeof(symbol));
	}
	return 0;
}

/* By default libvirt prints its errors. */
static void print_nothing(void *data, void *error)
{
	(void)data, (void)error;
}

int libvirt_api_load(struct libvirt_api *ret, struct error **err)
{
	int r;

	*ret = (struct libvirt_api){ 0 };
	r = load(LIBVIRT, symbols, ARRAY_SIZE(symbols), ret, err);
	if (r == 0)
		r = load(LIBVIRT_QEMU, qemu_symbols, ARRAY_SIZE(qemu_symbols), ret, err);
	if (r == 0)
		ret->set_error_func(NULL, print_nothing);
	return r;
}
