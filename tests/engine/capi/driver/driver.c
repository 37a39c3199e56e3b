/* An NVIDIA driver that has a GPU, and can do no more than say so.
 * SPDX-License-Identifier: Apache-2.0 */
enum { INVALID = 1, VERSION = 12040 };

int cuInit(unsigned flags) { return flags; }
int cuDriverGetVersion(int* version) {
  *version = VERSION;
  return 0;
}
int cuDeviceGetCount(int* count) {
  *count = 1;
  return 0;
}
int cuDeviceGet(int* device, int index) {
  *device = index;
  return index == 0 ? 0 : INVALID;
}
int cuDeviceGetAttribute(int* value, int attribute, int device) {
  *value = attribute == 75 ? 8 : 6; /* compute capability 8.6 */
  return device == 0 ? 0 : INVALID;
}
