"""The bulk page allocator: arrays of extents in, arrays of extents out."""
