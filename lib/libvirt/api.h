/*
 * The functions of libvirt that we call.  libvirt is not linked: it is loaded when a libvirt guest is named
 * for the first time, so that hosts without it need nothing.
 *
 * The declarations are those of libvirt's public headers libvirt-domain.h, libvirt-host.h, libvirt-storage.h,
 * virterror.h and libvirt-qemu.h, whose binary interface has been stable since libvirt 0.x ("libvirt.so.0").
 * The objects are opaque pointers.  Everything returned as char * is freed with free().
 */
#ifndef VZDUMP_LIBVIRT_API_H
#define VZDUMP_LIBVIRT_API_H

#include "base/error.h"

/* virConnectPtr, virDomainPtr, virStoragePoolPtr, virStorageVolPtr */
typedef struct vir_connect vir_connect;
typedef struct vir_domain vir_domain;
typedef struct vir_pool vir_pool;
typedef struct vir_volume vir_volume;

/* struct _virDomainJobInfo, of which we read only the type; the rest is room for libvirt. */
struct vir_job_info {
	int type; /* 0: no job */
	unsigned long long rest[32];
};

enum {
	VIR_XML_SECURE = 1 << 0,   /* VIR_DOMAIN_XML_SECURE */
	VIR_XML_INACTIVE = 1 << 1, /* VIR_DOMAIN_XML_INACTIVE */
	VIR_START_PAUSED = 1 << 0, /* VIR_DOMAIN_START_PAUSED */
	VIR_UUID_TEXT_SIZE = 37,   /* VIR_UUID_STRING_BUFLEN */
	/* virErrorNumber */
	VIR_ERROR_SYSTEM = 38,
	VIR_ERROR_RPC = 39,
	VIR_ERROR_NO_DOMAIN = 42,
};

struct libvirt_api {
	int (*get_last_error_code)(void);
	const char *(*get_last_error_message)(void);
	void (*reset_last_error)(void);
	void (*set_error_func)(void *data, void (*handler)(void *data, void *error));

	vir_connect *(*connect_open)(const char *uri);
	int (*connect_close)(vir_connect *c);
	const char *(*connect_get_type)(vir_connect *c);
	char *(*connect_get_uri)(vir_connect *c);
	char *(*connect_get_domain_capabilities)(vir_connect *c, const char *emulator, const char *arch,
						 const char *machine, const char *type, unsigned flags);
	int (*connect_list_all_domains)(vir_connect *c, vir_domain ***ret, unsigned flags);

	vir_domain *(*domain_lookup_by_name)(vir_connect *c, const char *name);
	vir_domain *(*domain_lookup_by_uuid)(vir_connect *c, const char *uuid);
	int (*domain_free)(vir_domain *d);
	int (*domain_get_uuid)(vir_domain *d, char *ret);
	int (*domain_is_active)(vir_domain *d);
	int (*domain_is_persistent)(vir_domain *d);
	char *(*domain_get_xml)(vir_domain *d, unsigned flags);
	int (*domain_get_job_info)(vir_domain *d, struct vir_job_info *ret);
	vir_domain *(*domain_define_xml)(vir_connect *c, const char *xml);
	int (*domain_create)(vir_domain *d, unsigned flags);
	int (*domain_destroy)(vir_domain *d);

	vir_pool *(*pool_lookup_by_name)(vir_connect *c, const char *name);
	int (*pool_free)(vir_pool *p);
	vir_volume *(*volume_lookup_by_name)(vir_pool *p, const char *name);
	char *(*volume_get_path)(vir_volume *v);
	int (*volume_free)(vir_volume *v);

	/* of libvirt-qemu.so.0 */
	int (*monitor_command)(vir_domain *d, const char *command, char **ret, unsigned flags);
	/* since libvirt 8.2; NULL before */
	int (*monitor_command_with_files)(vir_domain *d, const char *command, unsigned n_in, int *in,
					  unsigned *n_out, int **out, char **ret, unsigned flags);
	char *(*agent_command)(vir_domain *d, const char *command, int timeout_s, unsigned flags);
};

/*
 * Loads the libraries, which then stay loaded until the process ends, and fills *ret.  ERR_UNSUPPORTED: they
 * are not installed, or are too old.  Any thread.
 */
int libvirt_api_load(struct libvirt_api *ret, struct error **err);

#endif
