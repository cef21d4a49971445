/* The machine itself: type, accelerator, processors, memory, clock, identity. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "guest/qemu-args-internal.h"

enum {
	MAX_CPUS = 4096,
	MAX_MEMORY_MIB = 4 * 1024 * 1024,
	DEFAULT_MEMORY_MIB = 512,
};

/* ---- type ---- */

static const struct propstr_key machine_keys[] = {
	{ .name = "type", .value = { .type = VALUE_STRING }, .is_default = true },
};
static const struct propstr_format machine_format = {
	.name = "machine", .keys = machine_keys, .n_keys = ARRAY_SIZE(machine_keys), .tolerant = true
};

/* Of a type that has one: "pc-q35-9.2" is of 9.2. */
static bool read_version(const char *type, unsigned *major, unsigned *minor)
{
	const char *version = strrchr(type, '-');
	unsigned a, b;

	if (!version || sscanf(version, "-%u.%u", &a, &b) != 2)
		return false;
	*major = a;
	*minor = b;
	return true;
}

static bool newer_than_qemu(const struct qemu_args *a, const char *type)
{
	unsigned major, minor;

	return a->options->qemu_major && read_version(type, &major, &minor) &&
	       (major > a->options->qemu_major ||
		(major == a->options->qemu_major && minor > a->options->qemu_minor));
}

static int add_type(struct qemu_args *a, const char *configured, struct error **err)
{
	_cleanup_free_ char *type = xstrdup(configured);

	/* Proxmox's own revisions are of PVE's command line, not of QEMU, and so is an old ROM for PXE */
	type[strcspn(type, "+")] = '\0';
	if (str_suffix(type, ".pxe"))
		type[strlen(type) - strlen(".pxe")] = '\0';
	if (type[strspn(type, "abcdefghijklmnopqrstuvwxyz0123456789.-")] || str_prefix(type, "virt", NULL))
		return error_set(err, ERR_UNSUPPORTED,
				 "machine: '%s' is no type of x86: take 'pc', 'q35' or one with a version",
				 configured);
	a->q35 = strstr(type, "q35") != NULL;
	if (newer_than_qemu(a, type)) {
		qemu_args_warn(a, "machine", "QEMU %u.%u does not know '%s': the guest gets its newest, '%s'",
			       a->options->qemu_major, a->options->qemu_minor, type, a->q35 ? "q35" : "pc");
		type[0] = '\0';
	}
	a->machine_type = *type ? TAKE_PTR(type) : xstrdup(a->q35 ? "q35" : "pc");
	strv_addf(&a->machine, "type=%s", a->machine_type);
	return 0;
}

static int read_machine(struct qemu_args *a, struct error **err)
{
	_cleanup_propstr_ struct propstr p = { 0 };
	const char *type = NULL;
	int r = 0;

	if (qemu_args_get(a, "machine"))
		r = qemu_args_parse(a, "machine", &machine_format, &p, err);
	if (r < 0)
		return r;
	if (qemu_args_get(a, "machine"))
		type = propstr_get(&p, "type");
	for (size_t i = 0; i < p.n; i++)
		if (strcmp(p.pairs[i].key, "type") != 0)
			qemu_args_warn(a, "machine", "%s=%s is not translated", p.pairs[i].key,
				       p.pairs[i].value);
	return add_type(a, type ? type : "pc", err);
}

static int add_machine(struct qemu_args *a, struct error **err)
{
	bool acpi;
	int r = qemu_args_get_bool(a, "kvm", true, &a->kvm, err);

	if (r == 0)
		r = qemu_args_get_bool(a, "acpi", true, &acpi, err);
	if (r < 0)
		return r;
	a->kvm = a->kvm && !(a->options->flags & QEMU_ARGS_NO_KVM);
	strv_add(&a->machine, a->kvm ? "accel=kvm:tcg" : "accel=tcg");
	if (!acpi)
		strv_add(&a->machine, "acpi=off");
	return 0;
}

/* ---- processors ---- */

