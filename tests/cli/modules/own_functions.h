/* Functions that the libraries of the audit have as well: libarchive, zlib, xz, libdeflate, Unicorn; and what
 * libarchive needs of libxml2, ICU, zstd and bzip2.
 *
 * SPDX-License-Identifier: MIT */
#define OWN_FUNCTIONS 11
#define FOR_EACH_OWN_FUNCTION(DO) \
    DO(0, archive_version_number) \
    DO(1, crc32)                  \
    DO(2, adler32)                \
    DO(3, zlibVersion)            \
    DO(4, lzma_version_number)    \
    DO(5, libdeflate_crc32)       \
    DO(6, uc_version)             \
    DO(7, xmlCheckVersion)        \
    DO(8, u_getVersion_72)        \
    DO(9, ZSTD_versionNumber)     \
    DO(10, BZ2_bzlibVersion)
#define DECLARE_OWN(place, name) __attribute__((visibility("default"))) int name(void);
FOR_EACH_OWN_FUNCTION(DECLARE_OWN)
