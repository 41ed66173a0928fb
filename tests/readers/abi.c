/* Reads a file of `placer export --format xen-abi` through the structures of Xen's own headers,
 * and prints every field as JSON. Pointers are offsets in the file. */
#define __XEN_TOOLS__ 1
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xenctrl.h>
#include <xen/memory.h>
#include <xen/domctl.h>

/* The structures of the patches of November 2013, which are in no header that is released. */
struct seed_vmemrange { uint64_t start, end, reserved; };
struct seed_topology {
    uint16_t domid;
    uint32_t pad;
    uint64_t nr_vnodes, vdistance, vcpu_to_vnode, vmemrange;
};

_Static_assert(sizeof(struct xen_vnuma_topology_info) == 40, "size");
_Static_assert(sizeof(struct xen_domctl_vnuma) == 48, "size");
_Static_assert(sizeof(struct xen_vmemrange) == 24, "size");
_Static_assert(sizeof(struct seed_topology) == 40, "size");
_Static_assert(sizeof(struct seed_vmemrange) == 24, "size");

static uint8_t *data;
static long size;

static const void *at(uint64_t offset, uint64_t bytes)
{
    if (offset % 8 || offset > (uint64_t)size || bytes > (uint64_t)size - offset) {
        fprintf(stderr, "%" PRIu64 " bytes at %" PRIu64 " of %ld\n", bytes, offset, size);
        exit(1);
    }
    return data + offset;
}

static void numbers(const char *name, uint64_t offset, uint32_t count)
{
    const uint32_t *values = at(offset, 4ull * count);
    printf("\"%s\": [", name);
    for (uint32_t i = 0; i < count; i++)
        printf("%s%" PRIu32, i ? ", " : "", values[i]);
    printf("], ");
}

static void ranges(uint64_t offset, uint32_t count, int seed)
{
    const struct xen_vmemrange *now = at(offset, 24ull * count);
    const struct seed_vmemrange *then = at(offset, 24ull * count);
    printf("\"vmemrange\": [");
    for (uint32_t i = 0; i < count; i++) {
        if (seed)
            printf("%s[%" PRIu32 ", %" PRIu64 ", %" PRIu64 ", %" PRIu64 "]", i ? ", " : "", i,
                   then[i].start, then[i].end, then[i].reserved);
        else
            printf("%s[%" PRIu32 ", %" PRIu64 ", %" PRIu64 ", %" PRIu32 "]", i ? ", " : "",
                   now[i].nid, now[i].start, now[i].end, now[i].flags);
    }
    printf("]}\n");
}

int main(int argc, char **argv)
{
    FILE *file = argc > 1 ? fopen(argv[1], "rb") : NULL;
    uint32_t told, structure;
    uint64_t to_pnode, zero;

    if (!file || fseek(file, 0, SEEK_END) || (size = ftell(file)) < 32)
        return 1;
    data = aligned_alloc(8, (size + 7) / 8 * 8);
    rewind(file);
    if (!data || fread(data, 1, size, file) != (size_t)size)
        return 1;
    memcpy(&told, data + 8, 4);
    memcpy(&structure, data + 12, 4);
    memcpy(&to_pnode, data + 16, 8);
    memcpy(&zero, data + 24, 8);
    printf("{\"magic\": \"%.8s\", \"size\": %" PRIu32 ", \"zero\": %" PRIu64 ", ", data, told, zero);

    if (!memcmp(data, "PLXVNUM1", 8)) {
        const struct xen_vnuma_topology_info *info = at(structure, sizeof(*info));
        printf("\"domid\": %u, \"pad\": %u, \"counts\": [%u, %u, %u], ", info->domid, info->pad,
               info->nr_vnodes, info->nr_vcpus, info->nr_vmemranges);
        numbers("vdistance", info->vdistance.pad, info->nr_vnodes * info->nr_vnodes);
        numbers("vcpu_to_vnode", info->vcpu_to_vnode.pad, info->nr_vcpus);
        numbers("vnode_to_pnode", to_pnode, info->nr_vnodes);
        ranges(info->vmemrange.pad, info->nr_vmemranges, 0);
    } else if (!memcmp(data, "PLXVNUS1", 8)) {
        struct xen_domctl_vnuma set;
        memcpy(&set, at(structure, sizeof(set)), sizeof(set));
        uint64_t handle[4];
        memcpy(handle, data + structure + offsetof(struct xen_domctl_vnuma, vdistance), 32);
        printf("\"pad\": %u, \"counts\": [%u, %u, %u], ", set.pad, set.nr_vnodes, set.nr_vcpus,
               set.nr_vmemranges);
        numbers("vdistance", handle[0], set.nr_vnodes * set.nr_vnodes);
        numbers("vcpu_to_vnode", handle[1], set.nr_vcpus);
        numbers("vnode_to_pnode", handle[2], set.nr_vnodes);
        ranges(handle[3], set.nr_vmemranges, 0);
    } else if (!memcmp(data, "PLXVNUM0", 8)) {
        const struct seed_topology *info = at(structure, sizeof(*info));
        const uint32_t *count = at(info->nr_vnodes, 4);
        /* The number of vcpus is not in it: whoever asks knows his own. */
        uint32_t vcpus = argc > 2 ? (uint32_t)atoi(argv[2]) : 0;
        printf("\"domid\": %u, \"pad\": %u, \"counts\": [%u, %u, %u], ", info->domid, info->pad,
               *count, vcpus, *count);
        numbers("vdistance", info->vdistance, *count * *count);
        numbers("vcpu_to_vnode", info->vcpu_to_vnode, vcpus);
        numbers("vnode_to_pnode", to_pnode, *count);
        ranges(info->vmemrange, *count, 1);
    } else {
        return 1;
    }
    return 0;
}
