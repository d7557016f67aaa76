package org.apache.hadoop.io.compress;

/**
 * Stands in front of Hadoop's class of this name, which wants a native library: the same codec, read by aircompressor.
 * SequenceFiles name their codec by its class, so it has to have this name.
 */
public class ZStandardCodec extends io.airlift.compress.zstd.ZstdCodec {}
