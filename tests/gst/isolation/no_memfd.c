/* Preloaded into a worker: memfd_create() fails with OVI_NO_MEMFD_ERROR.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

__attribute__((visibility("default"))) int memfd_create(const char *name, unsigned int flags) {
  const char *error = getenv("OVI_NO_MEMFD_ERROR");
  (void)name, (void)flags;
  errno = error && !strcmp(error, "ENOSPC") ? ENOSPC : error && !strcmp(error, "EMFILE") ? EMFILE : ENOSYS;
  return -1;
}
