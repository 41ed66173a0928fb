/* probe FILE: saves the machine-to-physical table of the host.
 * probe FILE DOMID NODE:START:FRAMES...: prints as JSON the virtual topology that the hypervisor
 * holds for the domain (XENMEM_get_vnumainfo), and how many of the frames that came into use since
 * FILE was saved back which vnode on which node. They are the domain's where nothing else was
 * created meanwhile. Nodes are those of debug key u. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xenctrl.h>
#include <xenguest.h>

#define MOST_VNODES 64
#define MOST_RANGES 256
#define MOST_VCPUS 1024
#define NONE MOST_VNODES
#define IN_CHUNK (((size_t)2 << 20) / sizeof(xen_pfn_t))

static void fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static void *get(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (!memory)
        fail("memory");
    return memory;
}

/* The table is made of chunks of 2 MiB, each for a GiB of addresses; where a GiB has no RAM Xen
 * shows the chunk before it again. */
static char *repeated(xc_interface *xc, unsigned long frames)
{
    unsigned long count = (frames + IN_CHUNK - 1) / IN_CHUNK;
    xen_pfn_t *chunks = get(count, sizeof(*chunks));
    char *again = get(count, 1);
    if (xc_machphys_mfn_list(xc, count, chunks))
        fail("xc_machphys_mfn_list");
    for (unsigned long i = 1; i < count; i++)
        again[i] = chunks[i] == chunks[i - 1];
    return again;
}

static void print(const char *name, const uint32_t *values, unsigned count)
{
    printf("\"%s\": [", name);
    for (unsigned i = 0; i < count; i++)
        printf("%s%" PRIu32, i ? ", " : "", values[i]);
    printf("], ");
}

int main(int argc, char **argv)
{
    static xen_vmemrange_t range[MOST_RANGES];
    static uint32_t distance[MOST_VNODES * MOST_VNODES], vcpu_to_vnode[MOST_VCPUS];
    static unsigned long pages[MOST_VNODES + 1][MOST_VNODES + 1];
    uint32_t vnodes = MOST_VNODES, ranges = MOST_RANGES, vcpus = MOST_VCPUS;
    unsigned long frames, first_mfn;
    const char *gap = "";
    xc_interface *xc = xc_interface_open(NULL, NULL, 0);

    if (argc < 2 || !xc || xc_maximum_ram_page(xc, &frames))
        fail("xc_maximum_ram_page");
    xen_pfn_t *now = xc_map_m2p(xc, frames, PROT_READ, &first_mfn);
    if (!now)
        fail("xc_map_m2p");
    FILE *file = fopen(argv[1], argc == 2 ? "w" : "r");
    if (!file)
        fail(argv[1]);
    if (argc == 2)
        return fwrite(now, sizeof(*now), frames, file) != frames || fclose(file);

    xen_pfn_t *before = get(frames, sizeof(*before));
    if (fread(before, sizeof(*before), frames, file) != frames)
        fail(argv[1]);
    if (xc_domain_getvnuma(xc, strtoul(argv[2], NULL, 0), &vnodes, &ranges, &vcpus, range,
                           distance, vcpu_to_vnode))
        fail("xc_domain_getvnuma");
    printf("{\"domid\": %s, ", argv[2]);
    print("distances", distance, vnodes * vnodes);
    print("vcpu_to_vnode", vcpu_to_vnode, vcpus);
    printf("\"ranges\": [");
    for (unsigned i = 0; i < ranges; i++)
        printf("%s[%u, %" PRIu64 ", %" PRIu64 "]", i ? ", " : "", range[i].nid,
               (uint64_t)range[i].start, (uint64_t)range[i].end);

    char *again = repeated(xc, frames);
    for (unsigned long mfn = 0; mfn < frames; mfn++) {
        uint64_t address = (uint64_t)now[mfn] << XC_PAGE_SHIFT;
        unsigned vnode = NONE, pnode = NONE, node;
        unsigned long start, size;
        if (again[mfn / IN_CHUNK] || now[mfn] == before[mfn] || now[mfn] >> 40)
            continue;
        for (unsigned i = 0; i < ranges; i++)
            if (address >= range[i].start && address < range[i].end)
                vnode = range[i].nid;
        for (int i = 3; i < argc; i++)
            if (sscanf(argv[i], "%u:%lu:%lu", &node, &start, &size) == 3 && mfn >= start &&
                mfn - start < size)
                pnode = node;
        pages[vnode][pnode]++;
    }
    printf("], \"pages\": [");
    for (unsigned i = 0; i <= MOST_VNODES; i++)
        for (unsigned j = 0; j <= MOST_VNODES; j++)
            if (pages[i][j]) {
                printf("%s[%d, %d, %lu]", gap, i == NONE ? -1 : (int)i, j == NONE ? -1 : (int)j,
                       pages[i][j]);
                gap = ", ";
            }
    printf("]}\n");
    return 0;
}