static const struct propstr_key cpu_keys[] = {
	{ .name = "cputype", .value = { .type = VALUE_STRING }, .is_default = true },
	{ .name = "flags", .value = { .type = VALUE_STRING } },
	{ .name = "hidden", .value = { .type = VALUE_BOOL } },
};
static const struct propstr_format cpu_format = {
	.name = "cpu", .keys = cpu_keys, .n_keys = ARRAY_SIZE(cpu_keys), .tolerant = true
};

/* Facts: builtin_models_by_arch of PVE::QemuServer::CPUConfig. */
static const struct {
	const char *name;
	const char *model;
} models[] = {
	/* clang-format off */
	{ "host", "max" }, /* the same with KVM, and there is one without */
	{ "x86-64-v2", "qemu64,+popcnt,+pni,+sse4.1,+sse4.2,+ssse3" },
	{ "x86-64-v2-AES", "qemu64,+aes,+popcnt,+pni,+sse4.1,+sse4.2,+ssse3" },
	{ "x86-64-v3", "qemu64,+aes,+popcnt,+pni,+sse4.1,+sse4.2,+ssse3,+avx,+avx2,+bmi1,+bmi2,+f16c,+fma,+abm,"
		       "+movbe,+xsave" },
	{ "x86-64-v4", "qemu64,+aes,+popcnt,+pni,+sse4.1,+sse4.2,+ssse3,+avx,+avx2,+bmi1,+bmi2,+f16c,+fma,+abm,"
		       "+movbe,+xsave,+avx512f,+avx512bw,+avx512cd,+avx512dq,+avx512vl" },
	/* clang-format on */
};

