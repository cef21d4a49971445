#include "base/strv.h"
#include "libvirt/domain-config.h"
#include "test-config-util.h"

static const char web[] =
	"<domain type='kvm' id='3'>"
	"<name>web server</name>"
	"<uuid>4DEA22B3-1D52-D8F3-2516-782E98AB3FA0</uuid>"
	"<metadata><vzdump:guest xmlns:vzdump='urn:vzdump:guest' vmid='201' exclude='vdc,vdx'/></metadata>"
	"<memory unit='KiB'>2097152</memory><vcpu placement='static'>2</vcpu>"
	"<os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>"
	"<devices>"
	"<disk type='file' device='disk'><driver name='qemu' type='qcow2' discard='unmap'/>"
	"<source file='/var/lib/libvirt/images/web.qcow2' index='2'/><target dev='vda' bus='virtio'/>"
	"<alias name='virtio-disk0'/></disk>"
	"<disk type='network' device='disk'><driver name='qemu' type='raw'/>"
	"<source protocol='rbd' name='pool/image'/><target dev='vdc' bus='virtio'/></disk>"
	"<disk type='file' device='cdrom'><target dev='sda' bus='sata'/><readonly/></disk>"
	"</devices></domain>";

int main(void)
{
	struct domain d = { 0 };
	_cleanup_buf_ struct buf config = BUF_INIT;
	_cleanup_strv_ char **warnings = NULL;
	struct error *err = NULL;

	if (!works(domain_parse(web, &d, &err), &err, "XML is read"))
		return done_testing();
	same(d.name, "web server", "the name");
	same(d.uuid, "4dea22b3-1d52-d8f3-2516-782e98ab3fa0", "the uuid");
	ok(d.vmid == 201 && d.running && d.n == 3, "vmid, state and disks");
	ok(domain_find_disk(&d, "sda") == &d.disks[2], "a disk by its target");
	if (works(domain_to_config(&d, &warnings, &config, &err), &err, "a configuration is made"))
		diag("%s", buf_str(&config));
	for (size_t i = 0; warnings && warnings[i]; i++)
		diag("%s", warnings[i]);
	domain_clear(&d);
	return done_testing();
}