static int check_name(const char *what, const char *name, struct error **err)
{
	if (*name && !name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")])
		return 0;
	return error_set(err, ERR_INVALID, "cpu: '%s' is no %s", name, what);
}

static int add_flags(const char *flags, struct buf *out, struct error **err)
{
	_cleanup_strv_ char **list = strv_split_list(flags);
	int r = 0;

	for (size_t i = 0; r == 0 && list && list[i]; i++) {
		if (list[i][0] != '+' && list[i][0] != '-')
			return error_set(err, ERR_INVALID, "cpu: flag '%s' begins with neither + nor -",
					 list[i]);
		r = check_name("flag", list[i] + 1, err);
		buf_addf(out, ",%s", list[i]);
	}
	return r;
}

/* What Windows uses; QEMU refuses it without KVM. */
static void add_hyperv(const struct qemu_args *a, struct buf *out)
{
	const bool ovmf = str_equal_null(qemu_args_get(a, "bios"), "ovmf");

	if (!a->kvm || a->windows_version < 6 || (ovmf && a->windows_version < 8))
		return;
	buf_adds(out, ",hv_spinlocks=0x1fff,hv_vapic,hv_time,hv_reset,hv_vpindex,hv_runtime");
	if (a->windows_version >= 7)
		buf_adds(out, ",hv_relaxed,hv_synic,hv_stimer,hv_ipi");
}

static int add_model(struct qemu_args *a, const struct propstr *p, struct error **err)
{
	const char *type = p->format ? propstr_get(p, "cputype") : NULL;
	const char *flags = p->format ? propstr_get(p, "flags") : NULL;
	const char *model = type ? type : "kvm64";
	_cleanup_buf_ struct buf b = BUF_INIT;
	int r = check_name("processor", model, err);

	if (r < 0)
		return r;
	if (str_prefix(model, "custom-", NULL)) {
		qemu_args_warn(a, "cpu", "'%s' is a model of a PVE cluster: the guest gets 'kvm64'", model);
		model = "kvm64";
	}
	for (size_t i = 0; i < ARRAY_SIZE(models); i++)
		if (!strcmp(models[i].name, model)) {
			model = models[i].model;
			break;
		}
	buf_adds(&b, model);
	r = flags ? add_flags(flags, &b, err) : 0;
	if (p->format && propstr_get_bool(p, "hidden"))
		buf_adds(&b, ",kvm=off");
	add_hyperv(a, &b);
	if (r == 0)
		qemu_args_add(a, "-cpu", buf_str(&b));
	return r;
}

static int get_number(const struct qemu_args *a, const char *key, uint64_t max, uint64_t otherwise,
		      uint64_t *ret, struct error **err)
{
	const char *value = qemu_args_get(a, key);

	*ret = otherwise;
	return value ? units_parse_u64(value, 1, max, key, ret, err) : 0;
}

static int add_cpus(struct qemu_args *a, struct error **err)
{
	_cleanup_propstr_ struct propstr p = { 0 };
	uint64_t sockets, cores, cpus = 0;
	int r = get_number(a, "sockets", MAX_CPUS, 1, &sockets, err);

	if (r == 0)
		r = get_number(a, "cores", MAX_CPUS, 1, &cores, err);
	if (r == 0)
		r = get_number(a, "vcpus", sockets * cores, sockets * cores, &cpus, err);
	if (r == 0 && qemu_args_get(a, "cpu"))
		r = qemu_args_parse(a, "cpu", &cpu_format, &p, err);
	if (r == 0)
		r = add_model(a, &p, err);
	if (r == 0)
		qemu_args_addf(a, "-smp", "%u,sockets=%u,cores=%u,maxcpus=%u", (unsigned)cpus,
			       (unsigned)sockets, (unsigned)cores, (unsigned)(sockets * cores));
	return r;
}

/* ---- memory ---- */

static const struct propstr_key memory_keys[] = {
	{ .name = "current",
	  .value = { .type = VALUE_INT, .min = 16, .max = MAX_MEMORY_MIB },
	  .is_default = true,
	  .required = true },
};
static const struct propstr_format memory_format = { .name = "memory",
						     .keys = memory_keys,
						     .n_keys = ARRAY_SIZE(memory_keys) };

static int add_memory(struct qemu_args *a, struct error **err)
{
	_cleanup_propstr_ struct propstr p = { 0 };
	int64_t mib = DEFAULT_MEMORY_MIB;
	int r = 0;

	if (qemu_args_get(a, "memory")) {
		r = qemu_args_parse(a, "memory", &memory_format, &p, err);
		if (r == 0)
			mib = propstr_get_int(&p, "current");
	}
	if (r == 0)
		qemu_args_addf(a, "-m", "%dM", (int)mib);
	return r;
}

/* ---- identity ---- */

static const struct propstr_key smbios_keys[] = {
	{ .name = "base64", .value = { .type = VALUE_BOOL } },
	{ .name = "uuid", .value = { .type = VALUE_STRING } },
	{ .name = "manufacturer", .value = { .type = VALUE_STRING } },
	{ .name = "product", .value = { .type = VALUE_STRING } },
	{ .name = "version", .value = { .type = VALUE_STRING } },
	{ .name = "serial", .value = { .type = VALUE_STRING } },
	{ .name = "sku", .value = { .type = VALUE_STRING } },
	{ .name = "family", .value = { .type = VALUE_STRING } },
};
static const struct propstr_format smbios_format = { .name = "smbios1",
						     .keys = smbios_keys,
						     .n_keys = ARRAY_SIZE(smbios_keys) };

static int add_smbios_value(struct buf *out, const char *key, const char *value, bool base64,
			    struct error **err)
{
	const bool encoded = base64 && strcmp(key, "uuid") != 0;
	_cleanup_buf_ struct buf plain = BUF_INIT;
	_cleanup_free_ char *quoted = NULL;

	if (encoded && (base64_decode(value, &plain) < 0 || strlen(buf_str(&plain)) != plain.len))
		return error_set(err, ERR_INVALID, "smbios1: %s=%s is not base64 of a text", key, value);
	quoted = qemu_args_quote(encoded ? buf_str(&plain) : value);
	buf_addf(out, ",%s=%s", key, quoted);
	return 0;
}

static int add_smbios(struct qemu_args *a, struct error **err)
{
	_cleanup_propstr_ struct propstr p = { 0 };
	_cleanup_buf_ struct buf b = BUF_INIT;
	int r;

	if (!qemu_args_get(a, "smbios1"))
		return 0;
	r = qemu_args_parse(a, "smbios1", &smbios_format, &p, err);
	buf_adds(&b, "type=1");
	for (size_t i = 0; r == 0 && i < p.n; i++)
		if (strcmp(p.pairs[i].key, "base64") != 0)
			r = add_smbios_value(&b, p.pairs[i].key, p.pairs[i].value,
					     propstr_get_bool(&p, "base64"), err);
	if (r == 0)
		qemu_args_add(a, "-smbios", buf_str(&b));
	return r;
}

static void add_name(struct qemu_args *a)
{
	const char *name = qemu_args_get(a, "name");
	_cleanup_free_ char *otherwise = xasprintf("vm%u", a->config->vmid);
	_cleanup_free_ char *quoted = qemu_args_quote(name ? name : otherwise);

	qemu_args_addf(a, "-name", "guest=%s", quoted);
}

/* ---- clock ---- */

static bool is_linux(const struct qemu_args *a)
{
	const char *ostype = qemu_args_get(a, "ostype");

	return str_equal_null(ostype, "l24") || str_equal_null(ostype, "l26");
}

/* Whether the machine is of that version of QEMU, or a newer one: by its type, else it is QEMU's newest. */
static bool machine_is_from(const struct qemu_args *a, unsigned major, unsigned minor)
{
	unsigned at_major = a->options->qemu_major, at_minor = a->options->qemu_minor;

	read_version(a->machine_type, &at_major, &at_minor);
	return at_major > major || (at_major == major && at_minor >= minor);
}

/* Facts: PVE::QemuServer::Cfg2Cmd::Timer. */
static void add_timers(struct qemu_args *a)
{
	if (a->windows_version >= 6 && a->kvm)
		qemu_args_add(a, "-global", "kvm-pit.lost_tick_policy=discard");
	if (a->windows_version >= 6 || (is_linux(a) && machine_is_from(a, 10, 1)))
		strv_add(&a->machine, "hpet=off");
}

static int add_clock(struct qemu_args *a, struct error **err)
{
	const char *start = qemu_args_get(a, "startdate");
	bool acpi, local_time, drift_fix;
	int r = qemu_args_get_bool(a, "acpi", true, &acpi, err);

	if (r == 0)
		r = qemu_args_get_bool(a, "localtime", a->windows, &local_time, err);
	if (r == 0)
		r = qemu_args_get_bool(a, "tdf", a->windows && acpi, &drift_fix, err);
	if (r < 0)
		return r;
	if (start && start[strspn(start, "0123456789-T:")] && strcmp(start, "now") != 0)
		return error_set(err, ERR_INVALID, "startdate: '%s' is neither 'now' nor a date", start);
	if (!start || !strcmp(start, "now"))
		start = local_time ? "localtime" : "utc";
	if (drift_fix || strcmp(start, "utc") != 0)
		qemu_args_addf(a, "-rtc", "base=%s%s", start, drift_fix ? ",driftfix=slew" : "");
	return 0;
}

/* Facts: windows_version of PVE::QemuServer::Helpers. */
static int windows_version(const char *ostype)
{
	int version;

	if (!ostype)
		return 0;
	if (!strcmp(ostype, "wxp") || !strcmp(ostype, "w2k3") || !strcmp(ostype, "w2k"))
		return 5;
	if (!strcmp(ostype, "w2k8") || !strcmp(ostype, "wvista"))
		return 6;
	return sscanf(ostype, "win%d", &version) == 1 ? version : 0;
}

int qemu_args_machine(struct qemu_args *a, struct error **err)
{
	int r;

	a->windows_version = windows_version(qemu_args_get(a, "ostype"));
	a->windows = a->windows_version > 0;
	add_name(a);
	r = read_machine(a, err);
	if (r == 0)
		r = add_machine(a, err);
	if (r == 0)
		r = add_cpus(a, err);
	if (r == 0)
		r = add_memory(a, err);
	if (r == 0)
		r = add_smbios(a, err);
	if (r < 0)
		return r;
	add_timers(a);
	return add_clock(a, err);
}
